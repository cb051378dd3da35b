//! Lines: what a handover, a claim, a suspension, the root's word or a revoke keeps of the control ops beside it. Data ops
//! are judged in `judge`. Called by `state` only.

use super::State;
use super::facts::{Horizon, Line, Revoked};
use crate::header::{Authority, GrantId};
use crate::id::{IdentityId, Lane, LaneKind};

impl State {
    /// Whether the op at a place counts with everything in `horizon`: it was valid in its own past, and no line that it did
    /// not know leaves it out, nor what its authority stands on.
    pub(super) fn counts_at(&self, at: usize, horizon: Horizon<'_>) -> bool {
        let mut at = at;
        // An op stands on the admission or the grant its word names, which is in its past: the walk ends.
        loop {
            if !self.valid[at] || !self.kept(at, horizon) {
                return false;
            }
            if self.proves_itself(at) {
                return true;
            }
            let word = self.ops[at].header.authority;
            at = match word {
                Authority::Genesis => return true,
                Authority::Device(op) => match self.graph.place(&op) {
                    Some(place) => place,
                    None => return false,
                },
                Authority::Grant(grant) => match self.facts.offers.get(&grant) {
                    Some(offer) => offer.at,
                    None => return false,
                },
            };
        }
    }

    /// Whether the op proves itself: a handover is signed by the key that was announced, a root's card by the key that the
    /// first device's statement announced.
    fn proves_itself(&self, at: usize) -> bool {
        self.facts.handovers.iter().any(|handed| handed.line.at == at)
            || self.facts.roots.iter().any(|root| root.at == at)
    }

    /// Whether every line through the op's lane keeps it.
    fn kept(&self, at: usize, horizon: Horizon<'_>) -> bool {
        let header = &self.ops[at].header;
        let author = header.lane.author;
        let handed = self.facts.handovers.iter().filter(|handed| handed.author == author);
        let mut handed = handed.filter(|handed| handed.number > header.key_number && handed.line.at != at);
        if handed.any(|handed| self.sees(handed.line.at, horizon) && !self.graph.follows(handed.line.at, at)) {
            return false;
        }
        // A suspension counts if its author was a device in its own past: a thief can stop the patient. The root's words are
        // the root's.
        let suspends = self.facts.suspensions.iter().any(|suspension| suspension.line.at == at);
        if suspends || self.is_root(&author, horizon) || self.proves_itself(at) {
            return true;
        }
        match header.authority {
            Authority::Grant(grant) => {
                self.revokes_of(&grant, horizon).all(|revoked| self.retains_control(&revoked.line, &author, at))
            }
            Authority::Genesis if self.is_custodial(at) => match &self.facts.claim {
                Some(claimed) if claimed.at != at && self.sees(claimed.at, horizon) => {
                    self.graph.follows(claimed.at, at)
                }
                _ => true,
            },
            Authority::Genesis | Authority::Device(_) => {
                self.device_lines(&author, at, horizon).all(|line| self.retains_control(line, &author, at))
            }
        }
    }

    /// Whether the control op at a place is the custodian's, from before any claim.
    fn is_custodial(&self, at: usize) -> bool {
        let header = &self.ops[at].header;
        header.authority == Authority::Genesis
            && self.facts.custodian == Some(header.lane.author)
            && self.founder(Horizon::Past(&self.graph.past(at))).is_none()
    }

    /// The lines that suspensions and the root's last words draw through what `author` wrote without knowing them, for the
    /// op at a place.
    fn device_lines<'s>(
        &'s self,
        author: &IdentityId,
        at: usize,
        horizon: Horizon<'s>,
    ) -> impl Iterator<Item = &'s Line> + 's {
        let lines = self.lines_against(author, horizon);
        lines.into_iter().filter(move |line| !self.graph.before(line.at, at))
    }

    /// The lines through a device's lanes.
    pub(super) fn lines_against(&self, device: &IdentityId, horizon: Horizon<'_>) -> Vec<&Line> {
        if self.facts.suspensions.is_empty() && self.facts.remains.is_empty() {
            return Vec::new();
        }
        let words = self.last_words(horizon);
        let suspensions = self.facts.suspensions.iter().filter(|suspension| {
            suspension.device == *device && self.sees(suspension.line.at, horizon) && self.stands(suspension, &words)
        });
        let removed = words.iter().filter(|word| !word.devices.contains(device));
        suspensions.map(|suspension| &suspension.line).chain(removed.map(|word| &word.line)).collect()
    }

    fn retains_control(&self, line: &Line, author: &IdentityId, at: usize) -> bool {
        let lane = Lane { author: *author, kind: LaneKind::Control, instance: 0 };
        let head = line.retains.get(&lane).and_then(|head| self.graph.place(&head.id));
        head.is_some_and(|head| self.graph.follows(head, at))
    }

    /// The revokes that count and name a grant, or one it was passed on from.
    pub(super) fn revokes_of<'s>(
        &'s self,
        grant: &GrantId,
        horizon: Horizon<'s>,
    ) -> impl Iterator<Item = &'s Revoked> + 's {
        let lineage = self.lineage(grant);
        self.facts.revokes.iter().filter(move |revoked| {
            self.sees(revoked.line.at, horizon)
                && lineage.iter().any(|id| self.names(revoked, id))
                && self.counts_at(revoked.line.at, horizon)
        })
    }

    /// A grant and those it was passed on from, the nearest first.
    pub(super) fn lineage(&self, grant: &GrantId) -> Vec<GrantId> {
        let mut lineage = Vec::new();
        let mut next = Some(*grant);
        while let Some(offer) = next.and_then(|id| self.facts.offers.get(&id)) {
            lineage.extend(next);
            next = offer.parent;
        }
        lineage
    }

    /// Whether a revoke ends a grant, if it counts.
    pub(super) fn names(&self, revoked: &Revoked, id: &GrantId) -> bool {
        let Some(offer) = self.facts.offers.get(id) else { return false };
        let may = match &revoked.under {
            None => true,
            Some((parent, by)) => offer.parent == Some(*parent) && offer.by == *by,
        };
        let of_identity = revoked.identities.contains(&offer.holder) && !self.graph.before(revoked.line.at, offer.at);
        may && (revoked.grants.contains(id) || of_identity)
    }
}
