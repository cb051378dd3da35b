//! What a transaction reads, each thing once. Where nobody else has written in between, the next transaction of this
//! process goes on with it: a busy record's home, lanes and copies are then not asked for again. Called by every job.

use super::Batch;
use crate::context::Context;
use crate::error::NodeError;
use fhir::ResourceType;
use record::{Head, OpId, RecordId};
use std::collections::HashMap;
use std::sync::Arc;
use store::db::Reader;
use store::homes::Home;
use store::ops::LaneHead;
use store::versions::{By, StoredVersion, Version};

/// Most entries that outlive a transaction, some hundred bytes each.
const ENTRIES_MAX: usize = 200_000;

/// What was read, and what has been added to it since.
#[derive(Default)]
pub(crate) struct Memory {
    pub(super) contexts: HashMap<RecordId, Arc<Context>>,
    /// By Patient.
    homes: HashMap<String, Vec<Home>>,
    /// By record.
    subjects: HashMap<RecordId, Vec<Home>>,
    pub(super) lanes: HashMap<RecordId, Vec<LaneHead>>,
    /// Ends of branches beside the heads of lanes, by record.
    pub(super) branches: HashMap<RecordId, Vec<LaneHead>>,
    /// Which version a record's copy of a directory resource was made of.
    pub(super) copies: HashMap<(RecordId, u16, String), Option<i64>>,
    /// Positions of current directory resources of one's own.
    directory: HashMap<(u16, String), Option<i64>>,
    /// Current versions that were looked up ahead, and not changed since.
    ahead: HashMap<(u16, String), Option<StoredVersion>>,
    /// Whether anything waits in the house record, once known.
    waits: Option<bool>,
}

impl Memory {
    pub(super) fn is_small(&self) -> bool {
        let entries = [
            self.contexts.len(),
            self.homes.len(),
            self.lanes.len(),
            self.branches.len(),
            self.copies.len(),
            self.directory.len(),
        ];
        entries.iter().sum::<usize>() <= ENTRIES_MAX
    }

    /// Drops what is of no use to the next transaction.
    pub(super) fn end(&mut self) {
        self.ahead.clear();
    }

    pub(super) fn something_waits(&mut self) {
        self.waits = Some(true);
    }

    pub(super) fn set_home(&mut self, home: &Home) {
        for homes in [self.homes.get_mut(&home.patient), self.subjects.get_mut(&home.record)].into_iter().flatten() {
            homes.retain(|other| (&other.patient, &other.record) != (&home.patient, &home.record));
            homes.push(home.clone());
        }
    }

    pub(super) fn added(&mut self, version: &Version) {
        self.ahead.remove(&(version.kind, version.id.clone()));
        let directory = ResourceType::from_number(version.kind).is_some_and(fhir::home::is_directory);
        if directory && version.by == By::Own && version.current {
            let copied = version.method != record::frame::Method::Delete as u8;
            self.directory.insert((version.kind, version.id.clone()), copied.then_some(version.position));
        }
    }
}

impl Batch {
    /// The current version of a resource, deleted ones included.
    pub(crate) async fn current(&mut self, kind: u16, id: &str) -> Result<Option<StoredVersion>, NodeError> {
        let key = (kind, id.to_owned());
        if let Some(version) = self.memory.ahead.get(&key) {
            return Ok(version.clone());
        }
        if self.touched.contains(&key) {
            self.flush().await?;
        }
        Ok(Reader::from(&mut self.tx).current(kind, id).await?)
    }

    /// Looks up the current versions of several resources that were not written in this batch.
    pub(crate) async fn read_ahead(&mut self, keys: Vec<(u16, String)>) -> Result<(), NodeError> {
        let keys = keys.into_iter().filter(|key| !self.touched.contains(key)).collect::<Vec<_>>();
        let found = Reader::from(&mut self.tx).currents(&keys).await?;
        self.memory.ahead.extend(keys.into_iter().map(|key| (key, None)));
        self.memory.ahead.extend(found.into_iter().map(|found| ((found.kind, found.id.clone()), Some(found))));
        Ok(())
    }

