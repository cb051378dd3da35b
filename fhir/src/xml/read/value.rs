//! The values of one element: children in the order of its type, lists opened and closed, primitives with what stands
//! beside them. Called by the reader.

use super::number::number;
use super::{Attributes, Fault, Reader, Token, has_id_attribute, has_url_attribute};
use crate::json::{Kind, write_string};
use crate::outcome::Code;
use crate::primitive::Primitive;
use crate::table::{Key, TABLE, Type, TypeKind};
use crate::validate::Place;
use crate::xml::names::Tag;
use crate::xml::{FHIR, XHTML, div};

/// The element whose values are being written.
struct Open {
    key: &'static Key,
    count: usize,
    /// Where the output was before its first value, comma included.
    start: usize,
    /// Any of the primitives so far has a value.
    valued: bool,
    /// Items of `_name`: their JSON, and whether any is more than `null`.
    siblings: String,
    sibling: bool,
}

impl<'a> Reader<'a> {
    /// The children of an element and its end tag; `first` says whether a member needs no comma before it.
    pub(super) fn children(
        &mut self,
        tag: &Tag<'a>,
        kind: &'static Type,
        out: &mut String,
        mut first: bool,
        place: &Place<'_>,
    ) -> Result<(), Fault> {
        if tag.empty {
            return Ok(());
        }
        let mut open: Option<Open> = None;
        loop {
            let child = match self.token(place)? {
                Token::Open(child) => child,
                Token::Close => {
                    close(open, out);
                    return Ok(());
                }
            };
            let before = self.enter(&child)?;
            if let Some(key) = self.key(&child, kind, place)
                && self.follows(&child, kind, key, open.as_ref(), place)
            {
                if open.as_ref().is_none_or(|open| !std::ptr::eq(open.key, key)) {
                    close(open.take(), out);
                    let start = out.len();
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    write_string(out, key.name);
                    out.push_str(if key.list { ":[" } else { ":" });
                    open = Some(Open { key, count: 0, start, valued: false, siblings: String::new(), sibling: false });
                }
                let open = open.as_mut().expect("opened above");
                let place = Place::member(place, key.name);
                let place = if key.list { place.item(open.count) } else { place };
                self.one(&child, open, out, &place)?;
                open.count += 1;
            } else if !child.empty {
                self.skip()?;
            }
            self.leave(before);
        }
    }

