//! One store transaction that serves many requests: what it has added so far, and the heads of lanes as they will be.
//! Writes gather in memory and go to the database in a few many-row statements. Filled by the jobs of `commit`.

use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use record::{Head, OpId, RecordId, Verified};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::Tx;
use store::db::Reader;
use store::homes::{Home, KnownRecord};
use store::keys::SealedKey;
use store::missing::Missing;
use store::ops::{LaneHead, NewOp};
use store::versions::{StoredVersion, Version};

/// Positions one batch owns; only their order matters, and 2^63 of them last for ever.
const POSITIONS_PER_BATCH: u64 = 1 << 24;

/// Positions a control op has at least; as many derived resources may follow from it.
const CONTROL_PLACES: usize = 1024;

/// An op, the frames of it that are here by place, and its first position.
type Appended = (Verified, Vec<(u32, Vec<u8>)>, i64);

/// A store transaction in progress.
pub(crate) struct Batch {
    pub(crate) node: Node,
    tx: Tx,
    first: i64,
    next: i64,
    /// `lastUpdated` of everything in the batch, microseconds since 1970.
    pub(crate) last_updated: i64,
    ops: Vec<Appended>,
    versions: Vec<Version>,
    retired: Vec<i64>,
    copies: Vec<(RecordId, u16, String, i64)>,
    keys: Vec<SealedKey>,
    records: Vec<KnownRecord>,
    homes: Vec<Home>,
    missing: Vec<Missing>,
    touched: HashSet<(u16, String)>,
    fresh: HashMap<RecordId, Arc<Context>>,
    /// Records and homes read so far: nobody else changes them while this transaction holds the log's clock.
    seen: HashMap<RecordId, Arc<Context>>,
    homes_seen: HashMap<String, Vec<Home>>,
    lanes: HashMap<RecordId, Vec<LaneHead>>,
    moved: HashSet<RecordId>,
    gathered: u64,
}

impl Batch {
    /// Opens the transaction and takes its place in the log's order.
    pub(crate) async fn open(node: &Node) -> Result<Self, NodeError> {
        let mut tx = node.store.begin().await?;
        let tick = tx.tick(POSITIONS_PER_BATCH, crate::clock::now_us()).await?;
        Ok(Self {
            node: node.clone(),
            tx,
            first: tick.position,
            next: tick.position,
            last_updated: tick.last_updated,
            ops: Vec::new(),
            versions: Vec::new(),
            retired: Vec::new(),
            copies: Vec::new(),
            keys: Vec::new(),
            records: Vec::new(),
            homes: Vec::new(),
            missing: Vec::new(),
            touched: HashSet::new(),
            fresh: HashMap::new(),
            seen: HashMap::new(),
            homes_seen: HashMap::new(),
            lanes: HashMap::new(),
            moved: HashSet::new(),
            gathered: 0,
        })
    }

    /// The transaction, to write to, after everything gathered has been written to it.
    pub(crate) async fn tx(&mut self) -> Result<&mut Tx, NodeError> {
        self.gathered += 1;
        self.flush().await?;
        Ok(&mut self.tx)
    }

