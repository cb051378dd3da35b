//! Verify: every op, frame and index row checked against the rules and against each other, and each record summed up.
//! Changes nothing. Called by `cli`.

mod finding;
mod summary;

pub use finding::Finding;
pub use summary::{Summary, Writer};

use crate::access::chain;
use crate::context::{Context, counts};
use crate::error::NodeError;
use crate::index;
use crate::node::Node;
use crate::opening::{open_resource, placed};
use crate::parameters::{Registry, number_of};
use fhir::ResourceType;
use finding::Fault;
use record::frame::Method;
use record::identity::Card;
use record::{Author, IdentityId, Kind, LaneKind, Op, OpId, RecordId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use store::db::Reader;
use store::ops::StoredOp;
use store::parameters::State;
use summary::Tally;

/// Ops read at once.
const ROWS: i64 = 512;
/// Faults told one by one; the rest is counted.
const FAULTS_MAX: usize = 100;

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Faults, the first hundred.
    pub faults: Vec<Finding>,
    /// How many there are in all.
    pub fault_count: u64,
    /// Control ops.
    pub control_ops: u64,
    /// Access ops.
    pub access_ops: u64,
    /// Change ops.
    pub change_ops: u64,
    /// Frames of change ops that are here.
    pub frames: u64,
    /// Versions.
    pub versions: u64,
    /// Index rows.
    pub index_rows: u64,
    /// What stands in each record, by its name.
    pub records: Vec<Summary>,
}

struct Walk<'n> {
    node: &'n Node,
    report: Report,
    cards: HashMap<IdentityId, Author>,
    contexts: HashMap<RecordId, Arc<Context>>,
    tallies: BTreeMap<RecordId, Tally>,
    registry: Arc<Registry>,
    /// Stored parameters whose rows are being made or removed.
    unsettled: HashSet<u16>,
}

