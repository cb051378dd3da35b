//! A world of ops without signatures or sealing: who knows what, what each writes from what it knows, and how a set of ops
//! is folded. Ids are real, so that the order of (Lamport number, op id) is the one nodes have.

use record::body::Body;
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::body::revoke::Revoke;
use record::entry::{FrameKind, KeyName};
use record::header::{Authority, GrantId, Header, Kind};
use record::state::{Control, Judgement};
use record::{Change, Class, Entropy, Entry, Head, Identity, Lane, LaneKind, Ledger, OpId, RecordId, State};
use std::collections::{BTreeSet, HashMap};

/// An op with what it says and what it writes.
#[derive(Clone)]
pub struct Said {
    pub id: OpId,
    pub header: Header,
    pub body: Option<Body>,
    pub entries: Vec<Entry>,
}

/// What somebody knows: indexes into the world's ops.
pub type View = BTreeSet<u16>;

/// What is to be written, by whom and as what.
#[derive(Clone)]
pub struct Write {
    pub author: usize,
    pub kind: Kind,
    pub authority: Authority,
    pub body: Option<Body>,
    pub entries: Vec<Entry>,
    pub instance: u64,
    pub key_number: u64,
    /// The author passes over what it knows from this op of its lane on: it forks.
    pub forget: Option<OpId>,
}

pub struct World {
    pub who: Vec<Identity>,
    pub ops: Vec<Said>,
    pub record: RecordId,
    by_id: HashMap<OpId, u16>,
}

impl World {
    /// A record opened by `who[0]`.
    pub fn open(who: Vec<Identity>, purpose: Purpose) -> (Self, View) {
        let mut world = Self { who, ops: Vec::new(), record: RecordId([0; 32]), by_id: HashMap::new() };
        let genesis = Genesis {
            random: [1; 32],
            format_version: 1,
            purpose,
            author: world.who[0].card().clone(),
            successor: None,
            commitment: [0; 32],
        };
        let mut view = View::new();
        let write = Write::control(0, Kind::Genesis, Body::Genesis(genesis));
        let op = world.write(&view, write);
        world.record = RecordId(world.ops[usize::from(op)].id.0);
        view.insert(op);
        (world, view)
    }

    /// Identities drawn from a seed.
    pub fn people(count: usize) -> Vec<Identity> {
        let mut entropy = Entropy::new([8; 32]);
        (0..count).map(|_| Identity::generate(&mut entropy)).collect()
    }

    pub fn op(&self, at: u16) -> &Said {
        &self.ops[usize::from(at)]
    }

    pub fn id(&self, at: u16) -> OpId {
        self.op(at).id
    }

    pub fn find(&self, id: &OpId) -> u16 {
        self.by_id[id]
    }

    pub fn controls(&self, view: &View) -> Vec<Control> {
        let ops = view.iter().map(|at| self.op(*at)).filter(|said| said.header.lane.kind == LaneKind::Control);
        ops.map(|said| Control { id: said.id, header: said.header.clone(), body: said.body.clone() }).collect()
    }

