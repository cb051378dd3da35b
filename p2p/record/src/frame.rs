//! Frames: the content of an op, compressed, sealed and hashed, and what a resource frame says inside.
//! Which key is the right one is decided in `keys`. Called by `node` when it writes and when it reads.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::entry::FRAME_BYTES_MAX;
use crate::id::{IdentityId, Lane, RecordId};
use crate::seal;
use blake3::hazmat::{HasherExt, hash_derive_key_context};
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};
use std::cell::RefCell;
use std::sync::LazyLock;

/// Largest content of a frame before sealing; bounds what a hostile frame can inflate to.
pub const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// DEFLATE level: 1 gives most of the size for a third of the time of 6 on FHIR JSON.
const DEFLATE_LEVEL: i32 = 1;
/// Content below this length is stored: DEFLATE does not pay for its own header.
const DEFLATE_BYTES_MIN: usize = 96;

/// Compresses frames one after the other, keeping its large tables between them.
pub struct Packer(Option<Box<CompressorOxide>>);

/// Compressors a thread keeps for the next packer: to make one costs more than to compress a small resource.
const SPARE_MAX: usize = 2;

thread_local! {
    static SPARE: RefCell<Vec<Box<CompressorOxide>>> = const { RefCell::new(Vec::new()) };
}

impl Default for Packer {
    fn default() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Self(Some(spare.unwrap_or_else(|| {
            let flags = create_comp_flags_from_zip_params(DEFLATE_LEVEL, -15, 0);
            Box::new(CompressorOxide::new(flags))
        })))
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        if let Some(compressor) = self.0.take() {
            // A thread that is ending has no spares any more.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < SPARE_MAX {
                    spare.push(compressor);
                }
            });
        }
    }
}

impl Packer {
    /// The algorithm byte and the content: 1 raw DEFLATE, 0 stored when that is not larger (rule 3.3).
    pub fn pack(&mut self, content: &[u8]) -> Vec<u8> {
        if let Some(compressor) = self.0.as_mut().filter(|_| content.len() >= DEFLATE_BYTES_MIN) {
            let mut packed = Vec::with_capacity(content.len() / 2 + 16);
            packed.push(1);
            compressor.reset();
            compress_to_output(compressor, content, TDEFLFlush::Finish, |out| {
                packed.extend_from_slice(out);
                true
            });
            if packed.len() <= content.len() {
                return packed;
            }
        }
        [&[0], content].concat()
    }
}

/// Undoes [`Packer::pack`].
///
/// # Errors
/// Rule 3.3: an unknown algorithm, broken DEFLATE, or more than [`CONTENT_BYTES_MAX`].
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, CodecError> {
    match packed {
        [0, content @ ..] => Ok(content.to_vec()),
        [1, deflated @ ..] => miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, CONTENT_BYTES_MAX)
            .or(refuse("3.3", "content that does not inflate within its limit")),
        _ => refuse("3.3", "an unknown compression"),
    }
}

/// Where a frame stands; its nonce is derived from it (rule 3.4).
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The record; zero in a genesis.
    pub record: RecordId,
    /// The lane.
    pub lane: Lane,
    /// The op's sequence number.
    pub seq: u64,
    /// The frame's place in the op, counted from 0.
    pub frame: u32,
}

/// What `derive("chartwell 1 frame nonce")` begins with, which is the same for every frame.
static NONCE: LazyLock<[u8; 32]> = LazyLock::new(|| hash_derive_key_context("chartwell 1 frame nonce"));

impl Place {
    fn nonce(&self) -> [u8; 12] {
        let mut hasher = blake3::Hasher::new_from_context_key(&NONCE);
        hasher.update(self.record.bytes()).update(self.lane.author.bytes());
        hasher.update(&[self.lane.kind as u8]).update(&self.lane.instance.to_le_bytes());
        hasher.update(&self.seq.to_le_bytes()).update(&self.frame.to_le_bytes());
        hasher.finalize().as_bytes()[..12].try_into().expect("a hash has 32 bytes")
    }

    /// Seals packed content at this place.
    pub fn seal(&self, key: &[u8; 32], packed: &[u8]) -> Vec<u8> {
        seal::seal(key, &self.nonce(), b"", packed)
    }

    /// Opens and unpacks a frame at this place.
    ///
    /// # Errors
    /// Rule 3.4 if the key does not open it, 3.3 if what it holds does not unpack.
    pub fn open(&self, key: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, CodecError> {
        match seal::open(key, &self.nonce(), b"", sealed) {
            // What was stored is moved to the front, and not copied a second time.
            Some(mut packed) if packed.first() == Some(&0) => {
                packed.remove(0);
                Ok(packed)
            }
            Some(packed) => unpack(&packed),
            None => refuse("3.4", "a frame that does not open"),
        }
    }
}

/// What was done to the resource of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// New here.
    Create = 0,
    /// A further version.
    Update = 1,
    /// Gone.
    Delete = 2,
    /// A copy of a directory resource that another frame names.
    Copy = 3,
    /// Gone from this record, or from this class in it: the resource lives on elsewhere, and no version ends here.
    Moved = 4,
}

/// What a resource frame says inside (rule 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// FHIR type.
    pub resource_type: String,
    /// Whose resource it is.
    pub origin: IdentityId,
    /// The id at its origin.
    pub id: String,
    /// What was done.
    pub method: Method,
    /// For a copy: its place in the house record; of several copies the greatest is current.
    pub house_seq: u64,
    /// The JSON as it was sent; empty for a delete.
    pub json: Vec<u8>,
}

/// Longest id FHIR allows (datatypes.html#id).
const ID_BYTES_MAX: usize = 64;

impl Content {
    /// The one encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(6).text(&self.resource_type).bytes(self.origin.bytes()).text(&self.id);
        w.uint(self.method as u64).uint(self.house_seq).bytes(&self.json);
        w.finish()
    }

    /// Reads a resource frame.
    ///
    /// # Errors
    /// Rule 4.1.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.1");
        r.array(6)?;
        let resource_type = r.text(crate::entry::TYPE_BYTES_MAX)?.to_owned();
        let origin = IdentityId(r.exact()?);
        let id = r.text(ID_BYTES_MAX)?.to_owned();
        let method = match r.uint()? {
            0 => Method::Create,
            1 => Method::Update,
            2 => Method::Delete,
            3 => Method::Copy,
            4 => Method::Moved,
            _ => return refuse("4.1", "an unknown method"),
        };
        let house_seq = r.uint()?;
        let json = r.bytes(CONTENT_BYTES_MAX)?.to_vec();
        let content = Self { resource_type, origin, id, method, house_seq, json };
        r.end(&content.encode())?;
        Ok(content)
    }
}

/// Whether `frame` is the one its entry promises.
pub fn matches(entry: &crate::entry::Entry, frame: &[u8]) -> bool {
    frame.len() <= FRAME_BYTES_MAX && frame.len() as u64 == entry.size && blake3::hash(frame).as_bytes() == &entry.hash
}
