//! The strict reader of archives: bytes are fed as they come, parts are taken as they are whole. What it gives out is
//! verified; nothing after a fault is. Called by `node`.

use super::part::{CARDS, END, END_BYTES, HEAD_BYTES, KEYS, OP, PART_BYTES_MAX, decode_cards, decode_sealed};
use super::{ArchiveError, MAGIC, OPS_MAX, Part};
use crate::Card;
use crate::cbor::{CodecError, refuse};
use crate::id::{IdentityId, Lane, LaneKind, OpId, RecordId};
use crate::op::{Author, Op, Parcel};
use std::collections::HashMap;

/// Reads one archive.
pub struct Reader {
    /// Fed; what lies before `taken` was taken, and goes when more is fed.
    buffer: Vec<u8>,
    taken: usize,
    hasher: blake3::Hasher,
    chain: Option<Chain>,
    keys_may_come: bool,
    ended: bool,
}

impl Default for Reader {
    fn default() -> Self {
        let hasher = blake3::Hasher::new();
        Self { buffer: Vec::new(), taken: 0, hasher, chain: None, keys_may_come: false, ended: false }
    }
}

impl Reader {
    /// Takes further bytes of the file. At most one part and what was fed last are held.
    ///
    /// # Errors
    /// Rule 10.6: a byte after the end.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        if self.ended && !bytes.is_empty() {
            return Ok(refuse("10.6", "bytes after the end")?);
        }
        self.buffer.drain(..std::mem::take(&mut self.taken));
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The record, once its name was read.
    pub fn record(&self) -> Option<RecordId> {
        self.chain.as_ref().map(|chain| chain.record)
    }

    /// The next part; none where more bytes are needed.
    ///
    /// # Errors
    /// The rule that refuses the archive; nothing more is to be taken from it then.
    pub fn part(&mut self) -> Result<Option<Part>, ArchiveError> {
        if self.chain.is_none() {
            let magic = &self.rest()[..self.rest().len().min(MAGIC.len())];
            if !MAGIC.starts_with(magic) {
                return Ok(refuse("10.1", "no archive of this version")?);
            }
            let Some(head) = self.take(MAGIC.len() + 32) else { return Ok(None) };
            let record = RecordId::from_slice(&head[MAGIC.len()..]);
            self.chain = record.map(Chain::new);
        }
        match self.rest().first().copied() {
            None => Ok(None),
            Some(END) => self.end(),
            Some(kind) => self.whole(kind),
        }
    }

    fn whole(&mut self, kind: u8) -> Result<Option<Part>, ArchiveError> {
        let Some(length) = self.rest().get(1..HEAD_BYTES).and_then(|bytes| bytes.try_into().ok()) else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(length) as usize;
        if length > PART_BYTES_MAX {
            return Ok(refuse("10.2", "a part over its limit")?);
        }
        let Some(part) = self.take(HEAD_BYTES + length) else { return Ok(None) };
        let (bytes, keys_may_come) = (&part[HEAD_BYTES..], std::mem::take(&mut self.keys_may_come));
        let Some(chain) = self.chain.as_mut() else { return Ok(None) };
        match kind {
            CARDS if chain.authors.is_none() => {
                let cards = decode_cards(bytes)?;
                chain.know(cards.clone())?;
                self.keys_may_come = true;
                Ok(Some(Part::Cards(cards)))
            }
            KEYS if keys_may_come => Ok(Some(Part::Keys(decode_sealed(bytes)?))),
            OP if chain.authors.is_some() => {
                let Parcel { op, frames } = Parcel::decode(bytes)?;
                let op = chain.author_of(&op)?.verify(op)?;
                chain.follow(&op)?;
                Ok(Some(Part::Op(Box::new(op), frames)))
            }
            CARDS | KEYS | OP => Ok(refuse("10.2", "a part where it does not stand")?),
            _ => Ok(refuse("10.2", "an unknown part")?),
        }
    }

    fn end(&mut self) -> Result<Option<Part>, ArchiveError> {
        let rest = &self.buffer[self.taken..];
        if rest.len() > 1 + END_BYTES {
            return Ok(refuse("10.6", "bytes after the end")?);
        }
        if rest.len() < 1 + END_BYTES {
            return Ok(None);
        }
        let (counted, hash) = rest.split_at(9);
        self.hasher.update(counted);
        if self.hasher.finalize().as_bytes() != hash {
            return Ok(refuse("10.6", "another hash than that of what was read")?);
        }
        let count = self.chain.as_ref().map_or(0, Chain::count);
        if counted[1..] != count.to_le_bytes() || count == 0 {
            return Ok(refuse("10.6", "another number of ops than there are")?);
        }
        (self.taken, self.ended) = (self.buffer.len(), true);
        Ok(Some(Part::End(count)))
    }

    /// Whether the archive was read to its end; anything else was cut off.
    ///
    /// # Errors
    /// Rule 10.6.
    pub fn finish(&self) -> Result<(), ArchiveError> {
        if self.ended { Ok(()) } else { Ok(refuse("10.6", "cut off before its end")?) }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// The next `length` bytes, hashed.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let taken = self.rest().get(..length)?.to_vec();
        self.taken += length;
        self.hasher.update(&taken);
        Some(taken)
    }
}

