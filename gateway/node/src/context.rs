//! What a node remembers of a record between requests: its folded state, its keys. Stale when the record's control
//! position has moved, on whichever process. Called by every write, apply and policy decision.

mod fold;

use crate::error::NodeError;
use crate::node::Node;
use record::body::Body;
use record::entry::{FrameKind, KeyName};
use record::frame::{Place, unpack};
use record::keys::{KeyItem, Keyring, Level};
use record::state::{Judgement, Quarantine};
use record::{Identity, IdentityId, Op, OpId, RecordId, State};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use store::db::Reader;
use store::keys::SealedKey;

/// Most records remembered; a hospital's busy ones, at some kilobytes each.
const CONTEXTS_MAX: usize = 20_000;

/// A record as remembered.
pub(crate) struct Context {
    pub(crate) record: RecordId,
    /// Position of the last control op it was folded from.
    pub(crate) control: i64,
    pub(crate) state: State,
    pub(crate) keys: Keyring,
    pub(crate) handle_key: [u8; 32],
    /// The local Patient that is this record's subject: one that this node itself named.
    pub(crate) local: Option<String>,
}

/// Records remembered.
#[derive(Default)]
pub(crate) struct Contexts(Mutex<HashMap<RecordId, Arc<Context>>>);

impl Contexts {
    pub(crate) fn get(&self, record: &RecordId) -> Option<Arc<Context>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(record).cloned()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn put(&self, context: Arc<Context>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= CONTEXTS_MAX {
            map.clear();
        }
        map.insert(context.record, context);
    }
}

impl Context {
    /// Loads and folds a record as `reader` sees it.
    pub(crate) async fn load(
        node: &Node,
        reader: &mut Reader<'_>,
        record: &RecordId,
        control: i64,
    ) -> Result<Self, NodeError> {
        let mut keys = Keyring::default();
        for sealed in reader.keys(record).await? {
            if let Some(item) = node.unseal(&sealed) {
                keys.add(item);
            }
        }
        let mut controls = Vec::new();
        // A reindex folds the record as it was at each control op; otherwise there is nothing after `control`.
        for stored in reader.control_ops(record).await?.into_iter().filter(|stored| stored.position <= control) {
            controls.push((stored.op.clone(), reader.frame(&stored.op.id(), 0).await?));
        }
        // Newest first: a keys op hands on the control keys before it.
        for (op, frame) in controls.iter().rev() {
            if let Some(Body::Keys(body)) = open_body(op, frame.as_deref(), &keys)
                && let Some(control) = keys.key(&[op.id()], &Level::Control)
            {
                body.open_previous(&control).into_iter().for_each(|item| keys.add(item));
            }
        }
        let state = fold::fold(node, controls, &mut keys);
        // Whoever sealed a key to this identity may have lied: only the secret its epoch committed to is one (rule 5.2).
        keys.retain(|item| state.is_committed(item));
        let handle_key = state.genesis().map_or([0; 32], |genesis| genesis.handle_key());
        let local = own_binding(node, reader, record, &state).await?;
        Ok(Self { record: *record, control, state, keys, handle_key, local })
    }

    /// Whether `who` acts as the record's authority: whoever is in charge, a device of the patient's that is in, or the root.
    pub(crate) fn speaks(&self, who: &IdentityId) -> bool {
        self.state.word_of(who).is_some()
    }

    /// Whether the record is `who`'s own to look at: it speaks for it, or is a device that was stopped and keeps what it had.
    pub(crate) fn is_own(&self, who: &IdentityId) -> bool {
        self.speaks(who) || self.state.standing_of(who).is_some()
    }

    /// Every (origin, Patient id) that is this record's subject.
    pub(crate) fn bound(&self) -> impl Iterator<Item = (record::IdentityId, String)> + '_ {
        self.state.grants().filter_map(|given| given.grant.bound.clone())
    }
}

