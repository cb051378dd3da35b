//! What a peer is given of a record: the ops it lacks, in an order it can apply, with the frames its grants reach. Called
//! by `sync`.

use super::lacked::IDS_AT_ONCE;
use super::{Port, lacked};
use crate::context::Context;
use crate::narrowed::is_narrowed;
use crate::node::Node;
use crate::opening::{ForReaders, for_readers, placed};
use net::{Outgoing, Suffix};
use record::entry::{FrameKind, KeyName, wrap_handle};
use record::keys::Keyring;
use record::{Class, Entry, Head, IdentityId, LaneKind, Op, OpId, Parcel, RecordId};
use std::collections::HashSet;
use std::sync::Arc;
use store::db::Reader;
use store::ops::StoredOp;

/// Ops read at once while a suffix is gathered.
const SUFFIX_ROWS: i64 = 256;

/// Whether, and how far, a peer is in a record.
pub(super) enum Standing {
    /// A member: everything, frames as far as grants reach.
    In,
    /// Was let out by this control op: up to it, and no further.
    Out(OpId),
    /// Never was.
    Stranger,
}

pub(super) fn standing(context: &Context, who: &IdentityId) -> Standing {
    if context.state.is_member(who) {
        return Standing::In;
    }
    match context.state.last_word_to(who) {
        Some(op) => Standing::Out(op),
        None => Standing::Stranger,
    }
}

/// An op whose frames somebody asks for: the wraps for readers it may have, and the keys of its own that open here.
pub(super) struct Looked<'o> {
    op: &'o Op,
    wraps: ForReaders<'o>,
    own: Keyring,
}

impl<'o> Looked<'o> {
    pub(super) fn at(op: &'o Op) -> Self {
        Self { op, wraps: for_readers(op), own: Keyring::default() }
    }

    /// Opens the keys of the op's own, as far as they do here.
    pub(super) fn open(&mut self, node: &Node, context: &Context, frames: &[(u32, Vec<u8>)]) {
        self.own = node.own_keys(context, self.op, placed(frames));
    }

    /// Whether the op's own keys have to be opened to know: where a grant's parameters have to be looked for under them.
    pub(super) fn must_open(&self, entry: &Entry, may: May) -> bool {
        may == May::Look && entry.key == KeyName::Own
    }

    /// What an entry alone says of whether `who` may have its frame: bodies as any member, resources as grants reach, and wraps.
    /// Those of control ops go to every member (rule 7.3): an op comes from whoever has it, and what is sealed to somebody must not
    /// be lost on the way; nor, where every device is, what is sealed to the root. Those of other ops go to whom they are sealed
    /// to and to whoever may have what they open. Only where a grant has parameters is looked into the frame.
    pub(super) fn may(&self, context: &Context, who: &IdentityId, entry: &Entry) -> May {
        let header = self.op.header();
        let may = |class: Class, kind: &str| {
            let now = crate::clock::now_ms();
            let narrowed = |given| is_narrowed(&context.state, given, class, kind);
            match reaches(context, who, &header.lane.author, class, kind) {
                true => May::Have,
                false if context.state.live_grants(who, now).any(narrowed) => May::Look,
                false => May::Not,
            }
        };
        match entry.kind {
            FrameKind::Body => May::Have,
            FrameKind::Wrap => {
                let opens = |(class, kind): &(Class, &str)| may(*class, kind) != May::Not;
                let has = header.lane.kind == LaneKind::Control
                    || entry.handle == wrap_handle(&header.record, who)
                    || self.wraps.get(&entry.handle).is_some_and(opens);
                if has { May::Have } else { May::Not }
            }
            FrameKind::Put | FrameKind::Delete => may(entry.class, &entry.resource_type),
        }
    }
}

/// Whether somebody may have a frame, by what its entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Yes.
    Have,
    /// Where a grant's parameters reach what is in it.
    Look,
    /// No.
    Not,
}

/// Whether a grant with parameters lets `who` have a frame into which has to be looked.
pub(super) fn is_open_to(
    context: &Context,
    who: &IdentityId,
    looked: &Looked<'_>,
    (place, entry): (u32, &Entry),
    frame: &[u8],
) -> bool {
    let may_have = |given| crate::narrowed::may_have(context, given, looked.op, place, frame, &looked.own);
    entry.is_resource() && context.state.live_grants(who, crate::clock::now_ms()).any(may_have)
}

/// Whether `who` may have what `author` wrote of a class and type.
fn reaches(context: &Context, who: &IdentityId, author: &IdentityId, class: Class, kind: &str) -> bool {
    let now = crate::clock::now_ms();
    author == who
        || context.speaks(who)
        || context.state.live_grants(who, now).any(|given| {
            context.state.open_reads(given).iter().any(|(read, name)| {
                *read == class && (class == Class::DIRECTORY || name.as_deref().is_none_or(|name| name == kind))
            })
        })
}

/// Ops that fit one message, by what their headers say of their size.
struct Chosen {
    ops: Vec<StoredOp>,
    bytes: usize,
    bytes_max: usize,
}

