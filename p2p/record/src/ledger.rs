//! The ledger: a record's changes as everyone sees them, from headers and frame lists alone. Each is judged by the state,
//! and placed among the versions of what it writes. Frames are not known here. Called by whoever holds a record whole.

use crate::entry::Entry;
use crate::header::Header;
use crate::id::{IdentityId, Lane, LaneKind, OpId};
use crate::merge::{self, Resource, Version};
use crate::state::graph::Graph;
use crate::state::{Added, HELD_MAX, Judgement, Quarantine, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A change as the ledger takes it, verified by the caller.
#[derive(Clone, Debug)]
pub struct Change {
    /// The op.
    pub id: OpId,
    /// Its header.
    pub header: Header,
    /// Its frame list.
    pub entries: Vec<Entry>,
}

struct Placed {
    change: Change,
    judgement: Judgement,
    shared: bool,
}

/// The changes of one record.
#[derive(Default)]
pub struct Ledger {
    graph: Graph,
    ops: Vec<Placed>,
    held: Vec<Change>,
    forked: HashSet<Lane>,
    /// By handle: op and place of each entry that writes it, in the order of (Lamport number, op id).
    written: HashMap<[u8; 16], Vec<(usize, u32)>>,
}

impl Ledger {
    /// Adds a change: judges it, and places it among the versions of what it writes. What it costs grows with what it
    /// cites and with the versions of its resources, not with the record.
    pub fn add(&mut self, state: &State, change: Change) -> Added {
        if self.graph.place(&change.id).is_some() || self.held.iter().any(|held| held.id == change.id) {
            return Added::Known;
        }
        let added = self.sort_in(state, change);
        if added != Added::Taken || self.held.is_empty() {
            return added;
        }
        // Something that was waited for came; what waits is bounded.
        loop {
            let held = std::mem::take(&mut self.held);
            let before = held.len();
            for change in held {
                self.sort_in(state, change);
            }
            if self.held.is_empty() || self.held.len() == before {
                return added;
            }
        }
    }

    fn sort_in(&mut self, state: &State, change: Change) -> Added {
        let header = &change.header;
        if header.lane.kind != LaneKind::Change {
            return Added::Refused;
        }
        let data = header.previous.iter().chain(&header.data_heads);
        let here = data.clone().all(|id| self.graph.place(id).is_some())
            && header.control_heads.iter().all(|id| state.reaches(id, id));
        if !here {
            if self.held.len() >= HELD_MAX {
                return Added::Refused;
            }
            self.held.push(change);
            return Added::Held;
        }
        let lamports = data.filter_map(|id| self.graph.place(id)).map(|at| self.ops[at].change.header.lamport);
        let controls = header.control_heads.iter().filter_map(|id| state.lamport_of(id));
        let greatest = lamports.chain(controls).max().unwrap_or(0);
        let previous = header.previous.and_then(|id| self.graph.place(&id)).map(|at| &self.ops[at].change.header);
        let follows =
            previous.is_none_or(|before| before.lane == header.lane && before.seq.checked_add(1) == Some(header.seq));
        if greatest.checked_add(1) != Some(header.lamport) || !follows {
            return Added::Refused;
        }
        self.take(state, change);
        Added::Taken
    }

    fn take(&mut self, state: &State, change: Change) {
        let lane = change.header.lane;
        let forks = self.graph.forks().len();
        let at = self.graph.take(change.id, &change.header);
        let judgement = Judgement::Quarantined(Quarantine::NoAuthority);
        self.ops.push(Placed { change, judgement, shared: false });
        self.place_entries(at);
        if self.graph.forks().len() > forks {
            self.forked.insert(lane);
        }
        if !self.forked.contains(&lane) {
            return self.judge(state, at);
        }
        // In a forked lane `previous` decides what a line keeps, not the number: the op that a line keeps may be this one.
        for at in 0..self.ops.len() {
            if self.ops[at].change.header.lane == lane {
                self.judge(state, at);
            }
        }
    }

    fn place_entries(&mut self, at: usize) {
        let (ops, written) = (&self.ops, &mut self.written);
        let change = &ops[at].change;
        for (entry, place) in change.entries.iter().zip(0..).filter(|(entry, _)| entry.is_resource()) {
            let versions = written.entry(entry.handle).or_default();
            let order = (change.header.lamport, change.id, place);
            let before = |(at, place): &(usize, u32)| {
                let other = &ops[*at].change;
                (other.header.lamport, other.id, *place) < order
            };
            // Most writes come last: the others need not be looked at, which lie all over the memory of a large record.
            let behind = match versions.last() {
                Some(last) if !before(last) => versions.partition_point(before),
                _ => versions.len(),
            };
            versions.insert(behind, (at, place));
        }
    }

    fn judge(&mut self, state: &State, at: usize) {
        let change = &self.ops[at].change;
        let mut judgement = state.judge(&change.id, &change.header, &change.entries);
        if judgement == Judgement::Counts && self.forked.contains(&change.header.lane) {
            let heads = state.kept_heads(&change.header);
            let kept =
                heads.iter().all(|head| self.graph.place(&head.id).is_some_and(|head| self.graph.follows(head, at)));
            if !kept {
                judgement = Judgement::Quarantined(Quarantine::BeyondTheLine);
            }
        }
        let shared = state.is_shared(&change.header);
        let placed = &mut self.ops[at];
        (placed.judgement, placed.shared) = (judgement, shared);
    }

    /// Judges every change anew, for a control state that has moved; returns those of which it thinks otherwise now.
    pub fn rejudge(&mut self, state: &State) -> Vec<OpId> {
        let held = std::mem::take(&mut self.held);
        for change in held {
            self.add(state, change);
        }
        let mut moved = Vec::new();
        for at in 0..self.ops.len() {
            let before = self.ops[at].judgement;
            self.judge(state, at);
            if self.ops[at].judgement != before {
                moved.push(self.ops[at].change.id);
            }
        }
        moved
    }

    /// What was judged of a change.
    pub fn judgement(&self, id: &OpId) -> Option<Judgement> {
        self.graph.place(id).map(|at| self.ops[at].judgement)
    }

    /// How many changes are here, those that wait left out.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether none are here.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Every resource that was ever written.
    pub fn handles(&self) -> BTreeSet<[u8; 16]> {
        self.written.keys().copied().collect()
    }

    /// Those who wrote a resource as their own. More than one means that all but its origin lie, which only the frames can
    /// show: the handle is a hash of the origin.
    pub fn claimants(&self, handle: &[u8; 16]) -> BTreeSet<IdentityId> {
        let writes = self.written.get(handle).into_iter().flatten().map(|(at, _)| &self.ops[*at]);
        let own = writes.filter(|placed| placed.judgement == Judgement::Counts && !placed.shared);
        own.map(|placed| placed.change.header.lane.author).collect()
    }

    /// The versions of a resource of `origin`: what the origin wrote, and what others wrote who may change what is not theirs.
    pub fn resource(&self, handle: &[u8; 16], origin: &IdentityId) -> Resource {
        let mut versions = BTreeMap::<(u64, OpId), (usize, Version)>::new();
        for (at, place) in self.written.get(handle).into_iter().flatten() {
            let Placed { change, judgement, shared } = &self.ops[*at];
            let author = change.header.lane.author;
            if *judgement != Judgement::Counts || (author != *origin && !shared) {
                continue;
            }
            let Some(entry) = change.entries.get(*place as usize) else { continue };
            let version = Version::new(change.id, *place, author, entry);
            // Of several entries in one op, a removal under another class and a put, the last says what is.
            versions.insert((change.header.lamport, change.id), (*at, version));
        }
        let versions = versions.into_values().collect::<Vec<_>>();
        merge::merge(versions, |earlier, later| self.graph.before(earlier, later))
    }

    /// Pairs of changes at one place of one lane: proof that their author signed two.
    pub fn forks(&self) -> &[(OpId, OpId)] {
        self.graph.forks()
    }

    /// Changes that those waiting here cite and that are not here: to be asked for.
    pub fn missing(&self) -> BTreeSet<OpId> {
        let held = self.held.iter().map(|held| held.id).collect::<BTreeSet<_>>();
        let cited = self.held.iter().flat_map(|held| held.header.previous.iter().chain(&held.header.data_heads));
        cited.filter(|id| self.graph.place(id).is_none() && !held.contains(*id)).copied().collect()
    }
}
