//! Frames that come after their op: withheld until a grant reached them, or too large for one message. Called by `sync`.

use super::ApplyFault;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::node::Node;
use crate::opening::{open_resource, placed};
use record::entry::KeyName;
use record::state::Judgement;
use record::{IdentityId, Op, OpId, RecordId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::ops::StoredOp;

/// Ops read at once.
const ROWS: i64 = 512;

/// Resources whose frames came late, by their handles in the record.
#[derive(Default)]
struct Edited {
    handles: HashMap<[u8; 16], IdentityId>,
    /// The least Lamport number among their ops.
    from: Option<u64>,
}

impl Edited {
    fn note(&mut self, op: &Op, frames: &[(u32, Vec<u8>)]) {
        let header = op.header();
        for entry in frames.iter().filter_map(|(at, _)| op.entries().get(*at as usize)).filter(|one| one.is_resource())
        {
            self.handles.insert(entry.handle, header.lane.author);
            self.from = Some(self.from.map_or(header.lamport, |from| from.min(header.lamport)));
        }
    }
}

impl Node {
    /// Adds frames that were missing; returns how many were new.
    pub(crate) async fn fill_frames(
        &self,
        record: RecordId,
        frames: Vec<(net::FrameId, Vec<u8>)>,
    ) -> Result<usize, ApplyFault> {
        let frames = Arc::new(frames);
        self.commit(move |batch| {
            let frames = frames.clone();
            Box::pin(async move {
                match batch.fill(&record, &frames).await {
                    Ok(count) => Ok(Ok(count)),
                    Err(ApplyFault::Node(error)) => Err(error),
                    Err(fault) => Ok(Err(fault)),
                }
            })
        })
        .await?
    }
}

impl Batch {
    async fn fill(&mut self, record: &RecordId, frames: &[(net::FrameId, Vec<u8>)]) -> Result<usize, ApplyFault> {
        let context = self.known(record).await?;
        let (gone, me) = (self.is_gone(&context).await?, self.node.identity.id());
        let mut ops = BTreeMap::<OpId, (Op, Vec<(u32, Vec<u8>)>)>::new();
        for (id, frame) in frames {
            let mut reader = self.reader().await?;
            let Some(stored) = reader.op(&id.op).await? else { continue };
            let entry = stored.op.entries().get(id.index as usize).filter(|_| stored.op.record() == *record);
            if !entry.is_some_and(|entry| record::frame::matches(entry, frame)) {
                return Err(ApplyFault::Lie("rule 3.6: a frame that is not the signed one".to_owned()));
            }
            let own = stored.op.header().lane.author == me;
            if (gone && !own) || reader.frame(&id.op, id.index).await?.is_some() {
                continue;
            }
            ops.entry(id.op).or_insert_with(|| (stored.op, Vec::new())).1.push((id.index, frame.clone()));
        }
        let (mut count, mut came) = (0, Edited::default());
        for (op, frames) in ops.into_values() {
            count += frames.len();
            came.note(&op, &frames);
            let before = self.reader().await?.frames(&op.id()).await?;
            for (at, frame) in &frames {
                let tx = self.tx().await?;
                tx.add_frames(vec![(op.id(), *at, frame.clone())]).await?;
                tx.found(&op.id(), *at).await?;
            }
            self.index_frames(&context, &op, before, frames).await?;
        }
        self.settle_unclear().await?;
        // Somebody's edit of a resource is not applied before its origin's version is here: now it is.
        if self.is_edited_since(record, &came).await? {
            self.rebuild_foreign(&context).await?;
        }
        self.moved_now(*record);
        Ok(count)
    }

    /// Whether somebody else than their authors wrote any of these resources later on, in a change that is here.
    async fn is_edited_since(&mut self, record: &RecordId, came: &Edited) -> Result<bool, NodeError> {
        let Some(from) = came.from else { return Ok(false) };
        let edits = |stored: &StoredOp| {
            let author = stored.op.header().lane.author;
            stored.op.header().lamport > from
                && stored
                    .op
                    .entries()
                    .iter()
                    .any(|entry| came.handles.get(&entry.handle).is_some_and(|one| *one != author))
        };
        let mut position = 0;
        loop {
            let rows = self.reader().await?.ops_after(record, position, ROWS).await?;
            let Some(last) = rows.last() else { return Ok(false) };
            position = last.position;
            if rows.iter().any(edits) {
                return Ok(true);
            }
        }
    }

    /// As [`Batch::index_op`], for these frames, and for those that were here `before` and that a wrap among these opens. Each that
    /// opens gets its place in the log's order now.
    async fn index_frames(
        &mut self,
        context: &Arc<Context>,
        op: &Op,
        before: Vec<(u32, Vec<u8>)>,
        came: Vec<(u32, Vec<u8>)>,
    ) -> Result<(), NodeError> {
        let own = op.header().lane.author == self.node.identity.id();
        if !own && self.judged(context, op).await? != Judgement::Counts {
            return Ok(());
        }
        let known = self.node.own_keys(context, op, placed(&before));
        let keys = self.node.own_keys(context, op, placed(&before).chain(placed(&came)));
        let mut journal = Vec::new();
        let was_here = before.iter().map(|frame| (frame, true));
        for ((at, frame), was_here) in was_here.chain(came.iter().map(|frame| (frame, false))) {
            let Some(entry) = op.entries().get(*at as usize).filter(|entry| entry.is_resource()) else { continue };
            let opens = |own| open_resource(op, *at, entry, frame, context, own).ok().flatten();
            if was_here && (entry.key != KeyName::Own || opens(&known).is_some()) {
                continue;
            }
            if let Some(content) = opens(&keys) {
                let (position, last_updated) = (self.positions(1)?, self.last_updated);
                journal.push((op.id(), *at, position, last_updated));
                self.index_content(context, op, *at, content, (position, last_updated), &keys).await?;
            }
        }
        Ok(self.tx().await?.journal(&journal).await?)
    }
}
