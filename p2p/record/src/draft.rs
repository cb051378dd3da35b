//! Drafts: the author's side of an op. Frames are sealed at their place, the list is hashed, the header signed.
//! Which heads, keys and grant belong in is the caller's matter. Called by `node`.

use crate::body::Body;
use crate::entropy::Entropy;
use crate::entry::{self, Class, Entry, FrameKind, KeyName};
use crate::frame::{Packer, Place};
use crate::header::{Authority, Header, Kind};
use crate::id::{Lane, OpId, RecordId};
use crate::identity::{Card, Identity};
use crate::keys::{KeyItem, Secret, encode_items};
use crate::op::{self, Op, Verified, VerifyError, verify};
use crate::seal;

/// What wraps are sealed for, so that no other sealed message passes for one (rule 5.4).
pub const WRAP_INFO: &[u8] = b"chartwell 1 wrap";

/// One frame to be.
pub enum DraftFrame {
    /// A resource or its deletion.
    Resource {
        /// Put or delete.
        kind: FrameKind,
        /// Names the conflict it ends.
        resolves: bool,
        /// FHIR type.
        resource_type: String,
        /// Confidentiality class.
        class: Class,
        /// Names the resource.
        handle: [u8; 16],
        /// Names the key.
        key_name: KeyName,
        /// The key.
        key: Secret,
        /// Compressed content.
        packed: Vec<u8>,
    },
    /// A body under a key, or plain.
    Body {
        /// What is said.
        body: Body,
        /// Names the key.
        key_name: KeyName,
        /// None for [`KeyName::Plain`].
        key: Option<Secret>,
    },
    /// A body sealed to one card.
    SealedBody {
        /// What is said.
        body: Body,
        /// To whom.
        to: Card,
    },
    /// Keys for one card.
    Wrap {
        /// To whom.
        to: Card,
        /// Which.
        items: Vec<KeyItem>,
    },
    /// Keys of the op's own, sealed for those who may read what its author may only write.
    ForReaders(crate::opkey::ForReaders),
}

/// An op to be.
pub struct Draft {
    /// Zero for a genesis.
    pub record: RecordId,
    /// The line.
    pub lane: Lane,
    /// Place in it.
    pub seq: u64,
    /// The op before.
    pub previous: Option<OpId>,
    /// Control heads seen.
    pub control_heads: Vec<OpId>,
    /// Other data heads seen.
    pub data_heads: Vec<OpId>,
    /// One more than the greatest among previous and cited ops.
    pub lamport: u64,
    /// The author's clock.
    pub wall_ms: u64,
    /// What it does.
    pub kind: Kind,
    /// What it acts under.
    pub authority: Authority,
    /// What it carries.
    pub frames: Vec<DraftFrame>,
}

/// A card that cannot receive: its sealing key is of low order.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the sealing key of {0} cannot receive")]
pub struct UnusableCard(pub crate::id::IdentityId);

/// An op that lacks only its signature, for a signer elsewhere: an HSM, a KMS.
pub struct Unsigned {
    header: Header,
    message: Vec<u8>,
    entries: Vec<Entry>,
    entries_bytes: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Unsigned {
    /// What is to be signed by Ed25519 (rule 2.7).
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The op with its signature, verified, and its frames.
    ///
    /// # Errors
    /// [`VerifyError`] if the signature is not that of the card's key in use.
    pub fn signed(self, signature: [u8; 64], author: &Card) -> Result<(Verified, Vec<Vec<u8>>), VerifyError> {
        let (op, frames) = self.with(signature);
        Ok((verify(op, author)?, frames))
    }

    fn with(self, signature: [u8; 64]) -> (Op, Vec<Vec<u8>>) {
        let header_bytes = self.header.encode();
        let id = Header::id_of(&header_bytes);
        let Self { header, entries, entries_bytes, frames, .. } = self;
        (Op { id, header, header_bytes, signature, entries, entries_bytes }, frames)
    }
}

impl Draft {
    /// Seals the frames, hashes the list, signs the header.
    ///
    /// # Errors
    /// [`UnusableCard`] if a recipient cannot receive.
    pub fn sign(self, author: &Identity, entropy: &mut Entropy) -> Result<(Verified, Vec<Vec<u8>>), UnusableCard> {
        let unsigned = self.prepare(author.card().key_number(), entropy)?;
        let signature = author.sign(&unsigned.message);
        let (op, frames) = unsigned.with(signature);
        Ok((Verified(op), frames))
    }

