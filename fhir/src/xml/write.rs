//! JSON to XML text: each object's members put into the order of its type, values as attributes. Called by
//! [`super::write()`] alone.

use super::names::escape;
use super::{FHIR, div};
use crate::json::{Doc, Node};
use crate::outcome::{Code, Issue, Outcome};
use crate::primitive::Primitive;
use crate::summary::INDENT_MAX;
use crate::table::{Key, Role, TABLE, Type, TypeKind};
use crate::types::ResourceType;
use crate::validate::{ISSUES_MAX, Place};

pub(super) fn write(doc: &Doc, pretty: bool) -> Result<Vec<u8>, Outcome> {
    let mut writer = Writer {
        out: String::with_capacity(doc.bytes().len() * 2),
        issues: Vec::new(),
        rows: Vec::with_capacity(32),
        indent: pretty.then_some(0),
    };
    let name = doc.root().get("resourceType").and_then(Node::text).unwrap_or_default();
    writer.resource(doc.root(), true, &Place::root(&name));
    if pretty {
        writer.out.push('\n');
    }
    if writer.issues.is_empty() { Ok(writer.out.into_bytes()) } else { Err(Outcome { issues: writer.issues }) }
}

/// A member, or two of them: `given` and `_given`.
#[derive(Clone, Copy)]
struct Row<'a> {
    key: &'static Key,
    value: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
}

struct Writer<'a> {
    out: String,
    issues: Vec<Issue>,
    /// The members of the objects that are open, in the order of their types.
    rows: Vec<Row<'a>>,
    /// Levels, where lines are laid out.
    indent: Option<usize>,
}

impl<'a> Writer<'a> {
    fn resource(&mut self, node: Node<'a>, outermost: bool, place: &Place<'_>) {
        let name = node.get("resourceType").and_then(Node::text);
        let Some(kind) = name.and_then(|name| ResourceType::parse(&name)) else {
            return self.issue(place, "a resource needs the resourceType of an R4 resource");
        };
        let kind = kind.definition();
        let base = self.collect(node, kind, place);
        self.open(kind.name);
        if outermost {
            self.attribute("xmlns", FHIR, place);
        }
        self.body(base, base, kind.name, place);
    }

    /// Puts the members of an object behind the rows; where they start.
    fn collect(&mut self, node: Node<'a>, kind: &'static Type, place: &Place<'_>) -> usize {
        let base = self.rows.len();
        if !node.is_object() {
            self.issue(place, "this element must be a JSON object");
            return base;
        }
        let (mut sorted, mut beside) = (true, false);
        for (name, value) in node.members() {
            if let Some(key) = kind.key(&name) {
                match if beside { self.row(base, key) } else { None } {
                    Some(row) => row.value = Some(value),
                    None => {
                        sorted &= self.rows[base..].last().is_none_or(|last| last.key.element < key.element);
                        self.rows.push(Row { key, value: Some(value), sibling: None });
                    }
                }
                continue;
            }
            let primitive = |key: &&Key| matches!(TABLE.kind(key.kind).kind, TypeKind::Primitive(_));
            match name.strip_prefix('_').and_then(|name| kind.key(name)).filter(primitive) {
                Some(key) => match self.row(base, key) {
                    Some(row) => row.sibling = Some(value),
                    None => {
                        beside = true;
                        sorted &= self.rows[base..].last().is_none_or(|last| last.key.element < key.element);
                        self.rows.push(Row { key, value: None, sibling: Some(value) });
                    }
                },
                None if name == "resourceType" && kind.kind == TypeKind::Resource => {}
                None => self.issue(&Place::member(place, &name), &format!("{} has no such element", kind.name)),
            }
        }
        if !sorted {
            self.rows[base..].sort_by_key(|row| row.key.element);
            for pair in base + 1..self.rows.len() {
                if self.rows[pair - 1].key.element == self.rows[pair].key.element {
                    let place = Place::member(place, self.rows[pair].key.name);
                    self.issue(&place, "only one type of a choice may be given");
                }
            }
        }
        base
    }

