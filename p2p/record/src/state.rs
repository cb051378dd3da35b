//! State: who is in charge of a record, who was let in, what counts. A fold over control ops without a clock:
//! the same ops give the same state in any order of arrival. Called by `node`.

mod judge;

pub use judge::{Judgement, Quarantine};

use crate::body::Body;
use crate::body::genesis::{Genesis, Purpose};
use crate::body::grant::Grant;
use crate::header::{Authority, GrantId, Header, Kind};
use crate::id::{Head, IdentityId, Lane, OpId, RecordId};
use crate::identity::Card;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// A grant that counts.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its name.
    pub id: GrantId,
    /// What it allows.
    pub grant: Grant,
    /// When its author says it was given, milliseconds since 1970.
    pub given_ms: u64,
    /// The revoke that took it back.
    pub revoked_by: Option<OpId>,
    /// The grant that took its place.
    pub replaced_by: Option<GrantId>,
}

impl Given {
    /// Whether the grant opens anything at `now_ms`.
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.revoked_by.is_none() && self.replaced_by.is_none() && self.grant.is_open_at(now_ms)
    }
}

/// A line drawn: what it ends and what it keeps.
#[derive(Clone, Debug)]
struct Line {
    op: OpId,
    at: usize,
    retains: BTreeMap<Lane, Head>,
}

/// The folded state of one record.
#[derive(Clone, Debug, Default)]
pub struct State {
    record: Option<RecordId>,
    genesis: Option<(OpId, Genesis)>,
    claim: Option<(OpId, Card)>,
    grants: BTreeMap<GrantId, Given>,
    lines: BTreeMap<GrantId, Vec<Line>>,
    claim_line: Option<Line>,
    epochs: BTreeMap<OpId, Vec<OpId>>,
    places: HashMap<OpId, usize>,
    past: Vec<BTreeSet<usize>>,
    heads: BTreeSet<OpId>,
    refused: BTreeSet<OpId>,
    lamport: u64,
}

impl State {
    /// Folds `ops`, given in any order, each once.
    pub fn fold(ops: &[Control]) -> Self {
        let mut order = ops.iter().collect::<Vec<_>>();
        order.sort_by_key(|op| (op.header.lamport, op.id));
        let mut state = Self::default();
        for op in order {
            state.take(op);
        }
        state
    }

    fn take(&mut self, op: &Control) {
        let at = self.past.len();
        let mut past = BTreeSet::new();
        for cited in op.header.cited() {
            if let Some(place) = self.places.get(cited) {
                past.extend(&self.past[*place]);
                past.insert(*place);
            }
            self.heads.remove(cited);
        }
        self.places.insert(op.id, at);
        self.heads.insert(op.id);
        self.lamport = self.lamport.max(op.header.lamport);
        self.past.push(past);
        if !self.admit(op, at) {
            self.refused.insert(op.id);
        }
    }

    /// Takes the op's effect; `false` if it has none because its author had no authority for it.
    fn admit(&mut self, op: &Control, at: usize) -> bool {
        let Some(body) = &op.body else {
            // A body that does not open here says nothing here. Its place in the order stays.
            return true;
        };
        if let Body::Genesis(genesis) = body {
            return self.admit_genesis(op, genesis);
        }
        let allowed = op.header.authority == Authority::Genesis && self.is_authority(&op.header.lane.author, at);
        if !allowed {
            return false;
        }
        match body {
            Body::Grant(body) => self.give(op, &body.grants),
            Body::Revoke(body) => {
                let line = Line { op: op.id, at, retains: line_of(&body.retains) };
                self.revoke(&line, &body.grants, &body.identities);
            }
            Body::Claim(body) => {
                let record = self.record.unwrap_or(RecordId([0; 32]));
                if self.claim.is_some() || !body.is_accepted(&record) {
                    return false;
                }
                self.claim = Some((op.id, body.patient.clone()));
                self.claim_line = Some(Line { op: op.id, at, retains: line_of(&body.retains) });
                self.give(op, &body.grants);
            }
            Body::Keys(body) => {
                self.epochs.insert(op.id, body.previous.iter().map(|(epoch, _)| *epoch).collect());
            }
            Body::Genesis(_) | Body::Request(_) | Body::Access(_) | Body::Agent(_) => {}
        }
        true
    }

    fn admit_genesis(&mut self, op: &Control, genesis: &Genesis) -> bool {
        if self.genesis.is_some() || op.header.kind != Kind::Genesis || genesis.author.id() != op.header.lane.author {
            return false;
        }
        self.record = Some(RecordId(op.id.0));
        self.genesis = Some((op.id, genesis.clone()));
        self.epochs.insert(op.id, Vec::new());
        true
    }

    /// Whether `who` is the record's authority as seen from the control op at place `at`.
    fn is_authority(&self, who: &IdentityId, at: usize) -> bool {
        match (&self.claim_line, &self.claim) {
            (Some(line), Some((_, patient))) if self.past[at].contains(&line.at) => patient.id() == *who,
            // The claim stands in the custodian's own lane: what it wrote there later has the claim in its past.
            _ => self.genesis.as_ref().is_some_and(|(_, genesis)| genesis.author.id() == *who),
        }
    }

    fn give(&mut self, op: &Control, grants: &[Grant]) {
        for (index, grant) in grants.iter().enumerate() {
            let id = GrantId { op: op.id, index: index as u32 };
            for replaced in &grant.replaces {
                if let Some(given) = self.grants.get_mut(replaced)
                    && given.grant.to.id() == grant.to.id()
                {
                    given.replaced_by = Some(id);
                }
            }
            let given =
                Given { id, grant: grant.clone(), given_ms: op.header.wall_ms, revoked_by: None, replaced_by: None };
            self.grants.insert(id, given);
        }
    }

