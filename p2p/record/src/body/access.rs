//! `access`: signed reads, coalesced; and the agent every change names. Both say who, through what and why.
//! Called by `body`; built by `node`.

use super::TEXT_BYTES_MAX;
use crate::cbor::{CodecError, Reader, Writer};

/// Most lines one access op carries; further reads go into the next.
pub const LINES_MAX: usize = 1024;

/// Who acts, through what software, and why (rule 4.8).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent {
    /// The person or system, as the token names it.
    pub who: String,
    /// The registered client.
    pub client: String,
    /// Purpose of use.
    pub purpose: String,
}

impl Agent {
    fn write(&self, w: &mut Writer) {
        w.array(3).text(&self.who).text(&self.client).text(&self.purpose);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.array(3)?;
        let mut text = || r.text(TEXT_BYTES_MAX).map(str::to_owned);
        Ok(Self { who: text()?, client: text()?, purpose: text()? })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.8");
        let agent = Self::read(&mut r)?;
        r.end(&agent.encode())?;
        Ok(agent)
    }
}

/// How often something was done to resources of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `read`, `vread`, `search`, `history`.
    pub interaction: String,
    /// FHIR type.
    pub resource_type: String,
    /// Times.
    pub count: u64,
}

/// The body of an access op (rule 4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who read.
    pub agent: Agent,
    /// First read, milliseconds since 1970.
    pub from_ms: u64,
    /// Last read.
    pub to_ms: u64,
    /// What was read.
    pub lines: Vec<Line>,
}

impl Access {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4);
        self.agent.write(&mut w);
        w.uint(self.from_ms).uint(self.to_ms).array(self.lines.len());
        for line in &self.lines {
            w.array(3).text(&line.interaction).text(&line.resource_type).uint(line.count);
        }
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.9");
        r.array(4)?;
        let agent = Agent::read(&mut r)?;
        let (from_ms, to_ms) = (r.uint()?, r.uint()?);
        let len = r.len(LINES_MAX)?;
        let mut lines = Vec::with_capacity(len);
        for _ in 0..len {
            r.array(3)?;
            let (interaction, resource_type) = (r.text(64)?.to_owned(), r.text(96)?.to_owned());
            lines.push(Line { interaction, resource_type, count: r.uint()? });
        }
        let body = Self { agent, from_ms, to_ms, lines };
        r.end(&body.encode())?;
        Ok(body)
    }
}