    fn row(&mut self, base: usize, key: &'static Key) -> Option<&mut Row<'a>> {
        self.rows[base..].iter_mut().rev().find(|row| std::ptr::eq(row.key, key))
    }

    /// The children from `from`, then the end tag; the rows from `base` are done.
    fn body(&mut self, base: usize, from: usize, name: &str, place: &Place<'_>) {
        if from == self.rows.len() {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.indent = self.indent.map(|levels| levels + 1);
            for at in from..self.rows.len() {
                self.element(self.rows[at], place);
            }
            self.indent = self.indent.map(|levels| levels - 1);
            self.close(name);
        }
        self.rows.truncate(base);
    }

    fn element(&mut self, row: Row<'a>, place: &Place<'_>) {
        let place = Place::member(place, row.key.name);
        let kind = TABLE.kind(row.key.kind);
        if !row.key.list {
            if row.value.is_some_and(Node::is_array) || row.sibling.is_some_and(Node::is_array) {
                return self.issue(&place, "this element has one value, not a list");
            }
            return self.one(row.key.name, kind, row.value, row.sibling, &place);
        }
        if row.value.is_some_and(|value| !value.is_array()) || row.sibling.is_some_and(|value| !value.is_array()) {
            return self.issue(&place, "this element is a list: its JSON must be an array");
        }
        let mut values = row.value.map(Node::items);
        let mut siblings = row.sibling.map(Node::items);
        for index in 0.. {
            let value = values.as_mut().and_then(Iterator::next);
            let sibling = siblings.as_mut().and_then(Iterator::next);
            if value.is_none() && sibling.is_none() {
                break;
            }
            let given = |node: &Node<'_>| !node.is_null();
            self.one(row.key.name, kind, value.filter(given), sibling.filter(given), &place.item(index));
        }
    }

    fn one(
        &mut self,
        name: &'static str,
        kind: &'static Type,
        value: Option<Node<'a>>,
        sibling: Option<Node<'a>>,
        place: &Place<'_>,
    ) {
        if value.is_none() && sibling.is_none() {
            return self.issue(place, "null stands only where an id or extension stands beside it");
        }
        match kind.kind {
            TypeKind::Primitive(Primitive::Xhtml) => self.narrative(value, sibling, place),
            TypeKind::Primitive(primitive) => self.primitive(name, primitive, value, sibling, place),
            TypeKind::AnyResource => {
                let Some(value) = value else { return };
                self.open(name);
                self.out.push('>');
                self.indent = self.indent.map(|levels| levels + 1);
                self.resource(value, false, place);
                self.indent = self.indent.map(|levels| levels - 1);
                self.close(name);
            }
            TypeKind::Complex | TypeKind::Resource => {
                let Some(value) = value else { return };
                let base = self.collect(value, kind, place);
                self.open(name);
                let from = self.attributes(base, kind, place);
                self.body(base, from, name, place);
            }
        }
    }

    /// `id`, and `url` of extensions; which rows are left for elements.
    fn attributes(&mut self, base: usize, kind: &'static Type, place: &Place<'_>) -> usize {
        let mut from = base;
        // Of an extension, the order is id, extension, url: url is moved before extension.
        if kind.role == Role::Extension
            && let Some(at) = self.rows[base..].iter().position(|row| row.key.name == "url")
        {
            let at = base + at;
            let id = usize::from(self.rows[base].key.name == "id");
            if at >= base + id {
                self.rows[base + id..=at].rotate_right(1);
            }
        }
        while let Some(row) = self.rows.get(from).copied() {
            let name = row.key.name;
            if !(name == "id" || name == "url" && kind.role == Role::Extension) {
                break;
            }
            let place = Place::member(place, name);
            match row.value.and_then(Node::text) {
                Some(text) if row.sibling.is_none() => self.attribute(name, &text, &place),
                _ => self.issue(&place, "this element must be a string without extensions"),
            }
            from += 1;
        }
        from
    }

    fn primitive(
        &mut self,
        name: &'static str,
        primitive: Primitive,
        value: Option<Node<'a>>,
        sibling: Option<Node<'a>>,
        place: &Place<'_>,
    ) {
        self.open(name);
        let base = self.rows.len();
        let mut from = base;
        if let Some(sibling) = sibling {
            let element = TABLE.kind(TABLE.element);
            self.collect(sibling, element, place);
            from = self.attributes(base, element, place);
        }
        if let Some(value) = value {
            if value.kind() != primitive.json_kind() {
                self.issue(place, "this element has another kind of JSON value than its type");
            } else if let Some(text) = value.text() {
                self.attribute("value", &text, place);
            } else {
                // Digits, true and false need no escapes.
                self.out.push_str(" value=\"");
                self.out.push_str(value.number().unwrap_or(if value.boolean() == Some(true) {
                    "true"
                } else {
                    "false"
                }));
                self.out.push('"');
            }
        }
        self.body(base, from, name, place);
    }

    fn narrative(&mut self, value: Option<Node<'a>>, sibling: Option<Node<'a>>, place: &Place<'_>) {
        if sibling.is_some() {
            self.issue(place, "a narrative's div has no extensions");
        }
        let Some(text) = value.and_then(Node::text) else {
            return self.issue(place, "this element must be a JSON string");
        };
        match div::give(&text) {
            Ok(text) => {
                self.line();
                self.out.push_str(&text);
            }
            Err(rule) => self.issue(place, rule),
        }
    }

    fn open(&mut self, name: &str) {
        if !self.out.is_empty() {
            self.line();
        }
        self.out.push('<');
        self.out.push_str(name);
    }

    fn close(&mut self, name: &str) {
        self.line();
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn line(&mut self) {
        if let Some(levels) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", levels.min(INDENT_MAX)));
        }
    }

    fn attribute(&mut self, name: &str, text: &str, place: &Place<'_>) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        if !escape(&mut self.out, text) {
            self.issue(place, "this element has a character that XML does not have");
        }
        self.out.push('"');
    }

    fn issue(&mut self, place: &Place<'_>, sentence: &str) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(Code::Structure, sentence).at(place.to_string()));
        }
    }
}
