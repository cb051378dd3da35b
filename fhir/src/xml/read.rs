//! XML text to JSON text in one pass: since FHIR's elements come in the order of the definitions, a list is open as
//! long as its element repeats, and nothing is kept but the siblings of primitives. Called by [`super::read()`] alone.

mod number;
mod value;

use super::names::{INSTANCE, Names, Tag, value as attribute_value};
use super::{ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, FHIR};
use crate::json::BYTES_MAX;
use crate::outcome::{Code, Issue, Outcome};
use crate::table::{Role, Type, TypeKind};
use crate::types::ResourceType;
use crate::validate::{ISSUES_MAX, Place};
use quick_xml::events::Event;
use std::borrow::Cow;

/// The text cannot be read on.
type Fault = Issue;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<u8>, Outcome> {
    if bytes.len() > BYTES_MAX {
        return Err(Issue::fatal(Code::TooLong, format!("the XML is longer than {BYTES_MAX} bytes")).into());
    }
    if bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]) {
        return Err(Issue::fatal(Code::NotSupported, "the XML is UTF-16; only UTF-8 is read").into());
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Issue::fatal(Code::Structure, format!("the XML is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let mut reader = Reader {
        text,
        xml: quick_xml::Reader::from_str(text),
        names: Names::default(),
        issues: Vec::new(),
        elements: 0,
        depth: 0,
        at: 0,
        line: (0, 1),
    };
    match reader.document() {
        Ok(json) if reader.issues.is_empty() => Ok(json.into_bytes()),
        Ok(_) => Err(Outcome { issues: reader.issues }),
        Err(fault) => {
            reader.issues.push(fault);
            Err(Outcome { issues: reader.issues })
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    xml: quick_xml::Reader<&'a [u8]>,
    names: Names<'a>,
    issues: Vec<Issue>,
    elements: usize,
    /// Elements that are open.
    depth: usize,
    /// Where the last token starts.
    at: usize,
    /// A place and the line it is in, so that lines are counted once.
    line: (usize, usize),
}

/// What comes next inside an element; comments and blanks never do.
enum Token<'a> {
    Open(Tag<'a>),
    Close,
}

/// The attributes FHIR has.
#[derive(Default)]
struct Attributes<'a> {
    value: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    url: Option<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<String, Fault> {
        let tag = loop {
            match self.event()? {
                Event::Start(_) => break self.tag(false),
                Event::Empty(_) => break self.tag(true),
                Event::Decl(declaration) => {
                    let encoding = declaration.encoding().and_then(Result::ok);
                    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("UTF-8")) {
                        return Err(self.fatal(Code::NotSupported, "only the encoding UTF-8 is read"));
                    }
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::Eof => return Err(self.fatal(Code::Structure, "there is no element")),
                _ => return Err(self.fatal(Code::Structure, "only an element may stand here")),
            }
        };
        let mut json = String::with_capacity(self.text.len());
        let name = tag.split().1;
        self.resource(tag, &mut json, &Place::root(name))?;
        loop {
            match self.event()? {
                Event::Eof => return Ok(json),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(self.fatal(Code::Structure, "there is text after the resource")),
            }
        }
    }

    /// A resource whose start tag was read, up to its end tag.
    fn resource(&mut self, tag: Tag<'a>, out: &mut String, place: &Place<'_>) -> Result<(), Fault> {
        let before = self.enter(&tag)?;
        let (prefix, name) = tag.split();
        let known = if self.names.of(prefix) == Some(FHIR) { ResourceType::parse(name) } else { None };
        let Some(kind) = known else {
            let text = if self.names.of(prefix) == Some(FHIR) {
                "this is no resource type of FHIR R4"
            } else {
                "a resource must be in the namespace http://hl7.org/fhir"
            };
            return Err(self.fatal(Code::Structure, text).at(place.to_string()));
        };
        let attributes = self.attributes(&tag, place)?;
        if attributes.value.is_some() || attributes.id.is_some() || attributes.url.is_some() {
            self.issue(tag.at, place, "a resource has no attributes; its id is an element");
        }
        out.push_str("{\"resourceType\":\"");
        out.push_str(kind.name());
        out.push('"');
        self.children(&tag, kind.definition(), out, false, place)?;
        out.push('}');
        self.leave(before);
        Ok(())
    }

    /// The attributes of an element, those of no meaning for FHIR left out and unknown ones refused.
    fn attributes(&mut self, tag: &Tag<'a>, place: &Place<'_>) -> Result<Attributes<'a>, Fault> {
        let mut found = Attributes::default();
        if tag.content.len() == tag.name.len() {
            return Ok(found);
        }
        // Nearly every element of FHIR has one attribute.
        if let Some((key, value)) = tag.plain.filter(|(_, value)| !value.is_empty()) {
            let target = match key {
                "value" => Some(&mut found.value),
                "id" => Some(&mut found.id),
                "url" => Some(&mut found.url),
                _ => None,
            };
            if let Some(target) = target {
                *target = Some(Cow::Borrowed(value));
                return Ok(found);
            }
        }
        for (count, attribute) in tag.attributes().enumerate() {
            let Ok(attribute) = attribute else {
                return Err(self.fatal(Code::Structure, "the attributes are not well-formed").at(place.to_string()));
            };
            if count >= ATTRIBUTES_MAX {
                let limit = self.fatal(Code::TooLong, "an element may have at most 64 attributes");
                return Err(limit.at(place.to_string()));
            }
            let key: &'a str = attribute.key.0;
            let target = match key {
                "value" => &mut found.value,
                "id" => &mut found.id,
                "url" => &mut found.url,
                _ if key == "xmlns" || key.starts_with("xmlns:") => continue,
                _ => {
                    let prefix = key.split_once(':').filter(|(_, name)| *name == "schemaLocation");
                    if prefix.is_none_or(|(prefix, _)| self.names.of(prefix) != Some(INSTANCE)) {
                        self.issue(tag.at, place, "FHIR has no such attribute here");
                    }
                    continue;
                }
            };
            match attribute_value(&attribute) {
                Ok(text) if text.is_empty() => self.issue(tag.at, place, "an attribute may not be empty"),
                Ok(text) => *target = Some(text),
                Err(rule) => self.issue(tag.at, place, rule),
            }
        }
        Ok(found)
    }

    /// The next child, or the end of the element that is open.
    fn token(&mut self, place: &Place<'_>) -> Result<Token<'a>, Fault> {
        loop {
            let event = self.event().map_err(|fault| fault.at(place.to_string()))?;
            match event {
                Event::Start(_) => return Ok(Token::Open(self.tag(false))),
                Event::Empty(_) => return Ok(Token::Open(self.tag(true))),
                Event::End(_) => return Ok(Token::Close),
                Event::Comment(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    self.issue(self.at, place, "text may not stand here: values are attributes");
                }
                Event::PI(_) | Event::Decl(_) => {
                    self.issue(self.at, place, "processing instructions may not stand in a resource");
                }
                Event::DocType(_) | Event::Eof => {
                    return Err(self.fatal(Code::Structure, "the XML is not well-formed").at(place.to_string()));
                }
            }
        }
    }

    fn event(&mut self) -> Result<Event<'a>, Fault> {
        self.at = self.position();
        match self.xml.read_event() {
            Ok(Event::DocType(_)) => Err(self.fatal(Code::Structure, "a DTD is not allowed")),
            Ok(event) => Ok(event),
            Err(_) => Err(self.fatal(Code::Structure, "the XML is not well-formed")),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.xml.buffer_position()).unwrap_or(self.text.len()).min(self.text.len())
    }

    fn tag(&self, empty: bool) -> Tag<'a> {
        Tag::of(self.text.get(self.at..self.position()).unwrap_or_default(), self.at, empty)
    }

    fn enter(&mut self, tag: &Tag<'a>) -> Result<usize, Fault> {
        self.elements += 1;
        self.depth += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(self.fatal(Code::TooLong, "more than 1,000,000 elements"));
        }
        if self.depth > DEPTH_MAX {
            return Err(self.fatal(Code::TooLong, "more than 48 elements inside each other"));
        }
        self.names.enter(tag).map_err(|rule| self.fatal(Code::Structure, rule))
    }

    fn leave(&mut self, before: usize) {
        self.depth -= 1;
        self.names.leave(before);
    }

    fn issue(&mut self, at: usize, place: &Place<'_>, sentence: &str) {
        if self.issues.len() < ISSUES_MAX {
            let line = self.line(at);
            self.issues
                .push(Issue::error(Code::Structure, format!("XML line {line}: {sentence}")).at(place.to_string()));
        }
    }

    fn fatal(&mut self, code: Code, sentence: &str) -> Issue {
        let line = self.line(self.at);
        Issue::fatal(code, format!("XML line {line}: {sentence}"))
    }

    fn line(&mut self, at: usize) -> usize {
        let (from, line) = if self.line.0 <= at { self.line } else { (0, 1) };
        let between = &self.text.as_bytes()[from..at.min(self.text.len()).max(from)];
        self.line = (at.max(from), line + between.iter().filter(|byte| **byte == b'\n').count());
        self.line.1
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Whether `id` of this type is an attribute: of every element, of no resource.
fn has_id_attribute(kind: &Type) -> bool {
    kind.kind != TypeKind::Resource
}

/// Whether `url` of this type is an attribute.
fn has_url_attribute(kind: &Type) -> bool {
    kind.role == Role::Extension
}
