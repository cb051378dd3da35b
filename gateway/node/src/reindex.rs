//! Reindex: every cache table rebuilt from the log, in the order things were stored, in one transaction. Called by
//! `cli`. The `$reindex` of stored search parameters alone is `parameters`.

use crate::batch::Batch;
use crate::error::NodeError;
use crate::node::Node;
use crate::opening::{open_resource, placed};
use crate::parameters::Note;
use fhir::home::Main;
use fhir::reference::Parts;
use record::frame::Method;
use record::{Kind, LaneKind, RecordId, Verified};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use store::homes::Home;

/// Ops read at once.
const ROWS: i64 = 512;

/// What a reindex did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Ops that were gone through.
    pub ops: u64,
    /// Which stored SearchParameters can be searched by now, and which were refused.
    pub notes: Vec<Note>,
}

impl Node {
    /// Rebuilds the caches, and takes stored SearchParameters up as they are now. Runs while the node serves: readers see the
    /// old rows until it commits.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is changed then.
    pub async fn reindex(&self, progress: std::sync::Arc<dyn Fn(u64) + Send + Sync>) -> Result<Reindexed, NodeError> {
        self.commit(move |batch| {
            let progress = progress.clone();
            Box::pin(async move { batch.reindex(&*progress).await })
        })
        .await
    }
}

/// The fact under which the format of the index is kept.
const FORMAT: &str = "index-format";