    fn revoke(&mut self, line: &Line, grants: &[GrantId], identities: &[IdentityId]) {
        let named = |given: &Given| {
            let known_then = match self.places.get(&given.id.op) {
                Some(place) => !self.past[*place].contains(&line.at),
                None => false,
            };
            grants.contains(&given.id) || (identities.contains(&given.grant.to.id()) && known_then)
        };
        let ended = self.grants.values().filter(|given| named(given)).map(|given| given.id).collect::<Vec<_>>();
        for id in ended {
            if let Some(given) = self.grants.get_mut(&id) {
                given.revoked_by.get_or_insert(line.op);
            }
            self.lines.entry(id).or_default().push(line.clone());
        }
    }

    /// The record, once its genesis is here.
    pub fn record(&self) -> Option<RecordId> {
        self.record
    }

    /// The genesis body.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref().map(|(_, genesis)| genesis)
    }

    /// What the record is for.
    pub fn purpose(&self) -> Option<Purpose> {
        self.genesis().map(|genesis| genesis.purpose)
    }

    /// Whoever is in charge now.
    pub fn authority(&self) -> Option<&Card> {
        match &self.claim {
            Some((_, patient)) => Some(patient),
            None => self.genesis().map(|genesis| &genesis.author),
        }
    }

    /// Whoever opened the record.
    pub fn custodian(&self) -> Option<&Card> {
        self.genesis().map(|genesis| &genesis.author)
    }

    /// The claim that counts.
    pub fn claim(&self) -> Option<OpId> {
        self.claim.as_ref().map(|(id, _)| *id)
    }

    /// Every grant that counts, those taken back included.
    pub fn grants(&self) -> impl Iterator<Item = &Given> {
        self.grants.values()
    }

    /// One grant.
    pub fn grant(&self, id: &GrantId) -> Option<&Given> {
        self.grants.get(id)
    }

    /// The grants to `who` that are open at `now_ms`.
    pub fn live_grants(&self, who: &IdentityId, now_ms: u64) -> impl Iterator<Item = &Given> {
        self.grants.values().filter(move |given| given.grant.to.id() == *who && given.is_live(now_ms))
    }

    /// Everyone who is in, or ever was: the authority, the custodian and every grantee.
    pub fn members(&self) -> Vec<Card> {
        let mut members = BTreeMap::new();
        for card in self.custodian().into_iter().chain(self.authority()) {
            members.insert(card.id(), card.clone());
        }
        for given in self.grants.values() {
            members.entry(given.grant.to.id()).or_insert_with(|| given.grant.to.clone());
        }
        members.into_values().collect()
    }

    /// Whether `who` is let in at all: the authority, or holder of a grant that nobody took back.
    pub fn is_member(&self, who: &IdentityId) -> bool {
        self.authority().is_some_and(|card| card.id() == *who)
            || self.grants.values().any(|given| given.grant.to.id() == *who && given.revoked_by.is_none())
    }

    /// For a former member, the control ops up to its end, which it must receive so as to learn of it.
    pub fn last_word_to(&self, who: &IdentityId) -> Option<OpId> {
        let ends =
            self.grants.values().filter(|given| given.grant.to.id() == *who).filter_map(|given| given.revoked_by);
        ends.max_by_key(|op| self.places.get(op).copied())
    }

    /// Whether control op `earlier` is `later` or in its past.
    pub fn reaches(&self, later: &OpId, earlier: &OpId) -> bool {
        match (self.places.get(later), self.places.get(earlier)) {
            (Some(later), Some(earlier)) => later == earlier || self.past[*later].contains(earlier),
            _ => false,
        }
    }

    /// The control ops nothing here stands on; what the next op cites.
    pub fn control_heads(&self) -> Vec<OpId> {
        self.heads.iter().copied().collect()
    }

    /// The greatest Lamport number of the control ops.
    pub fn lamport(&self) -> u64 {
        self.lamport
    }

    /// Control ops without effect, for want of authority.
    pub fn refused(&self) -> &BTreeSet<OpId> {
        &self.refused
    }

    /// The epochs in force for an op that cites `heads`: opened in its past and superseded by none there.
    pub fn epochs_at(&self, heads: &[OpId]) -> Vec<OpId> {
        let past = self.past_of(heads);
        let there = |id: &OpId| self.places.get(id).is_some_and(|place| past.contains(place));
        let known = self.epochs.iter().filter(|(id, _)| there(id)).collect::<Vec<_>>();
        let superseded = known.iter().flat_map(|(_, previous)| previous.iter()).collect::<BTreeSet<_>>();
        known.iter().map(|(id, _)| **id).filter(|id| !superseded.contains(id)).collect()
    }

    /// The epochs in force now.
    pub fn epochs(&self) -> Vec<OpId> {
        self.epochs_at(&self.control_heads())
    }

    /// Every epoch there ever was.
    pub fn all_epochs(&self) -> Vec<OpId> {
        self.epochs.keys().copied().collect()
    }

    fn past_of(&self, heads: &[OpId]) -> BTreeSet<usize> {
        let mut past = BTreeSet::new();
        for place in heads.iter().filter_map(|head| self.places.get(head)) {
            past.extend(&self.past[*place]);
            past.insert(*place);
        }
        past
    }
}

fn line_of(heads: &[Head]) -> BTreeMap<Lane, Head> {
    heads.iter().map(|head| (head.lane, *head)).collect()
}
