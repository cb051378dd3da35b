//! A record's address: `chartwell:` with the record's id, its patient's identity and a checksum, and where to
//! knock. It is no secret and grants nothing. Called by `node`, `server` and `patient`.

use crate::id::{IdentityId, RecordId, base32, unbase32};

/// Most multiaddrs an address carries.
pub const MULTIADDRS_MAX: usize = 8;
/// Longest address text that is read.
pub const ADDRESS_BYTES_MAX: usize = 4096;

/// Names a record and whom to ask for access to it (rule 8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The record.
    pub record: RecordId,
    /// The patient's identity.
    pub patient: IdentityId,
    /// Where the patient's node was last reachable; may change without a new address.
    pub at: Vec<String>,
}

/// Why a text is no address, in words for the person who pasted it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// Another kind of text.
    #[error("an address begins with chartwell: and this text does not")]
    Scheme,
    /// Cut off or altered.
    #[error("the address is incomplete or was altered: its checksum does not match")]
    Checksum,
    /// The `?at=` part.
    #[error("the address says where to knock in a way that is not understood, or more than {MULTIADDRS_MAX} times")]
    At,
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let hash = blake3::Hasher::new_derive_key("chartwell 1 address").update(body).finalize();
    hash.as_bytes()[..4].try_into().expect("a hash has 32 bytes")
}

impl Address {
    /// Reads an address as printed, scanned or typed.
    ///
    /// # Errors
    /// [`AddressError`], in words for the person.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::At);
        }
        let (name, at) = text.split_once("?at=").unwrap_or((text, ""));
        let Some(("chartwell", body)) =
            name.split_once(':').map(|(s, b)| (if s.eq_ignore_ascii_case("chartwell") { "chartwell" } else { s }, b))
        else {
            return Err(AddressError::Scheme);
        };
        let bytes = unbase32(body).filter(|bytes| bytes.len() == 68).ok_or(AddressError::Checksum)?;
        if checksum(&bytes[..64]) != bytes[64..] {
            return Err(AddressError::Checksum);
        }
        let at = at.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        if at.len() > MULTIADDRS_MAX || at.iter().any(|part| !part.starts_with('/') || !part.is_ascii()) {
            return Err(AddressError::At);
        }
        let (Some(record), Some(patient)) =
            (RecordId::from_slice(&bytes[..32]), IdentityId::from_slice(&bytes[32..64]))
        else {
            return Err(AddressError::Checksum);
        };
        Ok(Self { record, patient, at })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut body = [self.record.0, self.patient.0].concat();
        body.extend(checksum(&body));
        write!(f, "chartwell:{}", base32(&body))?;
        if self.at.is_empty() { Ok(()) } else { write!(f, "?at={}", self.at.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_and_a_changed_letter_is_told() {
        let address = Address {
            record: RecordId([1; 32]),
            patient: IdentityId([2; 32]),
            at: vec!["/ip4/127.0.0.1/tcp/4001/p2p/x".into(), "/ip4/127.0.0.1/udp/4001/quic-v1".into()],
        };
        let text = address.to_string();
        assert_eq!(Address::parse(&format!(" {text}\n")), Ok(address.clone()));
        let bare = text.split('?').next().expect("a first part").to_owned();
        assert_eq!(Address::parse(&bare.to_uppercase()).map(|a| a.record), Ok(address.record));
        let mut wrong = bare.clone();
        wrong.replace_range(20..21, if &bare[20..21] == "a" { "b" } else { "a" });
        for (bad, expected) in [
            (wrong.as_str(), AddressError::Checksum),
            (&bare[..40], AddressError::Checksum),
            ("http://x", AddressError::Scheme),
            ("", AddressError::Scheme),
            (&format!("{bare}?at=x"), AddressError::At),
        ] {
            assert_eq!(Address::parse(bad), Err(expected), "{bad}");
        }
    }
}
