//! What stands in each record: who wrote how much, what is kept apart, who signed two things at one place, what is in conflict,
//! which frames are not here. Called by `verify`.

use super::Report;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use crate::record_log::{Standing, standing};
use record::frame::Content;
use record::{Change, CodecError, IdentityId, Lane, LaneKind, Ledger, Op, RecordId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::db::Reader;

/// Ops read at once.
const ROWS: i64 = 512;
/// Most ops of a record whose conflicts are counted: a ledger takes about half a kilobyte for each.
const LEDGER_OPS_MAX: u64 = 200_000;

/// Who wrote in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// What it is called here.
    pub name: String,
    /// Its identity, 16 characters.
    pub origin: String,
    /// Its ops.
    pub ops: u64,
    /// It signed two ops for one place: one of them is a lie.
    pub forked: bool,
}

/// What stands in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The record.
    pub record: RecordId,
    /// Its ops.
    pub ops: u64,
    /// Who wrote them, by origin.
    pub writers: Vec<Writer>,
    /// Changes and accesses that are kept apart.
    pub quarantined: u64,
    /// Control ops that had no authority.
    pub without_effect: u64,
    /// Ops that wait for others.
    pub held: u64,
    /// Resources that wait for a person to bring two versions together; none where the record is too large to count them.
    pub conflicts: Option<u64>,
    /// Resource frames that are not here, erased ones left out.
    pub frames_missing: u64,
    /// Resource frames that the record's authority took away.
    pub frames_erased: u64,
    /// Resource frames that are here, have their key here, and do not open or contradict their entry.
    pub frames_unreadable: u64,
    /// Findings in it.
    pub findings: u64,
}

impl Summary {
    /// Whether a person has a reason to look.
    pub fn is_remarkable(&self) -> bool {
        let apart = self.quarantined + self.without_effect + self.held + self.conflicts.unwrap_or(0);
        let frames = self.frames_missing + self.frames_erased + self.frames_unreadable;
        apart + frames + self.findings > 0 || self.writers.iter().any(|writer| writer.forked)
    }
}

/// What is gathered of a record while its ops are gone through.
#[derive(Default)]
pub(super) struct Tally {
    ops: BTreeMap<IdentityId, u64>,
    places: HashMap<(Lane, u64), u32>,
    absent: Vec<(record::OpId, u32)>,
    absent_more: u64,
    unreadable: u64,
    pub(super) findings: u64,
}

/// Most frames that are not here of which each is looked up among the erased; the rest counts as missing.
const ABSENT_MAX: usize = 100_000;

impl Tally {
    pub(super) fn op(&mut self, op: &Op, frames: &[(u32, Vec<u8>)]) {
        let header = op.header();
        *self.ops.entry(header.lane.author).or_default() += 1;
        *self.places.entry((header.lane, header.seq)).or_default() += 1;
        let here = frames.iter().map(|(at, _)| *at).collect::<BTreeSet<_>>();
        for (at, _) in (0..).zip(op.entries()).filter(|(at, entry)| entry.is_resource() && !here.contains(at)) {
            match self.absent.len() < ABSENT_MAX {
                true => self.absent.push((op.id(), at)),
                false => self.absent_more += 1,
            }
        }
    }

    /// A frame was opened, or was to be.
    pub(super) fn opened(&mut self, content: &Result<Option<Content>, CodecError>) {
        self.unreadable += u64::from(content.is_err());
    }
}

impl Node {
    /// Sums up every record that was gone through.
    pub(super) async fn sum_up(
        &self,
        tallies: BTreeMap<RecordId, Tally>,
        report: &mut Report,
    ) -> Result<(), NodeError> {
        let mut names = BTreeMap::new();
        for (record, tally) in tallies {
            let context = match self.context(&mut Reader::from(&self.store), &record).await {
                Ok(Some(context)) => context,
                // It is among the findings already.
                Ok(None) | Err(NodeError::Store(store::StoreError::Damaged(_))) => continue,
                Err(error) => return Err(error),
            };
            let twice = tally.places.iter().filter(|(_, count)| **count > 1);
            let forked = twice.map(|((lane, _), _)| lane.author).collect::<BTreeSet<_>>();
            let mut writers = Vec::new();
            for (who, ops) in &tally.ops {
                let (name, forked) = (self.called(who, &mut names).await?, forked.contains(who));
                writers.push(Writer { name, origin: who.origin(), ops: *ops, forked });
            }
            let erased = tally.absent.iter().filter(|(op, at)| context.state.is_erased(op, *at)).count() as u64;
            let mut summary = Summary {
                record,
                ops: tally.ops.values().sum(),
                writers,
                quarantined: 0,
                without_effect: 0,
                held: 0,
                conflicts: None,
                frames_missing: tally.absent.len() as u64 + tally.absent_more - erased,
                frames_erased: erased,
                frames_unreadable: tally.unreadable,
                findings: tally.findings,
            };
            match self.judge_all(&context, &mut summary).await {
                Ok(()) | Err(NodeError::Store(store::StoreError::Damaged(_))) => report.records.push(summary),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn judge_all(&self, context: &Context, summary: &mut Summary) -> Result<(), NodeError> {
        let mut ledger = (summary.ops <= LEDGER_OPS_MAX).then(Ledger::default);
        let (mut reader, mut position) = (Reader::from(&self.store), 0);
        loop {
            let rows = reader.ops_after(&context.record, position, ROWS).await?;
            let Some(last) = rows.last() else { break };
            position = last.position;
            for stored in rows {
                let op = stored.op;
                match standing(&mut reader, context, &op).await? {
                    Standing::Counts => {}
                    Standing::Quarantined => summary.quarantined += 1,
                    Standing::WithoutEffect => summary.without_effect += 1,
                    Standing::Held => summary.held += 1,
                }
                if let Some(ledger) = ledger.as_mut().filter(|_| op.header().lane.kind == LaneKind::Change) {
                    let change = Change { id: op.id(), header: op.header().clone(), entries: op.entries().to_vec() };
                    ledger.add(&context.state, change);
                }
            }
        }
        summary.conflicts = ledger.map(|ledger| conflicts(&ledger));
        Ok(())
    }
}

/// Resources with more than one version that nobody has brought together.
fn conflicts(ledger: &Ledger) -> u64 {
    let handles = ledger.handles().into_iter();
    let in_conflict = handles
        .filter(|handle| ledger.claimants(handle).iter().any(|origin| ledger.resource(handle, origin).is_conflict()));
    in_conflict.count() as u64
}
