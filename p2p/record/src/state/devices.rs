//! Devices: who may act for the patient, as seen from an op or from everything here. A device may suspend another; only
//! the root says which remain. Called by `state` only.

use super::State;
use super::facts::{Admission, Horizon, Remain, Suspension};
use crate::body::genesis::Purpose;
use crate::header::Authority;
use crate::id::{IdentityId, OpId};
use crate::identity::Card;

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It acts for the patient.
    In,
    /// Another device stopped it, by this op.
    Suspended(OpId),
    /// The phrase did not name it, or its admission does not count.
    Removed,
}

/// A device of the patient's.
#[derive(Clone, Debug)]
pub struct DeviceView<'s> {
    /// Its card.
    pub card: &'s Card,
    /// What the patient calls it; empty for the first.
    pub name: &'s str,
    /// The op that admitted it; none for the first.
    pub admitted_by: Option<OpId>,
    /// What became of it.
    pub standing: Standing,
}

impl State {
    pub(super) fn sees(&self, at: usize, horizon: Horizon<'_>) -> bool {
        match horizon {
            Horizon::All => true,
            Horizon::Past(clock) => self.graph.within(at, clock),
        }
    }

    /// The patient's first device, once the record is the patient's.
    pub(super) fn founder(&self, horizon: Horizon<'_>) -> Option<&Card> {
        match &self.facts.claim {
            Some(claimed) if self.sees(claimed.at, horizon) => Some(&claimed.claim.patient),
            _ => {
                let (_, genesis) = self.facts.genesis.as_ref()?;
                (genesis.purpose == Purpose::Patient).then_some(&genesis.author)
            }
        }
    }

    /// The last words of the root, those that another of its words has in its past left out.
    pub(super) fn last_words(&self, horizon: Horizon<'_>) -> Vec<&Remain> {
        let seen = self.facts.remains.iter().filter(|remain| self.sees(remain.line.at, horizon)).collect::<Vec<_>>();
        let last = |one: &&Remain| !seen.iter().any(|other| self.graph.before(one.line.at, other.line.at));
        seen.iter().copied().filter(last).collect()
    }

    /// Whether a suspension still stands: no word of the root without it in its past names the device as staying.
    pub(super) fn stands(&self, suspension: &Suspension, words: &[&Remain]) -> bool {
        let known = |word: &&Remain| self.graph.before(word.line.at, suspension.line.at);
        words.iter().all(|word| known(word) || !word.devices.contains(&suspension.device))
    }

    /// What became of `who` as a device.
    pub(super) fn standing(&self, who: &IdentityId, horizon: Horizon<'_>) -> Standing {
        let words = self.last_words(horizon);
        let mut admissions = self.admissions_of(who, horizon);
        let since = |admission: &Admission| words.iter().all(|word| self.graph.before(word.line.at, admission.at));
        let entered = match words.is_empty() {
            true => self.founder(horizon).is_some_and(|card| card.id() == *who) || admissions.next().is_some(),
            false => words.iter().all(|word| word.devices.contains(who)) || admissions.any(since),
        };
        if !entered {
            return Standing::Removed;
        }
        let mut suspensions = self.facts.suspensions.iter().filter(|suspension| {
            suspension.device == *who && self.sees(suspension.line.at, horizon) && self.stands(suspension, &words)
        });
        match suspensions.next() {
            Some(suspension) => Standing::Suspended(self.ops[suspension.line.at].id),
            None => Standing::In,
        }
    }

    fn admissions_of<'s>(
        &'s self,
        who: &'s IdentityId,
        horizon: Horizon<'s>,
    ) -> impl Iterator<Item = &'s Admission> + 's {
        let admissions = self.facts.admissions.iter().filter(move |admission| admission.device == *who);
        admissions.filter(move |admission| self.sees(admission.at, horizon) && self.counts_at(admission.at, horizon))
    }

    pub(super) fn is_root(&self, who: &IdentityId, horizon: Horizon<'_>) -> bool {
        self.facts.roots.iter().any(|root| root.device == *who && self.sees(root.at, horizon))
    }

    /// Whether `author` acts as the record's authority under `word`, as far as `horizon` shows.
    pub(super) fn is_authority(&self, author: &IdentityId, word: &Authority, horizon: Horizon<'_>) -> bool {
        match word {
            Authority::Genesis => match self.founder(horizon) {
                Some(founder) => founder.id() == *author && self.standing(author, horizon) == Standing::In,
                None => self.facts.custodian == Some(*author),
            },
            Authority::Device(op) => {
                let Some(at) = self.graph.place(op).filter(|at| self.sees(*at, horizon)) else { return false };
                let is = |admission: &Admission| admission.at == at && admission.device == *author;
                self.facts.roots.iter().any(is)
                    || (self.facts.admissions.iter().any(is) && self.standing(author, horizon) == Standing::In)
            }
            Authority::Grant(_) => false,
        }
    }

    /// The patient's devices, the first before the others, and what became of each.
    pub fn devices(&self) -> Vec<DeviceView<'_>> {
        let mut devices = Vec::new();
        if let Some(card) = self.founder(Horizon::All) {
            let standing = self.standing(&card.id(), Horizon::All);
            devices.push(DeviceView { card, name: "", admitted_by: None, standing });
        }
        for admission in &self.facts.admissions {
            devices.push(DeviceView {
                card: &admission.card,
                name: &admission.name,
                admitted_by: Some(self.ops[admission.at].id),
                standing: self.standing(&admission.device, Horizon::All),
            });
        }
        devices
    }

    /// What became of `who` as a device of the patient's; none if it never was one.
    pub fn standing_of(&self, who: &IdentityId) -> Option<Standing> {
        let was = self.founder(Horizon::All).is_some_and(|card| card.id() == *who)
            || self.facts.admissions.iter().any(|admission| admission.device == *who);
        was.then(|| self.standing(who, Horizon::All))
    }

    /// The op that ended `who` as a device: the suspension that stands, or the root's word that does not name it.
    pub(super) fn end_of_device(&self, who: &IdentityId) -> Option<OpId> {
        match self.standing_of(who)? {
            Standing::In => None,
            Standing::Suspended(op) => Some(op),
            Standing::Removed => {
                let words = self.last_words(Horizon::All);
                let silent = words.iter().filter(|word| !word.devices.contains(who));
                silent.map(|word| word.line.at).max().map(|at| self.ops[at].id)
            }
        }
    }

    /// The root's card, once a device announced it.
    pub fn root(&self) -> Option<&Card> {
        self.facts.roots.first().map(|root| &root.card)
    }

    /// The ops that announced the root.
    pub fn announcements(&self) -> Vec<OpId> {
        self.facts.roots.iter().map(|root| self.ops[root.at].id).collect()
    }

    /// The word under which `who` acts as the record's authority now, if it does.
    pub fn word_of(&self, who: &IdentityId) -> Option<Authority> {
        if self.is_authority(who, &Authority::Genesis, Horizon::All) {
            return Some(Authority::Genesis);
        }
        let entered = self.facts.roots.iter().chain(&self.facts.admissions).filter(|entered| entered.device == *who);
        let mut words = entered.map(|entered| Authority::Device(self.ops[entered.at].id));
        words.find(|word| self.is_authority(who, word, Horizon::All))
    }
}
