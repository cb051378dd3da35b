//! The fold: each control op is valid or not by its own past alone, so that whoever has its past agrees, whatever comes
//! beside it. Called by `state` only.

use super::facts::{
    Accepted, Admission, Claimed, Epoch, HandedOver, Horizon, Line, Offer, Remain, Revoked, Suspension, retains_of,
};
use super::{Control, State};
use crate::body::Body;
use crate::body::device::Device;
use crate::body::genesis::Genesis;
use crate::body::grant::Grant;
use crate::body::handover::Handover;
use crate::header::{Authority, GrantId, Kind};
use crate::id::{Head, IdentityId, RecordId};
use crate::identity::Card;
use std::sync::Arc;

/// How often a grant may be passed on: from the patient to a hospital, its ward, a laboratory, and no further for long.
pub const DELEGATIONS_MAX: usize = 8;

impl State {
    /// Takes an op that stands in order and on ops that were taken. What it says has an effect only if it is valid.
    pub(super) fn take(&mut self, op: Arc<Control>) {
        let at = self.graph.take(op.id, &op.header);
        for cited in op.header.cited() {
            self.heads.remove(cited);
        }
        self.heads.insert(op.id);
        self.lamport = self.lamport.max(op.header.lamport);
        self.ops.push(op.clone());
        self.valid.push(false);
        // A body that does not open here says nothing here. Its place in the order stays.
        let valid = op.body.as_ref().is_none_or(|body| self.admit(&op, at, body));
        self.valid[at] = valid;
        if !valid {
            self.refused.insert(op.id);
        }
    }

    /// Takes the op's word; `false` if its author had no authority for it.
    fn admit(&mut self, op: &Control, at: usize, body: &Body) -> bool {
        match body {
            Body::Genesis(genesis) => return self.admit_genesis(op, genesis),
            Body::Handover(handover) => return self.admit_handover(op, at, handover),
            Body::Device(Device::Root(card)) => return self.admit_root(at, card),
            _ => {}
        }
        if !self.has_key(op, at) {
            return false;
        }
        let author = op.header.lane.author;
        let past = self.graph.past(at);
        let horizon = Horizon::Past(&past);
        if let Authority::Grant(parent) = op.header.authority {
            return self.admit_delegated(op, at, &parent, body);
        }
        if !self.is_authority(&author, &op.header.authority, horizon) {
            return false;
        }
        let line = |retains: &[Head]| Line { at, retains: retains_of(retains) };
        match body {
            Body::Grant(body) => {
                return body.grants.iter().zip(0..).all(|(grant, n)| self.offer(op, at, n, grant, None));
            }
            Body::Revoke(body) => self.facts.revokes.push(Revoked {
                id: op.id,
                grants: body.grants.iter().copied().collect(),
                identities: body.identities.iter().copied().collect(),
                under: None,
                line: line(&body.retains),
            }),
            Body::Claim(body) => {
                let record = self.facts.record.unwrap_or(RecordId([0; 32]));
                let custodian = self.facts.custodian == Some(author) && self.founder(horizon).is_none();
                if !custodian || op.header.authority != Authority::Genesis || !body.is_accepted(&record) {
                    return false;
                }
                // A second claim that does not know the first: the custodian forked its lane. One of them is stood under.
                if self.facts.claim.is_some()
                    || self.under.is_some_and(|under| under != op.id)
                    || self.void.contains(&op.id)
                {
                    if !self.void.contains(&op.id) {
                        self.facts.rivals.push(op.id);
                    }
                    return false;
                }
                let (claim, patient) = (body.clone(), body.patient.id());
                self.facts.claim = Some(Claimed { at, id: op.id, claim, patient, line: line(&body.retains) });
                return body.grants.iter().zip(0..).all(|(grant, n)| self.offer(op, at, n, grant, None));
            }
            Body::Accept(body) => {
                let (ops, line) = (body.ops.iter().copied().collect(), line(&body.heads));
                self.facts.accepts.push(Accepted { ops, line });
            }
            Body::Keys(body) => {
                let supersedes = body.previous.iter().map(|(epoch, _)| *epoch).collect();
                self.facts.epochs.insert(op.id, Epoch { at, supersedes, commitment: body.commitment });
            }
            Body::Device(body) => return self.admit_device(op, at, body),
            Body::Moved(body) => self.facts.moved.push((at, body.clone())),
            Body::Link(body) => self.facts.links.push((at, body.clone())),
            Body::Checkpoint(body) => self.facts.checkpoints.push((at, body.clone())),
            Body::Erase(body) => self.facts.erased.push((at, body.frames.iter().copied().collect())),
            Body::Genesis(_) | Body::Handover(_) | Body::Request(_) | Body::Access(_) | Body::Agent(_) => {}
        }
        true
    }

    fn admit_genesis(&mut self, op: &Control, genesis: &Genesis) -> bool {
        let author = genesis.author.id();
        if self.facts.genesis.is_some() || op.header.kind != Kind::Genesis || author != op.header.lane.author {
            return false;
        }
        self.facts.record = Some(RecordId(op.id.0));
        self.facts.custodian = Some(author);
        let epoch = Epoch { at: 0, supersedes: Vec::new(), commitment: genesis.commitment };
        self.facts.epochs.insert(op.id, epoch);
        self.facts.genesis = Some((op.id, genesis.clone()));
        true
    }

    /// A handover speaks for itself: the announced key signs, in the author's own lane.
    fn admit_handover(&mut self, op: &Control, at: usize, handover: &Handover) -> bool {
        let (author, number) = (op.header.lane.author, op.header.key_number);
        if handover.card.id() != author || handover.card.key_number() != number || number == 0 {
            return false;
        }
        let line = Line { at, retains: retains_of(&handover.retains) };
        self.facts.handovers.push(HandedOver { author, number, card: handover.card.clone(), line });
        true
    }

