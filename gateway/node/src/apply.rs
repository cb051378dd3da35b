//! The one way received ops are applied: verified, appended, judged, opened as far as keys reach, indexed, in one
//! transaction per batch. What does not parse is kept and counted; what lies is refused and its sender cut. Called by
//! `sync`, and by `reindex` for the second half.

use crate::batch::Batch;
use crate::context::{Context, counts, open_resource, seal_of};
use crate::error::NodeError;
use crate::index;
use crate::node::{Node, Role};
use fhir::ResourceType;
use record::body::Body;
use record::entry::{FrameKind, wrap_handle};
use record::frame::{Content, Method, unpack};
use record::identity::Card;
use record::keys::decode_items;
use record::{Head, IdentityId, Kind, LaneKind, Op, OpId, Parcel, RecordId, Verified, verify};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use store::db::Reader;
use store::homes::Home;
use store::identities::Known;
use store::missing::Missing;
use store::reach::Reach;
use store::versions::Version;

/// Why received ops were not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyFault {
    /// Not now; the same may pass later.
    #[error("{0}")]
    Later(String),
    /// The sender is at fault.
    #[error("{0}")]
    Lie(String),
    /// The node itself failed.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl From<store::StoreError> for ApplyFault {
    fn from(error: store::StoreError) -> Self {
        ApplyFault::Node(error.into())
    }
}

impl Node {
    /// Applies a batch; returns the heads now held.
    pub(crate) async fn apply_parcels(&self, record: RecordId, parcels: Vec<Parcel>) -> Result<Vec<Head>, ApplyFault> {
        let parcels = Arc::new(parcels);
        // What a fault says must outlive the transaction that it undoes.
        let outcome = self
            .commit(move |batch| {
                let parcels = parcels.clone();
                Box::pin(async move {
                    match batch.apply(&record, &parcels).await {
                        Ok(()) => Ok(Ok(())),
                        Err(ApplyFault::Node(error)) => Err(error),
                        Err(fault) => Ok(Err(fault)),
                    }
                })
            })
            .await?;
        outcome?;
        let lanes = Reader::from(&self.store).lanes(&record).await?;
        Ok(lanes.into_iter().map(|lane| lane.head).collect())
    }
}

impl Batch {
    /// Applies parcels in order. Those before a fault stay: each was whole.
    async fn apply(&mut self, record: &RecordId, parcels: &[Parcel]) -> Result<(), ApplyFault> {
        let ids = parcels.iter().map(|parcel| parcel.op.id()).collect::<Vec<_>>();
        let here = self.lamports(&ids).await?;
        let mut cards = HashMap::new();
        for parcel in parcels {
            if parcel.op.record() != *record {
                return Err(ApplyFault::Lie("an op of another record".to_owned()));
            }
            if here.contains_key(&parcel.op.id()) {
                continue;
            }
            let op = self.check(&parcel.op, parcel, &mut cards).await?;
            let frames = (0..).zip(&parcel.frames).filter_map(|(at, frame)| Some((at, frame.clone()?)));
            let frames = frames.collect::<Vec<_>>();
            let position = self.append(op.clone(), frames.clone()).await?;
            match op.header().kind.lane() {
                LaneKind::Control => self.apply_control(&op, &frames, position).await?,
                LaneKind::Change => {
                    let context = self.known(record).await?;
                    let last_updated = self.last_updated;
                    self.index_op(&context, &op, &frames, position, last_updated, &HashMap::new()).await?;
                }
                LaneKind::Audit => {}
            }
        }
        Ok(())
    }

    /// Believes an op, or says why not.
    async fn check(
        &mut self,
        op: &Op,
        parcel: &Parcel,
        cards: &mut HashMap<IdentityId, Card>,
    ) -> Result<Verified, ApplyFault> {
        let (header, record) = (op.header(), op.record());
        if header.kind == Kind::Genesis {
            let frame = parcel.frames.first().and_then(Option::as_deref);
            let body =
                frame.and_then(|frame| unpack(frame).ok()).and_then(|bytes| Body::decode(Kind::Genesis, &bytes).ok());
            let Some(Body::Genesis(genesis)) = body else {
                return Err(ApplyFault::Lie("a genesis without its body".to_owned()));
            };
            if !self.is_expected(&record).await? {
                return Err(ApplyFault::Later("a record nobody here asked for".to_owned()));
            }
            cards.insert(header.lane.author, genesis.author);
        }
        let card = match cards.get(&header.lane.author) {
            Some(card) => card.clone(),
            None => {
                let card = self.card_of(&record, &header.lane.author).await?;
                let card = card.ok_or_else(|| ApplyFault::Later("the author of an op is not known yet".to_owned()))?;
                cards.insert(header.lane.author, card.clone());
                card
            }
        };
        let verified = verify(op.clone(), &card.statement).map_err(|error| ApplyFault::Lie(error.to_string()))?;
        let cited = header.cited().copied().collect::<Vec<_>>();
        let lamports = self.lamports(&cited).await?;
        if cited.iter().any(|id| !lamports.contains_key(id)) {
            return Err(ApplyFault::Later("ops before this one are not here yet".to_owned()));
        }
        if header.lamport != lamports.values().max().copied().unwrap_or(0) + 1 {
            return Err(ApplyFault::Lie("rule 2.5: a Lamport number that does not follow".to_owned()));
        }
        let head = self.head_of(&record, &header.lane).await?;
        let follows = match (&head, header.previous) {
            (None, None) => true,
            (Some(head), Some(previous)) if head.id == previous => header.seq == head.seq + 1,
            (_, Some(previous)) => {
                // Not after the head: a fork. Both branches are kept, as proof.
                let before = self.reader().await?.op(&previous).await?;
                before.is_some_and(|before| {
                    before.op.header().lane == header.lane && before.op.header().seq + 1 == header.seq
                })
            }
            (Some(_), None) => true,
        };
        if !follows {
            return Err(ApplyFault::Lie("rule 2.3: an op that does not follow its lane".to_owned()));
        }
        Ok(verified)
    }

