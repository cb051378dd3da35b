//! The bytes of a frame list: types and sets of epochs stand once at its head, and each entry names them by their place there, so
//! that one more resource costs its handle, its hash and little else. Called by `op`, `draft` and whoever reads vectors.
//!
//! Source: `docs/PROTOCOL.md` rules 3.1 to 3.3.

use super::{Class, ENTRIES_MAX, Entry, FRAME_BYTES_MAX, FrameKind, KeyName, TAGS_MAX, TYPE_BYTES_MAX, TYPES_MAX};
use crate::cbor::{CodecError, Reader, Writer, refuse};
use std::collections::HashMap;

/// Where keys that are named by sets of epochs begin: two for each set.
const EPOCHS_FROM: u64 = 3;

/// What entries name by its place, in the order of first use. Places are found by a map: who sends an op chooses how many types it
/// names and how alike they are.
#[derive(Default)]
struct Heads<'e> {
    types: Vec<&'e str>,
    type_places: HashMap<&'e str, u64>,
    tags: Vec<[u8; 8]>,
    tag_places: HashMap<[u8; 8], u64>,
}

impl<'e> Heads<'e> {
    fn of(entries: &'e [Entry]) -> Self {
        let mut heads = Self::default();
        for entry in entries {
            let name = entry.resource_type.as_str();
            if entry.is_resource() && !heads.type_places.contains_key(name) {
                heads.type_places.insert(name, heads.types.len() as u64);
                heads.types.push(name);
            }
            if let KeyName::Epochs(tag) | KeyName::Owner(tag) = entry.key
                && !heads.tag_places.contains_key(&tag)
            {
                heads.tag_places.insert(tag, heads.tags.len() as u64);
                heads.tags.push(tag);
            }
        }
        heads
    }

    fn kind(&self, entry: &Entry) -> u64 {
        let place = self.type_places.get(entry.resource_type.as_str()).copied();
        place.filter(|_| entry.is_resource()).unwrap_or(0)
    }

    fn key(&self, key: &KeyName) -> u64 {
        let place = |tag: &[u8; 8]| self.tag_places.get(tag).copied().unwrap_or(0);
        match key {
            KeyName::Plain => 0,
            KeyName::Own => 1,
            KeyName::Sealed => 2,
            KeyName::Epochs(tag) => EPOCHS_FROM + 2 * place(tag),
            KeyName::Owner(tag) => EPOCHS_FROM + 2 * place(tag) + 1,
        }
    }
}

/// The one encoding of a frame list; its BLAKE3 stands in the header.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let (mut w, heads) = (Writer::new(), Heads::of(entries));
    w.array(3).array(heads.types.len());
    for name in &heads.types {
        w.text(name);
    }
    w.array(heads.tags.len());
    for tag in &heads.tags {
        w.bytes(tag);
    }
    w.array(entries.len());
    for entry in entries {
        let flags = u64::from(entry.resolves) << 4 | entry.kind as u64;
        w.array(7).uint(flags).uint(heads.kind(entry)).uint(u64::from(entry.class.0));
        w.bytes(if entry.kind == FrameKind::Body { &[] } else { &entry.handle });
        w.uint(heads.key(&entry.key)).uint(entry.size).bytes(&entry.hash);
    }
    w.finish()
}

/// Reads a frame list strictly.
///
/// # Errors
/// Rules 3.1 to 3.3.
pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>, CodecError> {
    let mut r = Reader::new(bytes, "3.1");
    r.array(3)?;
    let len = r.len(TYPES_MAX)?;
    let types = (0..len).map(|_| Ok(r.text(TYPE_BYTES_MAX)?.to_owned())).collect::<Result<Vec<_>, CodecError>>()?;
    if types.iter().any(String::is_empty) {
        return refuse("3.1", "a type without a name");
    }
    let len = r.len(TAGS_MAX)?;
    let tags = (0..len).map(|_| r.exact()).collect::<Result<Vec<[u8; 8]>, _>>()?;
    let len = r.len(ENTRIES_MAX)?;
    let entries = (0..len).map(|_| read(&mut r, &types, &tags)).collect::<Result<Vec<_>, _>>()?;
    // What stands at the head twice, in another order or for no entry is no encoding of these entries.
    r.end(&encode(&entries))?;
    Ok(entries)
}