/// The Patient of this node's own that a grant is bound to. Grants are others' words: only a Patient that this node
/// wrote into the record, or named in its own request for it, is believed.
async fn own_binding(
    node: &Node,
    reader: &mut Reader<'_>,
    record: &RecordId,
    state: &State,
) -> Result<Option<String>, NodeError> {
    let me = node.identity.id();
    let bound = state.grants().filter_map(|given| given.grant.bound.as_ref());
    let named = bound.filter(|(origin, _)| *origin == me).map(|(_, id)| id.clone()).collect::<Vec<_>>();
    if named.is_empty() {
        return Ok(None);
    }
    let homes = reader.homes_of(record).await?;
    if let Some(home) = homes.into_iter().find(|home| named.contains(&home.patient)) {
        return Ok(Some(home.patient));
    }
    for task in reader.tasks("request").await? {
        let Ok(body) = serde_json::from_str::<crate::requests::RequestBody>(&task.body) else { continue };
        if body.record == record.to_string() && named.contains(&body.patient) {
            return Ok(Some(body.patient));
        }
    }
    Ok(None)
}

/// Opens the body of an op, if a key here does.
pub(crate) fn open_body(op: &Op, frame: Option<&[u8]>, keys: &Keyring) -> Option<Body> {
    let entry = op.entries().first().filter(|entry| entry.kind == FrameKind::Body)?;
    let frame = frame?;
    let content = match entry.key {
        KeyName::Plain => unpack(frame).ok()?,
        name => place_of(op, 0).open(&*keys.body_key(&name, op.id())?, frame).ok()?,
    };
    Body::decode_sealed(op.header().kind, &entry.key, &content).ok()
}

/// Opens a body that was sealed to this identity.
pub(crate) fn open_sealed_body(identity: &Identity, op: &Op, frame: &[u8]) -> Option<Body> {
    let packed = identity.open(record::draft::WRAP_INFO, frame)?;
    Body::decode(op.header().kind, &unpack(&packed).ok()?).ok()
}

/// Where a frame of an op stands.
pub(crate) fn place_of(op: &Op, frame: u32) -> Place {
    Place { record: op.header().record, lane: op.header().lane, seq: op.header().seq, frame }
}

/// Most ops remembered of forked lanes, 32 bytes each and a little more.
const KEPT_OPS_MAX: usize = 1_000_000;
/// Places of a lane that one statement reads.
const WALK_PLACES: u64 = 4096;

/// Of forked lanes, what `previous` reaches from the heads that lines keep, by head. It never changes, since an op's name
/// says what is before it; only a head that was not here may come.
#[derive(Default)]
pub(crate) struct Kept(HashMap<OpId, HashSet<OpId>>);

impl Kept {
    /// An op came: what is reached from it is looked up anew.
    pub(crate) fn came(&mut self, op: &OpId) {
        self.0.remove(op);
    }

    async fn reached(
        &mut self,
        reader: &mut Reader<'_>,
        record: &RecordId,
        head: &OpId,
    ) -> Result<&HashSet<OpId>, NodeError> {
        if !self.0.contains_key(head) {
            let reached = reached(reader, record, head, 0).await?;
            if self.0.values().map(HashSet::len).sum::<usize>() + reached.len() > KEPT_OPS_MAX {
                self.0.clear();
            }
            self.0.insert(*head, reached);
        }
        Ok(self.0.entry(*head).or_default())
    }
}

/// The ops that `previous` reaches from `head`, with it, down to the place `from`; none where it is not here.
pub(crate) async fn reached(
    reader: &mut Reader<'_>,
    record: &RecordId,
    head: &OpId,
    from: u64,
) -> Result<HashSet<OpId>, NodeError> {
    let mut reached = HashSet::new();
    let Some(top) = reader.op(head).await? else { return Ok(reached) };
    let (lane, mut to) = (top.op.header().lane, top.op.header().seq);
    let mut at = Some(*head);
    while at.is_some() && to >= from {
        let first = to.saturating_sub(WALK_PLACES - 1).max(from);
        let mut before = HashMap::new();
        before.extend(reader.lane_between(record, &lane, (first, to)).await?);
        while let Some((id, previous)) = at.and_then(|id| Some((id, before.remove(&id)?))) {
            reached.insert(id);
            at = previous;
        }
        let Some(next) = first.checked_sub(1) else { break };
        to = next;
    }
    Ok(reached)
}

