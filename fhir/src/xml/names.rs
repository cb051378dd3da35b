//! The tags and attributes of XML text and the namespaces in force at them. Called by the reader, the writer and
//! `patch/xml`.

use super::NAMESPACES_MAX;
use quick_xml::XmlVersion;
use quick_xml::events::attributes::{Attribute, Attributes};
use std::borrow::Cow;

/// The namespace of `xsi:schemaLocation`.
pub(crate) const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A start tag or an empty element, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag<'a> {
    /// Where its `<` is.
    pub at: usize,
    /// With its prefix.
    pub name: &'a str,
    /// Name and attributes.
    pub content: &'a str,
    /// `<name/>`
    pub empty: bool,
    /// Its attribute, if it has one and that is written plainly: ` name="text"` without references, tabs or line ends.
    pub plain: Option<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    /// The tag whose text, with `<` and `>`, this is.
    pub(crate) fn of(text: &'a str, at: usize, empty: bool) -> Self {
        let content = text.get(1..text.len().saturating_sub(if empty { 2 } else { 1 })).unwrap_or_default();
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let end = content.as_bytes().iter().position(blank).unwrap_or(content.len());
        Self { at, name: &content[..end], content, empty, plain: plain(content, end) }
    }

    /// Prefix (or nothing) and name.
    pub(crate) fn split(&self) -> (&'a str, &'a str) {
        self.name.split_once(':').unwrap_or(("", self.name))
    }

    /// Its attributes in the order of the text; the iterator refuses a name that comes twice.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.content, self.name.len())
    }
}

/// The one plain attribute after a name. Searched byte by byte: the texts are short, and nearly every element has one.
fn plain(content: &str, name: usize) -> Option<(&str, &str)> {
    let bytes = content.as_bytes();
    let key = name + 1;
    let equals = key + bytes.get(key..)?.iter().position(|byte| !byte.is_ascii_alphabetic())?;
    let value = equals + 2;
    let end = bytes.len().checked_sub(1).filter(|end| *end >= value)?;
    let quoted = bytes[name] == b' ' && bytes[equals] == b'=' && bytes[equals + 1] == b'"' && bytes[end] == b'"';
    (quoted && bytes[value..end].iter().all(|byte| is_plain(*byte)))
        .then(|| (&content[key..equals], &content[value..end]))
}

/// The value of an attribute as XML 1.0 reads it: references resolved, line ends and tabs as blanks.
pub(crate) fn value<'a>(attribute: &Attribute<'a>) -> Result<Cow<'a, str>, &'static str> {
    if attribute.value.bytes().all(is_plain) {
        return Ok(attribute.value.clone());
    }
    if attribute.value.contains('<') {
        return Err("an attribute may not contain <");
    }
    // A reference to a character that XML does not have is as bad as an unknown one.
    let text = attribute
        .normalized_value(XmlVersion::Explicit1_0)
        .map_err(|_| "only &lt; &gt; &amp; &quot; &apos; and references to characters are allowed")?;
    if text.chars().any(|character| !is_character(character)) {
        return Err("a character that XML does not have");
    }
    Ok(text)
}

/// Whether a byte of an attribute stands for itself, whatever stands around it; of the characters beyond ASCII, those
/// that XML lacks begin with 0xef.
fn is_plain(byte: u8) -> bool {
    byte >= b' ' && !matches!(byte, b'"' | b'&' | b'<' | 0xef)
}

/// Appends a text as part of an attribute; false if XML cannot say it.
pub(crate) fn escape(out: &mut String, text: &str) -> bool {
    let (mut plain, mut good) = (0, true);
    for (place, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\n' => "&#10;",
            b'\r' => "&#13;",
            b'\t' => "&#9;",
            0..0x20 => {
                good = false;
                continue;
            }
            // Of the three-byte characters that start so, XML lacks U+FFFE and U+FFFF.
            0xef => {
                good &= !text[place..].starts_with(['\u{fffe}', '\u{ffff}']);
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[plain..place]);
        out.push_str(escape);
        plain = place + 1;
    }
    out.push_str(&text[plain..]);
    good
}

/// Whether XML 1.0 has this character.
pub(crate) fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Whether it is a name of an element or attribute, prefix included; a little wider than XML's beyond ASCII.
pub(crate) fn is_name(name: &str) -> bool {
    let start = |character: char| character.is_alphabetic() || character == '_';
    let inner =
        |character: char| start(character) || character.is_numeric() || matches!(character, '-' | '.' | '\u{b7}');
    let part = |part: &str| part.starts_with(start) && part.chars().all(inner);
    match name.split_once(':') {
        Some((prefix, local)) => part(prefix) && part(local),
        None => part(name),
    }
}

/// Namespaces in force, the innermost last.
#[derive(Default)]
pub(crate) struct Names<'a> {
    known: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Names<'a> {
    /// Takes the declarations of a tag; gives what [`Names::leave`] needs when the element ends.
    pub(crate) fn enter(&mut self, tag: &Tag<'a>) -> Result<usize, &'static str> {
        let before = self.known.len();
        let none = tag.content.len() == tag.name.len() || tag.plain.is_some_and(|(key, _)| key != "xmlns");
        if none || !tag.content.contains("xmlns") {
            return Ok(before);
        }
        for attribute in tag.attributes().take(super::ATTRIBUTES_MAX + 1) {
            let attribute = attribute.map_err(|_| "the attributes of this element are not well-formed")?;
            let key: &'a str = attribute.key.0;
            let prefix = match key.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) if rest.starts_with(':') => &rest[1..],
                _ => continue,
            };
            let uri = value(&attribute)?;
            if !prefix.is_empty() && uri.is_empty() || matches!(prefix, "xml" | "xmlns") && uri != XML {
                return Err("this prefix cannot be declared so");
            }
            if self.known.len() >= NAMESPACES_MAX {
                return Err("more than 64 namespaces are declared");
            }
            self.known.push((prefix, uri));
        }
        Ok(before)
    }

    /// Forgets what the element declared.
    pub(crate) fn leave(&mut self, before: usize) {
        self.known.truncate(before);
    }

    /// Prefixes in force with their namespaces, the innermost first.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = (&'a str, &str)> {
        self.known.iter().rev().map(|(prefix, uri)| (*prefix, &**uri))
    }

    /// The namespace of a prefix; of nothing, the default one; none if it was never declared.
    pub(crate) fn of(&self, prefix: &str) -> Option<&str> {
        if prefix == "xml" {
            return Some(XML);
        }
        self.known.iter().rev().find(|(known, _)| *known == prefix).map(|(_, uri)| &**uri).filter(|uri| !uri.is_empty())
    }
}
