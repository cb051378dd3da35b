//! Deterministic CBOR (RFC 8949 section 4.2.1): the few shapes ops use, written one way and read only
//! in that way. What an op means is not known here. Called by the codecs of this crate.

use minicbor::{Decoder, Encoder};

/// Why bytes are not what the format allows; the number is the rule in `docs/PROTOCOL.md`.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[error("rule {rule}: {what}")]
pub struct CodecError {
    /// The rule broken.
    pub rule: &'static str,
    /// What was found, without content.
    pub what: &'static str,
}

/// A refusal under `rule`.
pub fn refuse<T>(rule: &'static str, what: &'static str) -> Result<T, CodecError> {
    Err(CodecError { rule, what })
}

/// Writes values in the one allowed way.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    fn with(&mut self, write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> &mut Self {
        write(&mut Encoder::new(&mut self.0));
        self
    }

    /// Opens an array of `items` values.
    pub fn array(&mut self, items: usize) -> &mut Self {
        self.with(|e| drop(e.array(items as u64)))
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.with(|e| drop(e.u64(value)))
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.with(|e| drop(e.bytes(value)))
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.with(|e| drop(e.str(value)))
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads values; every refusal names the rule the reader was opened with.
pub struct Reader<'b> {
    decoder: Decoder<'b>,
    rule: &'static str,
}

impl<'b> Reader<'b> {
    /// Reads `bytes`; refusals name `rule`.
    pub fn new(bytes: &'b [u8], rule: &'static str) -> Self {
        Self { decoder: Decoder::new(bytes), rule }
    }

    fn or<T>(&self, value: Result<T, minicbor::decode::Error>, what: &'static str) -> Result<T, CodecError> {
        value.map_err(|_| CodecError { rule: self.rule, what })
    }

    /// An array of exactly `items` values.
    pub fn array(&mut self, items: usize) -> Result<(), CodecError> {
        match self.len(items)? {
            found if found == items => Ok(()),
            _ => refuse(self.rule, "an array of another length"),
        }
    }

    /// The length of an array of at most `max` values.
    pub fn len(&mut self, max: usize) -> Result<usize, CodecError> {
        let len = self.decoder.array();
        match self.or(len, "not an array")? {
            Some(len) if len <= max as u64 => Ok(len as usize),
            Some(_) => refuse(self.rule, "an array over its limit"),
            None => refuse(self.rule, "an array of unknown length"),
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, CodecError> {
        let value = self.decoder.u64();
        self.or(value, "not an unsigned integer")
    }

    /// A byte string of at most `max` bytes.
    pub fn bytes(&mut self, max: usize) -> Result<&'b [u8], CodecError> {
        let value = self.decoder.bytes();
        let value = self.or(value, "not a byte string")?;
        if value.len() > max {
            return refuse(self.rule, "a byte string over its limit");
        }
        Ok(value)
    }

    /// Exactly `N` bytes.
    pub fn exact<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let value = self.bytes(N)?;
        value.try_into().or(Err(CodecError { rule: self.rule, what: "a byte string of another length" }))
    }

    /// A text of at most `max` bytes.
    pub fn text(&mut self, max: usize) -> Result<&'b str, CodecError> {
        let value = self.decoder.str();
        let value = self.or(value, "not a text")?;
        if value.len() > max {
            return refuse(self.rule, "a text over its limit");
        }
        Ok(value)
    }

    /// Ends the reading: what was read, written again by `again`, must be the same bytes. This one
    /// comparison refuses a byte too many, a non-minimal integer and an indefinite length alike.
    pub fn end(self, again: &[u8]) -> Result<(), CodecError> {
        if self.decoder.input() == again { Ok(()) } else { refuse(self.rule, "not the deterministic encoding") }
    }
}
