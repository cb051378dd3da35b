//! Proof of a fork: two headers of one author, lane and sequence number, both signed. Whoever holds it can show it to anyone,
//! without a frame and without being a member. Called by whoever flags an author.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::header::{HEADER_BYTES_MAX, Header};
use crate::id::OpId;
use crate::identity::Card;
use crate::op::{Op, message};
use ed25519_dalek::Signature;

/// Two ops at one place of one lane (rule 6.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    parts: [(Vec<u8>, [u8; 64]); 2],
    header: Header,
}

impl Proof {
    /// The proof that two ops are; `None` if they are none.
    pub fn of(one: &Op, other: &Op) -> Option<Self> {
        let part = |op: &Op| (op.header_bytes.clone(), op.signature);
        let mut parts = [part(one), part(other)];
        parts.sort();
        Self::from_parts(parts).ok()
    }

    fn from_parts(parts: [(Vec<u8>, [u8; 64]); 2]) -> Result<Self, CodecError> {
        let [one, other] = [Header::decode(&parts[0].0)?, Header::decode(&parts[1].0)?];
        let same = one.record == other.record && one.lane == other.lane && one.seq == other.seq;
        if !same || parts[0].0 >= parts[1].0 {
            return refuse("6.17", "not two ops at one place, in order");
        }
        Ok(Self { parts, header: one })
    }

    /// The one encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4);
        for (header, signature) in &self.parts {
            w.bytes(header).bytes(signature);
        }
        w.finish()
    }

    /// Reads a proof; it proves nothing before [`Proof::verify`].
    ///
    /// # Errors
    /// Rule 6.17, or that of a header.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "6.17");
        r.array(4)?;
        let mut part = || Ok::<_, CodecError>((r.bytes(HEADER_BYTES_MAX)?.to_vec(), r.exact()?));
        let proof = Self::from_parts([part()?, part()?])?;
        r.end(&proof.encode())?;
        Ok(proof)
    }

    /// Whether the author of the card signed both. Two keys of one author prove nothing: the older may be stolen.
    pub fn verify(&self, author: &Card) -> bool {
        let signed = |(header, signature): &(Vec<u8>, [u8; 64])| {
            let read = Header::decode(header).ok().filter(|read| read.key_number == self.header.key_number);
            let key = read.and_then(|read| author.key(read.key_number).ok().flatten());
            key.is_some_and(|key| key.verify_strict(&message(header), &Signature::from_bytes(signature)).is_ok())
        };
        author.id() == self.header.lane.author && self.parts.iter().all(signed)
    }

    /// The two ops.
    pub fn ops(&self) -> [OpId; 2] {
        [Header::id_of(&self.parts[0].0), Header::id_of(&self.parts[1].0)]
    }
}
