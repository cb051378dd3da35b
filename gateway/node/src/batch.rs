//! One store transaction that serves many requests: what it has added so far. Writes gather in memory and go to the
//! database in a few many-row statements; what it reads is in `memory`. Filled by the jobs of `commit`.

mod memory;
mod positions;
mod registry;

use crate::access::chain;
use crate::apply::Changes;
use crate::context::{Context, Kept};
use crate::error::NodeError;
use crate::node::Node;
use crate::parameters::Registry;
pub(crate) use memory::Memory;
use positions::{POSITIONS_PER_BATCH, take};
use record::{Head, IdentityId, OpId, RecordId, Verified};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use store::Tx;
use store::audit::AuditRow;
use store::db::Reader;
use store::homes::{Home, KnownRecord};
use store::keys::SealedKey;
use store::missing::Missing;
use store::ops::{LaneHead, NewOp};
use store::quarantine::Quarantined;
use store::removed::Removed;
use store::versions::{By, Version};
use store::waiting::Waiting;
use store::within::Held;

/// Positions a control op has at least; as many derived resources may follow from it.
const CONTROL_PLACES: usize = 1024;

/// Where this process's last transaction ended, and what it knew.
pub(crate) struct Left {
    /// The position after its last.
    next: i64,
    /// What it wrote into the log's clock.
    token: i64,
    memory: Memory,
}

/// An op, the frames of it that are here by place, and its first position.
type Appended = (Verified, Vec<(u32, Vec<u8>)>, i64);

/// A store transaction in progress.
pub(crate) struct Batch {
    pub(crate) node: Node,
    tx: Tx,
    first: i64,
    next: i64,
    /// What this transaction writes into the log's clock.
    token: i64,
    /// The last op signed in it.
    signed: Option<OpId>,
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
    waiting: Vec<Waiting>,
    removed: Vec<Removed>,
    returned: Vec<OpId>,
    quarantined: Vec<Quarantined>,
    held: Vec<Held>,
    audit: Vec<(i64, Arc<Vec<AuditRow>>)>,
    acknowledged: Vec<(IdentityId, RecordId, Vec<Head>)>,
    touched: HashSet<(u16, String)>,
    fresh: HashMap<RecordId, Arc<Context>>,
    /// What was read so far; nobody else changes it while this transaction holds the log's clock.
    memory: Memory,
    moved: HashSet<RecordId>,
    /// What lines keep of forked lanes, as far as it was walked.
    pub(crate) kept: Kept,
    /// Changes of records that were read to hold versions against each other.
    pub(crate) changes: HashMap<RecordId, Changes>,
    /// Resources whose versions have to be held against each other before the job ends.
    pub(crate) unclear: BTreeSet<(RecordId, u16, String)>,
    gathered: u64,
    /// Something was changed past `memory`: it does not outlive this transaction.
    forget: bool,
    /// What is in force of stored search parameters; nobody changes it while this transaction holds the log's clock.
    registry: Arc<Registry>,
    /// What searches may name has changed.
    renamed: bool,
    /// What is applied comes out of an archive: nothing is signed because of it, since what was signed before may follow.
    pub(crate) from_archive: bool,
}

