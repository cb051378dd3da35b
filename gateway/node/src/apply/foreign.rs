//! Others' versions of a record, indexed anew: keys came, a line was drawn, or access ended. Called by `control` and by
//! `reindex`.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::placed::{Placed, author_of, is_tagged};
use fhir::ResourceType;
use fhir::json::Doc;
use record::frame::Method;
use record::{LaneKind, Op, OpId};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use store::versions::{IndexRow, StoredVersion};

/// Versions among which the best is looked for.
const CANDIDATES_MAX: i64 = 1000;

impl Batch {
    /// Others' versions of a record as the final control state has them.
    pub(crate) async fn replay_foreign(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        self.rebuild_foreign(context).await
    }

    /// Indexes the others' versions of a record anew: keys came, or a line was drawn.
    pub(super) async fn rebuild_foreign(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        let record = context.record;
        self.forget_ahead();
        let mut journal = HashMap::new();
        let mut reader = self.reader().await?;
        for (op, place, position, last_updated) in reader.journal_of(&record).await? {
            journal.insert((op, place), (position, last_updated));
        }
        let (mut shown, mut were_current) = (HashSet::new(), BTreeSet::new());
        let mut written_here = BTreeSet::new();
        let before = reader.record_rows(&record).await?;
        for version in &before {
            shown.insert((version.op, version.place));
            let name = (version.kind, version.id.clone());
            if version.own {
                written_here.insert(name.clone());
            }
            if version.current && !version.own {
                were_current.insert(name);
            }
        }
        let mut mixed = mixed(&before, &journal);
        let ops = reader.ops_after(&record, 0, i64::MAX).await?;
        let tx = self.tx().await?;
        tx.remove_foreign(&record).await?;
        tx.forget_quarantined(&record).await?;
        for (kind, id) in were_current.intersection(&written_here) {
            self.promote_own(*kind, id).await?;
        }
        let me = self.node.identity.id();
        let gone = self.is_gone(context).await?;
        if gone {
            // What this node made of another's goes with the other's: it stays in the history.
            let edits = before.iter().filter(|row| row.own && row.current && row.origin != me);
            let edits = edits.map(|row| row.position).collect::<Vec<_>>();
            self.tx().await?.retire_now(&edits).await?;
        }
        for stored in ops {
            let lane = stored.op.header().lane;
            if lane.kind != LaneKind::Change || lane.author == me {
                continue;
            }
            if gone {
                self.forget_frames(&stored.op).await?;
                continue;
            }
            let frames = self.reader().await?.frames(&stored.op.id()).await?;
            // What was not to be seen when it came gets its own place in the log's order now.
            for (place, _) in &frames {
                let key = (stored.op.id(), *place);
                let resource = stored.op.entries().get(*place as usize).is_some_and(record::Entry::is_resource);
                if resource
                    && !shown.contains(&key)
                    && !journal.contains_key(&key)
                    && stored.position < self.first_position()
                {
                    journal.insert(key, (self.positions(1)?, self.last_updated));
                }
            }
            let op = stored.op.clone();
            self.index_op(context, &op, &frames, stored.position, stored.last_updated, &journal).await?;
        }
        let rows = journal.iter().map(|((op, place), (position, at))| (*op, *place, *position, *at));
        let (rows, late) = (rows.collect::<Vec<_>>(), journal);
        self.tx().await?.journal(&rows).await?;
        for (kind, id) in were_current {
            self.promote(kind, &id).await?;
        }
        mixed.extend(self::mixed(&self.reader().await?.record_rows(&record).await?, &late));
        for (kind, id) in mixed {
            self.note_unclear(record, kind, &id);
        }
        self.settle_unclear().await
    }

    /// What this node wrote last of a resource of its own is current again, after others' edits of it are gone. What it made of
    /// another's is not: that is gone with the other's.
    async fn promote_own(&mut self, kind: u16, id: &str) -> Result<(), NodeError> {
        if self.current(kind, id).await?.is_some() {
            return Ok(());
        }
        let own = self.reader().await?.last_own(kind, id).await?;
        let Some(own) = own.filter(|own| own.origin == self.node.identity.id()) else { return Ok(()) };
        self.promote_version(&own).await
    }

