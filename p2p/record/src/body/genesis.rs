//! `genesis`: opens a record. Plain, so that whoever holds the header knows whose record it is.
//! Called by `body`; built by `node`.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::id::IdentityId;
use crate::identity::{CARD_BYTES_MAX, Card};

/// What a record is for (rule 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A hospital's record of one of its patients, until claimed.
    Custodial = 0,
    /// A hospital's own: directory resources and what belongs to no patient. Never leaves it.
    House = 1,
    /// A patient's from the start.
    Patient = 2,
}

/// The body of a genesis op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Makes the record's id and its handles unguessable.
    pub random: [u8; 32],
    /// Raised by the authority only.
    pub format_version: u64,
    /// What the record is for.
    pub purpose: Purpose,
    /// The author, who is the record's authority.
    pub author: Card,
    /// Who takes over when the custodian is gone.
    pub successor: Option<IdentityId>,
    /// Commits to the secret of epoch 0.
    pub commitment: [u8; 32],
}

impl Genesis {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(6).bytes(&self.random).uint(self.format_version).uint(self.purpose as u64);
        w.bytes(&self.author.encode());
        w.bytes(self.successor.as_ref().map_or(&[][..], |id| id.bytes())).bytes(&self.commitment);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.2");
        r.array(6)?;
        let random = r.exact()?;
        let format_version = r.uint()?;
        if format_version != crate::header::FORMAT_VERSION {
            return refuse("4.2", "a record of an unknown format version");
        }
        let purpose = match r.uint()? {
            0 => Purpose::Custodial,
            1 => Purpose::House,
            2 => Purpose::Patient,
            _ => return refuse("4.2", "an unknown purpose"),
        };
        let author = Card::decode(r.bytes(CARD_BYTES_MAX)?)?;
        let successor = match r.bytes(32)? {
            [] => None,
            id => {
                Some(IdentityId::from_slice(id).ok_or(CodecError { rule: "4.2", what: "a successor that is no id" })?)
            }
        };
        let body = Self { random, format_version, purpose, author, successor, commitment: r.exact()? };
        r.end(&body.encode())?;
        Ok(body)
    }

    /// The key of the record's handles (rule 3.5).
    pub fn handle_key(&self) -> [u8; 32] {
        blake3::derive_key("chartwell 1 handle key", &self.random)
    }
}