    /// The key of a child, if the type has it as an element of this namespace.
    fn key(&mut self, child: &Tag<'a>, kind: &'static Type, place: &Place<'_>) -> Option<&'static Key> {
        let (prefix, name) = child.split();
        let namespace = self.names.of(prefix);
        let attribute = name == "id" && has_id_attribute(kind) || name == "url" && has_url_attribute(kind);
        let key = kind.key(name).filter(|_| !attribute);
        let wanted = match key.map(|key| TABLE.kind(key.kind).kind) {
            Some(TypeKind::Primitive(Primitive::Xhtml)) => XHTML,
            _ => FHIR,
        };
        if namespace == Some(wanted) && key.is_some() {
            return key;
        }
        let place = Place::member(place, name);
        if namespace != Some(wanted) {
            self.issue(child.at, &place, &format!("this element must be in the namespace {wanted}"));
        } else {
            self.issue(child.at, &place, &format!("{} has no such element", kind.name));
        }
        None
    }

    /// Whether a child may come after the one that is open.
    fn follows(
        &mut self,
        child: &Tag<'a>,
        kind: &'static Type,
        key: &'static Key,
        open: Option<&Open>,
        place: &Place<'_>,
    ) -> bool {
        let Some(open) = open else { return true };
        let place = Place::member(place, key.name);
        if std::ptr::eq(open.key, key) {
            if !key.list {
                self.issue(child.at, &place, "this element may be given once only");
            }
            return key.list;
        }
        if key.element == open.key.element {
            let name = kind.elements[usize::from(key.element)].name;
            self.issue(child.at, &place, &format!("only one of {name}[x] may be given"));
            return false;
        }
        if key.element < open.key.element {
            self.issue(child.at, &place, &format!("this element must stand before {}", open.key.name));
            return false;
        }
        true
    }

    /// One value of the open element.
    fn one(&mut self, tag: &Tag<'a>, open: &mut Open, out: &mut String, place: &Place<'_>) -> Result<(), Fault> {
        let kind = TABLE.kind(open.key.kind);
        if open.key.list && open.count > 0 {
            out.push(',');
        }
        match kind.kind {
            TypeKind::Primitive(Primitive::Xhtml) => {
                open.valued = true;
                self.narrative(tag, out, place)
            }
            TypeKind::Primitive(primitive) => self.primitive(tag, primitive, open, out, place),
            TypeKind::AnyResource => {
                let attributes = self.attributes(tag, place)?;
                self.only(tag, &attributes, [false; 3], place);
                self.inner_resource(tag, out, place)
            }
            TypeKind::Complex | TypeKind::Resource => {
                let attributes = self.attributes(tag, place)?;
                self.only(tag, &attributes, [false, true, has_url_attribute(kind)], place);
                self.object(tag, &attributes, kind, out, place)
            }
        }
    }

    fn object(
        &mut self,
        tag: &Tag<'a>,
        attributes: &Attributes<'a>,
        kind: &'static Type,
        out: &mut String,
        place: &Place<'_>,
    ) -> Result<(), Fault> {
        out.push('{');
        let mut first = true;
        for (name, value) in [("\"id\":", &attributes.id), ("\"url\":", &attributes.url)] {
            let Some(value) = value else { continue };
            out.push_str(if first { "" } else { "," });
            out.push_str(name);
            write_string(out, value);
            first = false;
        }
        self.children(tag, kind, out, first, place)?;
        out.push('}');
        Ok(())
    }

    fn primitive(
        &mut self,
        tag: &Tag<'a>,
        primitive: Primitive,
        open: &mut Open,
        out: &mut String,
        place: &Place<'_>,
    ) -> Result<(), Fault> {
        let attributes = self.attributes(tag, place)?;
        self.only(tag, &attributes, [true, true, false], place);
        let mut beside = String::new();
        if !tag.empty || attributes.id.is_some() {
            self.object(tag, &attributes, TABLE.kind(TABLE.element), &mut beside, place)?;
            if beside == "{}" {
                beside.clear();
            }
        }
        match &attributes.value {
            Some(value) => {
                open.valued = true;
                let good = match primitive.json_kind() {
                    Kind::Boolean if matches!(&**value, "true" | "false") => {
                        out.push_str(value);
                        Ok(())
                    }
                    Kind::Boolean => Err("must be true or false"),
                    Kind::Number => number(value).map(|digits| out.push_str(digits)).ok_or("must be a number"),
                    _ => {
                        write_string(out, value);
                        Ok(())
                    }
                };
                if let Err(rule) = good {
                    self.issue(tag.at, place, &format!("this element {rule}"));
                }
            }
            None if beside.is_empty() => self.issue(tag.at, place, "this element needs a value or an extension"),
            None => out.push_str("null"),
        }
        // A list's siblings stand at the places of their values; nothing is kept as long as there is none.
        if !beside.is_empty() && !open.sibling {
            open.sibling = true;
            open.siblings = "null,".repeat(if open.key.list { open.count } else { 0 });
        } else if open.sibling {
            open.siblings.push(',');
        }
        if open.sibling {
            open.siblings.push_str(if beside.is_empty() { "null" } else { &beside });
        }
        Ok(())
    }

    fn narrative(&mut self, tag: &Tag<'a>, out: &mut String, place: &Place<'_>) -> Result<(), Fault> {
        if !tag.empty {
            self.skip()?;
        }
        let text = self.text.get(tag.at..self.position()).unwrap_or_default();
        match div::take(text, &self.names) {
            Ok(text) => write_string(out, &text),
            Err(rule) => self.issue(tag.at, place, rule),
        }
        Ok(())
    }

    /// The one resource inside `contained` or `resource`.
    fn inner_resource(&mut self, tag: &Tag<'a>, out: &mut String, place: &Place<'_>) -> Result<(), Fault> {
        let mut found = false;
        let mut ended = tag.empty;
        while !ended {
            match self.token(place)? {
                Token::Open(child) if found => {
                    self.issue(child.at, place, "one resource may stand here, not several");
                    if !child.empty {
                        self.skip()?;
                    }
                }
                Token::Open(child) => {
                    found = true;
                    self.resource(child, out, place)?;
                }
                Token::Close => ended = true,
            }
        }
        if !found {
            self.issue(tag.at, place, "a resource must stand here");
        }
        Ok(())
    }

    /// Refuses attributes that an element does not have, in the order value, id, url.
    fn only(&mut self, tag: &Tag<'a>, attributes: &Attributes<'a>, may: [bool; 3], place: &Place<'_>) {
        let has = [attributes.value.is_some(), attributes.id.is_some(), attributes.url.is_some()];
        if has.iter().zip(may).any(|(has, may)| *has && !may) {
            self.issue(tag.at, place, "FHIR has no such attribute here");
        }
    }

    /// Reads past the end tag of the element that is open.
    fn skip(&mut self) -> Result<(), Fault> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.event()? {
                quick_xml::events::Event::Start(_) => depth += 1,
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => return Err(self.fatal(Code::Structure, "the XML is not well-formed")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Ends the open element: its list, and what stands beside its primitives.
fn close(open: Option<Open>, out: &mut String) {
    let Some(open) = open else { return };
    if open.sibling && !open.valued {
        // No value at all: only `_name` is written.
        let comma = out.as_bytes().get(open.start) == Some(&b',');
        out.truncate(open.start);
        out.push_str(if comma { ",\"_" } else { "\"_" });
    } else {
        out.push_str(if open.key.list { "]" } else { "" });
        if !open.sibling {
            return;
        }
        out.push_str(",\"_");
    }
    out.push_str(open.key.name);
    out.push_str(if open.key.list { "\":[" } else { "\":" });
    out.push_str(&open.siblings);
    out.push_str(if open.key.list { "]" } else { "" });
}
