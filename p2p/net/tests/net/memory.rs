//! The second implementation of the port: ops in memory, counted by lane, believed without signatures.

use net::{Applied, ApplyError, FrameId, Log, Outgoing, PeerKey, Refusal, Suffix};
use record::{Head, IdentityId, Lane, LaneKind, OpId, RecordId};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};
use tokio::sync::watch;

/// One record as this node holds it.
#[derive(Default, Clone)]
pub struct Held {
    pub members: HashSet<IdentityId>,
    pub lanes: BTreeMap<Lane, Vec<Vec<u8>>>,
    pub frames: HashMap<FrameId, Vec<u8>>,
    pub wanted: BTreeSet<FrameId>,
    pub acknowledged: HashMap<IdentityId, Vec<Head>>,
}

/// Everything, and how this node misbehaves on demand.
#[derive(Default)]
pub struct State {
    pub records: BTreeMap<RecordId, Held>,
    pub refused: HashSet<IdentityId>,
    pub faults: bool,
    pub retries: usize,
    pub gives_nothing: bool,
    pub calls: HashMap<&'static str, usize>,
}

/// A log in memory.
pub struct Memory {
    pub me: IdentityId,
    pub state: Mutex<State>,
    pub changed: watch::Sender<u64>,
}

impl Memory {
    pub fn new(me: u8) -> Self {
        Self { me: IdentityId([me; 32]), state: Mutex::default(), changed: watch::Sender::new(0) }
    }

    /// Looks or changes; wakes whoever waits.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let result = work(&mut self.state.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    fn called<T>(&self, call: &'static str, work: impl FnOnce(&mut State) -> T) -> T {
        self.with(|state| {
            *state.calls.entry(call).or_default() += 1;
            work(state)
        })
    }

    pub fn calls(&self, call: &'static str) -> usize {
        self.state.lock().unwrap().calls.get(call).copied().unwrap_or_default()
    }

    pub fn share(&self, record: RecordId, who: IdentityId) {
        self.with(|state| state.records.entry(record).or_default().members.insert(who));
    }

    /// Appends `count` ops of `bytes` each to our own lane.
    pub fn write(&self, record: RecordId, count: usize, bytes: usize) {
        let lane = Lane { author: self.me, kind: LaneKind::Change, instance: 1 };
        self.with(|state| {
            let ops = state.records.entry(record).or_default().lanes.entry(lane).or_default();
            for _ in 0..count {
                ops.push(op(lane, ops.len() as u64, bytes));
            }
        });
    }

    pub fn count(&self, record: RecordId) -> usize {
        let state = self.state.lock().unwrap();
        state.records.get(&record).map_or(0, |held| held.lanes.values().map(Vec::len).sum())
    }

    pub fn all(&self, record: RecordId) -> BTreeMap<Lane, Vec<Vec<u8>>> {
        self.state.lock().unwrap().records.get(&record).map(|held| held.lanes.clone()).unwrap_or_default()
    }
}

pub fn op(lane: Lane, seq: u64, bytes: usize) -> Vec<u8> {
    let mut op = lane.author.bytes().to_vec();
    op.push(lane.kind as u8);
    op.extend(lane.instance.to_be_bytes());
    op.extend(seq.to_be_bytes());
    op.resize(op.len() + bytes, seq as u8);
    op
}

fn read(op: &[u8]) -> Option<(Lane, u64)> {
    let author = IdentityId::from_slice(op.get(..32)?)?;
    let kind = LaneKind::from_number(u64::from(*op.get(32)?))?;
    let number = |at: usize| Some(u64::from_be_bytes(op.get(at..at + 8)?.try_into().ok()?));
    Some((Lane { author, kind, instance: number(33)? }, number(41)?))
}

