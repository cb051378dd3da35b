//! What a version row keeps of the op its frame stands in, so that it opens and is brought together with others without the op:
//! who wrote it and where, what it says of conflicts, and the key's name. Written by `write` and `apply`, read by `opening` and `apply`.

use record::{Entry, IdentityId, Lane, LaneKind, Op};
use store::versions::StoredVersion;

/// The write names the conflict it ends.
const RESOLVES: u8 = 1;
/// As of this version, edits of the resource stand beside each other.
const TAGGED: u8 = 2;
/// The row repeats an older one because what is said of conflicts has changed, without a new op.
const AGAIN: u8 = 4;
/// Somebody else than the resource's origin wrote it.
const SHARED: u8 = 8;
/// Bytes before the author or the key: what is said, lane instance and sequence number.
const HEAD_BYTES: usize = 17;

/// Where a version's frame stands, and under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) lane: Lane,
    pub(crate) seq: u64,
    pub(crate) resolves: bool,
    pub(crate) tagged: bool,
    pub(crate) again: bool,
    /// The tag of the key's epochs, or the op's own key, sealed.
    pub(crate) key: Vec<u8>,
}

impl Placed {
    pub(crate) fn new(op: &Op, entry: &Entry, key: Vec<u8>) -> Self {
        let header = op.header();
        Self { lane: header.lane, seq: header.seq, resolves: entry.resolves, tagged: false, again: false, key }
    }

    /// As a version row keeps it; the origin of the resource is in the row.
    pub(crate) fn encode(&self, origin: &IdentityId) -> Vec<u8> {
        let shared = self.lane.author != *origin;
        let flags = [(self.resolves, RESOLVES), (self.tagged, TAGGED), (self.again, AGAIN), (shared, SHARED)];
        let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
        let author: &[u8] = if shared { self.lane.author.bytes() } else { &[] };
        [&[flags], &self.lane.instance.to_le_bytes()[..], &self.seq.to_le_bytes(), author, &self.key].concat()
    }

    /// What a version row says; none for what is derived.
    pub(crate) fn of(version: &StoredVersion) -> Option<Self> {
        let (head, rest) = version.seal.split_at_checked(HEAD_BYTES)?;
        let number = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let has = |flag: u8| head[0] & flag != 0;
        let (author, key) = match has(SHARED) {
            true => rest.split_at_checked(size_of::<IdentityId>())?,
            false => (&version.origin.bytes()[..], rest),
        };
        let lane = Lane { author: IdentityId(author.try_into().ok()?), kind: LaneKind::Change, instance: number(1)? };
        let (resolves, tagged, again) = (has(RESOLVES), has(TAGGED), has(AGAIN));
        Some(Self { lane, seq: number(9)?, resolves, tagged, again, key: key.to_vec() })
    }
}

/// Who wrote a version: its origin, or who may change what is not its own.
pub(crate) fn author_of(version: &StoredVersion) -> IdentityId {
    Placed::of(version).map_or(version.origin, |placed| placed.lane.author)
}

/// Whether edits of a resource stand beside each other, as of this version.
pub(crate) fn is_tagged(version: &StoredVersion) -> bool {
    Placed::of(version).is_some_and(|placed| placed.tagged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Class, OpId, RecordId};

    #[test]
    fn a_row_says_what_was_written_into_it() {
        let (origin, other) = (IdentityId([1; 32]), IdentityId([2; 32]));
        for (author, flags) in [(origin, 0), (other, 7), (origin, 3), (other, 4)] {
            let placed = Placed {
                lane: Lane { author, kind: LaneKind::Change, instance: 7 },
                seq: u64::MAX,
                resolves: flags & 1 != 0,
                tagged: flags & 2 != 0,
                again: flags & 4 != 0,
                key: vec![9; 8],
            };
            let version = StoredVersion {
                position: 0,
                kind: 0,
                id: String::new(),
                version: String::new(),
                op: OpId([0; 32]),
                place: 0,
                record: RecordId([0; 32]),
                origin,
                own: false,
                class: Class::NORMAL,
                method: 0,
                current: false,
                lamport: 0,
                last_updated: 0,
                seal: placed.encode(&origin),
                json: Vec::new(),
                frame: Vec::new(),
            };
            assert_eq!(Placed::of(&version), Some(placed));
            assert_eq!((author_of(&version), is_tagged(&version)), (author, flags & 2 != 0));
            let derived = StoredVersion { seal: Vec::new(), ..version };
            assert_eq!((Placed::of(&derived), author_of(&derived), is_tagged(&derived)), (None, origin, false));
        }
    }
}
