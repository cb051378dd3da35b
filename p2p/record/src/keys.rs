//! Keys: epoch secret, class secret, type key, and the ring of those one holds for one record.
//! Who gets which is decided from scopes in `wraps_for`. Called by `node` for sealing and opening.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::entry::{Class, KeyName};
use crate::id::OpId;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// 32 secret bytes, wiped when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// Most keys one wrap carries: every type of every class for a few epochs.
pub const WRAP_ITEMS_MAX: usize = 16_384;

fn derive(purpose: &'static str, secret: &[u8; 32], label: &[u8]) -> Secret {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(secret).update(label);
    Zeroizing::new(*hasher.finalize().as_bytes())
}

/// How much of an epoch a key opens (rule 5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Everything: the record's authority alone.
    Epoch,
    /// Every type of one class.
    Class(Class),
    /// One type of one class.
    Type(Class, String),
    /// The bodies of control ops.
    Control,
    /// Opens nothing: the public key that whoever may write a type of a class and not read it seals its op keys to.
    Write(Class, String),
}

/// A secret of one epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyItem {
    /// The op that opened the epoch; zero where it is the op that carries the item.
    pub epoch: OpId,
    /// What it opens.
    pub level: Level,
    /// The secret.
    pub secret: Secret,
}

impl std::fmt::Debug for KeyItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyItem({:?}, {:?})", self.epoch, self.level)
    }
}

/// The class secret of an epoch (rule 5.1).
pub fn class_secret(epoch: &[u8; 32], class: Class) -> Secret {
    derive("chartwell 1 class secret", epoch, &[class.0])
}

/// The type key of a class (rule 5.1).
pub fn type_key(class_secret: &[u8; 32], resource_type: &str) -> Secret {
    derive("chartwell 1 type key", class_secret, resource_type.as_bytes())
}

/// The key of control bodies (rule 5.1).
pub fn control_key(epoch: &[u8; 32]) -> Secret {
    derive("chartwell 1 control key", epoch, b"")
}

fn owner_key(epoch: &[u8; 32]) -> Secret {
    derive("chartwell 1 owner key", epoch, b"")
}

/// The secret that opens what writers sealed to a type of a class (rule 5.8).
pub(crate) fn write_secret(type_key: &[u8; 32]) -> Secret {
    derive("chartwell 1 write secret", type_key, b"")
}

/// What a genesis or keys op commits to (rule 5.2).
pub fn commitment(epoch: &[u8; 32]) -> [u8; 32] {
    *derive("chartwell 1 epoch commitment", epoch, b"")
}

/// The short name of a set of epochs (rule 5.3).
pub fn tag(epochs: &[OpId]) -> [u8; 8] {
    let mut sorted = epochs.to_vec();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 epoch tag");
    for epoch in &sorted {
        hasher.update(epoch.bytes());
    }
    hasher.finalize().as_bytes()[..8].try_into().expect("a hash has 32 bytes")
}

/// Encodes items for a wrap (rule 5.4).
pub fn encode_items(items: &[KeyItem]) -> Zeroizing<Vec<u8>> {
    let mut w = Writer::new();
    w.array(items.len());
    for item in items {
        let (level, class, kind) = match &item.level {
            Level::Epoch => (0, 0, ""),
            Level::Class(class) => (1, class.0, ""),
            Level::Type(class, kind) => (2, class.0, kind.as_str()),
            Level::Control => (3, 0, ""),
            Level::Write(class, kind) => (4, class.0, kind.as_str()),
        };
        w.array(5).bytes(item.epoch.bytes()).uint(level).uint(u64::from(class)).text(kind);
        w.bytes(&item.secret[..]);
    }
    Zeroizing::new(w.finish())
}

/// Reads the items of a wrap; `own` is the op that carries it.
///
/// # Errors
/// Rule 5.4.
pub fn decode_items(bytes: &[u8], own: OpId) -> Result<Vec<KeyItem>, CodecError> {
    let mut r = Reader::new(bytes, "5.4");
    let len = r.len(WRAP_ITEMS_MAX)?;
    let mut items = Vec::with_capacity(len.min(64));
    for _ in 0..len {
        r.array(5)?;
        let epoch = OpId(r.exact()?);
        let (level, class) = (r.uint()?, r.uint()?);
        let class = match class {
            class if class < Class::NAMES.len() as u64 => Class(class as u8),
            _ => return refuse("5.4", "an unknown class"),
        };
        let kind = r.text(crate::entry::TYPE_BYTES_MAX)?.to_owned();
        let level = match level {
            0 => Level::Epoch,
            1 => Level::Class(class),
            2 => Level::Type(class, kind),
            3 => Level::Control,
            4 => Level::Write(class, kind),
            _ => return refuse("5.4", "an unknown level"),
        };
        items.push(KeyItem { epoch, level, secret: Zeroizing::new(r.exact()?) });
    }
    r.end(&encode_items(&items))?;
    for item in &mut items {
        if item.epoch.0 == [0; 32] {
            item.epoch = own;
        }
    }
    Ok(items)
}

