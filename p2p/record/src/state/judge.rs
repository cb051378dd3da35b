//! Judging data ops: which changes count, which wait below a line, which never had authority. Called by
//! `node` for every change and access op, again whenever the control state moves.

use super::{Line, State};
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
    /// Beyond the line a revoke or the claim drew (rule 6.3).
    BeyondTheLine,
    /// The author had no authority in the op's control past (rule 6.2).
    NoAuthority,
    /// The grant does not cover an entry (rule 6.2).
    NotCovered,
}

impl State {
    /// Judges a change or access op by its header and frame list alone.
    pub fn judge(&self, id: &OpId, header: &Header, entries: &[Entry]) -> Judgement {
        let past = self.past_of(&header.control_heads);
        match header.authority {
            Authority::Genesis => self.judge_own(id, header, &past),
            Authority::Grant(grant) => {
                let Some(given) = self.grants.get(&grant) else {
                    return Judgement::Quarantined(Quarantine::NoAuthority);
                };
                let known = self.places.get(&grant.op).is_some_and(|place| past.contains(place));
                if !known || given.grant.to.id() != header.lane.author {
                    return Judgement::Quarantined(Quarantine::NoAuthority);
                }
                let lines = self.lines.get(&grant).map_or(&[][..], Vec::as_slice);
                if !lines.iter().all(|line| keeps(line, &header.lane, header.seq, id)) {
                    return Judgement::Quarantined(Quarantine::BeyondTheLine);
                }
                if header.lane.kind == LaneKind::Change && !entries.iter().all(|entry| covers(given, entry)) {
                    return Judgement::Quarantined(Quarantine::NotCovered);
                }
                Judgement::Counts
            }
        }
    }

    /// The heads that lines drawn through this op's lane keep. Where a lane has forked, only what `previous` reaches from
    /// them is kept (rule 6.3): the caller, who holds the ops, walks it.
    pub fn kept_heads(&self, header: &Header) -> Vec<Head> {
        let lines = match header.authority {
            Authority::Grant(grant) => self.lines.get(&grant).map_or(&[][..], Vec::as_slice),
            Authority::Genesis if self.custodian().is_some_and(|card| card.id() == header.lane.author) => {
                self.claim_line.as_slice()
            }
            Authority::Genesis => &[],
        };
        lines.iter().filter_map(|line| line.retains.get(&header.lane).copied()).collect()
    }

    fn judge_own(&self, id: &OpId, header: &Header, past: &std::collections::BTreeSet<usize>) -> Judgement {
        let author = header.lane.author;
        let custodian = self.custodian().map(|card| card.id());
        match (&self.claim_line, &self.claim) {
            (Some(line), Some((_, patient))) if patient.id() == author && past.contains(&line.at) => Judgement::Counts,
            (Some(line), _) if custodian == Some(author) => match keeps(line, &header.lane, header.seq, id) {
                true => Judgement::Counts,
                false => Judgement::Quarantined(Quarantine::BeyondTheLine),
            },
            (None, _) if custodian == Some(author) => Judgement::Counts,
            _ => Judgement::Quarantined(Quarantine::NoAuthority),
        }
    }
}

fn keeps(line: &Line, lane: &Lane, seq: u64, id: &OpId) -> bool {
    match line.retains.get(lane) {
        Some(head) => seq < head.seq || (seq == head.seq && *id == head.id),
        None => false,
    }
}

fn covers(given: &super::Given, entry: &Entry) -> bool {
    let needed = match entry.kind {
        FrameKind::Body | FrameKind::Wrap => return true,
        FrameKind::Put => [Interactions::CREATE, Interactions::UPDATE],
        FrameKind::Delete => [Interactions::DELETE, Interactions::DELETE],
    };
    if entry.class == Class::DIRECTORY {
        return entry.kind == FrameKind::Put;
    }
    let scopes = given.grant.scopes();
    // A scope's parameters are evaluated by `node`, which holds the content; here they do not narrow.
    given.grant.classes.contains(&entry.class)
        && needed.iter().any(|interaction| scopes.permits(&entry.resource_type, *interaction) != Permit::No)
}
