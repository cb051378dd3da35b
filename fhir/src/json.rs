//! JSON text with one flat index over it: nothing is converted, so no digit and no order is lost.
//!
//! [`Doc`] owns the text and the index, [`Node`] is a value in it. The reader is `json/read.rs`. Rules are RFC 8259
//! and FHIR's: UTF-8, no key twice in an object, no lone surrogates. Spec: <https://hl7.org/fhir/R4/json.html>.
//! Called by every module of this crate; writing is by `edit`, `served` and [`write_string`].

mod read;
pub(crate) mod scan;

use crate::outcome::Issue;
use std::borrow::Cow;
use std::ops::Range;

pub use read::{BYTES_MAX, DEPTH_MAX, NODES_MAX};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{}`
    Object,
    /// `[]`
    Array,
    /// `""`
    String,
    /// Digits as written.
    Number,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
}

/// One value or key: where it is in the text, and where the next after its subtree is in the index.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    next: u32,
    kind: Kind,
    escaped: bool,
}

/// A JSON text and its index.
#[derive(Clone, Debug)]
pub struct Doc {
    text: String,
    tape: Vec<Entry>,
}

impl Doc {
    /// Reads a text.
    ///
    /// # Errors
    /// The first rule that is broken, with line, column and byte.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Issue> {
        read::read(bytes)
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node { doc: self, at: 0 }
    }

    /// The text as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The text as it came, without the index.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }
}

/// A value in a [`Doc`].
#[derive(Clone, Copy)]
pub struct Node<'a> {
    doc: &'a Doc,
    at: u32,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text may be health data.
        write!(formatter, "{:?} at bytes {:?}", self.kind(), self.range())
    }
}

impl<'a> Node<'a> {
    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.entry().kind
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether it is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        self.kind() == Kind::Array
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// A member of an object by its key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        if !self.is_object() {
            return None;
        }
        let (mut at, end) = (self.at + 1, self.entry().next);
        while at < end {
            let name = self.doc.tape[at as usize];
            let matches = if name.escaped {
                Node { doc: self.doc, at }.string() == key
            } else {
                (name.end - name.start) as usize == key.len() + 2
                    && self.doc.text.as_bytes()[name.start as usize + 1..name.end as usize - 1] == *key.as_bytes()
            };
            if matches {
                return Some(Node { doc: self.doc, at: at + 1 });
            }
            at = self.doc.tape[at as usize + 1].next;
        }
        None
    }

    /// Keys and values of an object in the order of the text; nothing for other kinds.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        let end = if self.is_object() { self.entry().next } else { self.at + 1 };
        Members { doc: self.doc, at: self.at + 1, end }
    }

    /// Keys, as strings with their places, and values of an object; nothing for other kinds.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        self.members().map(|(_, value)| (Node { doc: value.doc, at: value.at - 1 }, value))
    }

    /// The items of an array; nothing for other kinds.
    #[must_use]
    pub fn items(self) -> Items<'a> {
        let end = if self.is_array() { self.entry().next } else { self.at + 1 };
        Items { doc: self.doc, at: self.at + 1, end }
    }

    /// The items of an array, or the value itself: how FHIRPath sees a member.
    pub fn each(self) -> impl Iterator<Item = Node<'a>> {
        let single = (!self.is_array()).then_some(self);
        single.into_iter().chain(self.items())
    }

    /// The text of a string, unescaped.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| self.string())
    }

    /// The digits of a number, as written.
    #[must_use]
    pub fn number(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| self.raw_text())
    }

    /// The value of a boolean.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        (self.kind() == Kind::Boolean).then(|| self.raw_text() == "true")
    }

    /// The value's own text: for a string with its quotes.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.raw_text().as_bytes()
    }

    /// Where the value is in the text, in bytes.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        let entry = self.entry();
        entry.start as usize..entry.end as usize
    }

    /// The value as a document of its own, without reading it again.
    #[must_use]
    pub fn to_doc(self) -> Doc {
        let Entry { start, next, .. } = self.entry();
        let tape = self.doc.tape[self.at as usize..next as usize].iter().map(|entry| Entry {
            start: entry.start - start,
            end: entry.end - start,
            next: entry.next - self.at,
            ..*entry
        });
        Doc { tape: tape.collect(), text: self.raw_text().to_owned() }
    }

    /// Whether both are the same place of one document.
    pub(crate) fn is_at(self, other: Node<'_>) -> bool {
        self.at == other.at
    }

    fn raw_text(self) -> &'a str {
        &self.doc.text[self.range()]
    }

    fn entry(self) -> Entry {
        self.doc.tape[self.at as usize]
    }

    /// Of a string or key.
    fn string(self) -> Cow<'a, str> {
        let entry = self.entry();
        let inner = &self.doc.text[entry.start as usize + 1..entry.end as usize - 1];
        if entry.escaped { Cow::Owned(scan::unescape(inner)) } else { Cow::Borrowed(inner) }
    }
}

/// Members of an object.
#[derive(Clone)]
pub struct Members<'a> {
    doc: &'a Doc,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let key = Node { doc: self.doc, at: self.at };
        let value = Node { doc: self.doc, at: self.at + 1 };
        self.at = value.entry().next;
        Some((key.string(), value))
    }
}

/// Items of an array.
#[derive(Clone)]
pub struct Items<'a> {
    doc: &'a Doc,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let item = Node { doc: self.doc, at: self.at };
        self.at = item.entry().next;
        Some(item)
    }
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(json: &mut String, text: &str) {
    json.push('"');
    let mut plain = 0;
    for (place, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        json.push_str(&text[plain..place]);
        plain = place + 1;
        if escape.is_empty() {
            use std::fmt::Write as _;
            write!(json, "\\u{byte:04x}").expect("a String takes everything");
        } else {
            json.push_str(escape);
        }
    }
    json.push_str(&text[plain..]);
    json.push('"');
}

#[cfg(test)]
mod tests;
