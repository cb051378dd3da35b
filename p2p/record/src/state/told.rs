//! What a state tells: whoever asks about a record asks here. Nothing here decides. Called by `node`.

use super::facts::Horizon;
use super::{Control, Given, State};
use crate::body::genesis::{Genesis, Purpose};
use crate::body::grant::Grant;
use crate::body::lifecycle::{Checkpoint, Link, Moved};
use crate::entry::Class;
use crate::header::{GrantId, Kind};
use crate::id::{IdentityId, OpId, RecordId};
use crate::identity::Card;
use crate::keys::{KeyItem, Level, commitment};
use std::collections::{BTreeMap, BTreeSet};

/// What a grant reads, one way or the other.
type Reads = fn(&Grant) -> Vec<(Class, Option<String>)>;

impl State {
    /// The record, once its genesis is here.
    pub fn record(&self) -> Option<RecordId> {
        self.facts.record
    }

    /// The genesis body.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.facts.genesis.as_ref().map(|(_, genesis)| genesis)
    }

    /// What the record is for.
    pub fn purpose(&self) -> Option<Purpose> {
        self.genesis().map(|genesis| genesis.purpose)
    }

    /// Whoever is in charge now: the custodian, or the patient by the name its first device gave it.
    pub fn authority(&self) -> Option<&Card> {
        self.founder(Horizon::All).or(self.custodian())
    }

    /// Whoever opened the record.
    pub fn custodian(&self) -> Option<&Card> {
        self.genesis().map(|genesis| &genesis.author)
    }

    /// The claim that counts.
    pub fn claim(&self) -> Option<OpId> {
        self.facts.claim.as_ref().map(|claimed| claimed.id)
    }

    /// Claims beside the one that counts here: the custodian forked its lane to claim more than once.
    pub fn rival_claims(&self) -> &[OpId] {
        &self.facts.rivals
    }

    /// Pairs of control ops at one place of one lane; each is proof against its author.
    pub fn forks(&self) -> &[(OpId, OpId)] {
        self.graph.forks()
    }

    /// Every grant that counts, those taken back included.
    pub fn grants(&self) -> impl Iterator<Item = &Given> {
        self.given.values()
    }

    /// One grant.
    pub fn grant(&self, id: &GrantId) -> Option<&Given> {
        self.given.get(id)
    }

    /// The grants to `who` that are open at `now_ms`.
    pub fn live_grants(&self, who: &IdentityId, now_ms: u64) -> impl Iterator<Item = &Given> {
        self.given.values().filter(move |given| given.holder == *who && self.is_live(given, now_ms))
    }

    /// Whether a grant opens anything at `now_ms`.
    pub fn is_live(&self, given: &Given, now_ms: u64) -> bool {
        let (start_ms, end_ms) = self.period(given);
        let stands = given.revoked_by.is_none() && given.replaced_by.is_none();
        stands && start_ms <= now_ms && (end_ms == 0 || now_ms < end_ms)
    }

    /// The grants that took the place of the same one beside `given`: what it permits, all of them do (rule 6.11).
    pub fn beside(&self, given: &Given) -> impl Iterator<Item = &Given> {
        given.beside.iter().filter_map(|id| self.given.get(id))
    }

    /// From when to when a grant permits anything, in milliseconds since 1970, zero for no end: from the last start of those
    /// beside it to the first end (rule 6.11).
    pub fn period(&self, given: &Given) -> (u64, u64) {
        let (mut start_ms, mut end_ms) = (given.grant.start_ms, given.grant.end_ms);
        for other in self.beside(given).map(|other| &other.grant) {
            start_ms = start_ms.max(other.start_ms);
            end_ms = match (end_ms, other.end_ms) {
                (0, end) | (end, 0) => end,
                (one, other) => one.min(other),
            };
        }
        (start_ms, end_ms)
    }

    /// The grants that ended by the clock and that no revoke has closed yet: the first device online afterwards closes
    /// each with a revoke that keeps what it had received by then.
    pub fn expired(&self, now_ms: u64) -> impl Iterator<Item = &Given> {
        let ended = move |given: &Given| (1..=now_ms).contains(&self.period(given).1);
        self.given.values().filter(move |given| given.revoked_by.is_none() && ended(given))
    }

    /// What a grant's holder may read by it: by class, every type or one. Where others took the place of the same grant
    /// beside it, only what all of them permit (rule 6.11). What a scope's parameters narrow is left out.
    pub fn open_reads(&self, given: &Given) -> Vec<(Class, Option<String>)> {
        self.reads_of_all(given, Grant::open_reads)
    }

    /// As [`State::open_reads`], with what a scope's parameters narrow: what its holder gets keys of.
    pub fn reads(&self, given: &Given) -> Vec<(Class, Option<String>)> {
        self.reads_of_all(given, Grant::reads)
    }

    fn reads_of_all(&self, given: &Given, reads_of: Reads) -> Vec<(Class, Option<String>)> {
        let mut reads = reads_of(&given.grant);
        for other in self.beside(given) {
            let other = reads_of(&other.grant);
            let both = |(class, kind): &(Class, Option<String>)| {
                let same = other.iter().filter(|(other, _)| other == class);
                let narrower = same.filter_map(|(_, other)| match (kind, other) {
                    (None, one) | (one, None) => Some((*class, one.clone())),
                    (one, other) => (one == other).then(|| (*class, one.clone())),
                });
                narrower.collect::<Vec<_>>()
            };
            reads = reads.iter().flat_map(both).collect();
        }
        reads.sort();
        reads.dedup();
        reads
    }

    /// How many ops draw a line through what others wrote, or lift one: whoever judged before another count judges anew.
    pub fn lines_drawn(&self) -> usize {
        let draws = |kind| matches!(kind, Kind::Revoke | Kind::Claim | Kind::Accept | Kind::Device | Kind::Erase);
        let hands = |op: &Control| op.header.kind == Kind::Keys && op.header.key_number > 0;
        self.ops
            .iter()
            .zip(&self.counts)
            .filter(|(op, counts)| **counts && (draws(op.header.kind) || hands(op)))
            .count()
    }

    /// The newest card of an identity that anything here shows.
    pub fn card(&self, who: &IdentityId) -> Option<&Card> {
        let facts = &self.facts;
        let handed = facts.handovers.iter().map(|handed| &handed.card);
        let devices = facts.admissions.iter().chain(&facts.roots).map(|admission| &admission.card);
        let granted = facts.offers.values().filter(|offer| offer.holder == *who).map(|offer| &offer.grant.to);
        let cards = self.custodian().into_iter().chain(self.authority()).chain(devices).chain(granted).chain(handed);
        cards.filter(|card| card.id() == *who).max_by_key(|card| card.handed.len())
    }

    /// Everyone who is in, or ever was: the authority with its devices, the custodian and every grantee.
    pub fn members(&self) -> Vec<Card> {
        let mut members = BTreeMap::<IdentityId, &Card>::new();
        let facts = &self.facts;
        let devices = facts.admissions.iter().chain(&facts.roots).map(|admission| &admission.card);
        let first = self.custodian().into_iter().chain(self.authority()).chain(devices);
        for (id, card) in first.map(|card| (card.id(), card)) {
            members.entry(id).or_insert(card);
        }
        for given in self.given.values() {
            members.entry(given.holder).or_insert(&given.grant.to);
        }
        for handed in &facts.handovers {
            if let Some(card) = members.get_mut(&handed.author)
                && card.handed.len() < handed.card.handed.len()
            {
                *card = &handed.card;
            }
        }
        members.into_values().cloned().collect()
    }

    /// Whether `who` is let in at all: the authority, a device that is in, the root, or holder of a grant that nobody took
    /// back. A first device that was suspended is not, though the authority keeps its name.
    pub fn is_member(&self, who: &IdentityId) -> bool {
        self.word_of(who).is_some()
            || self.given.values().any(|given| given.holder == *who && given.revoked_by.is_none())
    }

    /// For a former member, the control ops up to its end, which it must receive so as to learn of it: the revoke of its last
    /// grant, or what ended it as a device.
    pub fn last_word_to(&self, who: &IdentityId) -> Option<OpId> {
        let ends = self.given.values().filter(|given| given.holder == *who).filter_map(|given| given.revoked_by);
        ends.chain(self.end_of_device(who)).max_by_key(|op| self.graph.place(op))
    }

    /// Whether control op `earlier` is `later` or in its past.
    pub fn reaches(&self, later: &OpId, earlier: &OpId) -> bool {
        match (self.graph.place(later), self.graph.place(earlier)) {
            (Some(later), Some(earlier)) => later == earlier || self.graph.before(earlier, later),
            _ => false,
        }
    }

    /// Whether control ops were ever written beside each other: some op knows several heads, or there are several now.
    pub fn branches(&self) -> bool {
        self.heads.len() > 1 || self.ops.iter().any(|op| op.header.control_heads.len() > 1)
    }

    /// The greatest Lamport number of the control ops.
    pub fn lamport(&self) -> u64 {
        self.lamport
    }

    /// The Lamport number of a control op.
    pub fn lamport_of(&self, id: &OpId) -> Option<u64> {
        self.graph.place(id).map(|at| self.ops[at].header.lamport)
    }

    /// Control ops without effect: without authority in their own past, or against a rule.
    pub fn refused(&self) -> &BTreeSet<OpId> {
        &self.refused
    }

    /// Whether a control op counts: valid in its own past, and kept by every line.
    pub fn counts(&self, id: &OpId) -> bool {
        self.graph.place(id).is_some_and(|at| self.counts[at])
    }

    /// Ops that those held here cite and that are not here: to be asked for.
    pub fn missing(&self) -> BTreeSet<OpId> {
        let held = self.held.iter().map(|held| held.id).collect::<BTreeSet<_>>();
        let cited = self.held.iter().flat_map(|held| held.header.cited()).copied();
        cited.filter(|id| self.graph.place(id).is_none() && !held.contains(id)).collect()
    }

    /// The epochs in force for an op that cites `heads`: opened in its past by who had authority there, kept by the lines
    /// known there, and superseded by none there. Writer and reader come to the same, whatever else they know.
    pub fn epochs_at(&self, heads: &[OpId]) -> Vec<OpId> {
        let past = self.graph.clock_of(heads.iter());
        self.epochs_in(Horizon::Past(&past))
    }

    fn epochs_in(&self, horizon: Horizon<'_>) -> Vec<OpId> {
        let epochs = self.facts.epochs.iter().filter(|(_, epoch)| self.sees(epoch.at, horizon));
        let known = epochs.filter(|(_, epoch)| self.counts_at(epoch.at, horizon)).collect::<Vec<_>>();
        let superseded = known.iter().flat_map(|(_, epoch)| &epoch.supersedes).collect::<BTreeSet<_>>();
        known.iter().map(|(id, _)| **id).filter(|id| !superseded.contains(id)).collect()
    }

    /// The epochs in force now.
    pub fn epochs(&self) -> Vec<OpId> {
        self.epochs_in(Horizon::All)
    }

    /// Every epoch there ever was.
    pub fn all_epochs(&self) -> Vec<OpId> {
        self.facts.epochs.keys().copied().collect()
    }

    /// Whether a key that was sealed to somebody is the one its epoch committed to; only the whole secret can be told.
    pub fn is_committed(&self, item: &KeyItem) -> bool {
        let epoch = self.facts.epochs.get(&item.epoch);
        item.level != Level::Epoch || epoch.is_none_or(|epoch| epoch.commitment == commitment(&item.secret))
    }

    /// Where the record went on, by the first `moved` that counts.
    pub fn moved(&self) -> Option<&Moved> {
        self.facts.moved.iter().find(|(at, _)| self.counts[*at]).map(|(_, moved)| moved)
    }

    /// Other records of the patient, as far as their names open here.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.facts.links.iter().filter(|(at, _)| self.counts[*at]).map(|(_, link)| link)
    }

    /// Checkpoints that count, the oldest first.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.facts.checkpoints.iter().filter(|(at, _)| self.counts[*at]).map(|(_, checkpoint)| checkpoint)
    }

    /// Whether the authority took a frame away; its author may keep it in its own record.
    pub fn is_erased(&self, op: &OpId, place: u32) -> bool {
        self.facts.erased.iter().any(|(at, frames)| self.counts[*at] && frames.contains(&(*op, place)))
    }
}
