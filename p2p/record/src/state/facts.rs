//! Facts: what control ops said that were valid in their own past. Whether they still count with all that came beside
//! them is asked of `lines`. Called by `state` only.

use super::graph::Clock;
use crate::body::claim::Claim;
use crate::body::genesis::Genesis;
use crate::body::grant::Grant;
use crate::body::lifecycle::{Checkpoint, Link, Moved};
use crate::header::GrantId;
use crate::id::{Head, IdentityId, Lane, OpId, RecordId};
use crate::identity::Card;
use crate::scope::Scopes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// As far as one looks: at everything here, or at what an op had seen.
#[derive(Clone, Copy)]
pub(super) enum Horizon<'c> {
    All,
    Past(&'c Clock),
}

/// Per lane, the last op that is kept.
pub(super) type Retains = Arc<BTreeMap<Lane, Head>>;

pub(super) fn retains_of(heads: &[Head]) -> Retains {
    Arc::new(heads.iter().map(|head| (head.lane, *head)).collect())
}

/// Whether a line keeps the op at a place of a lane that has not forked (rule 6.3).
pub(super) fn keeps(retains: &Retains, lane: &Lane, seq: u64, id: &OpId) -> bool {
    match retains.get(lane) {
        Some(head) => seq < head.seq || (seq == head.seq && *id == head.id),
        None => false,
    }
}

/// A line drawn: by which op, and what it keeps.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: usize,
    pub(super) retains: Retains,
}

#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub(super) at: usize,
    pub(super) id: OpId,
    pub(super) claim: Claim,
    pub(super) patient: IdentityId,
    pub(super) line: Line,
}

/// A device that was let act for the patient, or the root that was announced.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    pub(super) at: usize,
    pub(super) device: IdentityId,
    pub(super) card: Card,
    pub(super) name: String,
}

#[derive(Clone, Debug)]
pub(super) struct Suspension {
    pub(super) device: IdentityId,
    pub(super) line: Line,
}

#[derive(Clone, Debug)]
pub(super) struct Remain {
    pub(super) devices: BTreeSet<IdentityId>,
    pub(super) line: Line,
}

#[derive(Clone, Debug)]
pub(super) struct HandedOver {
    pub(super) author: IdentityId,
    pub(super) number: u64,
    pub(super) card: Card,
    pub(super) line: Line,
}

/// A grant as it was given.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) at: usize,
    pub(super) by: IdentityId,
    pub(super) grant: Grant,
    pub(super) holder: IdentityId,
    pub(super) scopes: Arc<Scopes>,
    pub(super) parent: Option<GrantId>,
    pub(super) depth: usize,
    pub(super) given_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Revoked {
    pub(super) id: OpId,
    pub(super) grants: BTreeSet<GrantId>,
    pub(super) identities: BTreeSet<IdentityId>,
    /// Whoever revokes under a grant ends only what it gave under it.
    pub(super) under: Option<(GrantId, IdentityId)>,
    pub(super) line: Line,
}

#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) ops: BTreeSet<OpId>,
    pub(super) line: Line,
}

#[derive(Clone, Debug)]
pub(super) struct Epoch {
    pub(super) at: usize,
    pub(super) supersedes: Vec<OpId>,
    pub(super) commitment: [u8; 32],
}

/// Everything that was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) record: Option<RecordId>,
    pub(super) genesis: Option<(OpId, Genesis)>,
    pub(super) custodian: Option<IdentityId>,
    pub(super) claim: Option<Claimed>,
    pub(super) rivals: Vec<OpId>,
    pub(super) roots: Vec<Admission>,
    pub(super) admissions: Vec<Admission>,
    pub(super) suspensions: Vec<Suspension>,
    pub(super) remains: Vec<Remain>,
    pub(super) handovers: Vec<HandedOver>,
    pub(super) offers: BTreeMap<GrantId, Offer>,
    pub(super) revokes: Vec<Revoked>,
    pub(super) accepts: Vec<Accepted>,
    pub(super) epochs: BTreeMap<OpId, Epoch>,
    pub(super) moved: Vec<(usize, Moved)>,
    pub(super) links: Vec<(usize, Link)>,
    pub(super) checkpoints: Vec<(usize, Checkpoint)>,
    pub(super) erased: Vec<(usize, BTreeSet<(OpId, u32)>)>,
}