    /// A record from outside is taken only if this node is pairing for it, asked for access to it, or knows it.
    async fn is_expected(&mut self, record: &RecordId) -> Result<bool, NodeError> {
        let name = record.to_string();
        let mut reader = self.reader().await?;
        for kind in ["pairing", "request"] {
            if reader.tasks(kind).await?.iter().any(|task| task.body.contains(&name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn card_of(&mut self, record: &RecordId, who: &IdentityId) -> Result<Option<Card>, NodeError> {
        if let Some(context) = self.context(record).await?
            && let Some(card) = context.state.members().into_iter().find(|card| card.id() == *who)
        {
            return Ok(Some(card));
        }
        // A record that was asked for: its patient was named by the address, before any control body opens here.
        let mut reader = self.reader().await?;
        for task in reader.tasks("request").await? {
            let Ok(body) = serde_json::from_str::<crate::requests::RequestBody>(&task.body) else { continue };
            let address = record::address::Address::parse(&body.address).ok();
            if address.is_some_and(|address| address.record == *record && address.patient == *who) {
                let known = reader.identity(who).await?;
                return Ok(known.and_then(|known| Card::decode(&known.card).ok()));
            }
        }
        Ok(None)
    }

    /// Takes the keys of a control op that are meant for this identity, folds the record anew, and does what follows.
    pub(crate) async fn apply_control(
        &mut self,
        op: &Verified,
        frames: &[(u32, Vec<u8>)],
        position: i64,
    ) -> Result<(), NodeError> {
        let record = op.record();
        let before = match op.header().kind {
            Kind::Genesis => None,
            _ => self.context(&record).await?,
        };
        let keys = self.unwrap_keys(op, frames);
        self.add_keys(keys);
        let context = self.reload(&record, position).await?;
        self.after_control(before.as_deref(), &context).await
    }

    fn unwrap_keys(&self, op: &Verified, frames: &[(u32, Vec<u8>)]) -> Vec<store::keys::SealedKey> {
        let identity = &self.node.identity;
        let mine = wrap_handle(&op.header().record, &identity.id());
        let mut keys = Vec::new();
        for (at, frame) in frames {
            let Some(entry) = op.entries().get(*at as usize) else { continue };
            if entry.kind != FrameKind::Wrap || entry.handle != mine {
                continue;
            }
            let items =
                identity.open(record::draft::WRAP_INFO, frame).and_then(|plain| decode_items(&plain, op.id()).ok());
            match items {
                Some(items) => keys.extend(items.iter().map(|item| self.node.seal_key(&op.record(), item))),
                None => tracing::warn!(op = %op.id(), "a wrap for this identity does not open"),
            }
        }
        keys
    }

    /// What follows when a record's control state has moved.
    pub(crate) async fn after_control(
        &mut self,
        before: Option<&Context>,
        now: &Arc<Context>,
    ) -> Result<(), NodeError> {
        self.set_known(now);
        for card in now.state.members() {
            let known = Known { id: card.id(), card: card.encode(), name: String::new(), addresses: String::new() };
            self.tx().await?.remember(&known).await?;
        }
        for given in now.state.grants() {
            let known = Known {
                id: given.grant.to.id(),
                card: given.grant.to.encode(),
                name: given.grant.name.clone(),
                addresses: String::new(),
            };
            self.tx().await?.remember(&known).await?;
        }
        self.replay_reach(now).await?;
        let moved = before.is_none_or(|before| {
            before.keys.items().count() != now.keys.items().count()
                || before.state.grants().count() != now.state.grants().count()
                || before.state.claim() != now.state.claim()
                || before.state.grants().zip(now.state.grants()).any(|(a, b)| a.revoked_by != b.revoked_by)
        });
        if moved {
            self.rebuild_foreign(now).await?;
        }
        self.derive(now).await?;
        if self.node.role == Role::Patient {
            self.take_over(now).await?;
        }
        Ok(())
    }

    /// Writes down whose Patient a record is about, and what its grants let one see.
    pub(crate) async fn replay_reach(&mut self, now: &Context) -> Result<(), NodeError> {
        let me = self.node.identity.id();
        if let Some(patient) = now.local.clone() {
            let bound = now.state.custodian().is_none_or(|card| card.id() != me);
            self.set_home(Home { patient, record: now.record, bound });
        }
        let reach = reach_of(now, &me);
        Ok(self.tx().await?.set_reach(&now.record, reach).await?)
    }

    /// Others' versions of a record as the final control state has them.
    pub(crate) async fn replay_foreign(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        self.rebuild_foreign(context).await
    }

    /// Indexes the others' versions of a record anew: keys came, or a line was drawn.
    async fn rebuild_foreign(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        let record = context.record;
        let mut journal = HashMap::new();
        let mut reader = self.reader().await?;
        for (op, place, position, last_updated) in reader.journal_of(&record).await? {
            journal.insert((op, place), (position, last_updated));
        }
        let mut shown = HashSet::new();
        for version in reader.record_versions(&record, i64::MAX, i64::MAX).await? {
            shown.insert((version.op, version.place));
        }
        let ops = reader.ops_after(&record, 0, i64::MAX).await?;
        self.tx().await?.remove_foreign(&record).await?;
        let me = self.node.identity.id();
        let gone = context.state.authority().is_none_or(|card| card.id() != me)
            && !context.state.grants().any(|given| given.grant.to.id() == me && given.revoked_by.is_none());
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
                    journal.insert(key, (self.positions(1), self.last_updated));
                }
            }
            let op = stored.op.clone();
            self.index_op(context, &op, &frames, stored.position, stored.last_updated, &journal).await?;
        }
        let rows = journal.into_iter().map(|((op, place), (position, at))| (op, place, position, at));
        let rows = rows.collect::<Vec<_>>();
        self.tx().await?.journal(&rows).await?;
        Ok(())
    }

    /// Others' frames are not kept once nothing lets one see them.
    async fn forget_frames(&mut self, op: &Op) -> Result<(), NodeError> {
        for (at, entry) in (0..).zip(op.entries()) {
            if entry.is_resource() {
                self.tx().await?.delete_frame(&op.id(), at).await?;
            }
        }
        Ok(())
    }

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
        let counts = own || counts(&mut self.reader().await?, context, op).await?;
        let frames = frames.iter().map(|(at, frame)| (*at, frame.as_slice())).collect::<BTreeMap<_, _>>();
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
                continue;
            };
            if !counts {
                continue;
            }
            match open_resource(op, at, entry, frame, context) {
                Ok(Some(content)) => {
                    let place = journal.get(&(op.id(), at)).copied();
                    let (position, last_updated) = place.unwrap_or((position + i64::from(at), last_updated));
                    self.index_content(context, op, at, content, position, last_updated).await?;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(op = %op.id(), place = at, %error, "a received frame is unreadable"),
            }
        }
        Ok(())
    }

    async fn index_content(
        &mut self,
        context: &Arc<Context>,
        op: &Op,
        place: u32,
        content: Content,
        position: i64,
        last_updated: i64,
    ) -> Result<(), NodeError> {
        let (me, author) = (self.node.identity.id(), op.header().lane.author);
        let Some(kind) = ResourceType::parse(&content.resource_type) else { return Ok(()) };
        let own = author == me;
        if own && content.method == Method::Copy {
            self.set_copy(context.record, kind.number(), content.id, content.house_seq as i64);
            return Ok(());
        }
        if !fhir::primitive::is_id(&content.id) {
            tracing::warn!(op = %op.id(), place, "a resource whose id is none was not applied");
            return Ok(());
        }
        if content.origin != author {
            tracing::warn!(op = %op.id(), place, "a resource of another origin than its author was not applied");
            return Ok(());
        }
        let id = crate::rewrite::served_id(&me, &content.origin, &content.id);
        let (mut class, mut index) = (op.entries()[place as usize].class, Vec::new());
        if content.method != Method::Delete {
            let Ok(doc) = fhir::json::Doc::parse(content.json) else {
                tracing::warn!(op = %op.id(), place, "a received resource does not parse");
                return Ok(());
            };
            if own {
                class = crate::prepare::class_of(&doc, kind);
                index = index::rows(&doc, kind);
            } else {
                let shown = crate::rewrite::for_viewer(&me, &author, context, &doc);
                if let Ok(doc) = fhir::json::Doc::parse(shown) {
                    index = index::rows(&doc, kind);
                }
            }
        }
        let lamport = if content.method == Method::Copy { content.house_seq } else { op.header().lamport };
        let before = self.current(kind.number(), &id).await?;
        let current = match &before {
            None => true,
            // One's own: the last written, in whatever record. Ops that come back after a restore are older.
            Some(before) if own => before.position < position && before.last_updated <= newest(op, last_updated),
            Some(before) => (before.lamport, before.op) < (lamport, op.id()),
        };
        let retires = before.filter(|before| current && before.current).map(|before| before.position);
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
                own,
                class,
                method: content.method as u8,
                current,
                lamport,
                last_updated,
                seal: seal_of(op, &op.entries()[place as usize]),
                json: Vec::new(),
                index: if current { index } else { Vec::new() },
            },
            retires,
        );
        Ok(())
    }
}

