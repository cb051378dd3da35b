//! The writer of archives: parts in, bytes out, which the caller appends to a file. It writes nothing that the reader would
//! refuse. Called by `node`.

use super::part::{CARDS, END, HEAD_BYTES, KEYS, OP, PART_BYTES_MAX, encode_cards, encode_sealed};
use super::reader::Chain;
use super::{ArchiveError, MAGIC, SealedKeys};
use crate::Card;
use crate::cbor::refuse;
use crate::id::RecordId;
use crate::op::{Parcel, Verified};

/// Writes one archive.
pub struct Writer {
    hasher: blake3::Hasher,
    chain: Chain,
}

impl Writer {
    /// Begins the archive of a record with the cards of all who wrote in it, and keys where it shall be read by others.
    ///
    /// # Errors
    /// Rule 10.3 for more cards than an archive may have.
    pub fn new(
        record: RecordId,
        mut cards: Vec<Card>,
        keys: Option<&SealedKeys>,
    ) -> Result<(Self, Vec<u8>), ArchiveError> {
        cards.sort_by_key(Card::id);
        cards.dedup_by_key(|card| card.id());
        let mut writer = Self { hasher: blake3::Hasher::new(), chain: Chain::new(record) };
        let mut out = [&MAGIC[..], record.bytes()].concat();
        writer.hasher.update(&out);
        out.extend(writer.part(CARDS, &encode_cards(&cards))?);
        writer.chain.know(cards)?;
        if let Some(keys) = keys {
            out.extend(writer.part(KEYS, &encode_sealed(keys))?);
        }
        Ok((writer, out))
    }

    fn part(&mut self, kind: u8, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        if bytes.len() > PART_BYTES_MAX {
            return Ok(refuse("10.2", "a part over its limit")?);
        }
        let out = [&[kind][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat();
        self.hasher.update(&out);
        Ok(out)
    }

    /// The next op, in the order of rule 10.5, with the frames that go along.
    ///
    /// # Errors
    /// Rule 10.2 where op and frames are over the limit of a part: it may be written without frames. Otherwise the rule by
    /// which no reader would take it; the archive is then given up.
    pub fn op(&mut self, op: &Verified, frames: &[Option<Vec<u8>>]) -> Result<Vec<u8>, ArchiveError> {
        let parcel = Parcel::encode(op, frames);
        if parcel.len() > PART_BYTES_MAX {
            return Ok(refuse("10.2", "a part over its limit")?);
        }
        self.chain.follow(op)?;
        self.part(OP, &parcel)
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + 40);
        out.push(END);
        out.extend(self.chain.count().to_le_bytes());
        self.hasher.update(&out);
        out.extend(self.hasher.finalize().as_bytes());
        out
    }
}
