//! `moved`, `link`, `checkpoint`, `erase`: what becomes of a record as a whole. Called by `body` and `state`; built by
//! `node`.

use super::TEXT_BYTES_MAX;
use super::revoke::{read_heads, write_heads};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::{Head, OpId, RecordId};

/// Most frames one erase names.
pub const ERASED_MAX: usize = 16_384;

/// The body of a moved op: the record is closed, and goes on in another (rule 4.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The other record.
    pub into: RecordId,
    /// Per lane, the last op taken along.
    pub heads: Vec<Head>,
}

/// The body of a link op: another record of the same patient, known to the authority alone (rule 4.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other record.
    pub record: RecordId,
    /// What the patient calls it.
    pub name: String,
}

/// The body of a checkpoint op: never contents, never authority (rule 4.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Per lane, the last op that is reached.
    pub heads: Vec<Head>,
    /// Over the entries of the ops reached.
    pub root: [u8; 32],
}

/// The body of an erase op: the frames go, their entries stay (rule 4.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// Op and place of each frame, sorted.
    pub frames: Vec<(OpId, u32)>,
    /// Why, in the patient's words.
    pub reason: String,
}

impl Moved {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).bytes(self.into.bytes());
        write_heads(&mut w, &self.heads);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.13");
        r.array(2)?;
        let body = Self { into: RecordId(r.exact()?), heads: read_heads(&mut r)? };
        r.end(&body.encode())?;
        Ok(body)
    }
}

impl Link {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).bytes(self.record.bytes()).text(&self.name);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.14");
        r.array(2)?;
        let body = Self { record: RecordId(r.exact()?), name: r.text(TEXT_BYTES_MAX)?.to_owned() };
        r.end(&body.encode())?;
        Ok(body)
    }
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2);
        write_heads(&mut w, &self.heads);
        w.bytes(&self.root);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.15");
        r.array(2)?;
        let body = Self { heads: read_heads(&mut r)?, root: r.exact()? };
        r.end(&body.encode())?;
        Ok(body)
    }
}

impl Erase {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).array(self.frames.len());
        for (op, place) in &self.frames {
            w.array(2).bytes(op.bytes()).uint(u64::from(*place));
        }
        w.text(&self.reason);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.16");
        r.array(2)?;
        let len = r.len(ERASED_MAX)?;
        let mut frames = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            r.array(2)?;
            let op = OpId(r.exact()?);
            frames.push((op, u32::try_from(r.uint()?).or(refuse("4.16", "a place over its limit"))?));
        }
        if frames.is_empty() || !frames.is_sorted_by(|a, b| a < b) {
            return refuse("4.16", "frames are sorted, named once, and at least one");
        }
        let body = Self { frames, reason: r.text(TEXT_BYTES_MAX)?.to_owned() };
        r.end(&body.encode())?;
        Ok(body)
    }
}
