//! What others wrote into a patient's records that does not count, and who signed two histories: kept, shown, and taken
//! in where the patient says so. Called by `patient`; `apply` numbers the reasons.

use crate::author::current_key;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use record::body::Body;
use record::body::accept::{Accept, OPS_MAX};
use record::draft::DraftFrame;
use record::keys::Level;
use record::state::Quarantine;
use record::{IdentityId, Kind, OpId, RecordId};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::db::Reader;
use store::ops::StoredOp;

/// Most ops of one record that are looked at for the page; beyond it the page says that there are more.
pub const SHOWN_MAX: usize = 1000;

/// What one author wrote that does not count, for one reason.
#[derive(Clone, Debug)]
pub struct HeldBack {
    /// The record.
    pub record: RecordId,
    /// What its author is called.
    pub name: String,
    /// Its author's identity, 16 characters.
    pub origin: String,
    /// Why.
    pub reason: Quarantine,
    /// The ops, the oldest first.
    pub ops: Vec<OpId>,
    /// When the author says the first and the last was written, milliseconds since 1970.
    pub from_ms: u64,
    /// See `from_ms`.
    pub to_ms: u64,
    /// How many resources of each type they write.
    pub counts: Vec<(String, u64)>,
}

/// An author that signed two histories of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkView {
    /// The record.
    pub record: RecordId,
    /// What the author is called.
    pub name: String,
    /// Its identity, 16 characters.
    pub origin: String,
    /// How many places have two ops; counted up to a limit.
    pub places: usize,
}

pub(crate) fn number(reason: Quarantine) -> u8 {
    match reason {
        Quarantine::BeyondTheLine => 0,
        Quarantine::NoAuthority => 1,
        Quarantine::NotCovered => 2,
    }
}

fn reason(number: u8) -> Quarantine {
    match number {
        0 => Quarantine::BeyondTheLine,
        1 => Quarantine::NoAuthority,
        _ => Quarantine::NotCovered,
    }
}

impl Node {
    /// What does not count in this patient's records, by author and reason; and how many ops are not shown for their number.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn held_back(&self) -> Result<(Vec<HeldBack>, u64), NodeError> {
        let (mut found, mut more) = (Vec::new(), 0);
        for record in self.own_records().await? {
            let mut reader = Reader::from(&self.store);
            let rows = reader.quarantined(&record, SHOWN_MAX as i64).await?;
            more += reader.quarantined_count(&record).await?.saturating_sub(rows.len() as u64);
            let mut groups = BTreeMap::<(IdentityId, u8), Vec<StoredOp>>::new();
            for row in rows {
                let Some(stored) = reader.op(&row.op).await? else { continue };
                groups.entry((stored.op.header().lane.author, row.reason)).or_default().push(stored);
            }
            for ((author, why), ops) in groups {
                found.push(self.held_back_of(record, author, reason(why), &ops).await?);
            }
        }
        Ok((found, more))
    }

    /// How many ops do not count in this patient's records.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn held_back_count(&self) -> Result<u64, NodeError> {
        let mut count = 0;
        for record in self.own_records().await? {
            count += Reader::from(&self.store).quarantined_count(&record).await?;
        }
        Ok(count)
    }

    async fn held_back_of(
        &self,
        record: RecordId,
        author: IdentityId,
        reason: Quarantine,
        ops: &[StoredOp],
    ) -> Result<HeldBack, NodeError> {
        let times = ops.iter().map(|stored| stored.op.header().wall_ms);
        let mut counts = BTreeMap::<String, u64>::new();
        for entry in ops.iter().flat_map(|stored| stored.op.entries()).filter(|entry| entry.is_resource()) {
            *counts.entry(entry.resource_type.clone()).or_default() += 1;
        }
        Ok(HeldBack {
            record,
            name: self.name_of(&author).await?,
            origin: author.origin(),
            reason,
            from_ms: times.clone().min().unwrap_or(0),
            to_ms: times.max().unwrap_or(0),
            counts: counts.into_iter().collect(),
            ops: ops.iter().map(|stored| stored.op.id()).collect(),
        })
    }

    /// Takes ops into the record that do not count, each in its old place (rule 6.15).
    ///
    /// # Errors
    /// [`NodeError::NotFound`] for an op that is not held back, [`NodeError::Unprocessable`] for none or too many.
    pub async fn take_in(&self, record: RecordId, ops: Vec<OpId>) -> Result<(), NodeError> {
        if ops.is_empty() || ops.len() > OPS_MAX {
            return Err(NodeError::Unprocessable(format!("between 1 and {OPS_MAX} ops are taken in at once")));
        }
        self.commit(move |batch| {
            let ops = ops.clone();
            Box::pin(async move { batch.take_in(&record, ops).await })
        })
        .await
    }

    /// Who signed two histories in the records that this node shares with others.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn forks(&self) -> Result<Vec<ForkView>, NodeError> {
        let mut views = Vec::new();
        for known in Reader::from(&self.store).shared_records(&self.identity().id()).await? {
            let record = known.record;
            let mut places = BTreeMap::<IdentityId, usize>::new();
            for fork in Reader::from(&self.store).forks(&record).await? {
                *places.entry(fork.lane.author).or_default() += 1;
            }
            for (author, places) in places {
                let name = self.name_of(&author).await?;
                views.push(ForkView { record, name, origin: author.origin(), places });
            }
        }
        Ok(views)
    }
}

impl Batch {
    async fn take_in(&mut self, record: &RecordId, mut ops: Vec<OpId>) -> Result<(), NodeError> {
        let context = self.known(record).await?;
        ops.sort();
        ops.dedup();
        for op in &ops {
            if !self.is_held_back(&context, op).await? {
                return Err(NodeError::NotFound(format!("op {op} is not held back in this record")));
            }
        }
        let body = Body::Accept(Accept { ops, heads: Vec::new() });
        let (key_name, key) =
            current_key(&context, &Level::Control).ok_or(NodeError::Internal("the key of the epoch is not here"))?;
        let frames = vec![DraftFrame::Body { body, key_name, key: Some(key) }];
        let (_, accepted) = self.author_control(&context, Kind::Accept, frames).await?;
        self.after_control(Some(&context), &accepted).await
    }

    async fn is_held_back(&mut self, context: &Arc<Context>, op: &OpId) -> Result<bool, NodeError> {
        let stored = self.reader().await?.op(op).await?.filter(|stored| stored.op.record() == context.record);
        match stored {
            Some(stored) => Ok(!crate::context::counts(&mut self.reader().await?, context, &stored.op).await?),
            None => Ok(false),
        }
    }
}