impl Chosen {
    /// Adds an op; `false` where it no longer fits. The first always does.
    fn add(&mut self, stored: StoredOp) -> bool {
        let frames = stored.op.entries().iter().map(|entry| usize::try_from(entry.size).unwrap_or(usize::MAX));
        let bytes =
            frames.fold(stored.op.header_bytes().len() + stored.op.entries_bytes().len(), usize::saturating_add);
        if !self.ops.is_empty() && self.bytes.saturating_add(bytes) > self.bytes_max {
            return false;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.ops.push(stored);
        true
    }
}

impl Port {
    pub(super) async fn context(&self, record: &RecordId) -> Option<Arc<Context>> {
        match self.0.context(&mut Reader::from(&self.0.store), record).await {
            Ok(context) => context,
            Err(error) => {
                tracing::error!(%record, %error, "a record could not be loaded");
                None
            }
        }
    }

    /// What somebody acknowledged to hold of a record, and is here.
    pub(super) async fn known_to(&self, who: &IdentityId, record: &RecordId) -> Result<Vec<Head>, store::StoreError> {
        let mut reader = Reader::from(&self.0.store);
        let mut heads = reader.acknowledged(who, record).await?;
        let ids = heads.iter().map(|head| head.id).collect::<Vec<_>>();
        let mut here = HashSet::new();
        for ids in ids.chunks(IDS_AT_ONCE) {
            here.extend(reader.lamports(ids).await?.into_iter().map(|(id, _)| id));
        }
        heads.retain(|head| here.contains(&head.id));
        Ok(heads)
    }

    /// The ops with those of their frames that `who` may have.
    async fn parcels(
        &self,
        context: &Context,
        who: &IdentityId,
        chosen: &[StoredOp],
    ) -> Result<Vec<Vec<u8>>, store::StoreError> {
        let ids = chosen.iter().map(|stored| stored.op.id()).collect::<Vec<_>>();
        let mut stored_frames = Reader::from(&self.0.store).frames_of(&ids).await?;
        let one = |stored: &StoredOp| {
            let op = &stored.op;
            let (mut frames, mut looked) = (vec![None; op.entries().len()], Looked::at(op));
            let stored = stored_frames.remove(&op.id()).unwrap_or_default();
            let mays = op.entries().iter().map(|entry| looked.may(context, who, entry)).collect::<Vec<_>>();
            if op.entries().iter().zip(&mays).any(|(entry, may)| looked.must_open(entry, *may)) {
                looked.open(&self.0, context, &stored);
            }
            for (at, frame) in stored {
                let Some((entry, may)) = op.entries().get(at as usize).zip(mays.get(at as usize)) else { continue };
                let has = match may {
                    May::Have => true,
                    May::Look => is_open_to(context, who, &looked, (at, entry), &frame),
                    May::Not => false,
                };
                if let Some(place) = frames.get_mut(at as usize).filter(|_| has) {
                    *place = Some(frame);
                }
            }
            let parcel = Parcel::encode(op, &frames);
            if parcel.len() < net::limits::OP_BYTES_MAX {
                return parcel;
            }
            // Too large for one message: its resources are asked for one by one.
            for (place, entry) in frames.iter_mut().zip(op.entries()) {
                if entry.is_resource() {
                    *place = None;
                }
            }
            Parcel::encode(op, &frames)
        };
        Ok(chosen.iter().map(one).collect())
    }

    pub(super) async fn gather(
        &self,
        who: IdentityId,
        record: RecordId,
        have: &[Head],
        bytes_max: usize,
    ) -> Result<Suffix, store::StoreError> {
        let mut suffix = Suffix::default();
        let Some(context) = self.context(&record).await else { return Ok(suffix) };
        let last = match standing(&context, &who) {
            Standing::In => None,
            Standing::Out(op) => Some(op),
            Standing::Stranger => return Ok(suffix),
        };
        let mut reader = Reader::from(&self.0.store);
        let lacked = lacked::lacked(&mut reader, &record, have).await?;
        let mut chosen = Chosen { ops: Vec::new(), bytes: 0, bytes_max };
        // Control ops first: who may do what, and whose cards are whose, is known before any data.
        for stored in reader.control_ops(&record).await? {
            let told = last.is_none_or(|last| context.state.reaches(&last, &stored.op.id()));
            if lacked.has(stored.op.header(), &stored.op.id()) && told && !suffix.more {
                suffix.more = !chosen.add(stored);
            }
        }
        let mut position = if last.is_some() { i64::MAX } else { lacked.before(&mut reader, &record).await? };
        while !suffix.more {
            let rows = reader.ops_after(&record, position, SUFFIX_ROWS).await?;
            let Some(end) = rows.last().map(|stored| stored.position) else { break };
            for stored in rows {
                let header = stored.op.header();
                let is_lacked = lacked.has(header, &stored.op.id());
                if header.lane.kind != LaneKind::Control && is_lacked && !suffix.more {
                    suffix.more = !chosen.add(stored);
                }
            }
            position = end;
        }
        let parcels = self.parcels(&context, &who, &chosen.ops).await?;
        let one = |(stored, bytes): (&StoredOp, Vec<u8>)| Outgoing {
            head: stored.op.head(),
            previous: stored.op.header().previous,
            bytes,
        };
        suffix.ops = chosen.ops.iter().zip(parcels).map(one).collect();
        Ok(suffix)
    }
}
