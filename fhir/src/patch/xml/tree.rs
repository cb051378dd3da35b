//! A small tree over XML text: elements with their place, their namespace and what is in them. Called by the XML Patch
//! for its document and for the resource.

use crate::xml::names::{Names, Tag, is_name, value};
use crate::xml::{ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, FHIR, XHTML};
use quick_xml::events::Event;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// The namespaces that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Fhir,
    Xhtml,
    /// None, or any other.
    Other,
}

impl Space {
    pub(super) fn of(uri: Option<&str>) -> Self {
        match uri {
            Some(FHIR) => Self::Fhir,
            Some(XHTML) => Self::Xhtml,
            _ => Self::Other,
        }
    }
}

/// What an element has inside; comments are left out.
pub(super) enum Child {
    Element(usize),
    /// Text with its references, as written.
    Text(Range<usize>),
}

/// One element.
pub(super) struct Element<'a> {
    pub tag: Tag<'a>,
    pub space: Space,
    /// After its start tag, and where its end tag starts.
    pub inner: Range<usize>,
    /// After its end tag.
    pub end: usize,
    pub parent: Option<usize>,
    pub children: Vec<Child>,
    /// The namespaces that its selectors may name: prefix and namespace.
    pub prefixes: Vec<(&'a str, Space)>,
}

impl<'a> Element<'a> {
    /// Its name without the prefix.
    pub(super) fn name(&self) -> &'a str {
        self.tag.split().1
    }

    /// Attributes as written and as they read; those that declare namespaces left out.
    pub(super) fn attributes(&self) -> Vec<(&'a str, Cow<'a, str>)> {
        let attributes = self.tag.attributes().filter_map(Result::ok);
        let plain = attributes.filter(|attribute| attribute.key.0 != "xmlns" && !attribute.key.0.starts_with("xmlns:"));
        plain.filter_map(|attribute| Some((attribute.key.0, value(&attribute).ok()?))).collect()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        self.attributes().into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// Elements in the order of the text; the first is the outermost.
pub(super) struct Tree<'a> {
    pub text: &'a str,
    pub elements: Vec<Element<'a>>,
}

const BROKEN: &str = "the XML is not well-formed";

impl<'a> Tree<'a> {
    /// Reads a text; a sentence if it is none that FHIR has.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        let mut tree = Tree { text, elements: Vec::new() };
        let mut xml = quick_xml::Reader::from_str(text);
        let mut names = Names::default();
        // The elements that are open, each with its namespaces.
        let mut open: Vec<(usize, usize)> = Vec::new();
        loop {
            let at = place(&xml)?;
            let event = xml.read_event().map_err(|_| BROKEN)?;
            let end = place(&xml)?;
            match event {
                Event::Start(_) | Event::Empty(_) => {
                    let tag = Tag::of(text.get(at..end).ok_or(BROKEN)?, at, matches!(event, Event::Empty(_)));
                    if open.is_empty() && !tree.elements.is_empty() {
                        return Err("there must be one outermost element");
                    }
                    if open.len() >= DEPTH_MAX || tree.elements.len() >= ELEMENTS_MAX {
                        return Err("the XML has too many elements, or too many inside each other");
                    }
                    check(&tag)?;
                    let before = names.enter(&tag)?;
                    let parent = open.last().map(|(parent, _)| *parent);
                    let number = tree.elements.len();
                    if let Some(parent) = parent {
                        tree.elements[parent].children.push(Child::Element(number));
                    }
                    let space = Space::of(names.of(tag.split().0));
                    // Only the elements of operations need them.
                    let in_force = names.in_force().filter(|_| open.len() == 1);
                    let prefixes = in_force.map(|(prefix, uri)| (prefix, Space::of(Some(uri)))).collect();
                    let (inner, children) = (end..end, Vec::new());
                    tree.elements.push(Element { tag, space, inner, end, parent, children, prefixes });
                    if tag.empty { names.leave(before) } else { open.push((number, before)) }
                }
                Event::End(_) => {
                    let (number, before) = open.pop().ok_or(BROKEN)?;
                    tree.elements[number].inner.end = at;
                    tree.elements[number].end = end;
                    names.leave(before);
                }
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => match open.last() {
                    Some((number, _)) => {
                        if let Event::GeneralRef(name) = &event
                            && !matches!(&**name, "lt" | "gt" | "amp" | "quot" | "apos")
                            && !matches!(name.resolve_char_ref(), Ok(Some(_)))
                        {
                            return Err("only XML's five entities are allowed");
                        }
                        let children = &mut tree.elements[*number].children;
                        match children.last_mut() {
                            // Text and references to characters make one text.
                            Some(Child::Text(range)) if range.end == at => range.end = end,
                            _ => children.push(Child::Text(at..end)),
                        }
                    }
                    None if text[at..end].trim().is_empty() => {}
                    None => return Err("there is text outside of the outermost element"),
                },
                Event::DocType(_) => return Err("a DTD is not allowed"),
                Event::PI(_) if !open.is_empty() => return Err("processing instructions are not allowed"),
                Event::Eof if tree.elements.is_empty() || !open.is_empty() => return Err(BROKEN),
                Event::Eof => return Ok(tree),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
    }

    /// Its elements, in order.
    pub(super) fn inside(&self, element: usize) -> impl Iterator<Item = usize> {
        self.elements[element].children.iter().filter_map(|child| match child {
            Child::Element(number) => Some(*number),
            Child::Text(_) => None,
        })
    }

    /// The text in an element, unescaped; CDATA and elements refused.
    pub(super) fn plain_text(&self, element: usize) -> Result<String, &'static str> {
        let mut text = String::new();
        for child in &self.elements[element].children {
            let Child::Text(range) = child else { return Err("only text may stand here") };
            let raw = &self.text[range.clone()];
            if raw.contains("<![CDATA[") {
                return Err("CDATA may not stand here");
            }
            text.push_str(&quick_xml::escape::unescape(raw).map_err(|_| "only XML's five entities are allowed")?);
        }
        Ok(text)
    }