    /// The root's card speaks for itself: its key is the one that the first device's statement announced.
    fn admit_root(&mut self, at: usize, card: &Card) -> bool {
        let past = self.graph.past(at);
        let announced = self.founder(Horizon::Past(&past)).map(|founder| founder.statement.next);
        if announced != Some(*blake3::hash(&card.statement.key).as_bytes()) {
            return false;
        }
        let root = Admission { at, device: card.id(), card: card.clone(), name: String::new() };
        self.facts.roots.push(root);
        true
    }

    fn admit_device(&mut self, op: &Control, at: usize, body: &Device) -> bool {
        let past = self.graph.past(at);
        let horizon = Horizon::Past(&past);
        // A custodian has no devices: its processes are certified by its identity.
        if self.founder(horizon).is_none() {
            return false;
        }
        match body {
            Device::Admit { card, name } => {
                let admission = Admission { at, device: card.id(), card: card.clone(), name: name.clone() };
                self.facts.admissions.push(admission);
            }
            Device::Suspend { device, retains } => {
                let line = Line { at, retains: retains_of(retains) };
                self.facts.suspensions.push(Suspension { device: *device, line });
            }
            Device::Remain { devices, retains } => {
                if !self.is_root(&op.header.lane.author, horizon) {
                    return false;
                }
                let line = Line { at, retains: retains_of(retains) };
                self.facts.remains.push(Remain { devices: devices.iter().copied().collect(), line });
            }
            Device::Root(_) => return false,
        }
        true
    }

    /// Whether the author's key of that number had taken over in the op's own past.
    fn has_key(&self, op: &Control, at: usize) -> bool {
        let (author, number) = (op.header.lane.author, op.header.key_number);
        self.knows_key(&author, number, Horizon::Past(&self.graph.past(at)))
    }

    /// Whether the record has been told that an identity's key of that number is in use: what it signs counts from then on.
    pub fn is_told_of_key(&self, who: &IdentityId, number: u64) -> bool {
        self.knows_key(who, number, Horizon::All)
    }

    /// Whether an identity went on from its key of that number to a later one: nothing that the key signs counts any more.
    pub fn is_key_superseded(&self, who: &IdentityId, number: u64) -> bool {
        self.facts.handovers.iter().any(|handed| handed.author == *who && handed.number > number)
    }

    pub(super) fn knows_key(&self, author: &IdentityId, number: u64, horizon: Horizon<'_>) -> bool {
        let handed = self.facts.handovers.iter().filter(|handed| handed.author == *author);
        let mut handed = handed.filter(|handed| self.sees(handed.line.at, horizon));
        let newer = handed.clone().any(|handed| handed.number > number);
        !newer && (number == 0 || handed.any(|handed| handed.number == number))
    }

    /// What a holder of a grant may say in the control lane: pass it on, and take back what it passed on.
    fn admit_delegated(&mut self, op: &Control, at: usize, parent: &GrantId, body: &Body) -> bool {
        let past = self.graph.past(at);
        let (horizon, author) = (Horizon::Past(&past), op.header.lane.author);
        let Some(offer) = self.facts.offers.get(parent) else { return false };
        let lineage = self.lineage(parent);
        let replaced =
            self.facts.offers.values().any(|other| {
                other.grant.replaces.iter().any(|id| lineage.contains(id)) && self.sees(other.at, horizon)
            });
        let held = offer.holder == author
            && !replaced
            && self.sees(offer.at, horizon)
            && self.counts_at(offer.at, horizon)
            && self.revokes_of(parent, horizon).next().is_none();
        if !held {
            return false;
        }
        match body {
            Body::Grant(body) => {
                let wider = offer.clone();
                body.grants.iter().all(|grant| within(grant, &wider))
                    && body.grants.iter().zip(0..).all(|(grant, n)| self.offer(op, at, n, grant, Some(*parent)))
            }
            Body::Revoke(body) => {
                self.facts.revokes.push(Revoked {
                    id: op.id,
                    grants: body.grants.iter().copied().collect(),
                    identities: body.identities.iter().copied().collect(),
                    under: Some((*parent, author)),
                    line: Line { at, retains: retains_of(&body.retains) },
                });
                true
            }
            _ => false,
        }
    }

    fn offer(&mut self, op: &Control, at: usize, index: u32, grant: &Grant, parent: Option<GrantId>) -> bool {
        let depth = parent.and_then(|id| self.facts.offers.get(&id)).map_or(0, |offer| offer.depth + 1);
        let offer = Offer {
            at,
            by: op.header.lane.author,
            holder: grant.to.id(),
            scopes: Arc::new(grant.scopes()),
            grant: grant.clone(),
            parent,
            depth,
            given_ms: op.header.wall_ms,
        };
        self.facts.offers.insert(GrantId { op: op.id, index }, offer);
        true
    }
}

/// Whether a grant may be passed on from another: nothing in it reaches further (rule 6.14).
fn within(grant: &Grant, wider: &Offer) -> bool {
    let ends = |end_ms: u64| if end_ms == 0 { u64::MAX } else { end_ms };
    let scopes = grant.scopes();
    wider.grant.delegate
        && wider.depth < DELEGATIONS_MAX
        && scopes.other.is_empty()
        && scopes.within(&wider.scopes)
        && grant.classes.iter().all(|class| wider.grant.classes.contains(class))
        && grant.purpose == wider.grant.purpose
        && grant.start_ms >= wider.grant.start_ms
        && ends(grant.end_ms) <= ends(wider.grant.end_ms)
        && (!grant.shared || wider.grant.shared)
}
