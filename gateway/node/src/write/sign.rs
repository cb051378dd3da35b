//! From decided steps to signed ops: one `change` per record that a write touches, directory copies beside what names
//! them, and the rows each version is found by. Called by `write` alone.

use super::copies::Fresh;
use super::moves::Before;
use super::own_keys::OwnKeys;
use super::together::together;
use super::{Decision, Step, Written};
use crate::author::current_key;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::home::{Place, Together};
use crate::placed::{Placed, is_tagged};
use crate::prepare::Prepared;
use fhir::{Code, Issue, ResourceType};
use record::body::Body;
use record::body::access::Agent;
use record::draft::DraftFrame;
use record::entry::{FrameKind, handle};
use record::frame::Method;
use record::header::DATA_HEADS_MAX;
use record::keys::Level;
use record::{Authority, Class, Kind, OpId, RecordId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use store::versions::{By, StoredVersion, Version};

/// The steps of one record.
struct Group {
    place: Place,
    steps: Vec<usize>,
    /// What leaves this record, or a class in it.
    removals: Vec<Prepared>,
}

impl Batch {
    /// Signs and adds everything that was decided; returns one result per step.
    pub(super) async fn sign_steps(
        &mut self,
        steps: &[Step],
        mut decisions: Vec<Decision>,
        agent: &Agent,
    ) -> Result<Vec<Written>, NodeError> {
        let asked = steps.len();
        let mut steps = steps.to_vec();
        self.add_waiting_steps(&mut steps, &mut decisions).await?;
        let together = together(&steps, &decisions);
        let mut groups = BTreeMap::<(RecordId, Authority), Group>::new();
        let group = |groups: &mut BTreeMap<_, Group>, place: Place| {
            let key = (place.context.record, place.authority);
            groups.entry(key).or_insert_with(|| Group { place, steps: Vec::new(), removals: Vec::new() });
            key
        };
        // Steps are added while they are placed: what follows a resource moves with it.
        let (mut at, mut stays) = (0, HashMap::new());
        while at < steps.len() {
            let resource = steps[at].prepared.clone();
            let (before, place) = match &decisions[at] {
                Decision::Write(before) => {
                    let before = before.as_deref().map(Before::of);
                    (before, Some(self.place(&resource, before, &together).await?))
                }
                Decision::Nothing(before) => (before.as_deref().map(Before::of), None),
                Decision::Found(_) => (None, None),
            };
            if let Some(before) = before.filter(|_| resource.foreign.is_none()) {
                let to = place.as_ref().map_or(before.record, |place| place.context.record);
                let leaves = self.leaves(&resource, before, &to).await?;
                for (old, class) in leaves.removals {
                    if resource.method != Method::Delete && old.context.record != to {
                        self.add_followers(&resource, &old.context.record, &mut steps, &mut decisions).await?;
                    }
                    let removal = Prepared::moved(self.node.identity.id(), resource.kind, &resource.id, class);
                    let key = group(&mut groups, old);
                    groups.entry(key).and_modify(|group| group.removals.push(removal));
                }
                stays.insert(at, leaves.stays);
            }
            if let Some(place) = place {
                let key = group(&mut groups, place);
                groups.entry(key).and_modify(|group| group.steps.push(at));
            }
            at += 1;
        }
        let steps = &steps[..];
        let mut patients = HashMap::<RecordId, String>::new();
        let mut written =
            steps.iter().zip(&decisions).map(|(step, decision)| answer(self, step, decision)).collect::<Vec<_>>();
        // The house first: copies of what it gains in this very write go into the patients' records.
        let house = self.node.house().ok();
        let mut order = groups.into_values().collect::<Vec<_>>();
        // Removals before puts, also where they stand under another grant of the same record.
        order.sort_by_key(|group| (Some(group.place.context.record) != house, group.removals.is_empty()));
        let mut fresh = Fresh::new();
        for group in order {
            let record = group.place.context.record;
            if !patients.contains_key(&record) && Some(record) != house {
                let named = self.patient_of(&record).await?;
                patients.insert(record, named);
            }
            let patient = patients.get(&record).cloned().unwrap_or_default();
            self.sign_group(&group, steps, &decisions, agent, &mut fresh, &mut written, &patient).await?;
        }
        for (at, decision) in decisions.into_iter().enumerate() {
            if let Decision::Found(found) = decision {
                written[at] = self.found(*found).await?;
            }
        }
        for (at, stays) in stays {
            written[at].issues.extend(still_visible(stays));
        }
        written.truncate(asked);
        Ok(written)
    }

    async fn place(
        &mut self,
        resource: &Prepared,
        before: Option<Before>,
        together: &Together,
    ) -> Result<Place, NodeError> {
        if let Some(foreign) = &resource.foreign {
            return self.shared_place(resource, foreign, before).await;
        }
        // A deletion goes where the resource is; an update goes home.
        if let (Method::Delete, Some(before)) = (resource.method, before) {
            let homes = self.homes_of(&before.record).await?;
            return match homes.into_iter().next() {
                // Told under the class that is deleted: so the grant must cover that one.
                Some(home) => {
                    let deletion = Prepared { class: before.class, ..resource.clone() };
                    self.home_of_patient(&home.patient, &deletion).await
                }
                None => self.house().await,
            };
        }
        let (place, waits) = self.home(resource, together).await?;
        // Only what lies in the house record waits.
        if before.is_some_and(|before| self.node.house().is_ok_and(|house| house == before.record)) {
            self.waits_no_more(resource.kind.number(), &resource.id).await?;
        }
        if !waits.is_empty() {
            self.add_waiting(resource.kind.number(), &resource.id, waits);
        }
        Ok(place)
    }

    async fn patient_of(&mut self, record: &RecordId) -> Result<String, NodeError> {
        let homes = self.homes_of(record).await?;
        Ok(homes.into_iter().next().map(|home| home.patient).unwrap_or_default())
    }

    #[expect(clippy::too_many_arguments, reason = "one record's share of one write; a struct would only rename them")]
    async fn sign_group(
        &mut self,
        group: &Group,
        steps: &[Step],
        decisions: &[Decision],
        agent: &Agent,
        fresh: &mut Fresh,
        written: &mut [Written],
        patient: &str,
    ) -> Result<(), NodeError> {
        let context = group.place.context.clone();
        let is_house = self.node.house().is_ok_and(|house| house == context.record);
        let (key_name, key) = current_key(&context, &Level::Control).ok_or(NO_KEY)?;
        let mut frames = vec![DraftFrame::Body { body: Body::Agent(agent.clone()), key_name, key: Some(key) }];
        let mut own = OwnKeys::default();
        // Before the puts: of two frames of one resource the later is current.
        for removal in &group.removals {
            frames.push(self.frame(&context, removal, removal.class, false, &mut own)?);
        }
        let first_put = frames.len() as u32;
        for at in &group.steps {
            let class = class_in(&steps[*at], &decisions[*at]);
            let resolves = ends_conflict(&context, &steps[*at], &decisions[*at]);
            frames.push(self.frame(&context, &steps[*at].prepared, class, resolves, &mut own)?);
        }
        let mut copies = Vec::new();
        if !is_house {
            let named = group.steps.iter().flat_map(|at| steps[*at].prepared.references.iter());
            let named = named.filter(|(kind, _)| fhir::home::is_directory(*kind)).cloned().collect::<BTreeSet<_>>();
            for (kind, id) in named {
                if let Some((position, frame)) = self.copy(&context, kind, &id, fresh).await? {
                    frames.push(frame);
                    copies.push((kind, id, position));
                }
            }
        }
        frames.extend(own.frames(self.node.identity.card()));
        let over = written_over(&context, &group.steps, decisions);
        let authored = self.author_over(&context, Kind::Change, group.place.authority, frames, &over).await?;
        let own = own.of(authored.op.id());
        for (place, removal) in (1..).zip(&group.removals) {
            self.add_removed(context.record, removal.kind.number(), &removal.id, authored.position + place);
        }
        for (kind, id, position) in copies {
            self.set_copy(context.record, kind.number(), id, position);
        }
        for (at, place) in group.steps.iter().zip(first_put..) {
            let (step, position) = (&steps[*at], authored.position + i64::from(place));
            let version = format!("{}.{place}", authored.op.id().version());
            let Decision::Write(before) = &decisions[*at] else { continue };
            let entry = &authored.op.entries()[place as usize];
            // Everything here is in the past of what is written now: it goes on from what is current, and ends a conflict that it names.
            let tagged = contested(&context, &decisions[*at]).is_some() && !entry.resolves;
            let placed = self.node.place_in_row(&authored.op, entry, &own).ok_or(NO_KEY)?;
            let origin = step.prepared.foreign.as_ref().map_or(self.node.identity.id(), |foreign| foreign.origin);
            if before.as_ref().is_some_and(|before| !before.own) {
                self.tx().await?.uncover(step.prepared.kind.number(), &step.prepared.id).await?;
            }
            let mut index = self.index_of(&step.prepared);
            if tagged {
                index.extend(crate::conflict::row(step.prepared.kind));
            }
            self.add_version(
                Version {
                    position,
                    kind: step.prepared.kind.number(),
                    id: step.prepared.id.clone(),
                    version: version.clone(),
                    op: authored.op.id(),
                    place,
                    record: context.record,
                    origin,
                    by: if step.prepared.foreign.is_some() { By::Edit } else { By::Own },
                    class: class_in(step, &decisions[*at]),
                    method: step.prepared.method as u8,
                    current: true,
                    lamport: authored.op.header().lamport,
                    last_updated: self.last_updated,
                    seal: Placed { tagged, ..placed }.encode(&origin),
                    json: Vec::new(),
                    index,
                },
                before.as_ref().filter(|before| before.current).map(|before| before.position),
            );
            if is_house && fhir::home::is_directory(step.prepared.kind) {
                fresh
                    .insert((step.prepared.kind.number(), step.prepared.id.clone()), (position, step.prepared.clone()));
            }
            let result = &mut written[*at];
            result.json = served(&step.prepared, &version, self.last_updated, tagged);
            result.version = version;
            result.patient = patient.to_owned();
        }
        Ok(())
    }

    fn frame(
        &self,
        context: &Context,
        resource: &Prepared,
        class: Class,
        resolves: bool,
        own: &mut OwnKeys,
    ) -> Result<DraftFrame, NodeError> {
        let level = Level::Type(class, resource.kind.name().to_owned());
        let key = current_key(context, &level).or_else(|| own.key(context, class, resource.kind.name()));
        let (key_name, key) = key.ok_or(NO_KEY)?;
        Ok(DraftFrame::Resource {
            kind: match resource.method {
                Method::Delete | Method::Moved => FrameKind::Delete,
                _ => FrameKind::Put,
            },
            resolves,
            resource_type: resource.kind.name().to_owned(),
            class,
            handle: match &resource.foreign {
                Some(foreign) => handle(&context.handle_key, &foreign.origin, resource.kind.name(), &foreign.id),
                None => handle(&context.handle_key, &self.node.identity.id(), resource.kind.name(), &resource.id),
            },
            key_name,
            key,
            packed: resource.packed.clone(),
        })
    }

    async fn found(&mut self, found: StoredVersion) -> Result<Written, NodeError> {
        let kind = ResourceType::from_number(found.kind).ok_or(NodeError::Internal("a type without a name"))?;
        let json = self.stored_json(&found).await?;
        Ok(Written {
            kind,
            json: crate::conflict::served_version(&json, &found),
            id: found.id,
            version: found.version,
            last_updated: found.last_updated,
            created: false,
            changed: false,
            patient: String::new(),
            also: Vec::new(),
            issues: Vec::new(),
        })
    }
}

/// A member who may write but lost its key is told, instead of writing what nobody can open.
pub(super) const NO_KEY: NodeError = NodeError::Internal("the key of the current epoch is not here");

/// The ops of a record whose versions are written over: by the steps of a group first, then by what leaves it for another record; as
/// many as an op may cite.
fn written_over(context: &Context, steps: &[usize], decisions: &[Decision]) -> Vec<OpId> {
    let own = steps.iter().map(|at| &decisions[*at]);
    let before = own.chain(decisions).filter_map(|decision| match decision {
        Decision::Write(Some(before)) if before.record == context.record => Some(before.op),
        _ => None,
    });
    let mut named = HashSet::new();
    before.filter(|op| op.0 != [0; 32] && named.insert(*op)).take(DATA_HEADS_MAX).collect()
}

/// The version that a write goes on from, where it is of this record and others stand beside it.
fn contested<'d>(context: &Context, decision: &'d Decision) -> Option<&'d StoredVersion> {
    match decision {
        Decision::Write(Some(before)) if before.record == context.record && is_tagged(before) => Some(before),
        _ => None,
    }
}