    pub fn changes<'w>(&'w self, view: &'w View) -> impl DoubleEndedIterator<Item = &'w Said> + 'w {
        view.iter().map(|at| self.op(*at)).filter(|said| said.header.lane.kind == LaneKind::Change)
    }

    pub fn state(&self, view: &View) -> State {
        State::fold(&self.controls(view))
    }

    pub fn ledger(&self, state: &State, view: &View) -> Ledger {
        let mut ledger = Ledger::default();
        for said in self.changes(view) {
            ledger.add(state, said.change());
        }
        ledger
    }

    pub fn counts(&self, state: &State, ledger: &Ledger, at: u16) -> bool {
        let said = self.op(at);
        match said.header.lane.kind {
            LaneKind::Control => state.counts(&said.id),
            _ => ledger.judgement(&said.id) == Some(Judgement::Counts),
        }
    }

    /// Everything in the past of an op, itself included.
    pub fn past(&self, at: u16) -> View {
        let (mut past, mut next) = (View::new(), vec![at]);
        while let Some(at) = next.pop() {
            if past.insert(at) {
                next.extend(self.op(at).header.cited().map(|id| self.by_id[id]));
            }
        }
        past
    }

    /// The ops of a lane as `view` has them, in order.
    pub fn lane(&self, view: &View, lane: &Lane) -> Vec<u16> {
        let mut ops = view.iter().copied().filter(|at| self.op(*at).header.lane == *lane).collect::<Vec<_>>();
        ops.sort_by_key(|at| (self.op(*at).header.seq, *at));
        ops
    }

    /// The heads of every lane of `whose` that `view` has: what a line drawn now keeps.
    pub fn heads(&self, view: &View, whose: usize) -> Vec<Head> {
        let author = self.who[whose].id();
        let mut heads = HashMap::<Lane, Head>::new();
        for said in view.iter().map(|at| self.op(*at)).filter(|said| said.header.lane.author == author) {
            let head = Head { lane: said.header.lane, seq: said.header.seq, id: said.id };
            let kept = heads.entry(head.lane).or_insert(head);
            if kept.seq < head.seq {
                *kept = head;
            }
        }
        let mut heads = heads.into_values().collect::<Vec<_>>();
        heads.sort();
        heads
    }

    /// Writes from what `view` knows; the same write from the same knowledge is the same op.
    pub fn write(&mut self, view: &View, write: Write) -> u16 {
        let lane = Lane { author: self.who[write.author].id(), kind: write.kind.lane(), instance: write.instance };
        let forgotten = write.forget.map(|id| self.by_id[&id]);
        let knows = |at: &u16| forgotten.is_none_or(|from| !self.past(*at).contains(&from));
        let known = view.iter().copied().filter(knows).collect::<View>();
        let own = self.lane(&known, &lane).last().map(|at| self.op(*at));
        let heads = |kind: LaneKind| {
            let ops = known.iter().map(|at| self.op(*at)).filter(|said| said.header.lane.kind == kind);
            let ops = ops.collect::<Vec<_>>();
            // What an op of the same kind stands on is no head any more.
            let cited = ops.iter().flat_map(|said| said.header.cited()).copied().collect::<BTreeSet<_>>();
            let heads =
                ops.into_iter().filter(|said| said.header.lane.kind == LaneKind::Control || said.header.lane != lane);
            heads.filter(|said| !cited.contains(&said.id)).map(|said| said.id).collect::<BTreeSet<_>>()
        };
        let control_heads = heads(LaneKind::Control);
        let data_heads = if lane.kind == LaneKind::Change { heads(LaneKind::Change) } else { BTreeSet::new() };
        let stands_on = control_heads.iter().chain(&data_heads).map(|id| self.op(self.by_id[id]).header.lamport);
        let lamport = stands_on.chain(own.map(|own| own.header.lamport)).max().unwrap_or(0) + 1;
        let header = Header {
            record: self.record,
            lane,
            key_number: write.key_number,
            seq: own.map_or(0, |own| own.header.seq + 1),
            previous: own.map(|own| own.id),
            control_heads: control_heads.into_iter().collect(),
            data_heads: data_heads.into_iter().collect(),
            lamport,
            wall_ms: 0,
            kind: write.kind,
            authority: write.authority,
            entries_root: root(&write),
        };
        let id = Header::id_of(&header.encode());
        if let Some(at) = self.by_id.get(&id) {
            return *at;
        }
        let at = u16::try_from(self.ops.len()).unwrap();
        self.ops.push(Said { id, header, body: write.body, entries: write.entries });
        self.by_id.insert(id, at);
        at
    }

    pub fn grant(&self, to: usize, scope: &str) -> Grant {
        Grant {
            to: self.who[to].card().clone(),
            name: String::new(),
            scope: scope.into(),
            classes: vec![Class::NORMAL, Class(1)],
            purpose: "TREAT".into(),
            start_ms: 0,
            end_ms: 0,
            delegate: false,
            shared: false,
            replaces: Vec::new(),
            bound: None,
            request: String::new(),
        }
    }

    /// Gives a grant from what `view` knows, and takes it into the view.
    pub fn give(&mut self, view: &mut View, by: usize, grant: Grant) -> GrantId {
        let at = self.write(view, Write::control(by, Kind::Grant, Body::Grant(Grants { grants: vec![grant] })));
        view.insert(at);
        GrantId { op: self.id(at), index: 0 }
    }

    /// A revoke that keeps all of `whose` that `view` has.
    pub fn revoke(&self, view: &View, by: usize, grant: GrantId, whose: usize) -> Write {
        let body = Revoke { grants: vec![grant], identities: Vec::new(), retains: self.heads(view, whose) };
        Write::control(by, Kind::Revoke, Body::Revoke(body))
    }
}

fn root(write: &Write) -> [u8; 32] {
    let body = write.body.as_ref().map(Body::encode).unwrap_or_default();
    let entries = record::entry::encode(&write.entries);
    // `Header::id_of` is BLAKE3 over bytes: the model needs no hash of its own.
    Header::id_of(&[body, entries].concat()).0
}

impl Said {
    pub fn change(&self) -> Change {
        Change { id: self.id, header: self.header.clone(), entries: self.entries.clone() }
    }
}

impl Write {
    pub fn control(author: usize, kind: Kind, body: Body) -> Self {
        Self {
            author,
            kind,
            authority: Authority::Genesis,
            body: Some(body),
            entries: Vec::new(),
            instance: 0,
            key_number: 0,
            forget: None,
        }
    }

    /// A put of resource `n`.
    pub fn change(author: usize, authority: Authority, n: u8) -> Self {
        let entries = vec![put(n, "Observation", Class::NORMAL)];
        let body = None;
        Self { author, kind: Kind::Change, authority, body, entries, instance: 0, key_number: 0, forget: None }
    }

    pub fn under(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    pub fn writing(mut self, entries: Vec<Entry>) -> Self {
        self.entries = entries;
        self
    }

    pub fn in_lane(mut self, instance: u64) -> Self {
        self.instance = instance;
        self
    }

    pub fn by_key(mut self, number: u64) -> Self {
        self.key_number = number;
        self
    }

    pub fn forgetting(mut self, op: OpId) -> Self {
        self.forget = Some(op);
        self
    }
}

/// An entry that puts resource `n`.
pub fn put(n: u8, resource_type: &str, class: Class) -> Entry {
    Entry {
        kind: FrameKind::Put,
        resolves: false,
        resource_type: resource_type.into(),
        class,
        handle: [n; 16],
        key: KeyName::Epochs([0; 8]),
        size: 0,
        hash: [0; 32],
    }
}
