//! A text sealed under a passphrase: AES-256-GCM-SIV, the key by argon2id (RFC 9106). Called by `identity_file` alone.
//!
//! The parameters stand beside the text, so that a later build may take greater ones; what a file may ask for is bounded.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use record::id::{base32, unbase32};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Marks a sealed file; it is sealed in with the text.
const FORMAT: &str = "chartwell sealed 1";

/// Memory of a new file in KiB: RFC 9106's second choice, which a patient's small machine has too.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes of a new file; with that memory a guess takes about a tenth of a second.
const PASSES: u32 = 3;
/// Most memory in KiB that a file may ask for: it may have been put there by somebody else.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes it may ask for.
const PASSES_MAX: u32 = 16;
/// Bytes of salt (RFC 9106 section 3.1).
const SALT_BYTES: usize = 16;
/// Bytes of an AES-GCM-SIV nonce.
const NONCE_BYTES: usize = 12;

/// The file's shape.
#[derive(Serialize, Deserialize)]
struct Sealed {
    format: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

/// Why a sealed text does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text is not what this module writes.
    Damaged,
    /// The passphrase is another, or the text was changed.
    Passphrase,
}

/// Whether a text is a sealed one.
pub(super) fn is_sealed(text: &str) -> bool {
    serde_json::from_str::<Sealed>(text).is_ok()
}

/// Seals `text`.
pub(super) fn seal(text: &str, passphrase: &str) -> String {
    let random = crate::clock::random::<{ SALT_BYTES + NONCE_BYTES }>();
    let (salt, nonce) = random.split_at(SALT_BYTES);
    let key = key(passphrase, salt, MEMORY_KIB, PASSES).expect("the parameters of a new file are within bounds");
    let payload = Payload { msg: text.as_bytes(), aad: FORMAT.as_bytes() };
    let sealed = cipher(&key).encrypt(&nonce_of(nonce), payload).expect("a short text can be sealed");
    let shape = Sealed {
        format: FORMAT.to_owned(),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        salt: base32(salt),
        nonce: base32(nonce),
        sealed: base32(&sealed),
    };
    serde_json::to_string_pretty(&shape).expect("six plain members are JSON")
}

/// Opens what [`seal`] made.
pub(super) fn open(text: &str, passphrase: &str) -> Result<Zeroizing<String>, Fault> {
    let shape: Sealed = serde_json::from_str(text).map_err(|_| Fault::Damaged)?;
    let bytes = |text: &str| unbase32(text).ok_or(Fault::Damaged);
    let (salt, nonce, sealed) = (bytes(&shape.salt)?, bytes(&shape.nonce)?, bytes(&shape.sealed)?);
    let bounded = shape.memory_kib <= MEMORY_KIB_MAX && shape.passes <= PASSES_MAX;
    if shape.format != FORMAT || nonce.len() != NONCE_BYTES || salt.len() != SALT_BYTES || !bounded {
        return Err(Fault::Damaged);
    }
    let key = key(passphrase, &salt, shape.memory_kib, shape.passes).ok_or(Fault::Damaged)?;
    let payload = Payload { msg: &sealed, aad: FORMAT.as_bytes() };
    let text = cipher(&key).decrypt(&nonce_of(&nonce), payload).map_err(|_| Fault::Passphrase)?;
    match String::from_utf8(text) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(Fault::Damaged)
        }
    }
}

fn key(passphrase: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(memory_kib, passes, 1, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(passphrase.as_bytes(), salt, &mut key[..]).ok()?;
    Some(key)
}

fn cipher(key: &[u8; 32]) -> Aes256GcmSiv {
    Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key))
}

fn nonce_of(bytes: &[u8]) -> Nonce {
    let bytes: [u8; NONCE_BYTES] = bytes.try_into().expect("callers have checked the length");
    Nonce::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_passphrase_opens_and_nothing_may_be_changed() {
        let sealed = seal("the seeds", "correct horse");
        assert!(is_sealed(&sealed) && !sealed.contains("seeds"));
        assert_eq!(open(&sealed, "correct horse").unwrap().as_str(), "the seeds");
        assert_eq!(open(&sealed, "correct horsf"), Err(Fault::Passphrase));
        assert_ne!(sealed, seal("the seeds", "correct horse"));
        let other = seal("other", "correct horse");
        let shape = |text: &str| serde_json::from_str::<Sealed>(text).unwrap();
        for (change, wanted) in [
            (
                (|one: &mut Sealed, other: &Sealed| one.sealed.clone_from(&other.sealed)) as fn(&mut Sealed, &Sealed),
                Fault::Passphrase,
            ),
            (|one, other| one.salt.clone_from(&other.salt), Fault::Passphrase),
            (|one, other| one.nonce.clone_from(&other.nonce), Fault::Passphrase),
            (|one, _| one.passes = 1, Fault::Passphrase),
            (|one, _| one.passes = 0, Fault::Damaged),
            (|one, _| one.passes = PASSES_MAX + 1, Fault::Damaged),
            (|one, _| one.memory_kib = u32::MAX, Fault::Damaged),
            (|one, _| one.salt.truncate(8), Fault::Damaged),
            (|one, _| one.nonce.clear(), Fault::Damaged),
            (|one, _| one.sealed.clear(), Fault::Passphrase),
            (|one, _| one.sealed.push('!'), Fault::Damaged),
            (|one, _| one.format.push('2'), Fault::Damaged),
        ] {
            let mut changed = shape(&sealed);
            change(&mut changed, &shape(&other));
            let text = serde_json::to_string(&changed).unwrap();
            assert_eq!(open(&text, "correct horse").unwrap_err(), wanted, "{text}");
        }
        assert_eq!(open("{}", "x").unwrap_err(), Fault::Damaged);
    }
}
