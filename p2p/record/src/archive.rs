//! Archives: a record in one file that anybody can verify, and that whoever has keys can read. Bytes in, bytes out: where the
//! file lies, and what is done with what it holds, is the caller's matter. Called by `node` for `record export` and `import`.

mod part;
mod reader;
mod writer;

pub use part::{PART_BYTES_MAX, encode_keys};
pub use reader::Reader;
pub use writer::Writer;

use crate::cbor::CodecError;
use crate::id::OpId;
use crate::keys::KeyItem;
use crate::op::{Verified, VerifyError};
use crate::passphrase::Sealed;

/// What every archive begins with; the number is the version (rule 10.1).
pub const MAGIC: &[u8; 20] = b"chartwell archive 1\n";

/// Most ops of one archive: a hundred a day for a century. Whoever writes or reads it remembers about 120 bytes of each.
pub const OPS_MAX: usize = 4_194_304;

/// Most authors of one archive; their cards are read before anything else.
pub const CARDS_MAX: usize = 4096;

/// Why an archive is not believed, or not written.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum ArchiveError {
    /// The bytes break a rule: the file is damaged, or never was one.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An op in it is not its author's.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// An op breaks a rule that needs the ops before it.
    #[error("rule {rule}: op {id}: {what}")]
    Op {
        /// The rule broken.
        rule: &'static str,
        /// Which op.
        id: OpId,
        /// What was found, without content.
        what: &'static str,
    },
}

impl ArchiveError {
    /// The rule that refuses it.
    pub fn rule(&self) -> &'static str {
        match self {
            ArchiveError::Codec(error) | ArchiveError::Verify(VerifyError::Codec(error)) => error.rule,
            ArchiveError::Verify(_) => "2.7",
            ArchiveError::Op { rule, .. } => rule,
        }
    }
}

/// Keys as an archive holds them: sealed under a passphrase, for the record they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKeys(pub(crate) Sealed);

/// What an archive holds, in the order it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The cards its ops are verified by: the newest of each author that the exporter knew.
    Cards(Vec<crate::Card>),
    /// Keys under a passphrase; at most once, before any op.
    Keys(SealedKeys),
    /// An op, verified, with the frames that came along.
    Op(Box<Verified>, Vec<Option<Vec<u8>>>),
    /// The end: so many ops, and every byte was as it was written.
    End(u64),
}

impl SealedKeys {
    /// Opens the keys of `record`.
    ///
    /// # Errors
    /// [`crate::passphrase::Fault`] for another passphrase; [`CodecError`] for what is sealed under it.
    pub fn open(&self, record: &crate::RecordId, passphrase: &str) -> Result<Vec<KeyItem>, KeysError> {
        Ok(part::decode_keys(record, &self.0.open(passphrase)?)?)
    }
}

/// Why the keys of an archive do not open.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum KeysError {
    /// Ask for the passphrase again.
    #[error(transparent)]
    Passphrase(#[from] crate::passphrase::Fault),
    /// What was sealed is no list of keys of this record.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
