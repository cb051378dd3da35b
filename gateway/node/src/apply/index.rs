//! Versions made of change ops: one's own, and others' as far as they count and their frames open. Called by `apply`,
//! `fill`, `foreign` and `reindex`.

use super::merged::{Meaning, by};
use crate::batch::Batch;
use crate::context::{Context, judge};
use crate::error::NodeError;
use crate::index;
use crate::opening::{for_readers, open_resource, placed};
use crate::placed::Placed;
use fhir::ResourceType;
use record::entry::FrameKind;
use record::frame::{Content, Method};
use record::keys::Keyring;
use record::state::Judgement;
use record::{LaneKind, Op, OpId, Parcel, RecordId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::db::Reader;
use store::missing::Missing;
use store::quarantine::Quarantined;
use store::versions::{StoredVersion, Version};

impl Batch {
    /// Adds the versions of a change op: one's own, or another's as far as it counts and its frames open.
    pub(crate) async fn index_op(
        &mut self,
        context: &Arc<Context>,
        op: &Op,
        frames: &[(u32, Vec<u8>)],
        position: i64,
        last_updated: i64,
        journal: &HashMap<(OpId, u32), (i64, i64)>,
    ) -> Result<(), NodeError> {
        let own = op.header().lane.author == self.node.identity.id();
        let counts = own || self.admitted(context, op, position).await?;
        let frames = placed(frames).collect::<BTreeMap<_, _>>();
        let superseded = superseded(op, &frames);
        let keys = self.node.own_keys(context, op, frames.iter().map(|(at, frame)| (*at, *frame)));
        self.miss_wraps(context.record, op, &frames);
        for (at, entry) in (0_u32..).zip(op.entries()) {
            if !entry.is_resource() {
                continue;
            }
            let Some(frame) = frames.get(&at) else {
                self.add_missing(Missing {
                    op: op.id(),
                    place: at,
                    record: context.record,
                    resource_type: entry.resource_type.clone(),
                    class: entry.class,
                });
                if !own && counts {
                    self.note_withheld(context, op, entry);
                }
                continue;
            };
            if !counts || superseded.contains(&at) {
                continue;
            }
            match open_resource(op, at, entry, frame, context, &keys) {
                Ok(Some(content)) => {
                    let place = journal.get(&(op.id(), at)).copied();
                    let (position, last_updated) = place.unwrap_or((position + i64::from(at), last_updated));
                    self.index_content(context, op, at, content, (position, last_updated), &keys).await?;
                }
                // Its key is not here.
                Ok(None) if !own => self.note_withheld(context, op, entry),
                Ok(None) => {}
                Err(error) => tracing::warn!(op = %op.id(), place = at, %error, "a received frame is unreadable"),
            }
        }
        Ok(())
    }

    /// The keys of an op's own are asked for as the resources are that they open.
    fn miss_wraps(&mut self, record: RecordId, op: &Op, frames: &BTreeMap<u32, &[u8]>) {
        let kinds = for_readers(op);
        let missing =
            (0_u32..).zip(op.entries()).filter(|(at, entry)| entry.kind == FrameKind::Wrap && !frames.contains_key(at));
        for (place, (class, kind)) in missing.filter_map(|(at, entry)| Some((at, kinds.get(&entry.handle)?))) {
            self.add_missing(Missing { op: op.id(), place, record, resource_type: (*kind).to_owned(), class: *class });
        }
    }

    /// Whether a change of another's counts; what does not is put into quarantine. Only where a line was drawn through its
    /// lane does it take a look at the log.
    async fn admitted(&mut self, context: &Context, op: &Op, position: i64) -> Result<bool, NodeError> {
        match self.judged(context, op).await? {
            Judgement::Counts => Ok(true),
            Judgement::Quarantined(why) => {
                let (op, record) = (op.id(), context.record);
                self.add_quarantined(Quarantined { op, record, reason: crate::quarantine::number(why), position });
                Ok(false)
            }
        }
    }

    /// What the state says of a change of another's.
    pub(super) async fn judged(&mut self, context: &Context, op: &Op) -> Result<Judgement, NodeError> {
        let judgement = context.state.judge(&op.id(), op.header(), op.entries());
        if judgement != Judgement::Counts || context.state.kept_heads(op.header()).is_empty() {
            return Ok(judgement);
        }
        let mut kept = std::mem::take(&mut self.kept);
        let judged = judge(&mut self.reader().await?, context, op, Some(&mut kept)).await;
        self.kept = kept;
        judged
    }

    /// Looks up what the resources of received changes are now, all at once.
    pub(super) async fn look_ahead(&mut self, record: &RecordId, parcels: &[Parcel]) -> Result<(), NodeError> {
        let changes = parcels.iter().filter(|parcel| parcel.op.header().kind.lane() == LaneKind::Change);
        let Some(context) = self.context(record).await? else { return Ok(()) };
        let (me, mut keys) = (self.node.identity.id(), Vec::new());
        // No signature was verified yet: nothing is opened here that costs more than its size.
        let own = Keyring::default();
        for parcel in changes {
            for (at, (entry, frame)) in (0_u32..).zip(parcel.op.entries().iter().zip(&parcel.frames)) {
                let Some(frame) = frame.as_ref().filter(|_| entry.is_resource()) else { continue };
                if let Ok(Some(content)) = open_resource(&parcel.op, at, entry, frame, &context, &own)
                    && let Some(kind) = ResourceType::parse(&content.resource_type)
                {
                    keys.push((kind.number(), crate::rewrite::served_id(&me, &content.origin, &content.id)));
                }
            }
        }
        self.read_ahead(keys).await
    }

    pub(super) async fn index_content(
        &mut self,
        context: &Arc<Context>,
        op: &Op,
        place: u32,
        content: Content,
        (position, last_updated): (i64, i64),
        keys: &Keyring,
    ) -> Result<(), NodeError> {
        let (me, author) = (self.node.identity.id(), op.header().lane.author);
        let Some(kind) = ResourceType::parse(&content.resource_type) else { return Ok(()) };
        let own = author == me;
        if own && content.method == Method::Moved {
            self.add_removed(context.record, kind.number(), &content.id, position);
            return Ok(());
        }
        if own && content.method == Method::Copy {
            self.set_copy(context.record, kind.number(), content.id, content.house_seq as i64);
            return Ok(());
        }
        if !fhir::primitive::is_id(&content.id) {
            tracing::warn!(op = %op.id(), place, "a resource whose id is none was not applied");
            return Ok(());
        }
        let id = crate::rewrite::served_id(&me, &content.origin, &content.id);
        let edits = content.origin != author;
        if edits && !may_edit(&mut self.reader().await?, context, op, (kind, &id), content.method, own).await? {
            tracing::warn!(op = %op.id(), place, "a resource of another origin than its author was not applied");
            return Ok(());
        }
        let (class, mut index) = (op.entries()[place as usize].class, Vec::new());
        let ends = matches!(content.method, Method::Delete | Method::Moved);
        let entry = &op.entries()[place as usize];
        if ends && !own {
            self.note_withheld(context, op, entry);
        }
        if !ends {
            let Ok(doc) = fhir::json::Doc::parse(content.json) else {
                if !own {
                    self.note_withheld(context, op, entry);
                }
                tracing::warn!(op = %op.id(), place, "a received resource does not parse");
                return Ok(());
            };
            if own {
                index = index::rows(&doc, kind, self.node.base(), self.registry());
            } else {
                let shown = crate::rewrite::for_viewer(&me, &author, context, &doc);
                if let Ok(doc) = fhir::json::Doc::parse(shown) {
                    index = index::rows_of_others(&doc, kind, self.node.base(), self.registry());
                }
                self.note_within(context, op, (entry, content.origin), position, &index);
            }
        }
        let lamport = if content.method == Method::Copy { content.house_seq } else { op.header().lamport };
        let before = self.current(kind.number(), &id).await?;
        let current = match &before {
            None => true,
            // One's own: the last written here, in whatever record.
            Some(before) if own && !edits && (before.own || before.record != context.record) => {
                self.follows(op, position, before).await?
            }
            // Whoever may change what is another's may in this record: what stands in another one is not theirs to say.
            Some(before) if edits && before.record != context.record => false,
            // It moved out of this record and stands in another one.
            Some(before) if content.method == Method::Moved && before.record != context.record => return Ok(()),
            Some(before) if before.is_deleted() && before.record != context.record => {
                !ends || before.position < position
            }
            // Lamport numbers of two records say nothing of each other; those of copies are the house record's.
            Some(before) if before.record != context.record && content.method != Method::Copy => {
                before.position < position
            }
            Some(before) => (before.lamport, before.op) < (lamport, op.id()),
        };
        let meaning = match content.method {
            Method::Copy | Method::Moved => Meaning::Plain(false),
            _ if self.is_unclear(context.record, kind.number(), &id) => Meaning::Unclear,
            _ => self.meaning(context, op, entry.resolves, before.as_ref(), current).await?,
        };
        let Some(mut placed) = self.node.place_in_row(op, entry, keys) else { return Ok(()) };
        placed.tagged = meaning == Meaning::Plain(true) && current;
        if placed.tagged {
            index.extend(crate::conflict::row(kind));
        }
        let retires = match before.filter(|before| current && before.current) {
            // Another's edit of one's own: what this node wrote is matched still.
            Some(before) if before.own && !own && before.origin == me => {
                let first = self.first_position();
                self.tx().await?.cover(before.position, first).await?;
                self.node.covered.store(true, Ordering::Relaxed);
                // Of what was said anew the row that was written is matched.
                if Placed::of(&before).is_some_and(|placed| placed.again) {
                    self.note_unclear(context.record, kind.number(), &id);
                }
                None
            }
            Some(before) if own && !before.own => {
                self.tx().await?.uncover(before.kind, &before.id).await?;
                Some(before.position)
            }
            before => before.map(|before| before.position),
        };
        // Gone from this record; where it stands in another one, that is current, else this is.
        let (left, served) = (content.method == Method::Moved && current, (kind.number(), id.clone()));
        self.add_version(
            Version {
                position,
                kind: kind.number(),
                id,
                version: format!("{}.{place}", op.id().version()),
                op: op.id(),
                place,
                record: context.record,
                origin: content.origin,
                by: by(own, edits),
                class,
                method: if ends { Method::Delete } else { content.method } as u8,
                current: current && !left,
                lamport,
                last_updated,
                seal: placed.encode(&content.origin),
                json: Vec::new(),
                index: if current { index } else { Vec::new() },
            },
            retires,
        );
        if left {
            self.promote(served.0, &served.1).await?;
        }
        if meaning == Meaning::Unclear {
            self.note_unclear(context.record, served.0, &served.1);
        }
        Ok(())
    }

    /// Whether an own version takes the place of the one before. What came back from a peer after a restore stands where
    /// it was signed: before what was written here since, after what the backup held.
    async fn follows(&mut self, op: &Op, position: i64, before: &StoredVersion) -> Result<bool, NodeError> {
        if !self.is_returned(&op.id()).await? {
            return Ok(before.position < position || self.is_returned(&before.op).await?);
        }
        let before = self.reader().await?.op(&before.op).await?;
        let when = |op: &Op| (op.header().wall_ms, op.header().lamport, op.id());
        Ok(before.is_some_and(|before| when(&before.op) < when(op)))
    }
}

/// Places of removals beside which the same op puts the same resource: of the two only the put is shown where both open.
fn superseded(op: &Op, frames: &BTreeMap<u32, &[u8]>) -> BTreeSet<u32> {
    let of_kind = |kind: FrameKind| {
        let here = (0_u32..).zip(op.entries()).filter(|(at, _)| frames.contains_key(at));
        here.filter(move |(_, entry)| entry.kind == kind)
    };
    let put = of_kind(FrameKind::Put).map(|(_, entry)| entry.handle).collect::<HashSet<_>>();
    of_kind(FrameKind::Delete).filter(|(_, entry)| put.contains(&entry.handle)).map(|(at, _)| at).collect()
}

/// Whether an op may say something of a resource that is another's: where its authority reaches so far, of what its origin has
/// written into this record, and of no Patient or Binary; a copy of a directory resource is its origin's alone.
pub(crate) async fn may_edit(
    reader: &mut Reader<'_>,
    context: &Context,
    op: &Op,
    (kind, id): (ResourceType, &str),
    method: Method,
    own: bool,
) -> Result<bool, NodeError> {
    let may = context.state.is_shared(op.header()) && !crate::history::own_listed(kind);
    if !may || matches!(method, Method::Copy | Method::Moved) {
        return Ok(false);
    }
    // What this node wrote itself it wrote where the resource stood.
    Ok(own || !reader.siblings(&context.record, kind.number(), id, 1).await?.is_empty())
}
