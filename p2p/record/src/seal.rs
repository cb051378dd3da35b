//! Sealing: symmetric for frames (AES-256-GCM-SIV), to a public key for wraps and messages (HPKE, RFC 9180).
//! Which key belongs to what is decided in `keys`. Called by this crate, and by `node` for sealed messages.

use crate::entropy::Entropy;
use crate::identity::Card;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

/// Bytes HPKE puts in front: the encapsulated X25519 key.
const ENCAPPED_BYTES: usize = 32;

/// The X25519 public key of a secret.
pub(crate) fn public_of(secret: &[u8; 32]) -> [u8; 32] {
    let secret = PrivateKey::from_bytes(secret).expect("every 32 bytes are an X25519 secret");
    X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into()
}

/// Seals `plain` so that only the holder of `card` opens it; `info` names what it is for.
///
/// Returns `None` for a card whose key cannot receive (a low-order point).
pub fn seal_to(card: &Card, info: &[u8], plain: &[u8], entropy: &mut Entropy) -> Option<Vec<u8>> {
    seal_to_key(card.sealing_key(), info, plain, entropy)
}

/// As [`seal_to`], to an X25519 key that is no card's.
pub(crate) fn seal_to_key(key: &[u8; 32], info: &[u8], plain: &[u8], entropy: &mut Entropy) -> Option<Vec<u8>> {
    let key = PublicKey::from_bytes(key).ok()?;
    let (encapped, sealed) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &key,
        info,
        plain,
        b"",
        entropy,
    )
    .ok()?;
    Some([&encapped.to_bytes()[..], &sealed].concat())
}

/// Opens what [`seal_to`] made for the card of `secret`.
pub(crate) fn open_with(secret: &[u8; 32], info: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (encapped, sealed) = sealed.split_at_checked(ENCAPPED_BYTES)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &PrivateKey::from_bytes(secret).ok()?,
        &Encapped::from_bytes(encapped).ok()?,
        info,
        sealed,
        b"",
    )
    .ok()
}

/// Seals `plain` under `key`; the nonce must be derived from the place (rule 3.4).
pub fn seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key))
        .encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad })
        .expect("AES-GCM-SIV seals every length below 2^36 bytes, and frames are bounded far lower")
}

/// Opens what [`seal`] made; `None` if the key, the place or a byte is another.
pub fn open(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key)).decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad }).ok()
}

/// A nonce for what one identity seals for itself, derived from the name of what is sealed.
pub fn storage_nonce(name: &[u8]) -> [u8; 12] {
    let hash = blake3::Hasher::new_derive_key("chartwell 1 storage nonce").update(name).finalize();
    hash.as_bytes()[..12].try_into().expect("a hash has 32 bytes")
}

/// A keyed hash over what one identity hands out and takes back.
pub fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key, bytes).as_bytes()
}

/// Whether `found` is the [`mac`] of `bytes`, in a time that does not tell where they differ.
pub fn mac_is(key: &[u8; 32], bytes: &[u8], found: &[u8]) -> bool {
    // The comparison of blake3's hashes takes the same time for all.
    blake3::keyed_hash(key, bytes) == *found
}
