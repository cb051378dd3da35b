//! Ops as a graph: who stands on whom, asked in memory per lane and not per op. A lane is one chain until it forks; every
//! further branch is a chain of its own. Called by `state` for control ops, by `ledger` and `ancestry` for changes.

use crate::header::Header;
use crate::id::{Lane, OpId};
use std::collections::HashMap;
use std::sync::Arc;

/// What an op reaches: per chain, how many of its ops, counted from the chain's start. Sorted by chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock(Vec<(u32, u32)>);

impl Clock {
    fn reached(&self, chain: u32) -> u32 {
        self.0.binary_search_by_key(&chain, |(chain, _)| *chain).map_or(0, |at| self.0[at].1)
    }

    fn raise(&mut self, chain: u32, count: u32) {
        match self.0.binary_search_by_key(&chain, |(chain, _)| *chain) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(count),
            Err(at) => self.0.insert(at, (chain, count)),
        }
    }
}

#[derive(Clone, Debug)]
struct Node {
    chain: u32,
    /// Place in the chain, counted from 0.
    index: u32,
    /// What it reaches in other chains; in its own, all before it. Shared with the op before while nothing new is cited.
    clock: Arc<Clock>,
}

#[derive(Clone, Debug)]
struct Chain {
    /// The op another branch left from: its chain and place there.
    parent: Option<(u32, u32)>,
    len: u32,
}

/// The ops by the place they were taken at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    places: HashMap<OpId, usize>,
    nodes: Vec<Node>,
    chains: Vec<Chain>,
    /// The first op at each place of each lane.
    firsts: HashMap<(Lane, u64), OpId>,
    forks: Vec<(OpId, OpId)>,
}

impl Graph {
    /// Takes an op all of whose cited ops have been taken; returns its place.
    pub(crate) fn take(&mut self, id: OpId, header: &Header) -> usize {
        let mut clock = self.clock_of(header.cited());
        let previous = header.previous.and_then(|id| self.places.get(&id)).map(|place| &self.nodes[*place]);
        let (chain, index) = match previous.map(|node| (node.chain, node.index)) {
            Some((chain, index)) if self.chains[chain as usize].len == index + 1 => (chain, index + 1),
            parent => {
                self.chains.push(Chain { parent, len: 0 });
                (self.chains.len() as u32 - 1, 0)
            }
        };
        self.chains[chain as usize].len = index + 1;
        clock.0.retain(|(reached, _)| *reached != chain);
        let same = header.previous.and_then(|id| self.places.get(&id)).map(|place| &self.nodes[*place].clock);
        let clock = same.filter(|before| ***before == clock).cloned().unwrap_or_else(|| Arc::new(clock));
        match self.firsts.get(&(header.lane, header.seq)) {
            Some(first) => self.forks.push((*first, id)),
            None => drop(self.firsts.insert((header.lane, header.seq), id)),
        }
        self.places.insert(id, self.nodes.len());
        self.nodes.push(Node { chain, index, clock });
        self.nodes.len() - 1
    }

    /// Where an op was taken.
    pub(crate) fn place(&self, id: &OpId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// What ops reach together, themselves included; those that are not here reach nothing.
    pub(crate) fn clock_of<'i>(&self, ids: impl Iterator<Item = &'i OpId>) -> Clock {
        let mut clock = Clock::default();
        for node in ids.filter_map(|id| self.places.get(id)).map(|place| &self.nodes[*place]) {
            for (chain, count) in &node.clock.0 {
                clock.raise(*chain, *count);
            }
            clock.raise(node.chain, node.index + 1);
        }
        clock
    }

    /// What the op at a place has in its past, without itself.
    pub(crate) fn past(&self, place: usize) -> Clock {
        let node = &self.nodes[place];
        let mut clock = (*node.clock).clone();
        clock.raise(node.chain, node.index);
        clock
    }

    /// Whether a clock has the op at a place.
    pub(crate) fn within(&self, place: usize, clock: &Clock) -> bool {
        let node = &self.nodes[place];
        clock.reached(node.chain) > node.index
    }

    /// Whether `earlier` is in the past of `later`.
    pub(crate) fn before(&self, earlier: usize, later: usize) -> bool {
        let (earlier, later) = (&self.nodes[earlier], &self.nodes[later]);
        match earlier.chain == later.chain {
            true => earlier.index < later.index,
            false => later.clock.reached(earlier.chain) > earlier.index,
        }
    }

    /// Whether `previous` leads from `head` to `op`, or they are one.
    pub(crate) fn follows(&self, head: usize, op: usize) -> bool {
        let op = &self.nodes[op];
        let (mut chain, mut index) = (self.nodes[head].chain, self.nodes[head].index);
        loop {
            if chain == op.chain {
                return op.index <= index;
            }
            match self.chains[chain as usize].parent {
                Some(parent) => (chain, index) = parent,
                None => return false,
            }
        }
    }

    /// Pairs of ops at one place of one lane: proof that its author signed two.
    pub(crate) fn forks(&self) -> &[(OpId, OpId)] {
        &self.forks
    }
}
