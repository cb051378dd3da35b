//! From decided steps to signed ops: one `change` per record that a write touches, directory copies beside what names
//! them, and the rows each version is found by. Called by `write` alone.

use super::{Decision, Step, Written};
use crate::author::current_key;
use crate::batch::Batch;
use crate::context::{Context, seal_of};
use crate::error::NodeError;
use crate::home::{Place, Together};
use crate::prepare::{Prepared, class_of, content};
use fhir::home::Main;
use fhir::reference::Parts;
use fhir::{ResourceType, datetime};
use record::body::Body;
use record::body::access::Agent;
use record::draft::DraftFrame;
use record::entry::{FrameKind, handle};
use record::frame::{Method, Packer};
use record::keys::Level;
use record::{Authority, Class, Kind, RecordId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::versions::{StoredVersion, Version};

/// The steps of one record.
struct Group {
    place: Place,
    steps: Vec<usize>,
}

impl Batch {
    /// Signs and adds everything that was decided; returns one result per step.
    pub(super) async fn sign_steps(
        &mut self,
        steps: &[Step],
        decisions: Vec<Decision>,
        agent: &Agent,
    ) -> Result<Vec<Written>, NodeError> {
        let together = together(steps, &decisions);
        let mut groups = BTreeMap::<(RecordId, Authority), Group>::new();
        let mut patients = HashMap::<RecordId, String>::new();
        for (at, (step, decision)) in steps.iter().zip(&decisions).enumerate() {
            if let Decision::Write(before) = decision {
                let place = self.place(&step.prepared, before.as_deref(), &together).await?;
                let key = (place.context.record, place.authority);
                groups.entry(key).or_insert_with(|| Group { place, steps: Vec::new() }).steps.push(at);
            }
        }
        let mut written =
            steps.iter().zip(&decisions).map(|(step, decision)| answer(self, step, decision)).collect::<Vec<_>>();
        // The house first: copies of what it gains in this very write go into the patients' records.
        let house = self.node.house().ok();
        let mut order = groups.into_values().collect::<Vec<_>>();
        order.sort_by_key(|group| Some(group.place.context.record) != house);
        let mut fresh = HashMap::new();
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
        Ok(written)
    }

    async fn place(
        &mut self,
        resource: &Prepared,
        before: Option<&StoredVersion>,
        together: &Together,
    ) -> Result<Place, NodeError> {
        // A deletion goes where the resource is; an update goes home.
        if let (Method::Delete, Some(before)) = (resource.method, before) {
            let homes = self.homes_of(&before.record).await?;
            return match homes.into_iter().next() {
                Some(home) => self.home_of_patient(&home.patient, resource).await,
                None => self.house().await,
            };
        }
        self.home(resource, together).await
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
        fresh: &mut HashMap<(u16, String), (i64, Arc<Prepared>)>,
        written: &mut [Written],
        patient: &str,
    ) -> Result<(), NodeError> {
        let context = group.place.context.clone();
        let is_house = self.node.house().is_ok_and(|house| house == context.record);
        let (key_name, key) = current_key(&context, &Level::Control).ok_or(NO_KEY)?;
        let mut frames = vec![DraftFrame::Body { body: Body::Agent(agent.clone()), key_name, key: Some(key) }];
        for at in &group.steps {
            let class = class_in(&steps[*at], &decisions[*at]);
            frames.push(self.frame(&context, &steps[*at].prepared, class)?);
        }
        let first_copy = frames.len();
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
        debug_assert_eq!(first_copy, group.steps.len() + 1);
        let authored = self.author(&context, Kind::Change, group.place.authority, frames).await?;
        for (kind, id, position) in copies {
            self.set_copy(context.record, kind.number(), id, position);
        }
        for (at, place) in group.steps.iter().zip(1_u32..) {
            let (step, position) = (&steps[*at], authored.position + i64::from(place));
            let version = format!("{}.{place}", authored.op.id().version());
            let Decision::Write(before) = &decisions[*at] else { continue };
            self.add_version(
                Version {
                    position,
                    kind: step.prepared.kind.number(),
                    id: step.prepared.id.clone(),
                    version: version.clone(),
                    op: authored.op.id(),
                    place,
                    record: context.record,
                    origin: self.node.identity.id(),
                    own: true,
                    class: class_in(step, &decisions[*at]),
                    method: step.prepared.method as u8,
                    current: true,
                    lamport: authored.op.header().lamport,
                    last_updated: self.last_updated,
                    seal: seal_of(&authored.op, &authored.op.entries()[place as usize]),
                    json: Vec::new(),
                    index: step.prepared.index.clone(),
                },
                before.as_ref().filter(|before| before.current).map(|before| before.position),
            );
            if is_house && fhir::home::is_directory(step.prepared.kind) {
                fresh
                    .insert((step.prepared.kind.number(), step.prepared.id.clone()), (position, step.prepared.clone()));
            }
            let result = &mut written[*at];
            result.json = served(&step.prepared, &version, self.last_updated);
            result.version = version;
            result.patient = patient.to_owned();
        }
        Ok(())
    }

    fn frame(&self, context: &Context, resource: &Prepared, class: Class) -> Result<DraftFrame, NodeError> {
        let level = Level::Type(class, resource.kind.name().to_owned());
        let (key_name, key) = current_key(context, &level).ok_or(NO_KEY)?;
        Ok(DraftFrame::Resource {
            kind: if resource.method == Method::Delete { FrameKind::Delete } else { FrameKind::Put },
            resolves: false,
            resource_type: resource.kind.name().to_owned(),
            class,
            handle: handle(&context.handle_key, &self.node.identity.id(), resource.kind.name(), &resource.id),
            key_name,
            key,
            packed: resource.packed.clone(),
        })
    }

    /// A copy of a directory resource for a record that does not carry its current version yet.
    async fn copy(
        &mut self,
        context: &Context,
        kind: ResourceType,
        id: &str,
        fresh: &HashMap<(u16, String), (i64, Arc<Prepared>)>,
    ) -> Result<Option<(i64, DraftFrame)>, NodeError> {
        let (position, json, class) = match fresh.get(&(kind.number(), id.to_owned())) {
            Some((position, prepared)) => (*position, prepared.json.clone(), prepared.class),
            None => {
                let Some(position) = self.directory_position(kind.number(), id).await? else { return Ok(None) };
                if self.copy_of(&context.record, kind.number(), id).await? == Some(position) {
                    return Ok(None);
                }
                let Some(current) = self.current(kind.number(), id).await? else { return Ok(None) };
                let json = self.stored_json(&current).await?;
                let Ok(parsed) = fhir::parse::resource(json.clone()) else { return Ok(None) };
                (position, json, class_of(parsed.doc(), kind))
            }
        };
        if class.is_sensitive() {
            // A directory resource that is itself labelled stays at home: the copy would carry it further.
            return Ok(None);
        }
        let origin = self.node.identity.id();
        let level = Level::Type(Class::DIRECTORY, kind.name().to_owned());
        let (key_name, key) = current_key(context, &level).ok_or(NO_KEY)?;
        let content = content(origin, kind, id, Method::Copy, position as u64, json);
        let frame = DraftFrame::Resource {
            kind: FrameKind::Put,
            resolves: false,
            resource_type: kind.name().to_owned(),
            class: Class::DIRECTORY,
            handle: handle(&context.handle_key, &origin, kind.name(), id),
            key_name,
            key,
            packed: Packer::default().pack(&content.encode()),
        };
        Ok(Some((position, frame)))
    }

    async fn found(&mut self, found: StoredVersion) -> Result<Written, NodeError> {
        let kind = ResourceType::from_number(found.kind).ok_or(NodeError::Internal("a type without a name"))?;
        let json = self.stored_json(&found).await?;
        let at = datetime::format_instant(found.last_updated);
        Ok(Written {
            kind,
            json: fhir::served::splice(&json, &found.id, &found.version, &at),
            id: found.id,
            version: found.version,
            last_updated: found.last_updated,
            created: false,
            changed: false,
            patient: String::new(),
        })
    }
}

/// A member who may write but lost its key is told, instead of writing what nobody can open.
const NO_KEY: NodeError = NodeError::Internal("the key of the current epoch is not here");

/// A deletion is told to those who could read what is deleted, and to nobody else.
fn class_in(step: &Step, decision: &Decision) -> Class {
    match decision {
        Decision::Write(Some(before)) if step.prepared.method == Method::Delete => before.class,
        _ => step.prepared.class,
    }
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
    }
}