/// When an own op was written, as far as its log or its header tells, in microseconds.
fn newest(op: &Op, last_updated: i64) -> i64 {
    let wall = i64::try_from(op.header().wall_ms).unwrap_or(i64::MAX).saturating_mul(1000);
    // A log entry is a little later than its op; one that is much later came back from a peer.
    if last_updated.saturating_sub(wall) > 3_600_000_000 { wall } else { last_updated }
}

/// What the grants of a record let `me` see.
fn reach_of(context: &Context, me: &IdentityId) -> Vec<Reach> {
    let line =
        |kind, class, start_ms, end_ms, grant| Reach { record: context.record, kind, class, start_ms, end_ms, grant };
    if context.state.authority().is_some_and(|card| card.id() == *me) {
        return record::Class::all().map(|class| line(None, class, 0, None, String::new())).collect();
    }
    let mut reach = Vec::new();
    let open = context
        .state
        .grants()
        .filter(|given| given.grant.to.id() == *me && given.revoked_by.is_none() && given.replaced_by.is_none());
    for given in open {
        let (start, end) = (given.grant.start_ms, (given.grant.end_ms != 0).then_some(given.grant.end_ms));
        for (class, kind) in given.grant.open_reads() {
            let kind = match kind {
                None => None,
                Some(name) => match ResourceType::parse(&name) {
                    Some(kind) => Some(kind.number()),
                    None => continue,
                },
            };
            reach.push(line(kind, class, start, end, given.id.text()));
        }
    }
    reach
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
        let mut ops = BTreeMap::<OpId, (Op, Vec<(u32, Vec<u8>)>)>::new();
        for (id, frame) in frames {
            let mut reader = self.reader().await?;
            let Some(stored) = reader.op(&id.op).await? else { continue };
            let entry = stored.op.entries().get(id.index as usize).filter(|_| stored.op.record() == *record);
            if !entry.is_some_and(|entry| record::frame::matches(entry, frame)) {
                return Err(ApplyFault::Lie("rule 3.6: a frame that is not the signed one".to_owned()));
            }
            if reader.frame(&id.op, id.index).await?.is_some() {
                continue;
            }
            ops.entry(id.op).or_insert_with(|| (stored.op, Vec::new())).1.push((id.index, frame.clone()));
        }
        let mut count = 0;
        for (op, frames) in ops.into_values() {
            count += frames.len();
            let (mut journal, mut rows) = (HashMap::new(), Vec::new());
            for (at, frame) in &frames {
                let position = self.positions(1);
                journal.insert((op.id(), *at), (position, self.last_updated));
                rows.push((op.id(), *at, position, self.last_updated));
                let tx = self.tx().await?;
                tx.add_frames(vec![(op.id(), *at, frame.clone())]).await?;
                tx.found(&op.id(), *at).await?;
            }
            self.tx().await?.journal(&rows).await?;
            self.index_frames(&context, &op, &frames, &journal).await?;
        }
        self.moved_now(*record);
        Ok(count)
    }

    /// As [`Batch::index_op`], for these frames alone.
    async fn index_frames(
        &mut self,
        context: &Arc<Context>,
        op: &Op,
        frames: &[(u32, Vec<u8>)],
        journal: &HashMap<(OpId, u32), (i64, i64)>,
    ) -> Result<(), NodeError> {
        let own = op.header().lane.author == self.node.identity.id();
        if !own && !counts(&mut self.reader().await?, context, op).await? {
            return Ok(());
        }
        for (at, frame) in frames {
            let (Some(entry), Some((position, last_updated))) =
                (op.entries().get(*at as usize), journal.get(&(op.id(), *at)))
            else {
                continue;
            };
            if let (true, Ok(Some(content))) = (entry.is_resource(), open_resource(op, *at, entry, frame, context)) {
                self.index_content(context, op, *at, content, *position, *last_updated).await?;
            }
        }
        Ok(())
    }
}
