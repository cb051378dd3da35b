//! Entries: what an op's signed frame list says of each frame, so that a frame can be withheld or erased
//! and the chain still verifies. Their bytes are in `list`, sealing is in `frame`. Called by `op`, `state` and `node`.

mod list;

pub use list::{decode, encode};

use crate::id::{IdentityId, RecordId};

/// Most frames one op carries: a transaction of the largest allowed Bundle and its directory copies.
pub const ENTRIES_MAX: usize = 20_000;
/// Longest resource type name R4 has, doubled.
pub const TYPE_BYTES_MAX: usize = 96;
/// Most types one frame list names: R4 has 148.
pub const TYPES_MAX: usize = 512;
/// Most sets of epochs one frame list names: an op seals under those in force.
pub const TAGS_MAX: usize = 16;
/// Largest sealed frame; larger content is an attachment.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A confidentiality class by its number; `fhir` computes it from the resource's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u8);

impl Class {
    /// Nothing labelled.
    pub const NORMAL: Class = Class(0);
    /// Organizations, practitioners and the like, copied beside what names them.
    pub const DIRECTORY: Class = Class(8);
    /// What emergencies need.
    pub const EMERGENCY: Class = Class(9);
    /// Every class there is, in the order of their numbers.
    pub const NAMES: [&'static str; 10] = [
        "normal",
        "restricted",
        "substance-use",
        "mental-health",
        "hiv",
        "sexual-health",
        "genetic",
        "violence",
        "directory",
        "emergency",
    ];

    /// The class's name.
    pub fn name(self) -> &'static str {
        Self::NAMES.get(usize::from(self.0)).copied().unwrap_or("unknown")
    }

    /// All classes.
    pub fn all() -> impl Iterator<Item = Class> {
        (0..Self::NAMES.len() as u8).map(Class)
    }

    /// Whether a grant must name the class for it to be open.
    pub fn is_sensitive(self) -> bool {
        (1..=7).contains(&self.0)
    }
}

/// What a frame is (rule 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A resource as it now is.
    Put,
    /// A resource is gone.
    Delete,
    /// The body of a control or access op, or the agent of a change.
    Body,
    /// Keys sealed to one recipient.
    Wrap,
}

/// Names the key a frame is sealed under (rule 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// Not sealed: the body of a genesis.
    Plain,
    /// The type key (or control key, for a body) of the epochs with this tag.
    Epochs([u8; 8]),
    /// The control key of the epoch this very op opens.
    Own,
    /// The owner's key of the epochs with this tag: for the record's authority alone.
    Owner([u8; 8]),
    /// Sealed to a public key.
    Sealed,
}

/// One line of the frame list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the frame is.
    pub kind: FrameKind,
    /// The write names the conflict it ends.
    pub resolves: bool,
    /// FHIR resource type; empty for bodies and wraps.
    pub resource_type: String,
    /// Confidentiality class.
    pub class: Class,
    /// Names the resource, or the recipient of a wrap, without telling it.
    pub handle: [u8; 16],
    /// Which key opens the frame.
    pub key: KeyName,
    /// Bytes of the sealed frame.
    pub size: u64,
    /// BLAKE3 of the sealed frame.
    pub hash: [u8; 32],
}

impl Entry {
    /// Whether the frame holds a resource or its deletion.
    pub fn is_resource(&self) -> bool {
        matches!(self.kind, FrameKind::Put | FrameKind::Delete)
    }
}

/// The handle of a resource: 16 bytes of a hash keyed from the genesis (rule 3.5).
pub fn handle(handle_key: &[u8; 32], origin: &IdentityId, resource_type: &str, id: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(handle_key);
    hasher.update(origin.bytes()).update(&[resource_type.len() as u8]);
    hasher.update(resource_type.as_bytes()).update(id.as_bytes());
    first_16(hasher.finalize().as_bytes())
}

/// The handle of a wrap: tells its recipient, and nobody outside the record, whose it is (rule 3.5).
pub fn wrap_handle(record: &RecordId, recipient: &IdentityId) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 wrap handle");
    hasher.update(record.bytes()).update(recipient.bytes());
    first_16(hasher.finalize().as_bytes())
}

fn first_16(hash: &[u8; 32]) -> [u8; 16] {
    hash[..16].try_into().expect("a hash has 32 bytes")
}