/// Whether a write names the conflict that it finds: by the version it is told to go on from.
fn ends_conflict(context: &Context, step: &Step, decision: &Decision) -> bool {
    contested(context, decision).is_some_and(|before| step.if_match.as_ref() == Some(&before.version))
}

/// A deletion is told to those who could read what is deleted, and to nobody else.
fn class_in(step: &Step, decision: &Decision) -> Class {
    match decision {
        Decision::Write(Some(before)) if step.prepared.method == Method::Delete => before.class,
        _ => step.prepared.class,
    }
}

/// Tells of records in which a resource stays as it was.
fn still_visible(records: usize) -> Option<Issue> {
    let text = format!(
        "a version stays visible in {records} of the patient's records: no grant there lets this hospital delete it"
    );
    (records > 0).then(|| Issue::warning(Code::Forbidden, text))
}

fn answer(batch: &Batch, step: &Step, decision: &Decision) -> Written {
    let changed = matches!(decision, Decision::Write(_));
    Written {
        kind: step.prepared.kind,
        id: step.prepared.id.clone(),
        version: String::new(),
        last_updated: batch.last_updated,
        created: match decision {
            Decision::Write(before) => before.as_ref().is_none_or(|before| before.is_deleted()),
            _ => false,
        },
        changed,
        json: Vec::new(),
        patient: String::new(),
        also: Vec::new(),
        issues: if changed { step.prepared.issues.clone() } else { Vec::new() },
    }
}

fn served(resource: &Prepared, version: &str, last_updated: i64, tagged: bool) -> Vec<u8> {
    if resource.method == Method::Delete {
        return Vec::new();
    }
    crate::conflict::served(&resource.json, &resource.id, version, last_updated, tagged)
}