/// The keys one holds for one record.
#[derive(Clone, Default)]
pub struct Keyring {
    secrets: BTreeMap<OpId, BTreeMap<Level, Secret>>,
    sets: BTreeMap<[u8; 8], Vec<OpId>>,
}

impl Keyring {
    /// Adds a key; a key that is there stays.
    pub fn add(&mut self, item: KeyItem) {
        self.sets.entry(tag(&[item.epoch])).or_insert_with(|| vec![item.epoch]);
        self.secrets.entry(item.epoch).or_default().entry(item.level).or_insert(item.secret);
    }

    /// Keeps the keys of which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&KeyItem) -> bool) {
        for (epoch, levels) in &mut self.secrets {
            levels
                .retain(|level, secret| keep(&KeyItem { epoch: *epoch, level: level.clone(), secret: secret.clone() }));
        }
    }

    /// Makes the tag of a set of concurrent epochs known.
    pub fn add_set(&mut self, epochs: &[OpId]) {
        self.sets.entry(tag(epochs)).or_insert_with(|| epochs.to_vec());
    }

    /// Every key held.
    pub fn items(&self) -> impl Iterator<Item = KeyItem> + '_ {
        self.secrets.iter().flat_map(|(epoch, levels)| {
            levels.iter().map(|(level, secret)| KeyItem { epoch: *epoch, level: level.clone(), secret: secret.clone() })
        })
    }

    fn held(&self, epoch: &OpId, level: &Level) -> Option<&Secret> {
        self.secrets.get(epoch)?.get(level)
    }

    pub(crate) fn one(&self, epoch: &OpId, level: &Level) -> Option<Secret> {
        if let Some(secret) = self.held(epoch, level) {
            return Some(secret.clone());
        }
        let whole = self.held(epoch, &Level::Epoch);
        match level {
            Level::Epoch => None,
            Level::Control => whole.map(|secret| control_key(secret)),
            Level::Class(class) => whole.map(|secret| class_secret(secret, *class)),
            Level::Type(class, kind) => self.one(epoch, &Level::Class(*class)).map(|secret| type_key(&secret, kind)),
            Level::Write(class, kind) => {
                let key = self.one(epoch, &Level::Type(*class, kind.clone()))?;
                Some(Zeroizing::new(crate::seal::public_of(&write_secret(&key))))
            }
        }
    }

    /// The key of `level` under all of `epochs` at once, so that only those whom no epoch excluded have it.
    pub fn key(&self, epochs: &[OpId], level: &Level) -> Option<Secret> {
        match epochs {
            [] => None,
            [epoch] => self.one(epoch, level),
            _ => join(epochs.iter().map(|epoch| (*epoch, self.one(epoch, level)))),
        }
    }

    /// The key only the record's authority has.
    pub fn owner_key(&self, epochs: &[OpId]) -> Option<Secret> {
        join(epochs.iter().map(|epoch| (*epoch, self.held(epoch, &Level::Epoch).map(|secret| owner_key(secret)))))
    }

    /// The epochs a tag stands for, as far as they are known here.
    pub fn epochs(&self, tag: &[u8; 8]) -> Option<&[OpId]> {
        self.sets.get(tag).map(Vec::as_slice)
    }

    /// The key of a resource frame, if one holds it.
    pub fn resource_key(&self, name: &KeyName, class: Class, resource_type: &str) -> Option<Secret> {
        match name {
            KeyName::Epochs(tag) => self.key(self.epochs(tag)?, &Level::Type(class, resource_type.to_owned())),
            _ => None,
        }
    }

    /// The key of a resource frame of the op `own`, which may have drawn keys of its own (rule 5.8).
    pub fn resource_key_in(&self, name: &KeyName, own: OpId, class: Class, resource_type: &str) -> Option<Secret> {
        match name {
            KeyName::Own => self.one(&own, &Level::Type(class, resource_type.to_owned())),
            name => self.resource_key(name, class, resource_type),
        }
    }

    /// The items a member receives that may write these types and read none of them: no secret among them but the control
    /// key.
    pub fn items_for_writer(&self, writes: &[(Class, String)]) -> Vec<KeyItem> {
        let mut items = self.items_for(&[]);
        for epoch in self.secrets.keys() {
            let levels = writes.iter().map(|(class, kind)| Level::Write(*class, kind.clone()));
            items.extend(levels.filter_map(|level| {
                let secret = self.one(epoch, &level)?;
                Some(KeyItem { epoch: *epoch, level, secret })
            }));
        }
        items
    }

    /// The key of a body frame of the op `own`, if one holds it.
    pub fn body_key(&self, name: &KeyName, own: OpId) -> Option<Secret> {
        match name {
            KeyName::Epochs(tag) => self.key(self.epochs(tag)?, &Level::Control),
            KeyName::Owner(tag) => self.owner_key(self.epochs(tag)?),
            KeyName::Own => self.key(&[own], &Level::Control),
            KeyName::Plain | KeyName::Sealed => None,
        }
    }

    /// Whether anything is held.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The items a member whose scopes are `reads` receives, over every epoch held here (rule 5.5): class
    /// secrets where all types are covered, type keys else, and the control key always.
    pub fn items_for(&self, reads: &[(Class, Option<String>)]) -> Vec<KeyItem> {
        let mut items = Vec::new();
        for epoch in self.secrets.keys() {
            let mut levels = vec![Level::Control];
            levels.extend(reads.iter().map(|(class, kind)| match kind {
                None => Level::Class(*class),
                Some(kind) => Level::Type(*class, kind.clone()),
            }));
            levels.sort();
            levels.dedup();
            for level in levels {
                if let Some(secret) = self.one(epoch, &level) {
                    items.push(KeyItem { epoch: *epoch, level, secret });
                }
            }
        }
        items
    }
}