impl Node {
    /// Checks everything in the database.
    ///
    /// # Errors
    /// [`NodeError::Store`] if it cannot be read; faults are in the report.
    pub async fn verify(&self) -> Result<Report, NodeError> {
        let stored = Reader::from(&self.store).parameters().await?.into_iter();
        let mut walk = Walk {
            node: self,
            report: Report::default(),
            cards: HashMap::new(),
            contexts: HashMap::new(),
            tallies: BTreeMap::new(),
            registry: self.load_registry().await?,
            unsettled: stored.filter(|one| one.state != State::Searched).map(|one| one.number).collect(),
        };
        walk.cards.insert(self.identity().id(), Author::new(self.identity().card().clone()));
        for known in Reader::from(&self.store).identities().await? {
            match Card::decode(&known.card) {
                Ok(card) if card.id() == known.id => drop(walk.cards.insert(known.id, Author::new(card))),
                _ => walk.fault(Fault::Card, None, format!("the card of identity {} does not verify", known.id)),
            }
        }
        let mut position = 0;
        loop {
            let rows = match Reader::from(&self.store).all_ops_after(position, ROWS).await {
                Ok(rows) => rows,
                Err(store::StoreError::Damaged(what)) => {
                    let text = format!("after position {position} the log holds a {what} that does not read back");
                    walk.fault(Fault::Log, None, text);
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            let Some(last) = rows.last() else { break };
            position = last.position;
            for stored in &rows {
                walk.op(stored).await?;
            }
        }
        walk.audit().await?;
        for (what, count) in self.store.orphans().await? {
            if count > 0 {
                walk.fault(Fault::Orphans, None, format!("{count} {what} belong to ops that are not in the log"));
            }
        }
        let (versions, index_rows) = self.store.row_counts().await?;
        (walk.report.versions, walk.report.index_rows) = (versions as u64, index_rows as u64);
        let Walk { mut report, tallies, .. } = walk;
        self.sum_up(tallies, &mut report).await?;
        Ok(report)
    }
}

impl Walk<'_> {
    fn fault(&mut self, fault: Fault, of: Option<(RecordId, OpId)>, text: String) {
        self.report.fault_count += 1;
        if let Some((record, _)) = of {
            self.tallies.entry(record).or_default().findings += 1;
        }
        if self.report.faults.len() < FAULTS_MAX {
            let (record, op) = of.unzip();
            self.report.faults.push(Finding::new(fault, record, op, text));
        }
    }

    /// Every audit row against the one before it. Rows of earlier builds have no seal, and stand before all that have one.
    async fn audit(&mut self) -> Result<(), NodeError> {
        let (key, mut before, mut position) = (chain::key(self.node.identity()), Vec::new(), 0);
        loop {
            let rows = Reader::from(&self.node.store).audit_after(position, ROWS).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            position = last.position;
            for row in rows {
                let old = row.seal.is_empty() && before.is_empty();
                if !old && !chain::holds(&key, &before, &row) {
                    let text = format!("audit row {} does not follow the one before it", row.position);
                    self.fault(Fault::Audit, None, text);
                }
                before = row.seal;
            }
        }
    }

    async fn op(&mut self, stored: &StoredOp) -> Result<(), NodeError> {
        let (op, record) = (&stored.op, stored.op.record());
        let of = Some((record, op.id()));
        match op.header().lane.kind {
            LaneKind::Control => self.report.control_ops += 1,
            LaneKind::Audit => self.report.access_ops += 1,
            LaneKind::Change => self.report.change_ops += 1,
        }
        let mut reader = Reader::from(&self.node.store);
        let frames = reader.frames(&op.id()).await?;
        self.tallies.entry(record).or_default().op(op, &frames);
        // Reads add access ops of their own: the frames counted are those of changes, so that looking changes no count.
        if op.header().lane.kind == LaneKind::Change {
            self.report.frames += frames.len() as u64;
        }
        for (at, frame) in &frames {
            if !op.entries().get(*at as usize).is_some_and(|entry| record::frame::matches(entry, frame)) {
                self.fault(Fault::Frame, of, format!("frame {at} is not the signed one"));
            }
        }
        if op.header().kind == Kind::Genesis {
            self.genesis(op, &frames);
        }
        if op.header().kind == Kind::Keys
            && let Some(card) = frames.first().and_then(|(_, frame)| record::op::card_within(op, frame))
            && self.cards.get(&card.id()).is_some_and(|known| card.continues(known.card()))
        {
            self.cards.insert(card.id(), Author::new(card));
        }
        match self.cards.get(&op.header().lane.author) {
            None => self.fault(Fault::NoCard, of, "its author's card is not here".to_owned()),
            Some(author) => {
                if let Err(error) = author.verify(op.clone()) {
                    self.fault(Fault::of(&error), of, error.to_string());
                }
            }
        }
        let cited = op.header().cited().copied().collect::<Vec<_>>();
        let lamports = reader.lamports(&cited).await?;
        if lamports.len() < cited.iter().collect::<std::collections::BTreeSet<_>>().len() {
            self.fault(Fault::Cited, of, "an op it cites is not here".to_owned());
        } else if op.header().lamport != lamports.iter().map(|(_, lamport)| *lamport).max().unwrap_or(0) + 1 {
            self.fault(Fault::Lamport, of, "its Lamport number does not follow".to_owned());
        }
        if let Some(previous) = op.header().previous {
            let before = reader.op(&previous).await?;
            let follows = before.is_some_and(|before| {
                let header = before.op.header();
                header.lane == op.header().lane && header.seq + 1 == op.header().seq && before.op.record() == record
            });
            if !follows {
                self.fault(Fault::Lane, of, "it does not follow its lane".to_owned());
            }
        }
        if op.header().lane.kind == LaneKind::Change {
            self.change(stored, &frames, &record).await?;
        }
        Ok(())
    }

    fn genesis(&mut self, op: &Op, frames: &[(u32, Vec<u8>)]) {
        let card = frames.first().and_then(|(_, frame)| record::op::card_within(op, frame));
        match card {
            Some(card) => drop(self.cards.insert(card.id(), Author::new(card))),
            None => {
                let text = "the body of a genesis is not here or does not read".to_owned();
                self.fault(Fault::Genesis, Some((op.record(), op.id())), text);
            }
        }
    }

    async fn change(
        &mut self,
        stored: &StoredOp,
        frames: &[(u32, Vec<u8>)],
        record: &RecordId,
    ) -> Result<(), NodeError> {
        let (op, own) = (&stored.op, stored.op.header().lane.author == self.node.identity().id());
        let of = Some((*record, op.id()));
        let context = match self.contexts.get(record) {
            Some(context) => context.clone(),
            None => {
                let context = self.node.context(&mut Reader::from(&self.node.store), record).await?;
                let Some(context) = context else {
                    self.fault(Fault::Cache, of, format!("record {record} is not in the cache; run reindex"));
                    return Ok(());
                };
                self.contexts.insert(*record, context.clone());
                context
            }
        };
        let keys = self.node.own_keys(&context, op, placed(frames));
        for (at, frame) in frames {
            let Some(entry) = op.entries().get(*at as usize).filter(|entry| entry.is_resource()) else { continue };
            let content = open_resource(op, *at, entry, frame, &context, &keys);
            self.tallies.entry(*record).or_default().opened(&content);
            let content = match content {
                Ok(Some(content)) => content,
                Ok(None) if own => {
                    self.fault(Fault::Sealed, of, format!("frame {at} of one's own does not open"));
                    continue;
                }
                Ok(None) => continue,
                Err(error) => {
                    self.fault(Fault::Content(error.rule), of, format!("frame {at}: {error}"));
                    continue;
                }
            };
            let counts = own || counts(&mut Reader::from(&self.node.store), &context, op).await?;
            // A copy of one's own and a removal from a record are no versions of their own.
            let unseen = content.method == Method::Moved || (own && content.method == Method::Copy);
            if !counts || unseen || !self.is_applied(op, &content, &context, own).await? {
                continue;
            }
            self.row(op, *at, content, &context, own).await?;
        }
        Ok(())
    }

    /// Whether a frame says something of its author's resource, or of another's that it may edit.
    async fn is_applied(
        &self,
        op: &Op,
        content: &record::frame::Content,
        context: &Context,
        own: bool,
    ) -> Result<bool, NodeError> {
        let Some(kind) = ResourceType::parse(&content.resource_type) else { return Ok(false) };
        if content.origin == op.header().lane.author {
            return Ok(true);
        }
        let id = crate::rewrite::served_id(&self.node.identity().id(), &content.origin, &content.id);
        let mut reader = Reader::from(&self.node.store);
        crate::apply::may_edit(&mut reader, context, op, (kind, &id), content.method, own).await
    }

    /// The version row of a frame, and what it is found by.
    async fn row(
        &mut self,
        op: &Op,
        at: u32,
        content: record::frame::Content,
        context: &Context,
        own: bool,
    ) -> Result<(), NodeError> {
        let (me, of) = (self.node.identity().id(), Some((context.record, op.id())));
        let Some(kind) = ResourceType::parse(&content.resource_type) else { return Ok(()) };
        let id = crate::rewrite::served_id(&me, &content.origin, &content.id);
        let version = format!("{}.{at}", op.id().version());
        let row = Reader::from(&self.node.store).version(kind.number(), &id, &version).await?;
        let Some(row) = row else {
            self.fault(Fault::Cache, of, format!("frame {at} has no version row; run reindex"));
            return Ok(());
        };
        let mut expected = Vec::new();
        if row.current && content.method != Method::Delete {
            let json = match own {
                true => Ok(content.json),
                false => fhir::json::Doc::parse(content.json)
                    .map(|doc| crate::rewrite::for_viewer(&me, &op.header().lane.author, context, &doc)),
            };
            if let Ok(doc) = json.and_then(fhir::json::Doc::parse) {
                let rows = if own { index::rows } else { index::rows_of_others };
                expected = rows(&doc, kind, self.node.base(), &self.registry);
            }
        }
        if row.current && crate::placed::is_tagged(&row) {
            expected.extend(crate::conflict::row(kind));
        }
        let mut found = self.node.store.index_of(row.position).await?;
        // A job of $reindex may be half way through those of others.
        for rows in [&mut expected, &mut found] {
            rows.retain(|row| number_of(row.param).is_none_or(|number| !self.unsettled.contains(&number)));
        }
        let text = |rows: &mut Vec<store::versions::IndexRow>| {
            let mut texts = rows.drain(..).map(|row| format!("{row:?}")).collect::<Vec<_>>();
            texts.sort();
            texts
        };
        if text(&mut expected) != text(&mut found) {
            self.fault(Fault::Cache, of, format!("frame {at} is not indexed as it reads; run reindex"));
        }
        Ok(())
    }
}
