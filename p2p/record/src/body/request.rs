//! `request`: somebody asks for access. It travels as a sealed message; the patient's node writes it into the
//! record, and writes there too that it was refused. Called by `body`; built by `node`.

use super::TEXT_BYTES_MAX;
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::OpId;
use crate::identity::{CARD_BYTES_MAX, Card};
use crate::scope::SCOPE_BYTES_MAX;

/// What is asked for (rule 4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub from: Card,
    /// What the asker calls itself.
    pub name: String,
    /// The asker's name for this request (its Task).
    pub request: String,
    /// The asker's own Patient.
    pub patient: String,
    /// SMART v2 scopes.
    pub scope: String,
    /// Purpose of use.
    pub purpose: String,
    /// Why, in the asker's words.
    pub reason: String,
    /// From when, milliseconds since 1970.
    pub start_ms: u64,
    /// Until when, zero for no end.
    pub end_ms: u64,
}

/// The body of a request op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Somebody asked.
    Asked(Box<Asked>),
    /// The patient refused what the named op asked.
    Refused(OpId),
}

impl Asked {
    /// The one encoding, which also travels in the sealed message.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(9).bytes(&self.from.encode()).text(&self.name).text(&self.request).text(&self.patient);
        w.text(&self.scope).text(&self.purpose).text(&self.reason).uint(self.start_ms).uint(self.end_ms);
        w.finish()
    }

    /// Reads [`Asked::encode`].
    ///
    /// # Errors
    /// Rule 4.7.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.7");
        r.array(9)?;
        let from = Card::decode(r.bytes(CARD_BYTES_MAX)?)?;
        let mut text = |max| r.text(max).map(str::to_owned);
        let (name, request, patient) = (text(TEXT_BYTES_MAX)?, text(64)?, text(64)?);
        let (scope, purpose, reason) = (text(SCOPE_BYTES_MAX)?, text(64)?, text(TEXT_BYTES_MAX)?);
        let (start_ms, end_ms) = (r.uint()?, r.uint()?);
        let asked = Self { from, name, request, patient, scope, purpose, reason, start_ms, end_ms };
        r.end(&asked.encode())?;
        Ok(asked)
    }
}

impl Request {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Request::Asked(asked) => w.array(2).uint(0).bytes(&asked.encode()),
            Request::Refused(op) => w.array(2).uint(1).bytes(op.bytes()),
        };
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.7");
        r.array(2)?;
        let body = match r.uint()? {
            0 => Request::Asked(Box::new(Asked::decode(r.bytes(super::BODY_BYTES_MAX)?)?)),
            1 => Request::Refused(OpId(r.exact()?)),
            _ => return refuse("4.7", "an unknown request"),
        };
        r.end(&body.encode())?;
        Ok(body)
    }
}