fn served(resource: &Prepared, version: &str, last_updated: i64) -> Vec<u8> {
    if resource.method == Method::Delete {
        return Vec::new();
    }
    fhir::served::splice(&resource.json, &resource.id, version, &datetime::format_instant(last_updated))
}

/// What the steps say of patients and subjects that the database does not know yet.
fn together(steps: &[Step], decisions: &[Decision]) -> Together {
    let mut together = Together::default();
    let mut direct = HashMap::<String, Vec<String>>::new();
    for (step, _) in steps.iter().zip(decisions).filter(|(_, decision)| matches!(decision, Decision::Write(_))) {
        let resource = &step.prepared;
        if resource.kind.name() == "Patient" && resource.method != Method::Delete {
            together.patients.push(resource.id.clone());
        }
        if fhir::home::follows(resource.kind) {
            continue;
        }
        let subjects = match &resource.main {
            Main::Patients(texts) => texts.iter().filter_map(|text| patient_in(text)).collect(),
            _ => Vec::new(),
        };
        if resource.kind.name() != "Patient" {
            direct.insert(format!("{}/{}", resource.kind.name(), resource.id), subjects);
        }
    }
    together.subjects = direct;
    together
}

fn patient_in(text: &str) -> Option<String> {
    match fhir::reference::parse(text) {
        Parts::Relative { kind, id, .. } if kind.name() == "Patient" => Some(id.to_owned()),
        _ => None,
    }
}