    /// Where a resource has no current version any more and other records still show it, the best of those is current:
    /// of copies the one made last, of moved resources the one that came last.
    pub(super) async fn promote(&mut self, kind: u16, id: &str) -> Result<(), NodeError> {
        if self.current(kind, id).await?.is_some() {
            return Ok(());
        }
        let versions = self.reader().await?.history(kind, id, i64::MAX, CANDIDATES_MAX).await?;
        // Newest first: of each record only what it says last.
        let mut records = HashSet::new();
        let last = versions.into_iter().filter(|version| !version.own && records.insert(version.record));
        let best = last.max_by_key(|version| {
            let copied = version.method == Method::Copy as u8;
            (!version.is_deleted(), if copied { version.lamport } else { 0 }, version.position)
        });
        let Some(best) = best else { return Ok(()) };
        self.promote_version(&best).await
    }

    /// Makes a version current that was made before, with what it is found by.
    pub(super) async fn promote_version(&mut self, version: &StoredVersion) -> Result<(), NodeError> {
        let index = self.index_of_version(version).await?;
        self.forget_ahead();
        Ok(self.tx().await?.promote(version.position, version.kind, index).await?)
    }

    async fn index_of_version(&mut self, version: &StoredVersion) -> Result<Vec<IndexRow>, NodeError> {
        let (Some(kind), Some(context)) =
            (ResourceType::from_number(version.kind), self.context(&version.record).await?)
        else {
            return Ok(Vec::new());
        };
        // A deletion is found by nothing but what is said of it.
        if version.is_deleted() {
            return Ok(crate::conflict::row(kind).into_iter().filter(|_| is_tagged(version)).collect());
        }
        let Some(Ok(content)) = self.node.open_version(version, &context.keys) else { return Ok(Vec::new()) };
        let rows = match version.own {
            true => crate::index::rows,
            false => crate::index::rows_of_others,
        };
        let shown = Doc::parse(self.node.shown(&context, version, content));
        let mut found = shown.map(|doc| rows(&doc, kind, self.node.base(), self.registry())).unwrap_or_default();
        if is_tagged(version) {
            found.extend(crate::conflict::row(kind));
        }
        Ok(found)
    }

    /// Whether nothing lets this identity see what others wrote in a record any more: of such changes no frame is kept, and
    /// nothing is shown or asked for, whenever they come.
    pub(super) async fn is_gone(&self, context: &Context) -> Result<bool, NodeError> {
        let (state, me) = (&context.state, self.node.identity.id());
        let within =
            context.is_own(&me) || state.grants().any(|given| given.holder == me && given.revoked_by.is_none());
        Ok(!within && !self.node.is_kept(&context.record, state).await?)
    }

    /// Others' frames are not kept once nothing lets one see them, nor missed.
    async fn forget_frames(&mut self, op: &Op) -> Result<(), NodeError> {
        let wraps = crate::opening::for_readers(op);
        for (at, entry) in (0..).zip(op.entries()) {
            if entry.is_resource() {
                self.tx().await?.delete_frame(&op.id(), at).await?;
            }
            if entry.is_resource() || wraps.contains_key(&entry.handle) {
                self.tx().await?.found(&op.id(), at).await?;
            }
        }
        Ok(())
    }
}

/// Resources whose versions have to be held against each other: of which something was said, which somebody else than their origin wrote,
/// or whose frames came in another order than their ops.
fn mixed(rows: &[StoredVersion], journal: &HashMap<(OpId, u32), (i64, i64)>) -> BTreeSet<(u16, String)> {
    let mut counts = HashMap::<(u16, &str), usize>::new();
    for row in rows {
        *counts.entry((row.kind, &row.id)).or_default() += 1;
    }
    let is_mixed = |row: &&StoredVersion| {
        let several = counts.get(&(row.kind, row.id.as_str())).is_some_and(|count| *count > 1);
        Placed::of(row).is_some_and(|placed| placed.again || placed.tagged)
            || author_of(row) != row.origin
            || (several && journal.contains_key(&(row.op, row.place)))
    };
    rows.iter().filter(is_mixed).map(|row| (row.kind, row.id.clone())).collect()
}
