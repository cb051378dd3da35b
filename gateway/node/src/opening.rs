//! Opening resources: out of an op with its frames, and out of a version row without it. Keys are the record's by epoch, or the
//! op's own, which its wraps bring (rule 5.8). Not here: bodies (`context`), what opens for whom (`record::keys`). Called by
//! whoever indexes, reads or checks.

use crate::context::{Context, level_name, place_of};
use crate::node::Node;
use crate::placed::Placed;
use record::draft::WRAP_INFO;
use record::entry::{FrameKind, KeyName, wrap_handle};
use record::frame::{Content, Place};
use record::keys::{KeyItem, Keyring, Level, decode_items};
use record::{Class, CodecError, Entry, Op, opkey};
use std::collections::{BTreeSet, HashMap, HashSet};
use store::keys::SealedKey;
use store::versions::StoredVersion;

/// Bytes of a tag of epochs; a key that is not named by one is longer.
const TAG_BYTES: usize = 8;

/// Wraps for readers that an op may have, by handle: each of a class and a type.
pub(crate) type ForReaders<'o> = HashMap<[u8; 16], (Class, &'o str)>;

/// Which wraps for readers an op has.
pub(crate) fn for_readers(op: &Op) -> ForReaders<'_> {
    let own = op.entries().iter().filter(|entry| entry.is_resource() && entry.key == KeyName::Own);
    let kinds = own.map(|entry| (entry.class, entry.resource_type.as_str())).collect::<BTreeSet<_>>();
    let record = &op.header().record;
    kinds.into_iter().map(|(class, kind)| (opkey::handle(record, class, kind), (class, kind))).collect()
}

impl Node {
    /// The keys of an op's own that open here, by the frames that are here; none where it has none.
    pub(crate) fn own_keys<'f>(
        &self,
        context: &Context,
        op: &Op,
        frames: impl IntoIterator<Item = (u32, &'f [u8])>,
    ) -> Keyring {
        let mut ring = Keyring::default();
        let kinds = for_readers(op);
        if kinds.is_empty() {
            return ring;
        }
        let mine = wrap_handle(&op.header().record, &self.identity.id());
        let wrote = op.header().lane.author == self.identity.id();
        let epochs = context.state.epochs_at(&op.header().control_heads);
        // One wrap of each type that R4 has: what an op costs here does not grow with the wraps its author put into it.
        let mut left = kinds;
        left.retain(|_, (_, kind)| fhir::ResourceType::parse(kind).is_some());
        for (at, frame) in frames {
            let entry = op.entries().get(at as usize).filter(|entry| entry.kind == FrameKind::Wrap);
            let Some(handle) = entry.map(|entry| entry.handle) else { continue };
            if handle == mine && wrote {
                let items = self.identity.open(WRAP_INFO, frame).and_then(|plain| decode_items(&plain, op.id()).ok());
                items.into_iter().flatten().filter(|item| item.epoch == op.id()).for_each(|item| ring.add(item));
            } else if let Some((class, kind)) = left.remove(&handle) {
                let item = opkey::open(&context.keys, &epochs, op.id(), class, kind, frame);
                item.into_iter().for_each(|item| ring.add(item));
            }
        }
        ring
    }

    /// Where the wraps are that [`Node::own_keys`] takes for some resources of an op: one for each class and type, and what the op's
    /// author sealed to itself where that is this node.
    pub(crate) fn wraps_of<'e>(&self, op: &Op, resources: impl Iterator<Item = &'e Entry>) -> Vec<u32> {
        let record = &op.header().record;
        let mut handles =
            resources.map(|entry| opkey::handle(record, entry.class, &entry.resource_type)).collect::<HashSet<_>>();
        if !handles.is_empty() && op.header().lane.author == self.identity.id() {
            handles.insert(wrap_handle(record, &self.identity.id()));
        }
        let wraps = (0..).zip(op.entries()).filter(|(_, entry)| entry.kind == FrameKind::Wrap);
        wraps.filter(|(_, entry)| handles.remove(&entry.handle)).map(|(place, _)| place).collect()
    }

    /// What a version row keeps of a frame's place and key; a key of the op's own is sealed. None where the key is not here.
    pub(crate) fn place_in_row(&self, op: &Op, entry: &Entry, own: &Keyring) -> Option<Placed> {
        let key = match entry.key {
            KeyName::Epochs(tag) => tag.to_vec(),
            KeyName::Own => {
                let level = Level::Type(entry.class, entry.resource_type.clone());
                let secret = own.key(&[op.id()], &level)?;
                self.seal_key(&op.record(), &KeyItem { epoch: op.id(), level, secret }).sealed
            }
            _ => return None,
        };
        Some(Placed::new(op, entry, key))
    }

    /// Opens the frame of a version without its op; `None` if its key is not here.
    pub(crate) fn open_version(&self, version: &StoredVersion, keys: &Keyring) -> Option<Result<Content, CodecError>> {
        let kind = fhir::ResourceType::from_number(version.kind)?.name();
        let Placed { lane, seq, key, .. } = Placed::of(version)?;
        let key = if key.len() == TAG_BYTES {
            keys.resource_key(&KeyName::Epochs(key.try_into().ok()?), version.class, kind)?
        } else {
            let level = level_name(&Level::Type(version.class, kind.to_owned()));
            let sealed = SealedKey { record: version.record, epoch: version.op, level, sealed: key };
            self.unseal(&sealed)?.secret
        };
        let place = Place { record: version.record, lane, seq, frame: version.place };
        Some(place.open(&key, &version.frame).and_then(|bytes| Content::decode(&bytes)))
    }
}

/// Opens a resource frame, by the record's keys or those of the op's own, and checks it against its entry.
pub(crate) fn open_resource(
    op: &Op,
    place: u32,
    entry: &Entry,
    frame: &[u8],
    context: &Context,
    own: &Keyring,
) -> Result<Option<Content>, CodecError> {
    let ring = if entry.key == KeyName::Own { own } else { &context.keys };
    let Some(key) = ring.resource_key_in(&entry.key, op.id(), entry.class, &entry.resource_type) else {
        return Ok(None);
    };
    let content = Content::decode(&place_of(op, place).open(&key, frame)?)?;
    let handle = record::entry::handle(&context.handle_key, &content.origin, &content.resource_type, &content.id);
    if content.resource_type != entry.resource_type || handle != entry.handle {
        return record::cbor::refuse("3.6", "a frame that contradicts its entry");
    }
    Ok(Some(content))
}

/// Frames by place, as [`Node::own_keys`] takes them.
pub(crate) fn placed(frames: &[(u32, Vec<u8>)]) -> impl Iterator<Item = (u32, &[u8])> {
    frames.iter().map(|(at, frame)| (*at, frame.as_slice()))
}