    /// Seals the frames and hashes the list; what is left is the signature by the author's key of that number.
    ///
    /// # Errors
    /// [`UnusableCard`] if a recipient cannot receive.
    pub fn prepare(mut self, key_number: u64, entropy: &mut Entropy) -> Result<Unsigned, UnusableCard> {
        let mut packer = Packer::default();
        let mut entries = Vec::with_capacity(self.frames.len());
        let mut frames = Vec::with_capacity(self.frames.len());
        for (at, frame) in std::mem::take(&mut self.frames).into_iter().enumerate() {
            let place = Place { record: self.record, lane: self.lane, seq: self.seq, frame: at as u32 };
            let (entry, sealed) = self.seal(frame, &place, &mut packer, entropy)?;
            entries.push(Entry { size: sealed.len() as u64, hash: *blake3::hash(&sealed).as_bytes(), ..entry });
            frames.push(sealed);
        }
        let entries_bytes = entry::encode(&entries);
        self.control_heads.sort_unstable();
        self.control_heads.dedup();
        self.data_heads.sort_unstable();
        self.data_heads.dedup();
        let header = Header {
            record: self.record,
            lane: self.lane,
            key_number,
            seq: self.seq,
            previous: self.previous,
            control_heads: self.control_heads,
            data_heads: self.data_heads,
            lamport: self.lamport,
            wall_ms: self.wall_ms,
            kind: self.kind,
            authority: self.authority,
            entries_root: *blake3::hash(&entries_bytes).as_bytes(),
        };
        let message = op::message(&header.encode());
        Ok(Unsigned { header, message, entries, entries_bytes, frames })
    }

    fn seal(
        &self,
        frame: DraftFrame,
        place: &Place,
        packer: &mut Packer,
        entropy: &mut Entropy,
    ) -> Result<(Entry, Vec<u8>), UnusableCard> {
        Ok(match frame {
            DraftFrame::Resource { kind, resolves, resource_type, class, handle, key_name, key, packed } => {
                let entry = Entry { kind, resolves, resource_type, class, handle, ..blank(key_name) };
                (entry, place.seal(&key, &packed))
            }
            DraftFrame::Body { body, key_name, key } => {
                let packed = packer.pack(&body.encode());
                let sealed = match key {
                    Some(key) => place.seal(&key, &packed),
                    None => packed,
                };
                (blank(key_name), sealed)
            }
            DraftFrame::SealedBody { body, to } => {
                let packed = packer.pack(&body.encode());
                let sealed = seal::seal_to(&to, WRAP_INFO, &packed, entropy).ok_or(UnusableCard(to.id()))?;
                (self.wrap_entry(&to), sealed)
            }
            DraftFrame::ForReaders(wrap) => {
                let entry = Entry { kind: FrameKind::Wrap, handle: wrap.handle, ..blank(KeyName::Sealed) };
                (entry, wrap.sealed)
            }
            DraftFrame::Wrap { to, items } => {
                let plain = encode_items(&items);
                let sealed = seal::seal_to(&to, WRAP_INFO, &plain, entropy).ok_or(UnusableCard(to.id()))?;
                (self.wrap_entry(&to), sealed)
            }
        })
    }

    fn wrap_entry(&self, to: &Card) -> Entry {
        let handle = entry::wrap_handle(&self.record, &to.id());
        Entry { kind: FrameKind::Wrap, handle, ..blank(KeyName::Sealed) }
    }
}

fn blank(key: KeyName) -> Entry {
    Entry {
        kind: FrameKind::Body,
        resolves: false,
        resource_type: String::new(),
        class: Class::NORMAL,
        handle: [0; 16],
        key,
        size: 0,
        hash: [0; 32],
    }
}