    /// Which lanes forked is known anew.
    pub(crate) fn forget_branches(&mut self) {
        self.memory.branches.clear();
        self.changes.clear();
    }

    /// Versions are about to change past this batch's own list.
    pub(crate) fn forget_ahead(&mut self) {
        self.memory.ahead.clear();
    }

    /// Resources in the house record that wait for any of `targets`.
    pub(crate) async fn waiting_for(&mut self, targets: &[String]) -> Result<Vec<(u16, String)>, NodeError> {
        if targets.is_empty() || !self.anything_waits().await? {
            return Ok(Vec::new());
        }
        if !self.waiting.is_empty() {
            self.flush().await?;
        }
        Ok(Reader::from(&mut self.tx).waiting_for(targets).await?)
    }

    /// Asks the database once; from then on what is added here is known.
    async fn anything_waits(&mut self) -> Result<bool, NodeError> {
        if let Some(waits) = self.memory.waits {
            return Ok(waits);
        }
        let waits = Reader::from(&mut self.tx).anything_waits().await?;
        self.memory.waits = Some(waits);
        Ok(waits)
    }

    /// Forgets what a resource waited for.
    pub(crate) async fn waits_no_more(&mut self, kind: u16, id: &str) -> Result<(), NodeError> {
        if self.anything_waits().await? {
            self.tx().await?.waits_no_more(kind, id).await?;
        }
        Ok(())
    }

    /// Whether an op of one's own came from a peer.
    pub(crate) async fn is_returned(&mut self, op: &OpId) -> Result<bool, NodeError> {
        Ok(self.returned.contains(op) || Reader::from(&mut self.tx).is_returned(op).await?)
    }

    /// What is known of a record.
    pub(crate) async fn context(&mut self, record: &RecordId) -> Result<Option<Arc<Context>>, NodeError> {
        if let Some(context) = self.fresh.get(record).or_else(|| self.memory.contexts.get(record)) {
            return Ok(Some(context.clone()));
        }
        let node = self.node.clone();
        let context = node.context(&mut Reader::from(&mut self.tx), record).await?;
        if let Some(context) = &context
            && context.control < self.first
        {
            node.contexts.put(context.clone());
            self.memory.contexts.insert(*record, context.clone());
        }
        Ok(context)
    }

    /// What must be known of a record.
    pub(crate) async fn known(&mut self, record: &RecordId) -> Result<Arc<Context>, NodeError> {
        self.context(record).await?.ok_or(NodeError::Internal("a record without its genesis"))
    }

    /// Loads a record anew, after control ops were added to it in this batch.
    pub(crate) async fn reload(&mut self, record: &RecordId, control: i64) -> Result<Arc<Context>, NodeError> {
        self.flush().await?;
        let node = self.node.clone();
        let context = Arc::new(Context::load(&node, &mut Reader::from(&mut self.tx), record, control).await?);
        self.fresh.insert(*record, context.clone());
        Ok(context)
    }

    /// Makes a record known that this batch opens.
    pub(crate) fn introduce(&mut self, context: Arc<Context>) {
        self.gathered += 1;
        self.lanes_of_new(context.record);
        self.fresh.insert(context.record, context);
    }

    /// The heads of a record's lanes.
    pub(crate) async fn lanes(&mut self, record: &RecordId) -> Result<Vec<LaneHead>, NodeError> {
        if let Some(lanes) = self.memory.lanes.get(record) {
            return Ok(lanes.clone());
        }
        let lanes = Reader::from(&mut self.tx).lanes(record).await?;
        self.memory.lanes.insert(*record, lanes.clone());
        Ok(lanes)
    }

    /// The ends of branches beside those heads; none where no lane has forked.
    pub(crate) async fn branches(&mut self, record: &RecordId) -> Result<Vec<LaneHead>, NodeError> {
        if let Some(branches) = self.memory.branches.get(record) {
            return Ok(branches.clone());
        }
        let branches = Reader::from(&mut self.tx).branches(record).await?;
        self.memory.branches.insert(*record, branches.clone());
        Ok(branches)
    }