impl Batch {
    /// Opens the transaction and takes its place in the log's order.
    pub(crate) async fn open(node: &Node) -> Result<Self, NodeError> {
        let mut tx = node.store.begin().await?;
        let token = i64::from_le_bytes(crate::clock::random());
        let tick = tx.tick(POSITIONS_PER_BATCH, crate::clock::now_us(), token).await?;
        let left = node.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The transaction before this one is this process's last: nobody else has written between.
        let memory = match left {
            Some(left) if left.next == tick.position && left.token == tick.before => Some(left.memory),
            _ => None,
        };
        if memory.is_none() {
            node.look_behind(&mut tx).await?;
        }
        let registry = node.registry_of(&mut Reader::from(&mut tx), tick.parameters).await?;
        Ok(Self {
            node: node.clone(),
            tx,
            first: tick.position,
            next: tick.position,
            token,
            signed: None,
            last_updated: tick.last_updated,
            ops: Vec::new(),
            versions: Vec::new(),
            retired: Vec::new(),
            copies: Vec::new(),
            keys: Vec::new(),
            records: Vec::new(),
            homes: Vec::new(),
            missing: Vec::new(),
            waiting: Vec::new(),
            removed: Vec::new(),
            returned: Vec::new(),
            quarantined: Vec::new(),
            held: Vec::new(),
            audit: Vec::new(),
            acknowledged: Vec::new(),
            touched: HashSet::new(),
            fresh: HashMap::new(),
            memory: memory.unwrap_or_default(),
            moved: HashSet::new(),
            kept: Kept::default(),
            changes: HashMap::new(),
            unclear: BTreeSet::new(),
            gathered: 0,
            forget: false,
            registry,
            renamed: false,
            from_archive: false,
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
    ///
    /// # Errors
    /// [`NodeError::TooLarge`] where the transaction's own are used up: the next ones are another transaction's.
    pub(crate) fn positions(&mut self, count: usize) -> Result<i64, NodeError> {
        take(&mut self.next, self.first + POSITIONS_PER_BATCH as i64, count)
    }

    /// Adds an op with the frames that are here; returns its first position.
    pub(crate) async fn append(&mut self, op: Verified, frames: Vec<(u32, Vec<u8>)>) -> Result<i64, NodeError> {
        self.gathered += 1;
        // What follows from a control op stands at its places too: one Consent per grant it names.
        let places = match op.header().lane.kind {
            record::LaneKind::Control => op.entries().len().max(CONTROL_PLACES),
            _ => op.entries().len(),
        };
        let position = self.positions(places)?;
        if op.header().lane.author == self.node.identity.id() {
            self.signed = Some(op.id());
        }
        let record = op.record();
        self.lanes(&record).await?;
        let head = LaneHead { head: op.head(), lamport: op.header().lamport, position };
        let lanes = self.memory.lanes.entry(record).or_default();
        match lanes.iter_mut().find(|lane| lane.head.lane == head.head.lane) {
            Some(lane) if lane.head.seq <= head.head.seq => *lane = head,
            Some(_) => {}
            None => lanes.push(head),
        }
        self.moved.insert(record);
        self.kept.came(&op.id());
        if op.header().lane.kind == record::LaneKind::Change
            && let Some(changes) = self.changes.get_mut(&record)
        {
            changes.came(op.id(), op.header());
        }
        self.ops.push((op, frames, position));
        Ok(position)
    }

    /// Adds a version; the one it takes the place of is retired.
    pub(crate) fn add_version(&mut self, version: Version, retires: Option<i64>) {
        self.gathered += 1;
        self.memory.added(&version);
        self.renamed |= version.by == By::Own && crate::parameters::is_definition(version.kind);
        self.touched.insert((version.kind, version.id.clone()));
        self.retired.extend(retires);
        self.versions.push(version);
    }

    /// Adds a record, or what changed of it.
    pub(crate) fn set_record(&mut self, known: KnownRecord) {
        self.gathered += 1;
        self.records.retain(|other| other.record != known.record);
        self.records.push(known);
    }

    /// Says which local Patient a record is about.
    pub(crate) fn set_home(&mut self, home: Home) {
        self.gathered += 1;
        self.memory.set_home(&home);
        self.homes.retain(|other| (&other.patient, &other.record) != (&home.patient, &home.record));
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
        self.memory.copies.insert((record, kind, id.clone()), Some(position));
        self.copies.retain(|copy| (&copy.0, copy.1, &copy.2) != (&record, kind, &id));
        self.copies.push((record, kind, id, position));
    }

    /// Remembers frames that are not here.
    pub(crate) fn add_missing(&mut self, missing: Missing) {
        self.gathered += 1;
        self.missing.push(missing);
    }

    /// Remembers that an op of one's own came from a peer.
    pub(crate) fn add_returned(&mut self, op: OpId) {
        self.gathered += 1;
        self.returned.push(op);
    }

    /// Remembers a change that does not count.
    pub(crate) fn add_quarantined(&mut self, one: Quarantined) {
        self.gathered += 1;
        self.quarantined.push(one);
    }

    /// Remembers what came of holding a version against a grant's parameters.
    pub(crate) fn add_held(&mut self, one: Held) {
        self.gathered += 1;
        self.held.push(one);
    }

    /// Remembers what a resource in the house record waits for.
    pub(crate) fn add_waiting(&mut self, kind: u16, id: &str, targets: Vec<String>) {
        self.gathered += 1;
        self.memory.something_waits();
        self.waiting.extend(targets.into_iter().map(|target| Waiting { target, kind, id: id.to_owned() }));
    }

    /// Remembers that a resource of one's own stands in a record no more, as of `position`.
    pub(crate) fn add_removed(&mut self, record: RecordId, kind: u16, id: &str, position: i64) {
        self.gathered += 1;
        self.removed.retain(|other| (&other.record, other.kind, other.id.as_str()) != (&record, kind, id));
        self.removed.push(Removed { record, kind, id: id.to_owned(), position });
    }

    /// Adds audit rows, each at a place of its own in the log's order.
    pub(crate) fn add_audit(&mut self, rows: Arc<Vec<AuditRow>>) -> Result<(), NodeError> {
        let first = self.positions(rows.len())?;
        self.gathered += 1;
        self.audit.push((first, rows));
        Ok(())
    }

    /// Remembers what a peer has.
    pub(crate) fn acknowledge(&mut self, who: IdentityId, record: RecordId, heads: Vec<Head>) {
        self.gathered += 1;
        self.acknowledged.push((who, record, heads));
    }

    /// Writes what was gathered to the transaction.
    pub(crate) async fn flush(&mut self) -> Result<(), NodeError> {
        let mut ops = std::mem::take(&mut self.ops);
        let ops = ops.iter_mut().map(|(op, frames, position)| NewOp {
            op,
            frames: std::mem::take(frames),
            position: *position,
            last_updated: self.last_updated,
        });
        let ops = ops.collect::<Vec<_>>();
        if !ops.is_empty() {
            self.tx.append(ops).await?;
        }
        self.tx.set_records(std::mem::take(&mut self.records)).await?;
        self.tx.set_homes(std::mem::take(&mut self.homes)).await?;
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
        match self.forget {
            // Caches that are rebuilt have no pages that were begun before.
            true => self.tx.retire_now(&retired).await?,
            false => self.tx.retire(&retired, self.first).await?,
        }
        self.tx.add_versions(versions).await?;
        self.tx.set_copies(std::mem::take(&mut self.copies)).await?;
        self.tx.add_missing(std::mem::take(&mut self.missing)).await?;
        self.tx.add_waiting(std::mem::take(&mut self.waiting)).await?;
        self.tx.set_removed(std::mem::take(&mut self.removed)).await?;
        self.tx.add_returned(&std::mem::take(&mut self.returned)).await?;
        self.tx.add_quarantined(std::mem::take(&mut self.quarantined)).await?;
        self.tx.note_held(&std::mem::take(&mut self.held)).await?;
        let audit = std::mem::take(&mut self.audit);
        if !audit.is_empty() {
            // Whoever holds the log's clock writes the last row.
            let before = Reader::from(&mut self.tx).last_audit_seal().await?;
            let rows = audit.iter().flat_map(|(first, rows)| (*first..).zip(rows.iter())).collect::<Vec<_>>();
            let key = chain::key(&self.node.identity);
            self.tx.add_audit(chain::seals(&key, before, rows.into_iter())).await?;
        }
        for (who, record, heads) in std::mem::take(&mut self.acknowledged) {
            self.tx.acknowledge(&who, &record, &heads).await?;
        }
        self.touched.clear();
        Ok(())
    }

    /// Commits; returns the records that moved. Nothing of the batch is visible before, nothing is lost after.
    pub(crate) async fn commit(mut self) -> Result<HashSet<RecordId>, NodeError> {
        self.flush().await?;
        self.tx.commit().await?;
        for context in self.fresh.into_values() {
            self.memory.contexts.insert(context.record, context.clone());
            self.node.contexts.put(context);
        }
        self.memory.end();
        if self.renamed {
            self.node.forget_names();
        }
        if let Some(op) = self.signed {
            *self.node.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(op);
        }
        if !self.forget && self.memory.is_small() {
            let next = self.first + POSITIONS_PER_BATCH as i64;
            let left = Left { next, token: self.token, memory: self.memory };
            *self.node.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        }
        Ok(self.moved)
    }

    /// A record opened in this batch has no lanes in the database.
    pub(crate) fn lanes_of_new(&mut self, record: RecordId) {
        self.memory.lanes.entry(record).or_default();
        self.memory.branches.entry(record).or_default();
    }

    /// Tells the network after the commit that a record has something new.
    pub(crate) fn moved_now(&mut self, record: RecordId) {
        self.gathered += 1;
        self.moved.insert(record);
    }

    /// Empties the caches, to be filled from the log.
    pub(crate) async fn drop_caches(&mut self) -> Result<(), NodeError> {
        self.forget = true;
        self.memory = Memory::default();
        Ok(self.tx().await?.drop_caches().await?)
    }

    /// The head of a lane as the log has it, while caches are rebuilt.
    pub(crate) async fn replay_head(&mut self, op: &Verified, position: i64) -> Result<(), NodeError> {
        self.memory.lanes.remove(&op.record());
        Ok(self.tx().await?.set_lane(op, position).await?)
    }

    /// What is derived while caches are rebuilt has the time of the op it follows from.
    pub(crate) fn replay_time(&mut self, last_updated: i64) {
        self.last_updated = last_updated;
    }
}
