//! Moves: a resource that waited in the house record goes into the record of the Patient that has now appeared; one whose
//! subject or class was corrected leaves a removal where it stood, so that a reader there sees it gone and never stale.
//! A deletion goes wherever the resource still stands. Grants move nothing: a home that changes because of one keeps what it
//! has. Called by `sign`.

use super::{Decision, Step};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::home::{Place, covering_grant, identifier_target};
use crate::prepare::Prepared;
use fhir::ResourceType;
use record::frame::{Method, Packer};
use record::{Class, RecordId};
use std::collections::HashSet;
use std::sync::Arc;
use store::versions::{Index, IndexRow, StoredVersion};

/// Most resources that move along with one write; what is left waits until its Patient is written again.
const MOVES_MAX: usize = 10_000;

/// Where a resource must be removed, and in how many records it stays because no grant lets this node delete there.
#[derive(Default)]
pub(super) struct Leaves {
    pub(super) removals: Vec<(Place, Class)>,
    pub(super) stays: usize,
}

/// What a step must know of the version before.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) record: RecordId,
    pub(super) class: Class,
    deleted: bool,
}

impl Before {
    pub(super) fn of(version: &StoredVersion) -> Self {
        Self { record: version.record, class: version.class, deleted: version.is_deleted() }
    }
}

impl Batch {
    /// Adds to a write what waited for the resources that appear in it, and what waited for that.
    pub(super) async fn add_waiting_steps(
        &mut self,
        steps: &mut Vec<Step>,
        decisions: &mut Vec<Decision>,
    ) -> Result<(), NodeError> {
        let mut from = 0;
        while from < steps.len() && steps.len() < MOVES_MAX {
            let fresh = steps[from..].iter().zip(&decisions[from..]);
            let targets = fresh.flat_map(|(step, decision)| targets(step, decision)).collect::<Vec<_>>();
            from = steps.len();
            let found = self.waiting_for(&targets).await?;
            self.add_moving(found, None, steps, decisions).await?;
        }
        Ok(())
    }

    /// Adds what follows a resource that leaves `record`.
    pub(super) async fn add_followers(
        &mut self,
        resource: &Prepared,
        record: &RecordId,
        steps: &mut Vec<Step>,
        decisions: &mut Vec<Decision>,
    ) -> Result<(), NodeError> {
        let Some(kind) = ResourceType::parse("Provenance") else { return Ok(()) };
        let Some(param) = fhir::params::find(kind, "target") else { return Ok(()) };
        let target = format!("{}/{}", resource.kind.name(), resource.id);
        let mut reader = self.reader().await?;
        let found = reader.referring(record, (kind.number(), param.id.0), &target, MOVES_MAX as i64).await?;
        self.add_moving(found, Some(record), steps, decisions).await
    }

    async fn add_moving(
        &mut self,
        found: Vec<(u16, String)>,
        record: Option<&RecordId>,
        steps: &mut Vec<Step>,
        decisions: &mut Vec<Decision>,
    ) -> Result<(), NodeError> {
        if found.is_empty() {
            return Ok(());
        }
        let mut known =
            steps.iter().map(|step| (step.prepared.kind.number(), step.prepared.id.clone())).collect::<HashSet<_>>();
        for (number, id) in found {
            if steps.len() >= MOVES_MAX {
                tracing::warn!(moves = MOVES_MAX, "more resources wait for a Patient than move with one write");
                break;
            }
            let Some(kind) = ResourceType::from_number(number) else { continue };
            let Some(current) = self.current(number, &id).await? else { continue };
            let there = record.is_none_or(|record| current.record == *record);
            let own = current.own && current.origin == self.node.identity.id();
            if !own || current.is_deleted() || !there || !known.insert((number, id.clone())) {
                continue;
            }
            let Ok(parsed) = fhir::parse::resource(self.stored_json(&current).await?) else { continue };
            debug_assert_eq!(parsed.kind(), kind);
            steps.push(self.node.put(&parsed, &id, Method::Update, None, None, &mut Packer::default())?);
            decisions.push(Decision::Write(Some(Box::new(current))));
        }
        Ok(())
    }

    /// Where a resource must be removed, now that it goes to the record `to`: records of other Patients and other classes; and for
    /// a deletion, which goes to one record itself, every other one where it stands.
    pub(super) async fn leaves(
        &mut self,
        resource: &Prepared,
        before: Before,
        to: &RecordId,
    ) -> Result<Leaves, NodeError> {
        let deletes = resource.method == Method::Delete;
        if !deletes && (before.deleted || (before.record == *to && before.class == resource.class)) {
            return Ok(Leaves::default());
        }
        let patients = self.homes_of(to).await?.into_iter().map(|home| home.patient).collect::<Vec<_>>();
        let mut leaves = Leaves::default();
        for standing in self.reader().await?.standings(resource.kind.number(), &resource.id).await? {
            let homes = self.homes_of(&standing.record).await?;
            let same = standing.record == *to || homes.iter().any(|home| patients.contains(&home.patient));
            let stays = match deletes {
                // The deletion itself stands there; of one that was deleted before nothing is written.
                true => standing.record == *to && !before.deleted,
                false => same && standing.class == resource.class,
            };
            if standing.deleted || stays {
                continue;
            }
            match self.removal_place(&standing.record, resource, standing.class).await? {
                Some(old) => leaves.removals.push((old, standing.class)),
                None => {
                    leaves.stays += 1;
                    tracing::warn!(
                        record.id = %standing.record,
                        "a resource stays visible there: no grant lets this node delete in that record"
                    );
                }
            }
        }
        Ok(leaves)
    }

    async fn removal_place(
        &mut self,
        record: &RecordId,
        resource: &Prepared,
        class: Class,
    ) -> Result<Option<Place>, NodeError> {
        let context = self.known(record).await?;
        let me = self.node.identity.id();
        if let Some(authority) = context.state.word_of(&me) {
            return Ok(Some(Place { context, authority }));
        }
        let removal = Prepared { method: Method::Delete, ..Prepared::moved(me, resource.kind, &resource.id, class) };
        Ok(covering_grant(&context, &me, &removal, false)
            .map(|authority| Place { context: Arc::clone(&context), authority }))
    }
}

/// What others may have waited for: a resource that was not here, and what names a Patient.
fn targets(step: &Step, decision: &Decision) -> Vec<String> {
    let (resource, mut targets) = (&step.prepared, Vec::new());
    let Decision::Write(before) = decision else { return targets };
    if resource.method == Method::Delete {
        return targets;
    }
    // An id that this server has just drawn is named by nobody yet; one that moves was named by others.
    if resource.method == Method::Update {
        targets.push(format!("{}/{}", resource.kind.name(), resource.id));
    }
    let appears = before.as_ref().is_none_or(|before| before.is_deleted());
    if resource.kind.name() == "Patient" && (appears || resource.method == Method::Update) {
        targets.extend(identifiers(resource));
    }
    targets
}

/// What resources wait for that name this Patient by one of its identifiers.
pub(crate) fn identifiers(resource: &Prepared) -> impl Iterator<Item = String> {
    identifiers_in(resource.kind, &resource.index)
}

/// The same of the rows of a resource.
pub(crate) fn identifiers_in(kind: ResourceType, rows: &[IndexRow]) -> impl Iterator<Item = String> {
    let identifier = fhir::params::find(kind, "identifier").map(|param| param.id.0);
    rows.iter().filter_map(move |row| match &row.value {
        Index::Token { code, system } if Some(row.param) == identifier => Some(identifier_target(system, code)),
        _ => None,
    })
}
