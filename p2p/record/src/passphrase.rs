//! Secrets at rest under a passphrase: AES-256-GCM-SIV, the key by argon2id (RFC 9106). Called by whoever keeps an identity
//! in a file; how the parts are written there is theirs. And what is kept of the passwords that people log in with.
//!
//! The parameters are kept beside the text, so that a later build may take greater ones; what a file may ask for is bounded.

use crate::entropy::Entropy;
use crate::id::{base32, unbase32};
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

/// What every text is sealed with, so that it is never taken for another kind of sealed text.
const DOMAIN: &[u8] = b"chartwell 1 passphrase";

/// Memory of a new text in KiB: RFC 9106's second choice, which a patient's small machine has too.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes of a new text; with that memory a guess takes about a tenth of a second.
const PASSES: u32 = 3;
/// Most memory in KiB that a text may ask for: its file may have been put there by somebody else.
pub const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes it may ask for.
pub const PASSES_MAX: u32 = 16;
/// Bytes of salt (RFC 9106 section 3.1).
pub const SALT_BYTES: usize = 16;
/// Bytes of an AES-GCM-SIV nonce.
pub const NONCE_BYTES: usize = 12;

/// A sealed text and what its key is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Memory of argon2id in KiB.
    pub memory_kib: u32,
    /// Passes of argon2id.
    pub passes: u32,
    /// Salt.
    pub salt: [u8; SALT_BYTES],
    /// Nonce.
    pub nonce: [u8; NONCE_BYTES],
    /// The sealed text.
    pub text: Vec<u8>,
}

/// Why a sealed text does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It asks for more memory or passes than may be, or for none.
    #[error("the sealed text asks for memory or passes that are out of bounds")]
    Bounds,
    /// The passphrase is another, or the text was changed.
    #[error("the passphrase does not open the sealed text")]
    Passphrase,
}

impl Sealed {
    /// Seals `text`. Takes about a tenth of a second and 64 MiB.
    #[must_use]
    pub fn seal(text: &[u8], passphrase: &str, entropy: &mut Entropy) -> Self {
        let (salt, nonce) = (entropy.draw(), entropy.draw());
        let mut sealed = Self { memory_kib: MEMORY_KIB, passes: PASSES, salt, nonce, text: Vec::new() };
        let cipher = sealed.cipher(passphrase).expect("the parameters of a new text are within bounds");
        let payload = Payload { msg: text, aad: DOMAIN };
        sealed.text = cipher.encrypt(&Nonce::from(nonce), payload).expect("what is kept in a file can be sealed");
        sealed
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open(&self, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let payload = Payload { msg: &self.text, aad: DOMAIN };
        let opened = self.cipher(passphrase)?.decrypt(&Nonce::from(self.nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| Fault::Passphrase)
    }

    fn cipher(&self, passphrase: &str) -> Result<Aes256GcmSiv, Fault> {
        let key = stretched(passphrase, &self.salt, self.memory_kib, self.passes)?;
        Ok(Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key)))
    }
}

/// What is kept of a password that somebody logs in with: parameters, salt and hash, as RFC 9106's argon2id makes them.
/// Takes about a tenth of a second and 64 MiB.
#[must_use]
pub fn password_hash(password: &str, entropy: &mut Entropy) -> String {
    let salt = entropy.draw::<SALT_BYTES>();
    let hash = stretched(password, &salt, MEMORY_KIB, PASSES).expect("the parameters of a new hash are within bounds");
    format!("argon2id {MEMORY_KIB} {PASSES} {} {}", base32(&salt), base32(&hash[..]))
}

/// Whether `kept` was made of this password, in a time that does not tell where they differ.
#[must_use]
pub fn password_is(password: &str, kept: &str) -> bool {
    let parts = kept.split(' ').collect::<Vec<_>>();
    let ["argon2id", memory, passes, salt, hash] = parts[..] else { return false };
    let (Ok(memory), Ok(passes), Some(salt), Some(hash)) =
        (memory.parse(), passes.parse(), unbase32(salt), unbase32(hash))
    else {
        return false;
    };
    // The comparison of blake3's hashes takes the same time for all.
    stretched(password, &salt, memory, passes).is_ok_and(|found| blake3::hash(&found[..]) == blake3::hash(&hash))
}

fn stretched(text: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Result<Zeroizing<[u8; 32]>, Fault> {
    if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
        return Err(Fault::Bounds);
    }
    let params = Params::new(memory_kib, passes, 1, Some(32)).map_err(|_| Fault::Bounds)?;
    let mut key = Zeroizing::new([0; 32]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(text.as_bytes(), salt, &mut key[..]).map_err(|_| Fault::Bounds)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_password_makes_a_hash() {
        let mut entropy = Entropy::new([7; 32]);
        let kept = password_hash("correct horse", &mut entropy);
        assert_ne!(kept, password_hash("correct horse", &mut entropy));
        let row = |password: &str, kept: &str, wanted: bool| assert_eq!(password_is(password, kept), wanted, "{kept}");
        row("correct horse", &kept, true);
        row("correct horsf", &kept, false);
        row("", &kept, false);
        row("correct horse", "", false);
        row("correct horse", &kept[..kept.len() - 1], false);
        row("correct horse", &kept.replace("argon2id", "argon2i"), false);
        row("correct horse", &kept.replace(" 3 ", " 4 "), false);
        row("correct horse", &kept.replace(" 3 ", " 17 "), false);
        row("correct horse", &kept.replace("65536", "4000000000"), false);
    }

    #[test]
    fn only_the_passphrase_opens_and_nothing_may_be_changed() {
        let mut entropy = Entropy::new([7; 32]);
        let sealed = Sealed::seal(b"the seeds", "correct horse", &mut entropy);
        assert_eq!(&sealed.open("correct horse").unwrap()[..], b"the seeds");
        assert_eq!(sealed.open("correct horsf"), Err(Fault::Passphrase));
        let other = Sealed::seal(b"the seeds", "correct horse", &mut entropy);
        assert_ne!(sealed, other);
        let (salt, nonce, text) = (other.salt, other.nonce, other.text);
        for (changed, wanted) in [
            (Sealed { text, ..sealed.clone() }, Fault::Passphrase),
            (Sealed { text: Vec::new(), ..sealed.clone() }, Fault::Passphrase),
            (Sealed { salt, ..sealed.clone() }, Fault::Passphrase),
            (Sealed { nonce, ..sealed.clone() }, Fault::Passphrase),
            (Sealed { passes: 1, ..sealed.clone() }, Fault::Passphrase),
            (Sealed { passes: 0, ..sealed.clone() }, Fault::Bounds),
            (Sealed { passes: PASSES_MAX + 1, ..sealed.clone() }, Fault::Bounds),
            (Sealed { memory_kib: 1, ..sealed.clone() }, Fault::Bounds),
            (Sealed { memory_kib: u32::MAX, ..sealed.clone() }, Fault::Bounds),
        ] {
            assert_eq!(changed.open("correct horse"), Err(wanted), "{changed:?}");
        }
    }

    /// The key is RFC 9106's argon2id and nothing of our own: another program must be able to open an identity.
    #[test]
    fn a_text_sealed_before_still_opens() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let sealed = Sealed::seal(b"golden", "passphrase", &mut Entropy::new([1; 32]));
        assert_eq!(data_encoding::HEXLOWER.encode(&sealed.text), GOLDEN);
        let golden = Sealed { text: hex(GOLDEN), ..sealed };
        assert_eq!(&golden.open("passphrase").unwrap()[..], b"golden");
    }

    const GOLDEN: &str = "ea73955c8aa674502af6876e08db75db27c9419da8e8";
}