    /// The element as it can stand among elements of a namespace: prefixes off, namespaces on.
    pub(super) fn write(&self, element: usize, around: Space, out: &mut String) -> Result<(), &'static str> {
        let element = &self.elements[element];
        let uri = match element.space {
            Space::Fhir => FHIR,
            Space::Xhtml => XHTML,
            Space::Other => return Err("an element is in another namespace than FHIR's and XHTML's"),
        };
        let name = element.name();
        write!(out, "<{name}").expect("a String takes everything");
        if element.space != around {
            write!(out, " xmlns=\"{uri}\"").expect("a String takes everything");
        }
        for (key, value) in element.attributes() {
            if key.contains(':') && !key.starts_with("xml:") {
                return Err("an attribute is in a namespace that FHIR does not have");
            }
            attribute(out, key, &value);
        }
        if element.children.is_empty() {
            out.push_str("/>");
            return Ok(());
        }
        out.push('>');
        for child in &element.children {
            match child {
                Child::Element(number) => self.write(*number, element.space, out)?,
                Child::Text(range) => out.push_str(&self.text[range.clone()]),
            }
        }
        write!(out, "</{name}>").expect("a String takes everything");
        Ok(())
    }
}

/// Appends an attribute.
pub(super) fn attribute(out: &mut String, key: &str, value: &str) {
    out.push(' ');
    out.push_str(key);
    out.push_str("=\"");
    // What XML cannot say is told when the result is read.
    crate::xml::escape(out, value);
    out.push('"');
}

fn check(tag: &Tag<'_>) -> Result<(), &'static str> {
    if !is_name(tag.name) {
        return Err("an element has a name that is none");
    }
    for (count, attribute) in tag.attributes().enumerate() {
        let attribute = attribute.map_err(|_| BROKEN)?;
        if count >= ATTRIBUTES_MAX || !is_name(attribute.key.0) {
            return Err("an element has too many attributes, or one whose name is none");
        }
        value(&attribute)?;
    }
    Ok(())
}

fn place(xml: &quick_xml::Reader<&[u8]>) -> Result<usize, &'static str> {
    usize::try_from(xml.buffer_position()).map_err(|_| BROKEN)
}