/// What the state says of a change; where its lane has forked, only what `previous` reaches from the head that a line
/// keeps is kept (rule 6.3), and here are the ops to walk. Whoever judges many ops has `kept` remember what was walked.
pub(crate) async fn judge(
    reader: &mut Reader<'_>,
    context: &Context,
    op: &Op,
    mut kept: Option<&mut Kept>,
) -> Result<Judgement, NodeError> {
    let header = op.header();
    let judgement = context.state.judge(&op.id(), header, op.entries());
    if judgement != Judgement::Counts {
        return Ok(judgement);
    }
    let heads = context.state.kept_heads(header);
    if heads.is_empty() || !reader.is_forked(&context.record, &header.lane).await? {
        return Ok(judgement);
    }
    for head in heads {
        let is_reached = match &mut kept {
            Some(kept) => kept.reached(reader, &context.record, &head.id).await?.contains(&op.id()),
            None => reached(reader, &context.record, &head.id, header.seq).await?.contains(&op.id()),
        };
        if !is_reached {
            return Ok(Judgement::Quarantined(Quarantine::BeyondTheLine));
        }
    }
    Ok(judgement)
}

/// Whether a change counts.
pub(crate) async fn counts(reader: &mut Reader<'_>, context: &Context, op: &Op) -> Result<bool, NodeError> {
    Ok(judge(reader, context, op, None).await? == Judgement::Counts)
}

impl Node {
    /// What is remembered of a record, loaded anew if its control ops have moved.
    pub(crate) async fn context(
        &self,
        reader: &mut Reader<'_>,
        record: &RecordId,
    ) -> Result<Option<Arc<Context>>, NodeError> {
        let Some(known) = reader.record(record).await? else {
            return Ok(None);
        };
        if let Some(context) = self.contexts.get(record)
            && context.control == known.control
        {
            return Ok(Some(context));
        }
        let context = Arc::new(Context::load(self, reader, record, known.control).await?);
        // Inside a transaction the record may be rolled back: only what is committed is remembered.
        if let Reader::Pool(_) = reader {
            self.contexts.put(context.clone());
        }
        Ok(Some(context))
    }

    /// Seals a key for the store.
    pub(crate) fn seal_key(&self, record: &RecordId, item: &KeyItem) -> SealedKey {
        let level = level_name(&item.level);
        let nonce = key_nonce(record, &item.epoch, &level);
        let sealed = record::seal::seal(&self.storage_key, &nonce, record.bytes(), &item.secret[..]);
        SealedKey { record: *record, epoch: item.epoch, level, sealed }
    }

    pub(crate) fn unseal(&self, key: &SealedKey) -> Option<KeyItem> {
        let nonce = key_nonce(&key.record, &key.epoch, &key.level);
        let secret = record::seal::open(&self.storage_key, &nonce, key.record.bytes(), &key.sealed)?;
        let secret = <[u8; 32]>::try_from(secret).ok()?;
        Some(KeyItem { epoch: key.epoch, level: parse_level(&key.level)?, secret: secret.into() })
    }
}

fn key_nonce(record: &RecordId, epoch: &OpId, level: &str) -> [u8; 12] {
    let text = [record.bytes(), epoch.bytes(), level.as_bytes()].concat();
    record::seal::storage_nonce(&text)
}

pub(crate) fn level_name(level: &Level) -> String {
    match level {
        Level::Epoch => "epoch".to_owned(),
        Level::Control => "control".to_owned(),
        Level::Class(class) => format!("class:{}", class.0),
        Level::Type(class, kind) => format!("type:{}:{kind}", class.0),
        Level::Write(class, kind) => format!("write:{}:{kind}", class.0),
    }
}

fn parse_level(text: &str) -> Option<Level> {
    match text.split(':').collect::<Vec<_>>()[..] {
        ["epoch"] => Some(Level::Epoch),
        ["control"] => Some(Level::Control),
        ["class", class] => Some(Level::Class(record::Class(class.parse().ok()?))),
        ["type", class, kind] => Some(Level::Type(record::Class(class.parse().ok()?), kind.to_owned())),
        ["write", class, kind] => Some(Level::Write(record::Class(class.parse().ok()?), kind.to_owned())),
        _ => None,
    }
}
