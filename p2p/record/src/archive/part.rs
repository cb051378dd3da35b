//! Parts: what lies between the magic and the end of an archive, each with a kind and a length in front. Called by `reader`
//! and `writer`.

use super::{CARDS_MAX, SealedKeys};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::entropy::Entropy;
use crate::id::{OpId, RecordId};
use crate::identity::{CARD_BYTES_MAX, Card};
use crate::keys::{KeyItem, decode_items, encode_items};
use crate::passphrase::Sealed;
use zeroize::Zeroizing;

/// Longest part: an op with its frames. A gateway takes bodies of 64 MiB, which become frames that are no larger.
pub const PART_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest sealed list of keys: as many items as a wrap may have, each below 192 bytes.
const KEYS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The end of an archive: its count of ops and the hash of every byte before the hash.
pub(super) const END_BYTES: usize = 8 + 32;

pub(super) const CARDS: u8 = 1;
pub(super) const KEYS: u8 = 2;
pub(super) const OP: u8 = 3;
pub(super) const END: u8 = 4;

/// Bytes in front of a part: its kind, and its length in four bytes, little endian.
pub(super) const HEAD_BYTES: usize = 5;

pub(super) fn encode_cards(cards: &[Card]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(cards.len());
    for card in cards {
        w.bytes(&card.encode());
    }
    w.finish()
}

pub(super) fn decode_cards(bytes: &[u8]) -> Result<Vec<Card>, CodecError> {
    let mut r = Reader::new(bytes, "10.3");
    let len = r.len(CARDS_MAX)?;
    let cards = (0..len).map(|_| Card::decode(r.bytes(CARD_BYTES_MAX)?)).collect::<Result<Vec<_>, _>>()?;
    r.end(&encode_cards(&cards))?;
    if !cards.is_sorted_by(|a, b| a.id() < b.id()) {
        return refuse("10.3", "cards are sorted by identity and named once");
    }
    Ok(cards)
}

pub(super) fn encode_sealed(keys: &SealedKeys) -> Vec<u8> {
    let (sealed, mut w) = (&keys.0, Writer::new());
    w.array(5).uint(u64::from(sealed.memory_kib)).uint(u64::from(sealed.passes));
    w.bytes(&sealed.salt).bytes(&sealed.nonce).bytes(&sealed.text);
    w.finish()
}

pub(super) fn decode_sealed(bytes: &[u8]) -> Result<SealedKeys, CodecError> {
    let mut r = Reader::new(bytes, "10.4");
    r.array(5)?;
    let mut number = || u32::try_from(r.uint()?).or(refuse("10.4", "a number over its limit"));
    let (memory_kib, passes) = (number()?, number()?);
    let text = |r: &mut Reader<'_>| Ok::<_, CodecError>(r.bytes(KEYS_BYTES_MAX)?.to_vec());
    let keys = SealedKeys(Sealed { memory_kib, passes, salt: r.exact()?, nonce: r.exact()?, text: text(&mut r)? });
    r.end(&encode_sealed(&keys))?;
    Ok(keys)
}

/// Seals the keys of `record` under a passphrase, for an archive of it. Takes about a tenth of a second.
pub fn encode_keys(record: &RecordId, items: &[KeyItem], passphrase: &str, entropy: &mut Entropy) -> SealedKeys {
    let mut w = Writer::new();
    w.array(2).bytes(record.bytes()).bytes(&encode_items(items));
    SealedKeys(Sealed::seal(&Zeroizing::new(w.finish()), passphrase, entropy))
}

pub(super) fn decode_keys(record: &RecordId, plain: &[u8]) -> Result<Vec<KeyItem>, CodecError> {
    let mut r = Reader::new(plain, "10.4");
    r.array(2)?;
    if r.exact::<32>()? != record.0 {
        return refuse("10.4", "keys of another record");
    }
    let items = r.bytes(KEYS_BYTES_MAX)?;
    let mut w = Writer::new();
    w.array(2).bytes(record.bytes()).bytes(items);
    r.end(&Zeroizing::new(w.finish()))?;
    // Zero stands for the op that carries a wrap; here there is none.
    let items = decode_items(items, OpId([0; 32]))?;
    match items.iter().any(|item| item.epoch.0 == [0; 32]) {
        true => refuse("10.4", "a key of no epoch"),
        false => Ok(items),
    }
}
