//! What the next op cites of the control lanes: all ends, or where somebody forked its lane into too many, those that matter. Called
//! by whoever signs.

use super::State;
use crate::id::OpId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

impl State {
    /// The control ops nothing here stands on; what the next op cites.
    pub fn control_heads(&self) -> Vec<OpId> {
        self.heads.iter().copied().collect()
    }

    /// As [`State::control_heads`], at most `most` of them: first one for each of `needed` that reaches it, then those of ops that
    /// count, one of each lane before a second, the latest first. So whoever forks its lane into many branches keeps nobody from
    /// signing, nor out of anybody's past what others said.
    pub fn some_control_heads(&self, needed: &[OpId], most: usize) -> Vec<OpId> {
        if self.heads.len() <= most {
            return self.control_heads();
        }
        let mut heads = self.heads.iter().filter_map(|id| self.graph.place(id)).collect::<Vec<_>>();
        heads.sort_by_key(|at| Reverse((self.ops[*at].header.lamport, self.ops[*at].id)));
        let mut of_lanes = BTreeMap::new();
        let ranked = heads.into_iter().map(|at| {
            let before = of_lanes.entry(self.ops[at].header.lane).or_insert(0_usize);
            *before += 1;
            (!self.counts[at], *before, at)
        });
        let mut ranked = ranked.collect::<Vec<_>>();
        ranked.sort_by_key(|(void, rank, _)| (*void, *rank));
        let ranked = ranked.into_iter().map(|(_, _, at)| self.ops[at].id).collect::<Vec<_>>();
        let reaching = needed.iter().filter_map(|op| ranked.iter().find(|head| self.reaches(head, op)));
        let mut chosen = BTreeSet::new();
        let once = reaching.chain(&ranked).filter(|head| chosen.insert(**head));
        once.take(most).copied().collect()
    }
}