fn read(r: &mut Reader<'_>, types: &[String], tags: &[[u8; 8]]) -> Result<Entry, CodecError> {
    r.array(7)?;
    let flags = r.uint()?;
    let kind = match flags & 0x0f {
        0 => FrameKind::Put,
        1 => FrameKind::Delete,
        2 => FrameKind::Body,
        3 => FrameKind::Wrap,
        _ => return refuse("3.1", "an unknown frame kind"),
    };
    if flags > 0x1f {
        return refuse("3.1", "an unknown flag");
    }
    let place = r.uint()?;
    let resource = matches!(kind, FrameKind::Put | FrameKind::Delete);
    let resource_type = match usize::try_from(place).ok().and_then(|place| types.get(place)) {
        Some(name) if resource => name.clone(),
        _ if !resource && place == 0 => String::new(),
        _ => return refuse("3.1", "a type stands with resources and only there"),
    };
    let class = match r.uint()? {
        class if class < Class::NAMES.len() as u64 => Class(class as u8),
        _ => return refuse("3.1", "an unknown class"),
    };
    let handle = match r.bytes(16)? {
        [] if kind == FrameKind::Body => [0; 16],
        handle if kind != FrameKind::Body => handle.try_into().or(refuse("3.1", "a handle of another length"))?,
        _ => return refuse("3.1", "a body has no handle"),
    };
    let key = key_name(r.uint()?, tags)?;
    let size = r.uint()?;
    if size > FRAME_BYTES_MAX as u64 {
        return refuse("3.3", "a frame over its limit");
    }
    Ok(Entry { kind, resolves: flags & 0x10 != 0, resource_type, class, handle, key, size, hash: r.exact()? })
}

fn key_name(number: u64, tags: &[[u8; 8]]) -> Result<KeyName, CodecError> {
    let Some(named) = number.checked_sub(EPOCHS_FROM) else {
        return Ok([KeyName::Plain, KeyName::Own, KeyName::Sealed][number as usize]);
    };
    match usize::try_from(named / 2).ok().and_then(|place| tags.get(place)) {
        Some(tag) if named % 2 == 0 => Ok(KeyName::Epochs(*tag)),
        Some(tag) => Ok(KeyName::Owner(*tag)),
        None => refuse("3.2", "an unknown key name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(resource_type: &str, key: KeyName) -> Entry {
        let kind = if resource_type.is_empty() { FrameKind::Body } else { FrameKind::Put };
        let handle = if resource_type.is_empty() { [0; 16] } else { [7; 16] };
        let class = Class::NORMAL;
        let resource_type = resource_type.to_owned();
        Entry { kind, resolves: false, resource_type, class, handle, key, size: 1000, hash: [9; 32] }
    }

    #[test]
    fn types_and_sets_of_epochs_stand_once() {
        let key = KeyName::Epochs([1; 8]);
        let one = vec![entry("", KeyName::Owner([2; 8])), entry("Observation", key)];
        let two = [one.clone(), vec![entry("Observation", key)]].concat();
        assert_eq!(encode(&two).len() - encode(&one).len(), 59);
        let other =
            [two.clone(), vec![entry("Condition", KeyName::Epochs([2; 8])), entry("Observation", KeyName::Own)]];
        for entries in [Vec::new(), one, two, other.concat()] {
            assert_eq!(decode(&encode(&entries)), Ok(entries));
        }
    }

    /// As much as a list may have of everything: names are found by maps, since each of 20,000 entries would be held against 512 of them.
    #[test]
    fn the_fullest_list_reads_back() {
        let name = |n: usize| format!("{:x>1$}", n, TYPE_BYTES_MAX);
        let one = |n: usize| entry(&name(n % TYPES_MAX), KeyName::Epochs([(n % TAGS_MAX) as u8; 8]));
        let entries = (0..ENTRIES_MAX).map(one).collect::<Vec<_>>();
        assert_eq!(decode(&encode(&entries)), Ok(entries));
    }
}
