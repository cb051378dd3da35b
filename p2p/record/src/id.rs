//! The names of the record: identities, records, ops, lanes and heads, as fixed-size values with one
//! text form each. Nothing here signs, hashes or decides. Called by every room that touches the record.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use std::fmt;

/// A text that does not name what it should.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected {expected}, found {found} characters that are not one")]
pub struct IdError {
    /// What the text should have been.
    pub expected: &'static str,
    /// How many characters it had.
    pub found: usize,
}

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = concat!("Names ", $what, " by 32 bytes; printed as lower-case base32 without padding.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The id as bytes.
            pub fn bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads an id from exactly 32 bytes; another length gives `None`.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}..)", stringify!($name), &HEXLOWER.encode(&self.0[..4]))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                unbase32(text)
                    .and_then(|bytes| Self::from_slice(&bytes))
                    .ok_or(IdError { expected: $what, found: text.chars().count() })
            }
        }
    };
}

id!(IdentityId, "an identity");
id!(RecordId, "a record");
id!(OpId, "an op");

impl IdentityId {
    /// The 16 base32 characters under which others' resources are served (`<origin>.<id>`).
    pub fn origin(&self) -> String {
        base32(&self.0[..10])
    }
}

impl OpId {
    /// The 20 base32 characters that open a `versionId`.
    pub fn version(&self) -> String {
        base32(&self.0)[..20].to_owned()
    }
}

/// Lower-case base32 (RFC 4648) without padding, the one text form of every id.
pub fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// Reads what [`base32`] wrote; upper-case is read too, since QR codes are denser in it.
pub fn unbase32(text: &str) -> Option<Vec<u8>> {
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()
}

/// Which of an author's three lines an op stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneKind {
    /// Genesis, grants, revokes, claims, keys: who may do what.
    Control = 0,
    /// Signed reads.
    Audit = 1,
    /// Resources.
    Change = 2,
}

impl LaneKind {
    /// Reads the number a header carries.
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(LaneKind::Control),
            1 => Some(LaneKind::Audit),
            2 => Some(LaneKind::Change),
            _ => None,
        }
    }
}

/// One line of one author: every op in it names the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Whose line it is.
    pub author: IdentityId,
    /// Control, audit or change.
    pub kind: LaneKind,
    /// Zero for control; drawn afresh by each process start for the others.
    pub instance: u64,
}

/// The last op of a lane that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// The lane.
    pub lane: Lane,
    /// Counted from 0.
    pub seq: u64,
    /// The op at `seq`.
    pub id: OpId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text_in_either_case() {
        let id = OpId([7; 32]);
        assert_eq!(id.to_string().parse::<OpId>(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse::<OpId>(), Ok(id));
        for bad in ["", "a", "!", &"a".repeat(51), &"a".repeat(53)] {
            assert!(bad.parse::<OpId>().is_err(), "{bad}");
        }
        assert_eq!(IdentityId([1; 32]).origin().len(), 16);
        assert_eq!(id.version().len(), 20);
    }
}
