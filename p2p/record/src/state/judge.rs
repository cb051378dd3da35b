//! Judging data ops: which changes count, which wait below a line, which never had authority. Called by
//! `node` for every change and access op, again whenever the control state moves.

use super::State;
use super::facts::{Horizon, Line, keeps};
use super::graph::Clock;
use crate::entry::{Class, Entry, FrameKind};
use crate::header::{Authority, Header};
use crate::id::{Head, Lane, LaneKind, OpId};
use crate::scope::{Interactions, Permit};

/// What the state says of a data op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Applied.
    Counts,
    /// Stored and shown to the patient, not applied.
    Quarantined(Quarantine),
}

/// Why an op is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarantine {
    /// Beyond the line a revoke, a claim, a handover, a suspension or the root's word drew (rule 6.3).
    BeyondTheLine,
    /// The author had no authority in the op's control past (rule 6.2).
    NoAuthority,
    /// The grant does not cover an entry (rule 6.2).
    NotCovered,
}

impl State {
    /// Judges a change or access op by its header and frame list alone.
    pub fn judge(&self, id: &OpId, header: &Header, entries: &[Entry]) -> Judgement {
        let past = self.graph.clock_of(header.control_heads.iter());
        let verdict = self.verdict(id, header, entries, &past);
        match verdict {
            Judgement::Quarantined(_) if self.is_accepted_singly(id) => Judgement::Counts,
            verdict => verdict,
        }
    }

    fn verdict(&self, id: &OpId, header: &Header, entries: &[Entry], past: &Clock) -> Judgement {
        if !self.has_authority(header, past) {
            // A custodian that writes on as such after it handed over is beyond the claim's line.
            let custodial = header.authority == Authority::Genesis && self.facts.custodian == Some(header.lane.author);
            return Judgement::Quarantined(match custodial {
                true => Quarantine::BeyondTheLine,
                false => Quarantine::NoAuthority,
            });
        }
        let beyond = |line: &&Line| {
            !keeps(&line.retains, &header.lane, header.seq, id) && self.lifted_by(line, header, id).is_none()
        };
        if self.lines_through(header, past).iter().any(beyond) {
            return Judgement::Quarantined(Quarantine::BeyondTheLine);
        }
        if header.lane.kind == LaneKind::Change && !entries.iter().all(|entry| self.covers(header, entry)) {
            return Judgement::Quarantined(Quarantine::NotCovered);
        }
        Judgement::Counts
    }

    fn has_authority(&self, header: &Header, past: &Clock) -> bool {
        let (author, horizon) = (header.lane.author, Horizon::Past(past));
        if !self.facts.handovers.is_empty() && !self.knows_key(&author, header.key_number, horizon) {
            return false;
        }
        match header.authority {
            Authority::Genesis => self.is_authority(&author, &header.authority, horizon),
            Authority::Device(op) => {
                let counts = self.graph.place(&op).is_some_and(|at| self.counts[at]);
                counts && self.is_authority(&author, &header.authority, horizon)
            }
            Authority::Grant(id) => self.given.get(&id).is_some_and(|given| {
                let replaced = given.replaced_by.and_then(|by| self.graph.place(&by.op));
                given.holder == author
                    && self.graph.place(&id.op).is_some_and(|at| self.graph.within(at, past))
                    && !replaced.is_some_and(|at| self.graph.within(at, past))
            }),
        }
    }

    /// Every line drawn through what an op of this header stands on, whether it keeps the op or not.
    fn lines_through(&self, header: &Header, past: &Clock) -> Vec<&Line> {
        let author = header.lane.author;
        let handed = self.facts.handovers.iter().filter(|handed| handed.author == author);
        let handed = handed.filter(|handed| handed.number > header.key_number);
        let mut lines = handed.map(|handed| &handed.line).collect::<Vec<_>>();
        match header.authority {
            Authority::Grant(id) => lines.extend(self.grant_lines.get(&id).into_iter().flatten()),
            Authority::Genesis if self.founder(Horizon::Past(past)).is_none() => {
                lines.extend(self.facts.claim.as_ref().map(|claimed| &claimed.line));
            }
            // The root is on no device, and nothing is drawn through its lanes.
            _ if self.is_root(&author, Horizon::All) => {}
            _ => {
                let lines_against = self.lines_against(&author, Horizon::All);
                lines.extend(lines_against.into_iter().filter(|line| !self.graph.within(line.at, past)));
            }
        }
        lines
    }

