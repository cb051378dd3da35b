//! Merge: which version of a resource is current, and whether a person has to look. A function of the counting changes and
//! of who knew whom; nothing is dropped. Called by `ledger`, and by `node`, which holds versions and no ledger.

use crate::entry::{Class, Entry, FrameKind};
use crate::id::{IdentityId, OpId};

/// One version of a resource, from the frame list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The op that wrote it.
    pub op: OpId,
    /// Its place there.
    pub place: u32,
    /// Who wrote it.
    pub author: IdentityId,
    /// The resource is gone.
    pub deleted: bool,
    /// Its class.
    pub class: Class,
    /// The write names the conflict it ends.
    pub resolves: bool,
}

impl Version {
    pub(crate) fn new(op: OpId, place: u32, author: IdentityId, entry: &Entry) -> Self {
        let deleted = entry.kind == FrameKind::Delete;
        Self { op, place, author, deleted, class: entry.class, resolves: entry.resolves }
    }
}

/// A resource: all its versions, in order, and those that nobody has brought together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Every version that counts, in the order of (Lamport number, op id); the last is current.
    pub versions: Vec<Version>,
    /// The versions that no later one stands on, in the same order. More than one: the resource is tagged.
    pub open: Vec<OpId>,
}

impl Resource {
    /// The current version.
    pub fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// Whether concurrent edits wait for a person.
    pub fn is_conflict(&self) -> bool {
        self.open.len() > 1
    }
}

/// Which of the versions that stand in this order no later one stands on (rule 6.19), by their places. Of each is said whether
/// it resolves; `knows(earlier, later)` says whether the later write had the earlier in its past.
pub fn open(resolves: &[bool], knows: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut open = Vec::new();
    for (at, resolves) in resolves.iter().enumerate() {
        stand(&mut open, at, *resolves, |other| knows(other, at));
    }
    open
}

/// Adds the version `at`, which comes last in the order, to those that no later one stands on; `knows` says which of them it had in
/// its past.
///
/// A write that finds one open version in its past stands on it. One that finds several stands on the last of them only, and
/// the others stay open, unless it says that it resolves them: a gateway's own knowledge of both is not a person's.
pub fn stand(open: &mut Vec<usize>, at: usize, resolves: bool, knows: impl Fn(usize) -> bool) {
    let last = open.iter().copied().rfind(|other| knows(*other));
    open.retain(|other| if resolves { !knows(*other) } else { Some(*other) != last });
    open.push(at);
}

/// Brings versions together that stand in order.
pub(crate) fn merge(versions: Vec<(usize, Version)>, knows: impl Fn(usize, usize) -> bool) -> Resource {
    let resolves = versions.iter().map(|(_, version)| version.resolves).collect::<Vec<_>>();
    let open = open(&resolves, |earlier, later| knows(versions[earlier].0, versions[later].0));
    Resource {
        open: open.into_iter().map(|at| versions[at].1.op).collect(),
        versions: versions.into_iter().map(|(_, version)| version).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(n: u8, resolves: bool) -> (usize, Version) {
        let (op, author) = (OpId([n; 32]), IdentityId([n; 32]));
        (usize::from(n), Version { op, place: 0, author, deleted: false, class: Class::NORMAL, resolves })
    }

    /// Versions 0, 1, ...; pairs (earlier, later) of who knew whom; those that resolve; what stays open.
    fn check(count: u8, knows: &[(usize, usize)], resolves: &[u8], open: &[u8]) {
        let versions = (0..count).map(|n| version(n, resolves.contains(&n))).collect();
        let merged = merge(versions, |earlier, later| knows.contains(&(earlier, later)));
        assert_eq!(merged.open.iter().map(|op| op.0[0]).collect::<Vec<_>>(), open, "{count} {knows:?} {resolves:?}");
        assert_eq!(merged.versions.len(), usize::from(count), "nothing is dropped");
    }

    #[test]
    fn a_conflict_stays_until_a_write_with_both_in_its_past_names_it() {
        check(1, &[], &[], &[0]);
        check(2, &[(0, 1)], &[], &[1]);
        check(2, &[], &[], &[0, 1]);
        check(3, &[(0, 2), (1, 2)], &[], &[0, 2]);
        check(3, &[(0, 2), (1, 2)], &[2], &[2]);
        check(3, &[(1, 2)], &[2], &[0, 2]);
        check(3, &[(0, 1), (0, 2)], &[], &[1, 2]);
        check(4, &[(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)], &[3], &[3]);
        check(4, &[(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], &[3], &[3]);
    }
}