    /// Remembers the end of a branch beside its lane's head; `previous` ends none any more.
    pub(crate) async fn add_branch(
        &mut self,
        record: &RecordId,
        branch: LaneHead,
        previous: Option<&OpId>,
    ) -> Result<(), NodeError> {
        self.memory.branches.remove(record);
        Ok(self.tx().await?.set_branch(record, &branch, previous).await?)
    }

    /// Homes of a local Patient, those opened in this batch included.
    pub(crate) async fn homes(&mut self, patient: &str) -> Result<Vec<Home>, NodeError> {
        if let Some(homes) = self.memory.homes.get(patient) {
            return Ok(homes.clone());
        }
        let mut homes = Reader::from(&mut self.tx).homes(patient).await?;
        add_gathered(&mut homes, self.homes.iter().filter(|home| home.patient == patient));
        self.memory.homes.insert(patient.to_owned(), homes.clone());
        Ok(homes)
    }

    /// The local Patients that a record is about, those told in this batch included.
    pub(crate) async fn homes_of(&mut self, record: &RecordId) -> Result<Vec<Home>, NodeError> {
        if let Some(homes) = self.memory.subjects.get(record) {
            return Ok(homes.clone());
        }
        let mut homes = Reader::from(&mut self.tx).homes_of(record).await?;
        add_gathered(&mut homes, self.homes.iter().filter(|home| home.record == *record));
        self.memory.subjects.insert(*record, homes.clone());
        Ok(homes)
    }

    /// The version that a record's copy of a directory resource was made of.
    pub(crate) async fn copy_of(&mut self, record: &RecordId, kind: u16, id: &str) -> Result<Option<i64>, NodeError> {
        let key = (*record, kind, id.to_owned());
        if let Some(position) = self.memory.copies.get(&key) {
            return Ok(*position);
        }
        let position = Reader::from(&mut self.tx).copy_of(record, kind, id).await?;
        self.memory.copies.insert(key, position);
        Ok(position)
    }

    /// The head of one lane.
    pub(crate) async fn head_of(&mut self, record: &RecordId, lane: &record::Lane) -> Result<Option<Head>, NodeError> {
        let lanes = self.lanes(record).await?;
        Ok(lanes.iter().find(|head| head.head.lane == *lane).map(|head| head.head))
    }

    /// The Lamport numbers of those of `ids` that are here, gathered ones included.
    pub(crate) async fn lamports(&mut self, ids: &[OpId]) -> Result<HashMap<OpId, u64>, NodeError> {
        let mut found = HashMap::new();
        for (op, _, _) in &self.ops {
            if ids.contains(&op.id()) {
                found.insert(op.id(), op.header().lamport);
            }
        }
        let rest = ids.iter().filter(|id| !found.contains_key(*id)).copied().collect::<Vec<_>>();
        found.extend(Reader::from(&mut self.tx).lamports(&rest).await?);
        Ok(found)
    }

    /// The current version of a directory resource of one's own, by position; none for what is not copied.
    pub(crate) async fn directory_position(&mut self, kind: u16, id: &str) -> Result<Option<i64>, NodeError> {
        let key = (kind, id.to_owned());
        if let Some(position) = self.memory.directory.get(&key) {
            return Ok(*position);
        }
        let current = self.current(kind, id).await?;
        let current = current.filter(|found| found.own && !found.is_deleted() && found.op.0 != [0; 32]);
        let position = current.map(|found| found.position);
        self.memory.directory.insert(key, position);
        Ok(position)
    }
}

fn add_gathered<'h>(homes: &mut Vec<Home>, gathered: impl Iterator<Item = &'h Home>) {
    for home in gathered {
        homes.retain(|other| (&other.patient, &other.record) != (&home.patient, &home.record));
        homes.push(home.clone());
    }
}
