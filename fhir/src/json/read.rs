//! The reader: text to index in one pass, without recursion. Called by [`super::Doc::parse`] alone.

use super::scan::{code_point, skip_space, string_stop, unescape};
use super::{Doc, Entry, Kind};
use crate::outcome::{Code, Issue};

/// Longest text in bytes; keeps places in four bytes and one request's memory in hand.
pub const BYTES_MAX: usize = 64 << 20;

/// Deepest nesting of objects and arrays; R4 resources stay below 20, and recursive readers stay on their stack.
pub const DEPTH_MAX: usize = 100;

/// Most values and keys of one text; an index of 64 MiB. The largest Synthea bundle has 200,000.
pub const NODES_MAX: usize = 4_000_000;

/// Most keys of an object that are compared one by one; above, they are sorted when the object ends.
const KEYS_COMPARED_MAX: usize = 32;

/// An object or array that has not ended.
struct Open {
    at: usize,
    object: bool,
    /// Where its keys start in `Reader::keys`.
    keys_from: usize,
    /// One bit per hash of a key seen: most keys need no comparison.
    seen: u64,
    escaped: bool,
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Entry>,
    open: Vec<Open>,
    keys: Vec<u32>,
}

/// A broken rule and the byte where it broke.
type Fault = (usize, &'static str);

pub(super) fn read(bytes: Vec<u8>) -> Result<Doc, Issue> {
    if bytes.len() > BYTES_MAX {
        return Err(Issue::fatal(Code::TooLong, format!("the JSON is longer than {BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Issue::fatal(Code::Structure, format!("the JSON is not UTF-8 at byte {at}"))
    })?;
    let mut reader = Reader {
        text: &text,
        bytes: text.as_bytes(),
        at: 0,
        tape: Vec::with_capacity(text.len() / 16 + 4),
        open: Vec::with_capacity(16),
        keys: Vec::with_capacity(64),
    };
    match reader.document() {
        Ok(()) => {
            let tape = reader.tape;
            Ok(Doc { tape, text })
        }
        Err((at, rule)) => Err(locate(&text, at, rule)),
    }
}

fn locate(text: &str, at: usize, rule: &str) -> Issue {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    let code = if rule.starts_with("more than") { Code::TooLong } else { Code::Structure };
    Issue::fatal(code, format!("JSON line {line}, column {column} (byte {at}): {rule}"))
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            self.space();
            if self.value()? {
                continue;
            }
            if self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Reads a value; true if it opened a container that has something in it.
    fn value(&mut self) -> Result<bool, Fault> {
        if self.tape.len() >= NODES_MAX {
            return Err((self.at, "more than 4,000,000 values"));
        }
        let start = self.at;
        match self.bytes.get(self.at) {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Kind::Boolean)?,
            Some(b'f') => self.word("false", Kind::Boolean)?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(0xef) if start == 0 => return Err((0, "a byte order mark is not allowed")),
            Some(_) => return Err((start, "a value was expected here")),
            None => return Err((start, "the text ends where a value was expected")),
        }
        Ok(false)
    }

    /// Goes on after a value; true at the end of the text.
    fn after_value(&mut self) -> Result<bool, Fault> {
        loop {
            self.space();
            let Some(open) = self.open.last() else {
                if self.at < self.bytes.len() {
                    return Err((self.at, "there is text after the value"));
                }
                return Ok(true);
            };
            match (self.bytes.get(self.at), open.object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.space();
                    self.key()?;
                    return Ok(false);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                (Some(_), true) => return Err((self.at, "a comma or the end of the object was expected here")),
                (Some(_), false) => return Err((self.at, "a comma or the end of the array was expected here")),
                (None, _) => return Err((self.at, "the text ends inside an object or array")),
            }
        }
    }

    fn open(&mut self, object: bool) -> Result<bool, Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err((self.at, "more than 100 objects and arrays inside each other"));
        }
        let kind = if object { Kind::Object } else { Kind::Array };
        self.open.push(Open { at: self.tape.len(), object, keys_from: self.keys.len(), seen: 0, escaped: false });
        self.push(kind, self.at, self.at, false);
        self.at += 1;
        self.space();
        match (self.bytes.get(self.at), object) {
            (Some(b'}'), true) | (Some(b']'), false) => Ok(false),
            (_, true) => self.key().map(|()| true),
            (_, false) => Ok(true),
        }
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let Some(open) = self.open.pop() else { return Ok(()) };
        if open.escaped || self.keys.len() - open.keys_from > KEYS_COMPARED_MAX {
            self.compare_all(open.keys_from)?;
        }
        self.keys.truncate(open.keys_from);
        let next = place(self.tape.len());
        let entry = &mut self.tape[open.at];
        entry.end = place(self.at);
        entry.next = next;
        Ok(())
    }

    fn key(&mut self) -> Result<(), Fault> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err((self.at, "a key in quotes was expected here"));
        }
        let at = self.tape.len();
        self.string()?;
        self.once(at)?;
        self.space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err((self.at, "a colon was expected after the key"));
        }
        self.at += 1;
        Ok(())
    }

    /// Refuses a key that its object already has, as far as that is cheap; `close` does the rest.
    fn once(&mut self, at: usize) -> Result<(), Fault> {
        let entry = self.tape[at];
        let key = &self.bytes[entry.start as usize..entry.end as usize];
        let middle = key[key.len() / 2];
        let hash = (key.len() * 31) ^ usize::from(key[key.len().min(3) - 1]) ^ (usize::from(middle) << 2);
        let hash = hash ^ (usize::from(key[key.len() - 2]) << 1);
        let bit = 1_u64 << (hash & 63);
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.escaped |= entry.escaped;
        let keys = &self.keys[open.keys_from..];
        if open.seen & bit != 0 && keys.len() <= KEYS_COMPARED_MAX {
            for &other in keys {
                let other = self.tape[other as usize];
                if self.bytes[other.start as usize..other.end as usize] == *key {
                    return Err((entry.start as usize, TWICE));
                }
            }
        }
        open.seen |= bit;
        self.keys.push(place(at));
        Ok(())
    }

    fn compare_all(&self, keys_from: usize) -> Result<(), Fault> {
        let mut keys: Vec<_> = self.keys[keys_from..]
            .iter()
            .map(|&at| {
                let entry = self.tape[at as usize];
                (unescape(&self.text[entry.start as usize + 1..entry.end as usize - 1]), entry.start as usize)
            })
            .collect();
        keys.sort();
        match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err((pair[1].1, TWICE)),
            None => Ok(()),
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            at = string_stop(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => return Err((at, "a control character must be escaped")),
                None => return Err((at, "the text ends inside a string")),
            }
        }
        self.at = at + 1;
        self.push(Kind::String, start, self.at, escaped);
        Ok(())
    }

    /// Checks the escape at `at`; the place after it.
    fn escape(&self, at: usize) -> Result<usize, Fault> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                let hex = |at: usize| {
                    let digits = self.bytes.get(at + 2..at + 6);
                    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                };
                if !hex(at) {
                    return Err((at, "\\u needs four hexadecimal digits"));
                }
                if self.bytes.get(at + 6..at + 8) == Some(b"\\u") && !hex(at + 6) {
                    return Err((at + 6, "\\u needs four hexadecimal digits"));
                }
                let (character, length) = code_point(self.text, at);
                let replaced = character == char::REPLACEMENT_CHARACTER;
                if replaced && !self.bytes[at + 2..at + 6].eq_ignore_ascii_case(b"fffd") {
                    return Err((at, "half of a surrogate pair is no character"));
                }
                Ok(at + length)
            }
            _ => Err((at, "this escape is not one of JSON's")),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err((self.at, "a digit was expected here")),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        self.push(Kind::Number, start, self.at, false);
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        self.digits();
        if from == self.at { Err((from, "a digit was expected here")) } else { Ok(()) }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err((self.at, "a value was expected here"));
        }
        let start = self.at;
        self.at += word.len();
        self.push(kind, start, self.at, false);
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, escaped: bool) {
        let next = place(self.tape.len() + 1);
        self.tape.push(Entry { start: place(start), end: place(end), next, kind, escaped });
    }

    fn space(&mut self) {
        if let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at = skip_space(self.bytes, self.at + 1);
        }
    }
}

const TWICE: &str = "this key is already in the object";

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("BYTES_MAX and NODES_MAX are below four bytes")
}
