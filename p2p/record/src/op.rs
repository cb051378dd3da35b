//! Ops: header, signature and frame list as they travel and are stored, and the one way to trust them.
//! Only [`verify`], [`Author`] and [`crate::draft`] make a [`Verified`] op. Called by `node` and `store`.

use crate::body::Body;
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::entry::{self, Entry, FRAME_BYTES_MAX, KeyName};
use crate::header::{HEADER_BYTES_MAX, Header, Kind};
use crate::id::{Head, IdentityId, OpId, RecordId};
use crate::identity::Card;
use ed25519_dalek::{Signature, VerifyingKey};

/// The domain of an op's signature (rule 2.7).
const OP_DOMAIN: &[u8] = b"chartwell 1 op";
/// Longest encoded frame list.
pub const ENTRIES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An op as read, not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    pub(crate) id: OpId,
    pub(crate) header: Header,
    pub(crate) header_bytes: Vec<u8>,
    pub(crate) signature: [u8; 64],
    pub(crate) entries: Vec<Entry>,
    pub(crate) entries_bytes: Vec<u8>,
}

/// Why an op is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum VerifyError {
    /// The bytes break a rule: whoever sent them is at fault.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Another identity's card was given: ask for the author's.
    #[error("the card is not that of the op's author")]
    Statement,
    /// The signature is not the author's.
    #[error("rule 2.7: the signature of op {0} does not verify")]
    Signature(OpId),
    /// A key the author has not been known to hand over to.
    #[error("rule 2.7: op {0} is signed by key number {1}, which its author is not known to have")]
    KeyNumber(OpId, u64),
}

impl Op {
    /// Reads an op from its stored parts.
    ///
    /// # Errors
    /// The rule broken in header or frame list; 2.8 if they do not belong together.
    pub fn decode(header_bytes: Vec<u8>, signature: [u8; 64], entries_bytes: Vec<u8>) -> Result<Self, CodecError> {
        if entries_bytes.len() > ENTRIES_BYTES_MAX {
            return refuse("3.1", "a frame list over its limit");
        }
        let header = Header::decode(&header_bytes)?;
        if blake3::hash(&entries_bytes).as_bytes() != &header.entries_root {
            return refuse("2.8", "the frame list is not the signed one");
        }
        let entries = entry::decode(&entries_bytes)?;
        Ok(Self { id: Header::id_of(&header_bytes), header, header_bytes, signature, entries, entries_bytes })
    }

    /// Hash of the header.
    pub fn id(&self) -> OpId {
        self.id
    }

    /// The record; of a genesis, the one it opens.
    pub fn record(&self) -> RecordId {
        if self.header.record.0 == [0; 32] { RecordId(self.id.0) } else { self.header.record }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as signed.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The frame list.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The frame list as signed.
    pub fn entries_bytes(&self) -> &[u8] {
        &self.entries_bytes
    }

    /// This op as the head of its lane.
    pub fn head(&self) -> Head {
        Head { lane: self.header.lane, seq: self.header.seq, id: self.id }
    }
}

/// An op whose signature is its author's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified(pub(crate) Op);

impl std::ops::Deref for Verified {
    type Target = Op;
    fn deref(&self) -> &Op {
        &self.0
    }
}

impl Verified {
    /// An op out of one's own log, where only verified ones are appended; `chartwell verify` verifies them again.
    pub fn from_own_log(op: Op) -> Self {
        Self(op)
    }
}

/// An author whose ops are verified one after the other: its card, with each of its keys read once. To read a key costs a
/// fifth of what it costs to verify a signature.
#[derive(Clone, Debug)]
pub struct Author {
    id: IdentityId,
    card: Card,
    keys: Vec<Result<VerifyingKey, CodecError>>,
}

impl Author {
    /// The author of a card.
    pub fn new(card: Card) -> Self {
        let keys = (0..=card.key_number()).filter_map(|number| card.key(number).transpose()).collect();
        Self { id: card.id(), card, keys }
    }

