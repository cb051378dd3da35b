//! Grants with everything here: which count, what took each back, what took its place. Settled whenever the control ops
//! have moved. Called by `state` only.

use super::State;
use super::facts::{Horizon, Line, Offer, Revoked};
use crate::body::Body;
use crate::body::grant::Grant;
use crate::header::GrantId;
use crate::id::{IdentityId, OpId};
use crate::scope::Scopes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A grant that counts.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its name.
    pub id: GrantId,
    /// What it allows.
    pub grant: Grant,
    /// To whom.
    pub holder: IdentityId,
    /// Its scopes as parsed.
    pub scopes: Arc<Scopes>,
    /// Who gave it.
    pub by: IdentityId,
    /// When its author says it was given, milliseconds since 1970.
    pub given_ms: u64,
    /// The grant it was passed on from.
    pub parent: Option<GrantId>,
    /// The revoke that took it back, or one it was passed on from.
    pub revoked_by: Option<OpId>,
    /// The grant that took its place.
    pub replaced_by: Option<GrantId>,
    /// Grants that took the place of the same one without knowing of this one: only what all permit is permitted.
    pub beside: Vec<GrantId>,
}

impl State {
    /// Decides anew what counts.
    pub(super) fn settle(&mut self) {
        self.counts = (0..self.ops.len()).map(|at| self.counts_at(at, Horizon::All)).collect();
        let mut named = BTreeMap::<GrantId, Vec<&Revoked>>::new();
        let mut of_holder = BTreeMap::<IdentityId, Vec<GrantId>>::new();
        for (id, offer) in &self.facts.offers {
            of_holder.entry(offer.holder).or_default().push(*id);
        }
        for revoked in self.facts.revokes.iter().filter(|revoked| self.counts[revoked.line.at]) {
            let of_identities = revoked.identities.iter().filter_map(|who| of_holder.get(who)).flatten();
            for id in revoked.grants.iter().chain(of_identities).collect::<BTreeSet<_>>() {
                if self.names(revoked, id) {
                    named.entry(*id).or_default().push(revoked);
                }
            }
        }
        let (mut given, mut lines) = (BTreeMap::new(), BTreeMap::<GrantId, Vec<Line>>::new());
        for (id, offer) in self.facts.offers.iter().filter(|(_, offer)| self.counts[offer.at]) {
            let mut one = given_of(id, offer);
            for revoked in self.lineage(id).iter().filter_map(|id| named.get(id)).flatten() {
                one.revoked_by.get_or_insert(revoked.id);
                lines.entry(*id).or_default().push(revoked.line.clone());
            }
            given.insert(*id, one);
        }
        (self.given, self.grant_lines) = (given, lines);
        self.replace();
        self.replace_passed_on();
    }

    /// Decides what counts now that one op came last in the order.
    pub(super) fn settle_last(&mut self) {
        let Some(at) = self.ops.len().checked_sub(1) else { return };
        let plain = match &self.ops[at].body {
            None | Some(Body::Request(_) | Body::Keys(_) | Body::Link(_) | Body::Checkpoint(_) | Body::Erase(_)) => {
                true
            }
            // An accept is looked up by what it names.
            Some(Body::Accept(_)) => true,
            Some(Body::Grant(body)) => {
                body.grants.iter().all(|grant| grant.replaces.is_empty())
                    && self.facts.revokes.iter().all(|revoked| revoked.identities.is_empty())
            }
            _ => false,
        };
        if !plain {
            return self.settle();
        }
        let counts = self.counts_at(at, Horizon::All);
        self.counts.push(counts);
        let op = self.ops[at].id;
        let range = GrantId { op, index: 0 }..=GrantId { op, index: u32::MAX };
        let offers = self.facts.offers.range(range).filter(|_| counts);
        let fresh = offers.map(|(id, offer)| (*id, given_of(id, offer))).collect::<Vec<_>>();
        for (id, mut one) in fresh {
            let revokes = self.revokes_of(&id, Horizon::All).cloned().collect::<Vec<_>>();
            one.revoked_by = revokes.first().map(|revoked| revoked.id);
            if !revokes.is_empty() {
                self.grant_lines.insert(id, revokes.into_iter().map(|revoked| revoked.line).collect());
            }
            self.given.insert(id, one);
        }
    }

    /// Lets grants take the place of others of the same holder, given by the same hand or by the authority.
    fn replace(&mut self) {
        let mut takers = BTreeMap::<GrantId, Vec<GrantId>>::new();
        for given in self.given.values() {
            for replaced in &given.grant.replaces {
                let before = self.given.get(replaced).filter(|before| {
                    before.holder == given.holder
                        && given.id != *replaced
                        && (given.parent.is_none() || (before.parent == given.parent && before.by == given.by))
                });
                // A grant cannot take the place of one it has not seen.
                let seen = before.is_some_and(|before| {
                    match (self.graph.place(&before.id.op), self.graph.place(&given.id.op)) {
                        (Some(before), Some(now)) => self.graph.before(before, now),
                        _ => false,
                    }
                });
                if seen {
                    takers.entry(*replaced).or_default().push(given.id);
                }
            }
        }
        for (replaced, by) in takers {
            if let Some(given) = self.given.get_mut(&replaced) {
                given.replaced_by = by.first().copied();
            }
            for one in &by {
                let beside =
                    by.iter().filter(|other| *other != one && !self.known(other, one) && !self.known(one, other));
                let beside = beside.copied().collect::<Vec<_>>();
                if let Some(given) = self.given.get_mut(one) {
                    given
                        .beside
                        .extend(beside.into_iter().filter(|other| !given.beside.contains(other)).collect::<Vec<_>>());
                }
            }
        }
    }

    /// What was passed on ends with what it was passed on from.
    fn replace_passed_on(&mut self) {
        let passed = self.given.values().filter(|given| given.parent.is_some() && given.replaced_by.is_none());
        let by = |given: &Given| {
            let lineage = self.lineage(&given.id);
            lineage.iter().find_map(|id| self.given.get(id)?.replaced_by)
        };
        let ends = passed.filter_map(|given| Some((given.id, by(given)?))).collect::<Vec<_>>();
        for (id, by) in ends {
            if let Some(given) = self.given.get_mut(&id) {
                given.replaced_by = Some(by);
            }
        }
    }

    fn known(&self, earlier: &GrantId, later: &GrantId) -> bool {
        match (self.graph.place(&earlier.op), self.graph.place(&later.op)) {
            (Some(earlier), Some(later)) => self.graph.before(earlier, later),
            _ => false,
        }
    }
}

fn given_of(id: &GrantId, offer: &Offer) -> Given {
    Given {
        id: *id,
        grant: offer.grant.clone(),
        holder: offer.holder,
        scopes: offer.scopes.clone(),
        by: offer.by,
        given_ms: offer.given_ms,
        parent: offer.parent,
        revoked_by: None,
        replaced_by: None,
        beside: Vec::new(),
    }
}