impl Node {
    /// A database without anything in it has the index of this build.
    pub(crate) async fn note_index(&self) -> Result<(), NodeError> {
        if self.store.position().await? == 0 {
            let mut tx = self.store.begin().await?;
            tx.set_meta(FORMAT, &crate::index::FORMAT.to_le_bytes()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Rebuilds the caches where another build made their rows in another way. Nothing is served meanwhile.
    pub(crate) async fn renew_index(&self) -> Result<(), NodeError> {
        if self.store.meta(FORMAT).await?.as_deref() == Some(&crate::index::FORMAT.to_le_bytes()[..]) {
            return Ok(());
        }
        tracing::warn!("the index was made by another build and is rebuilt before anything is served");
        let progress = |ops: u64| tracing::info!(ops, "rebuilding the index: {ops} ops");
        let done = self.reindex(std::sync::Arc::new(progress)).await?;
        tracing::info!(ops = done.ops, "the index is rebuilt");
        Ok(())
    }
}

impl Batch {
    async fn reindex(&mut self, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<Reindexed, NodeError> {
        self.drop_caches().await?;
        self.tx().await?.fill_forks().await?;
        let mut done = Reindexed::default();
        let (mut position, mut shared) = (0, HashSet::<RecordId>::new());
        let me = self.node.identity.id();
        let mut journals = HashMap::<RecordId, HashMap<_, _>>::new();
        loop {
            let rows = self.reader().await?.all_ops_after(position, ROWS).await?;
            let Some(last) = rows.last() else { break };
            position = last.position;
            for stored in rows {
                let op = Verified::from_own_log(stored.op);
                let record = op.record();
                self.replay_head(&op, stored.position).await?;
                self.replay_time(stored.last_updated);
                let frames = self.reader().await?.frames(&op.id()).await?;
                match op.header().kind.lane() {
                    LaneKind::Control => {
                        self.replay_control(&op, stored.position).await?;
                    }
                    LaneKind::Change => {
                        if op.header().lane.author != me {
                            shared.insert(record);
                        }
                        let journal = match journals.entry(record) {
                            Entry::Occupied(entry) => entry.get().clone(),
                            Entry::Vacant(entry) => {
                                let rows = self.reader().await?.journal_of(&record).await?;
                                let rows = rows.into_iter().map(|(op, place, at, time)| ((op, place), (at, time)));
                                entry.insert(rows.collect()).clone()
                            }
                        };
                        let context = self.known(&record).await?;
                        self.replay_home(&op, &frames, &record).await?;
                        self.index_op(&context, &op, &frames, stored.position, stored.last_updated, &journal).await?;
                    }
                    LaneKind::Audit => {}
                }
                done.ops += 1;
            }
            progress(done.ops);
        }
        self.tx().await?.fill_branches().await?;
        self.forget_branches();
        self.settle_unclear().await?;
        // What later grants and revokes changed of earlier ops of others.
        for record in shared {
            let context = self.known(&record).await?;
            self.replay_foreign(&context).await?;
        }
        self.replay_waiting().await?;
        self.replay_tasks().await?;
        done.notes = self.fill_all().await?;
        self.tx().await?.put_meta(FORMAT, &crate::index::FORMAT.to_le_bytes()).await?;
        Ok(done)
    }

    /// A custodial record is about the Patient that this identity first wrote into it.
    async fn replay_home(
        &mut self,
        op: &Verified,
        frames: &[(u32, Vec<u8>)],
        record: &RecordId,
    ) -> Result<(), NodeError> {
        let me = self.node.identity.id();
        // The house record is about nobody, even where what it holds names a Patient who is not here yet.
        if self.node.house().is_ok_and(|house| house == *record)
            || op.header().lane.author != me
            || !self.homes_of(record).await?.is_empty()
        {
            return Ok(());
        }
        let context = self.known(record).await?;
        let keys = self.node.own_keys(&context, op, placed(frames));
        for (at, frame) in frames {
            let Some(entry) = op.entries().get(*at as usize).filter(|entry| entry.is_resource()) else { continue };
            let Ok(Some(content)) = open_resource(op, *at, entry, frame, &context, &keys) else { continue };
            if let Some(patient) = patient_of(&content) {
                self.set_home(Home { patient, record: *record, bound: false });
                return Ok(());
            }
        }
        Ok(())
    }

    async fn replay_control(&mut self, op: &Verified, position: i64) -> Result<(), NodeError> {
        let record = op.record();
        let context = self.reload(&record, position).await?;
        if op.header().kind == Kind::Genesis {
            self.lanes_of_new(record);
        }
        self.set_known(&context);
        self.replay_reach(&context).await?;
        self.derive(&context).await
    }

    /// What is in the house record for want of what it names.
    async fn replay_waiting(&mut self) -> Result<(), NodeError> {
        let Ok(house) = self.node.house() else { return Ok(()) };
        let mut before = i64::MAX;
        loop {
            let page = self.reader().await?.record_versions(&house, before, ROWS).await?;
            let Some(last) = page.last() else { return Ok(()) };
            before = last.position;
            for version in page.into_iter().filter(|version| version.current && version.own && !version.is_deleted()) {
                let Some(kind) = fhir::ResourceType::from_number(version.kind) else { continue };
                if fhir::home::element(kind).is_none() && kind.name() != "Bundle" {
                    continue;
                }
                let Ok(doc) = fhir::json::Doc::parse(self.stored_json(&version).await?) else { continue };
                let targets = self.waits_for(kind, &version.id, &fhir::home::main(&doc, kind)).await?;
                if !targets.is_empty() {
                    self.add_waiting(version.kind, &version.id, targets);
                }
            }
        }
    }

    async fn replay_tasks(&mut self) -> Result<(), NodeError> {
        if self.node.role != crate::node::Role::Gateway {
            return Ok(());
        }
        for task in self.reader().await?.task_versions().await? {
            let json = crate::derived::task::json(&task);
            self.put_derived("Task", &task.id, json, task.position, task.last_updated).await?;
        }
        Ok(())
    }
}

/// The local Patient that a resource of one's own is about.
fn patient_of(content: &record::frame::Content) -> Option<String> {
    if content.method == Method::Copy {
        return None;
    }
    let kind = fhir::ResourceType::parse(&content.resource_type)?;
    if kind.name() == "Patient" {
        return Some(content.id.clone());
    }
    let doc = fhir::json::Doc::parse(content.json.clone()).ok()?;
    let Main::Patients(texts) = fhir::home::main(&doc, kind) else { return None };
    let [only] = &texts[..] else { return None };
    match fhir::reference::parse(only) {
        Parts::Relative { kind, id, .. } if kind.name() == "Patient" => Some(id.to_owned()),
        _ => None,
    }
}