    /// Its card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Verifies an op as [`verify`] does.
    ///
    /// # Errors
    /// [`VerifyError`]; what fails here must not be stored.
    pub fn verify(&self, op: Op) -> Result<Verified, VerifyError> {
        if self.id != op.header.lane.author {
            return Err(VerifyError::Statement);
        }
        let number = op.header.key_number;
        match usize::try_from(number).ok().and_then(|number| self.keys.get(number)) {
            Some(key) => decide(op, key.as_ref().map_err(Clone::clone)?),
            None => Err(VerifyError::KeyNumber(op.id, number)),
        }
    }
}

/// Verifies `op` against its author's card. Of many ops of one author, [`Author`] does it in less time.
///
/// # Errors
/// [`VerifyError`]; what fails here must not be stored.
pub fn verify(op: Op, author: &Card) -> Result<Verified, VerifyError> {
    if author.id() != op.header.lane.author {
        return Err(VerifyError::Statement);
    }
    match author.key(op.header.key_number)? {
        Some(key) => decide(op, &key),
        None => Err(VerifyError::KeyNumber(op.id, op.header.key_number)),
    }
}

/// The one place where an op's signature is decided.
///
/// # Source
/// `docs/PROTOCOL.md` rules 1.4 and 2.7: `verify_strict` decides.
fn decide(op: Op, key: &VerifyingKey) -> Result<Verified, VerifyError> {
    match key.verify_strict(&message(&op.header_bytes), &Signature::from_bytes(&op.signature)) {
        Ok(()) => Ok(Verified(op)),
        Err(_) => Err(VerifyError::Signature(op.id)),
    }
}

/// The card that a plain body brings along, by which its own op is verified: of a genesis the author's, of a handover the
/// author's with the key that signs.
pub fn card_within(op: &Op, first_frame: &[u8]) -> Option<Card> {
    let entry = op.entries.first().filter(|entry| entry.key == KeyName::Plain)?;
    if !matches!(op.header.kind, Kind::Genesis | Kind::Keys) {
        return None;
    }
    let body = crate::frame::unpack(first_frame).ok()?;
    let card = match Body::decode_sealed(op.header.kind, &entry.key, &body).ok()? {
        Body::Genesis(genesis) => genesis.author,
        Body::Handover(handover) => handover.card,
        _ => return None,
    };
    (card.id() == op.header.lane.author).then_some(card)
}

/// What an op's signature is over (rule 2.7).
pub(crate) fn message(header_bytes: &[u8]) -> Vec<u8> {
    [OP_DOMAIN, header_bytes].concat()
}

/// An op with the frames that come along, as it travels; a frame left out is withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The op, not yet believed.
    pub op: Op,
    /// One place per entry.
    pub frames: Vec<Option<Vec<u8>>>,
}

impl Parcel {
    /// The one encoding (rule 7.1).
    pub fn encode(op: &Op, frames: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4).bytes(&op.header_bytes).bytes(&op.signature).bytes(&op.entries_bytes);
        let there = frames.iter().enumerate().filter_map(|(at, frame)| Some((at, frame.as_ref()?)));
        let there = there.collect::<Vec<_>>();
        w.array(there.len());
        for (at, frame) in there {
            w.array(2).uint(at as u64).bytes(frame);
        }
        w.finish()
    }

    /// Reads a parcel and checks every frame that came along against its entry.
    ///
    /// # Errors
    /// Rule 7.1 for the shape, 3.6 for a frame that is not the signed one.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "7.1");
        r.array(4)?;
        let header = r.bytes(HEADER_BYTES_MAX)?.to_vec();
        let signature = r.exact()?;
        let op = Op::decode(header, signature, r.bytes(ENTRIES_BYTES_MAX)?.to_vec())?;
        let mut frames = vec![None; op.entries.len()];
        let len = r.len(op.entries.len())?;
        for _ in 0..len {
            r.array(2)?;
            let at = r.uint()? as usize;
            let frame = r.bytes(FRAME_BYTES_MAX)?;
            match (op.entries.get(at), frames.get_mut(at)) {
                (Some(entry), Some(place)) if place.is_none() && crate::frame::matches(entry, frame) => {
                    *place = Some(frame.to_vec());
                }
                _ => return refuse("3.6", "a frame that is not the signed one"),
            }
        }
        r.end(&Self::encode(&op, &frames))?;
        Ok(Self { op, frames })
    }
}