pub fn id(op: &[u8]) -> OpId {
    let mut hasher = DefaultHasher::new();
    op.hash(&mut hasher);
    let mut id = [0; 32];
    id[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    OpId(id)
}

fn heads(held: &Held) -> Vec<Head> {
    let head = |(lane, ops): (&Lane, &Vec<Vec<u8>>)| {
        Some(Head { lane: *lane, seq: ops.len().checked_sub(1)? as u64, id: id(ops.last()?) })
    };
    held.lanes.iter().filter_map(head).collect()
}

impl Log for Memory {
    fn hello(&self, own: PeerKey, _: &[String]) -> Vec<u8> {
        [&self.me.0[..], &own.0].concat()
    }

    async fn greet(&self, peer: PeerKey, hello: &[u8]) -> Result<IdentityId, Refusal> {
        let who = hello.get(..32).and_then(IdentityId::from_slice).ok_or(Refusal::new("no identity"))?;
        if hello[32..] != peer.0 {
            return Err(Refusal::new("not your key"));
        }
        self.called("greet", |state| match state.refused.contains(&who) {
            true => Err(Refusal::new("not you")),
            false => Ok(who),
        })
    }

    async fn records(&self, who: IdentityId) -> Vec<RecordId> {
        self.called("records", |state| {
            let shared = state.records.iter().filter(|(_, held)| held.members.contains(&who));
            shared.map(|(record, _)| *record).collect()
        })
    }

    async fn heads(&self, who: IdentityId, record: RecordId) -> Vec<Head> {
        self.called("heads", |state| {
            let held = state.records.get(&record).filter(|held| held.members.contains(&who));
            held.map(heads).unwrap_or_default()
        })
    }

    async fn suffix(&self, who: IdentityId, record: RecordId, have: &[Head], bytes_max: usize) -> Suffix {
        self.called("suffix", |state| {
            let mut suffix = Suffix::default();
            let held = state.records.get(&record).filter(|held| held.members.contains(&who));
            let Some(held) = held.filter(|_| !state.gives_nothing) else { return suffix };
            let mut bytes = 0;
            for (lane, ops) in &held.lanes {
                let from = have.iter().find(|head| head.lane == *lane).map_or(0, |head| head.seq as usize + 1);
                for (seq, op) in ops.iter().enumerate().skip(from) {
                    if bytes > 0 && bytes + op.len() > bytes_max {
                        suffix.more = true;
                        return suffix;
                    }
                    bytes += op.len();
                    let head = Head { lane: *lane, seq: seq as u64, id: id(op) };
                    let previous = seq.checked_sub(1).map(|before| id(&ops[before]));
                    suffix.ops.push(Outgoing { head, previous, bytes: op.clone() });
                }
            }
            suffix
        })
    }

    async fn apply(&self, who: IdentityId, record: RecordId, ops: Vec<Vec<u8>>) -> Result<Applied, ApplyError> {
        self.called("apply", |state| {
            if state.faults {
                return Err(ApplyError::Fault("a signature does not verify".into()));
            }
            if state.retries > 0 {
                state.retries -= 1;
                return Err(ApplyError::Retry("the database is away".into()));
            }
            let held = state.records.entry(record).or_default();
            held.members.insert(who);
            let mut sent = BTreeMap::new();
            for op in ops {
                let (lane, seq) = read(&op).ok_or(ApplyError::Fault("no op".into()))?;
                sent.insert(lane, Head { lane, seq, id: id(&op) });
                let lane = held.lanes.entry(lane).or_default();
                match usize::try_from(seq).unwrap().cmp(&lane.len()) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => lane.push(op),
                    std::cmp::Ordering::Greater => return Err(ApplyError::Retry("an ancestor is missing".into())),
                }
            }
            Ok(Applied { held: heads(held), sent: sent.into_values().collect() })
        })
    }

    async fn wanted(&self, _: IdentityId, record: RecordId) -> Vec<FrameId> {
        self.called("wanted", |state| {
            state.records.get(&record).map(|held| held.wanted.iter().copied().collect()).unwrap_or_default()
        })
    }

    async fn frames(
        &self,
        who: IdentityId,
        record: RecordId,
        frames: &[FrameId],
        bytes_max: usize,
    ) -> Vec<(FrameId, Vec<u8>)> {
        self.called("frames", |state| {
            let held = state.records.get(&record).filter(|held| held.members.contains(&who));
            let Some(held) = held else { return Vec::new() };
            let mut bytes = 0;
            let found = frames.iter().filter_map(|id| Some((*id, held.frames.get(id)?.clone())));
            found
                .take_while(|(_, frame)| {
                    let first = bytes == 0;
                    bytes += frame.len();
                    first || bytes <= bytes_max
                })
                .collect()
        })
    }

    async fn fill(
        &self,
        _: IdentityId,
        record: RecordId,
        frames: Vec<(FrameId, Vec<u8>)>,
    ) -> Result<usize, ApplyError> {
        self.called("fill", |state| {
            let held = state.records.entry(record).or_default();
            let mut new = 0;
            for (id, frame) in frames {
                assert!(held.wanted.remove(&id), "only what was asked for is filled in");
                held.frames.insert(id, frame);
                new += 1;
            }
            Ok(new)
        })
    }

    async fn acknowledged(&self, who: IdentityId, record: RecordId, heads: &[Head]) {
        self.called("acknowledged", |state| {
            if let Some(held) = state.records.get_mut(&record) {
                held.acknowledged.insert(who, heads.to_vec());
            }
        });
    }

    async fn ask(&self, who: IdentityId, topic: String, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        self.called("ask", |_| {});
        match topic.as_str() {
            "echo" => Ok([&who.0[..1], &body].concat()),
            "hang" => std::future::pending().await,
            _ => Err(Refusal::new(format!("{topic} is unknown\n"))),
        }
    }
}
