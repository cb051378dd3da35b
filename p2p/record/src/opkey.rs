//! Keys of an op's own, for an author that may write what it may not read (rule 5.8): sealed to the write keys of the epochs
//! in force, so that readers open them, and once to the author. Called by `node` when it writes and when it reads.

use crate::entropy::Entropy;
use crate::entry::Class;
use crate::id::{OpId, RecordId};
use crate::keys::{KeyItem, Keyring, Level, Secret, decode_items, encode_items, write_secret};
use crate::seal;
use zeroize::Zeroizing;

/// What op keys are sealed for, so that no other sealed message passes for one.
const INFO: &[u8] = b"chartwell 1 op key";

/// A key of an op's own, sealed for those who may read.
pub struct ForReaders {
    pub(crate) handle: [u8; 16],
    pub(crate) sealed: Vec<u8>,
}

/// Names the wrap for readers of a type of a class.
pub fn handle(record: &RecordId, class: Class, resource_type: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 write handle");
    hasher.update(record.bytes()).update(&[class.0]).update(resource_type.as_bytes());
    hasher.finalize().as_bytes()[..16].try_into().expect("a hash has 32 bytes")
}

fn sorted(epochs: &[OpId]) -> Vec<OpId> {
    let mut sorted = epochs.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Draws a key for one class and type, and seals it for readers. The item is for the author's own wrap.
///
/// `None` if `ring` lacks a write key of one of the epochs.
pub fn draw(
    ring: &Keyring,
    epochs: &[OpId],
    record: &RecordId,
    class: Class,
    resource_type: &str,
    entropy: &mut Entropy,
) -> Option<(KeyItem, ForReaders)> {
    let level = Level::Type(class, resource_type.to_owned());
    let item = KeyItem { epoch: OpId([0; 32]), level, secret: Secret::new(entropy.draw()) };
    let mut sealed = encode_items(std::slice::from_ref(&item));
    // The last to be sealed is the first to be opened: the epoch with the least id.
    for epoch in sorted(epochs).iter().rev() {
        let key = ring.one(epoch, &Level::Write(class, resource_type.to_owned()))?;
        sealed = Zeroizing::new(seal::seal_to_key(&key, INFO, &sealed, entropy)?);
    }
    let for_readers = ForReaders { handle: handle(record, class, resource_type), sealed: sealed.to_vec() };
    (!epochs.is_empty()).then_some((item, for_readers))
}

/// Opens what [`draw`] sealed for readers in the op `own`, which cites heads where `epochs` are in force.
///
/// `None` if `ring` does not read the type under all of them, or it is no such wrap.
pub fn open(
    ring: &Keyring,
    epochs: &[OpId],
    own: OpId,
    class: Class,
    resource_type: &str,
    sealed: &[u8],
) -> Option<KeyItem> {
    let level = Level::Type(class, resource_type.to_owned());
    let mut opened = Zeroizing::new(sealed.to_vec());
    for epoch in sorted(epochs) {
        let secret = write_secret(&*ring.one(&epoch, &level)?);
        opened = Zeroizing::new(seal::open_with(&secret, INFO, &opened)?);
    }
    let [item] = <[KeyItem; 1]>::try_from(decode_items(&opened, own).ok()?).ok()?;
    (item.epoch == own && item.level == level && !epochs.is_empty()).then_some(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::KeyName;

    fn ring(items: Vec<KeyItem>) -> Keyring {
        let mut ring = Keyring::default();
        items.into_iter().for_each(|item| ring.add(item));
        ring
    }

    #[test]
    fn who_may_write_and_not_read_opens_only_its_own() {
        let mut entropy = Entropy::new([1; 32]);
        let epochs = [OpId([2; 32]), OpId([1; 32])];
        let whole =
            ring(epochs.map(|epoch| KeyItem { epoch, level: Level::Epoch, secret: Secret::new(epoch.0) }).into());
        let (class, kind) = (Class::NORMAL, "Observation");
        let writer = ring(whole.items_for_writer(&[(class, kind.to_owned())]));
        let reader = ring(whole.items_for(&[(class, Some(kind.to_owned()))]));
        let type_key = Level::Type(class, kind.to_owned());
        assert_eq!(writer.key(&epochs, &type_key), None, "a writer reads nothing of others");
        let (record, own) = (RecordId([3; 32]), OpId([4; 32]));
        let (item, wrap) = draw(&writer, &epochs, &record, class, kind, &mut entropy).expect("it may write");
        assert!(draw(&writer, &epochs, &record, class, "Condition", &mut entropy).is_none(), "and no other type");
        for by in [&whole, &reader] {
            let opened = open(by, &epochs, own, class, kind, &wrap.sealed).expect("a reader opens it");
            assert_eq!((opened.epoch, &opened.secret), (own, &item.secret));
            let with = ring(vec![opened]);
            assert_eq!(with.resource_key_in(&KeyName::Own, own, class, kind), Some(item.secret.clone()));
            assert_eq!(with.resource_key_in(&KeyName::Own, OpId([5; 32]), class, kind), None);
        }
        assert!(open(&writer, &epochs, own, class, kind, &wrap.sealed).is_none());
        // Whoever one of two epochs excludes opens nothing.
        let half = ring(reader.items().filter(|item| item.epoch == epochs[0]).collect());
        assert!(open(&half, &epochs, own, class, kind, &wrap.sealed).is_none());
        assert!(open(&half, &epochs[..1], own, class, kind, &wrap.sealed).is_none());
    }
}
