//! State: who is in charge of a record, who was let in, what counts. A fold over control ops without a clock:
//! the same ops give the same state in any order of arrival. Called by `node`.

mod cited;
mod devices;
mod facts;
mod fold;
mod given;
pub(crate) mod graph;
mod judge;
mod lines;
mod told;

pub use devices::{DeviceView, Standing};
pub use fold::DELEGATIONS_MAX;
pub use given::Given;
pub use judge::{Judgement, Quarantine};

use crate::body::Body;
use crate::header::{GrantId, Header};
use crate::id::{IdentityId, LaneKind, OpId, RecordId};
use facts::{Facts, Line};
use graph::Graph;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most control ops that wait for others; whoever sends more serves ops without their ancestors.
pub const HELD_MAX: usize = 1024;

/// A control op as the fold takes it: verified by the caller, its body opened where a key allowed it.
#[derive(Clone, Debug)]
pub struct Control {
    /// The op.
    pub id: OpId,
    /// Its header.
    pub header: Header,
    /// What it says; `None` where it does not open here.
    pub body: Option<Body>,
}

/// What became of an op that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is part of the state.
    Taken,
    /// It waits for ops that it cites.
    Held,
    /// It breaks a rule that everyone refuses it by, or too many wait: it is not here.
    Refused,
    /// It was here.
    Known,
}

/// The folded state of one record.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// In order, all that stands on what is here.
    ops: Vec<Arc<Control>>,
    held: Vec<Arc<Control>>,
    graph: Graph,
    /// By place: valid in its own past.
    valid: Vec<bool>,
    /// By place: counts with everything here.
    counts: Vec<bool>,
    facts: Facts,
    /// The claim that is stood under, where the custodian signed several.
    under: Option<OpId>,
    /// Claims that a key signed which had been handed over: they hand nothing over.
    void: BTreeSet<OpId>,
    given: BTreeMap<GrantId, Given>,
    grant_lines: BTreeMap<GrantId, Vec<Line>>,
    heads: BTreeSet<OpId>,
    refused: BTreeSet<OpId>,
    lamport: u64,
}

fn order(op: &Control) -> (u64, OpId) {
    (op.header.lamport, op.id)
}

impl State {
    /// Folds `ops`, given in any order. Where the custodian forked its lane to claim twice, under the first claim.
    pub fn fold(ops: &[Control]) -> Self {
        Self::fold_all(ops.iter().map(|op| Arc::new(op.clone())).collect(), None)
    }

    /// Folds `ops` as `who` stands to them: where there are several claims, under the one that names `who` or lets it in.
    pub fn fold_for(ops: &[Control], who: &IdentityId) -> Self {
        let state = Self::fold(ops);
        if state.facts.rivals.is_empty() {
            return state;
        }
        let rivals = state.facts.rivals.iter().map(|rival| Self::fold_all(state.ops.clone(), Some(*rival)));
        let mut sides = rivals.collect::<Vec<_>>();
        sides.insert(0, state);
        let names = |side: &State| side.facts.claim.as_ref().is_some_and(|claimed| claimed.patient == *who);
        let best = sides.iter().position(names).or_else(|| sides.iter().position(|side| side.is_member(who)));
        sides.swap_remove(best.unwrap_or(0))
    }

    fn fold_all(mut ops: Vec<Arc<Control>>, under: Option<OpId>) -> Self {
        ops.sort_by_key(|op| order(op));
        ops.dedup_by_key(|op| op.id);
        let mut void = BTreeSet::new();
        loop {
            let state = Self::fold_once(&ops, under, void.clone());
            match state.void_claim() {
                // Each round takes one claim away: there are no more rounds than claims.
                Some(claim) => drop(void.insert(claim)),
                None => return state,
            }
        }
    }

    /// The claim in force, if a line leaves it out: a key signed it that its author had handed over.
    fn void_claim(&self) -> Option<OpId> {
        self.facts.claim.as_ref().filter(|claimed| !self.counts[claimed.at]).map(|claimed| claimed.id)
    }

    fn fold_once(ops: &[Arc<Control>], under: Option<OpId>, void: BTreeSet<OpId>) -> Self {
        let mut state = Self { under, void, ..Self::default() };
        for op in ops.iter().cloned() {
            state.sort_in(op);
        }
        // Whatever it cites is here and does not come before it: its Lamport number is none.
        let placed = |op: &Arc<Control>| op.header.cited().all(|cited| state.graph.place(cited).is_some());
        let (misplaced, held) = std::mem::take(&mut state.held).into_iter().partition::<Vec<_>, _>(placed);
        state.held = held;
        state.refused.extend(misplaced.into_iter().map(|op| op.id));
        state.settle();
        state
    }

    /// Adds one op: beside the others where it comes last in the order, and by folding anew where it does not.
    pub fn add(&mut self, op: Control) -> Added {
        if self.graph.place(&op.id).is_some() || self.held.iter().any(|held| held.id == op.id) {
            return Added::Known;
        }
        let (id, op) = (op.id, Arc::new(op));
        let last = self.ops.last().is_none_or(|last| order(last) < order(&op));
        let awaited = self.held.iter().any(|held| held.header.cited().any(|cited| *cited == id));
        if last && !awaited {
            let added = self.sort_in(op);
            if added == Added::Taken {
                self.settle_last();
            }
            if self.void_claim().is_some() {
                *self = Self::fold_all(self.ops.iter().chain(&self.held).cloned().collect(), self.under);
            }
            return added;
        }
        let ops = self.ops.iter().chain(&self.held).cloned().chain([op]).collect();
        *self = Self::fold_all(ops, self.under);
        match self.graph.place(&id) {
            Some(_) => Added::Taken,
            None if self.held.iter().any(|held| held.id == id) => Added::Held,
            None => Added::Refused,
        }
    }

    /// Takes, holds or refuses an op; all that come before it in the order have been.
    fn sort_in(&mut self, op: Arc<Control>) -> Added {
        let header = &op.header;
        if header.cited().any(|cited| self.graph.place(cited).is_none()) {
            if self.held.len() >= HELD_MAX {
                return Added::Refused;
            }
            self.held.push(op);
            return Added::Held;
        }
        if !self.follows_rules(&op) {
            self.refused.insert(op.id);
            return Added::Refused;
        }
        self.take(op);
        Added::Taken
    }

    /// What everyone refuses an op for before looking at what it says (rules 2.2, 2.3, 2.5).
    fn follows_rules(&self, op: &Control) -> bool {
        let (id, header) = (op.id, &op.header);
        let cited = header.cited().filter_map(|cited| self.graph.place(cited));
        let greatest = cited.map(|at| self.ops[at].header.lamport).max().unwrap_or(0);
        let record = if header.record.0 == [0; 32] { RecordId(id.0) } else { header.record };
        let previous = header.previous.and_then(|id| self.graph.place(&id)).map(|at| &self.ops[at].header);
        header.lane.kind == LaneKind::Control
            && greatest.checked_add(1) == Some(header.lamport)
            && self.facts.record.is_none_or(|known| known == record)
            && previous.is_none_or(|before| before.lane == header.lane && before.seq.checked_add(1) == Some(header.seq))
    }
}