fn join(parts: impl Iterator<Item = (OpId, Option<Secret>)>) -> Option<Secret> {
    let mut parts = parts.collect::<Vec<_>>();
    parts.sort_by_key(|(epoch, _)| *epoch);
    if let [(_, only)] = &parts[..] {
        return only.clone();
    }
    let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 joined epochs");
    for (_, secret) in &parts {
        hasher.update(&secret.as_ref()?[..]);
    }
    (!parts.is_empty()).then(|| Zeroizing::new(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(items: &[(u8, Level)]) -> Keyring {
        let mut ring = Keyring::default();
        for (epoch, level) in items {
            let whole = [*epoch; 32];
            let secret = match level {
                Level::Epoch => Zeroizing::new(whole),
                Level::Class(class) => class_secret(&whole, *class),
                Level::Type(class, kind) => type_key(&class_secret(&whole, *class), kind),
                Level::Control => control_key(&whole),
                Level::Write(..) => unreachable!("a write key opens nothing"),
            };
            ring.add(KeyItem { epoch: OpId([*epoch; 32]), level: level.clone(), secret });
        }
        ring
    }

    #[test]
    fn a_key_opens_what_lies_below_it_and_nothing_beside_it() {
        let observation = Level::Type(Class::NORMAL, "Observation".into());
        let medication = Level::Type(Class::NORMAL, "MedicationRequest".into());
        let whole = ring(&[(1, Level::Epoch)]);
        let epochs = [OpId([1; 32])];
        for level in [&observation, &medication, &Level::Class(Class(3)), &Level::Control] {
            assert!(whole.key(&epochs, level).is_some(), "{level:?}");
        }
        let class = ring(&[(1, Level::Class(Class::NORMAL))]);
        assert_eq!(class.key(&epochs, &observation), whole.key(&epochs, &observation));
        assert_eq!(class.key(&epochs, &Level::Type(Class(3), "Observation".into())), None);
        let one = ring(&[(1, observation.clone())]);
        assert_eq!(one.key(&epochs, &observation), whole.key(&epochs, &observation));
        assert_eq!(one.key(&epochs, &medication), None);
        assert_eq!(one.key(&epochs, &Level::Control), None);
        assert_eq!(class.owner_key(&epochs), None);
    }

    #[test]
    fn concurrent_epochs_open_only_for_who_holds_both() {
        let level = Level::Type(Class::NORMAL, "Observation".into());
        let (a, b) = (OpId([1; 32]), OpId([2; 32]));
        let both = ring(&[(1, Level::Epoch), (2, level.clone())]);
        assert!(both.key(&[a, b], &level).is_some());
        assert_eq!(both.key(&[a, b], &level), both.key(&[b, a], &level));
        assert_eq!(ring(&[(1, Level::Epoch)]).key(&[a, b], &level), None);
        assert_eq!(tag(&[a, b]), tag(&[b, a]));
    }

    #[test]
    fn items_read_back_and_zero_means_the_op_itself() {
        let mut items = ring(&[(1, Level::Epoch), (0, Level::Type(Class(2), "Condition".into()))])
            .items_for(&[(Class(2), Some("Condition".into())), (Class::NORMAL, None)]);
        let own = OpId([9; 32]);
        let read = decode_items(&encode_items(&items), own).expect("what was encoded reads back");
        for item in items.iter_mut().filter(|item| item.epoch.0 == [0; 32]) {
            item.epoch = own;
        }
        assert_eq!(read, items);
    }
}