    /// Reads that see everything gathered.
    pub(crate) async fn reader(&mut self) -> Result<Reader<'_>, NodeError> {
        self.flush().await?;
        Ok(Reader::from(&mut self.tx))
    }

    /// Grows with everything that is added: a job that fails and left this as it was has left nothing behind.
    pub(crate) fn gathered(&self) -> u64 {
        self.gathered
    }

    /// The first position of this transaction: everything before it is committed.
    pub(crate) fn first_position(&self) -> i64 {
        self.first
    }

    /// Takes `count` positions and returns the first.
    pub(crate) fn positions(&mut self, count: usize) -> i64 {
        let first = self.next;
        self.next += count.max(1) as i64;
        first
    }

    /// The current version of a resource, deleted ones included.
    pub(crate) async fn current(&mut self, kind: u16, id: &str) -> Result<Option<StoredVersion>, NodeError> {
        if self.touched.contains(&(kind, id.to_owned())) {
            self.flush().await?;
        }
        Ok(Reader::from(&mut self.tx).current(kind, id).await?)
    }

    /// What is known of a record.
    pub(crate) async fn context(&mut self, record: &RecordId) -> Result<Option<Arc<Context>>, NodeError> {
        if let Some(context) = self.fresh.get(record).or_else(|| self.seen.get(record)) {
            return Ok(Some(context.clone()));
        }
        let node = self.node.clone();
        let context = node.context(&mut Reader::from(&mut self.tx), record).await?;
        if let Some(context) = &context
            && context.control < self.first
        {
            node.contexts.put(context.clone());
            self.seen.insert(*record, context.clone());
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
        self.lanes.entry(context.record).or_default();
        self.fresh.insert(context.record, context);
    }

    /// The heads of a record's lanes.
    pub(crate) async fn lanes(&mut self, record: &RecordId) -> Result<Vec<LaneHead>, NodeError> {
        if let Some(lanes) = self.lanes.get(record) {
            return Ok(lanes.clone());
        }
        let lanes = Reader::from(&mut self.tx).lanes(record).await?;
        self.lanes.insert(*record, lanes.clone());
        Ok(lanes)
    }

    /// Homes of a local Patient, those opened in this batch included.
    pub(crate) async fn homes(&mut self, patient: &str) -> Result<Vec<Home>, NodeError> {
        if let Some(homes) = self.homes_seen.get(patient) {
            return Ok(homes.clone());
        }
        let mut homes = Reader::from(&mut self.tx).homes(patient).await?;
        for home in self.homes.iter().filter(|home| home.patient == patient) {
            homes.push(home.clone());
        }
        self.homes_seen.insert(patient.to_owned(), homes.clone());
        Ok(homes)
    }

    /// The version that a record's copy of a directory resource was made of.
    pub(crate) async fn copy_of(&mut self, record: &RecordId, kind: u16, id: &str) -> Result<Option<i64>, NodeError> {
        let pending = self.copies.iter().rev().find(|copy| copy.0 == *record && copy.1 == kind && copy.2 == id);
        match pending {
            Some(copy) => Ok(Some(copy.3)),
            None => Ok(Reader::from(&mut self.tx).copy_of(record, kind, id).await?),
        }
    }

    /// Adds an op with the frames that are here; returns its first position.
    pub(crate) async fn append(&mut self, op: Verified, frames: Vec<(u32, Vec<u8>)>) -> Result<i64, NodeError> {
        self.gathered += 1;
        // What follows from a control op stands at its places too: one Consent per grant it names.
        let places = match op.header().lane.kind {
            record::LaneKind::Control => op.entries().len().max(CONTROL_PLACES),
            _ => op.entries().len(),
        };
        let position = self.positions(places);
        let record = op.record();
        self.lanes(&record).await?;
        let head = LaneHead { head: op.head(), lamport: op.header().lamport };
        let lanes = self.lanes.entry(record).or_default();
        match lanes.iter_mut().find(|lane| lane.head.lane == head.head.lane) {
            Some(lane) if lane.head.seq <= head.head.seq => *lane = head,
            Some(_) => {}
            None => lanes.push(head),
        }
        self.moved.insert(record);
        self.ops.push((op, frames, position));
        Ok(position)
    }

    /// Adds a version; the one it takes the place of is retired.
    pub(crate) fn add_version(&mut self, version: Version, retires: Option<i64>) {
        self.gathered += 1;
        self.touched.insert((version.kind, version.id.clone()));
        self.retired.extend(retires);
        self.versions.push(version);
    }

    /// Adds a record, or what changed of it.
    pub(crate) fn set_record(&mut self, known: KnownRecord) {
        self.gathered += 1;
        self.records.push(known);
    }

    /// Says which local Patient a record is about.
    pub(crate) fn set_home(&mut self, home: Home) {
        self.gathered += 1;
        if let Some(homes) = self.homes_seen.get_mut(&home.patient) {
            homes.push(home.clone());
        }
        self.homes.push(home);
    }

    /// Adds keys.
    pub(crate) fn add_keys(&mut self, keys: Vec<SealedKey>) {
        self.gathered += 1;
        self.keys.extend(keys);
    }

    /// Remembers which version a directory copy was made of.
    pub(crate) fn set_copy(&mut self, record: RecordId, kind: u16, id: String, position: i64) {
        self.gathered += 1;
        self.copies.push((record, kind, id, position));
    }

    /// Remembers frames that are not here.
    pub(crate) fn add_missing(&mut self, missing: Missing) {
        self.gathered += 1;
        self.missing.push(missing);
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

    /// Writes what was gathered to the transaction.
    pub(crate) async fn flush(&mut self) -> Result<(), NodeError> {
        let ops = std::mem::take(&mut self.ops);
        let ops = ops.iter().map(|(op, frames, position)| NewOp {
            op,
            frames: frames.clone(),
            position: *position,
            last_updated: self.last_updated,
        });
        let ops = ops.collect::<Vec<_>>();
        if !ops.is_empty() {
            self.tx.append(ops).await?;
        }
        for known in std::mem::take(&mut self.records) {
            self.tx.set_record(&known).await?;
        }
        for home in std::mem::take(&mut self.homes) {
            self.tx.set_home(&home).await?;
        }
        self.tx.add_keys(std::mem::take(&mut self.keys)).await?;
        let mut retired = std::mem::take(&mut self.retired);
        let mut versions = std::mem::take(&mut self.versions);
        // A version added and retired in the same batch is never current and never indexed.
        for version in &mut versions {
            if let Some(at) = retired.iter().position(|position| *position == version.position) {
                retired.swap_remove(at);
                version.current = false;
                version.index.clear();
            }
        }
        self.tx.retire(&retired).await?;
        self.tx.add_versions(versions).await?;
        self.tx.set_copies(std::mem::take(&mut self.copies)).await?;
        self.tx.add_missing(std::mem::take(&mut self.missing)).await?;
        self.touched.clear();
        Ok(())
    }

    /// Commits; returns the records that moved. Nothing of the batch is visible before, nothing is lost after.
    pub(crate) async fn commit(mut self) -> Result<HashSet<RecordId>, NodeError> {
        self.flush().await?;
        self.tx.commit().await?;
        for context in self.fresh.into_values() {
            self.node.contexts.put(context);
        }
        Ok(self.moved)
    }
}

impl Batch {
    /// A record opened in this batch has no lanes in the database.
    pub(crate) fn lanes_of_new(&mut self, record: RecordId) {
        self.lanes.entry(record).or_default();
    }
}

impl Batch {
    /// Tells the network after the commit that a record has something new.
    pub(crate) fn moved_now(&mut self, record: RecordId) {
        self.gathered += 1;
        self.moved.insert(record);
    }
}

impl Batch {
    /// The head of a lane as the log has it, while caches are rebuilt.
    pub(crate) async fn replay_head(&mut self, op: &Verified) -> Result<(), NodeError> {
        Ok(self.tx().await?.set_lane(op).await?)
    }

    /// What is derived while caches are rebuilt has the time of the op it follows from.
    pub(crate) fn replay_time(&mut self, last_updated: i64) {
        self.last_updated = last_updated;
    }
}