    /// The accept that has a line in its past and takes back in what lies beyond it, up to some op of the lane.
    fn lifted_by(&self, line: &Line, header: &Header, id: &OpId) -> Option<Head> {
        let mut accepts = self.facts.accepts.iter().filter(|accepted| {
            let at = accepted.line.at;
            self.counts[at]
                && self.graph.before(line.at, at)
                && keeps(&accepted.line.retains, &header.lane, header.seq, id)
        });
        accepts.next().and_then(|accepted| accepted.line.retains.get(&header.lane).copied())
    }

    fn is_accepted_singly(&self, id: &OpId) -> bool {
        self.facts.accepts.iter().any(|accepted| accepted.ops.contains(id) && self.counts[accepted.line.at])
    }

    /// The heads that lines drawn through this op's lane keep. Where a lane has forked, only what `previous` reaches from
    /// them is kept (rule 6.3): the caller, who holds the ops, walks it.
    pub fn kept_heads(&self, header: &Header) -> Vec<Head> {
        let past = self.graph.clock_of(header.control_heads.iter());
        let lines = self.lines_through(header, &past);
        if lines.is_empty() {
            return Vec::new();
        }
        let id = Header::id_of(&header.encode());
        if self.is_accepted_singly(&id) {
            return Vec::new();
        }
        let head = |line: &Line| match keeps(&line.retains, &header.lane, header.seq, &id) {
            true => line.retains.get(&header.lane).copied(),
            false => self.lifted_by(line, header, &id),
        };
        lines.into_iter().filter_map(head).collect()
    }

    /// The ops that lines and accepts name as the last they keep of a lane.
    pub fn heads_named(&self, lane: Lane) -> impl Iterator<Item = Head> {
        let facts = &self.facts;
        let revokes = facts.revokes.iter().map(|revoked| &revoked.line);
        let devices = facts.suspensions.iter().map(|suspension| &suspension.line);
        let devices = devices.chain(facts.remains.iter().map(|remain| &remain.line));
        let handed = facts.handovers.iter().map(|handed| &handed.line).chain(facts.claim.iter().map(|one| &one.line));
        let accepts = facts.accepts.iter().map(|accepted| &accepted.line);
        let lines = revokes.chain(devices).chain(handed).chain(accepts);
        lines.filter_map(move |line| line.retains.get(&lane).copied())
    }

    /// Whether the op's authority reaches further than what its author made itself; of grants beside each other all must say so
    /// (rule 6.11).
    pub fn is_shared(&self, header: &Header) -> bool {
        match header.authority {
            Authority::Grant(id) => self
                .given
                .get(&id)
                .is_some_and(|given| given.grant.shared && self.beside(given).all(|other| other.grant.shared)),
            Authority::Genesis | Authority::Device(_) => true,
        }
    }

    fn covers(&self, header: &Header, entry: &Entry) -> bool {
        let Authority::Grant(id) = header.authority else { return true };
        let needed = match entry.kind {
            FrameKind::Body | FrameKind::Wrap => return true,
            FrameKind::Put => [Interactions::CREATE, Interactions::UPDATE],
            FrameKind::Delete => [Interactions::DELETE, Interactions::DELETE],
        };
        if entry.class == Class::DIRECTORY {
            return entry.kind == FrameKind::Put;
        }
        let Some(given) = self.given.get(&id) else { return false };
        // Where two narrowed the same grant beside each other, only what both permit is permitted.
        let beside = given.beside.iter().filter_map(|other| self.given.get(other));
        std::iter::once(given).chain(beside).all(|given| {
            // A scope's parameters are evaluated by `node`, which holds the content; here they do not narrow.
            given.grant.classes.contains(&entry.class)
                && needed
                    .iter()
                    .any(|interaction| given.scopes.permits(&entry.resource_type, *interaction) != Permit::No)
        })
    }
}