/// The ops of an archive so far: each stands behind what it cites, in the one order.
pub(super) struct Chain {
    record: RecordId,
    authors: Option<HashMap<IdentityId, Author>>,
    /// Of every op: Lamport number, lane and place in it.
    seen: HashMap<OpId, (u64, Lane, u64)>,
    last: Option<(bool, u64, OpId)>,
}

impl Chain {
    pub(super) fn new(record: RecordId) -> Self {
        Self { record, authors: None, seen: HashMap::new(), last: None }
    }

    pub(super) fn know(&mut self, cards: Vec<Card>) -> Result<(), CodecError> {
        if cards.len() > super::CARDS_MAX {
            return refuse("10.3", "more cards than an archive may have");
        }
        self.authors = Some(cards.into_iter().map(|card| (card.id(), Author::new(card))).collect());
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.seen.len() as u64
    }

    fn author_of(&self, op: &Op) -> Result<&Author, ArchiveError> {
        let author = self.authors.as_ref().and_then(|authors| authors.get(&op.header.lane.author));
        author.ok_or(ArchiveError::Op { rule: "10.3", id: op.id, what: "its author's card is not in the archive" })
    }

    /// Takes the next op, or says by which rule it is none.
    pub(super) fn follow(&mut self, op: &Op) -> Result<(), ArchiveError> {
        let (id, header) = (op.id, &op.header);
        let refuse = |rule, what| Err(ArchiveError::Op { rule, id, what });
        self.author_of(op)?;
        if op.record() != self.record {
            return refuse("2.2", "an op of another record");
        }
        if self.seen.len() >= OPS_MAX {
            return refuse("10.5", "more ops than an archive may have");
        }
        let order = (header.lane.kind != LaneKind::Control, header.lamport, id);
        if self.last.is_some_and(|last| last >= order) {
            return refuse("10.5", "an op out of order, or twice");
        }
        let cited = header.cited().map(|cited| self.seen.get(cited).map(|(lamport, ..)| *lamport));
        let Some(lamports) = cited.collect::<Option<Vec<_>>>() else {
            return refuse("10.5", "an op before one that it cites");
        };
        if lamports.into_iter().max().unwrap_or(0).checked_add(1) != Some(header.lamport) {
            return refuse("2.5", "a Lamport number that does not follow");
        }
        let before = header.previous.and_then(|previous| self.seen.get(&previous));
        if before.is_some_and(|(_, lane, seq)| *lane != header.lane || seq.checked_add(1) != Some(header.seq)) {
            return refuse("2.3", "an op that does not follow its lane");
        }
        self.seen.insert(id, (header.lamport, header.lane, header.seq));
        self.last = Some(order);
        Ok(())
    }
}
