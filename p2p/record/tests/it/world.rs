//! A small world for histories: a custodian, a patient, two more hospitals; each sees what it has been sent, writes as it
//! may, and knows nothing else.

use record::body::Body;
use record::body::claim::{Claim, accept};
use record::body::genesis::{Genesis, Purpose};
use record::body::grant::{Grant, Grants};
use record::body::revoke::Revoke;
use record::draft::{Draft, DraftFrame};
use record::entry::{FrameKind, KeyName, handle};
use record::frame::{Content, Method, Packer};
use record::keys::{KeyItem, Keyring, Level, Secret, commitment, tag};
use record::state::Control;
use record::{
    Authority, Class, Entropy, GrantId, Head, Identity, Kind, Lane, LaneKind, Op, OpId, RecordId, State, Verified,
};

/// An op with what it says, as everyone here may read it.
#[derive(Clone)]
pub struct Said {
    pub op: Verified,
    pub body: Option<Body>,
}

/// One who writes.
pub struct Actor {
    pub identity: Identity,
    /// Indexes into the world's ops, in the order they came.
    pub seen: Vec<usize>,
}

pub struct World {
    pub record: RecordId,
    pub actors: Vec<Actor>,
    pub ops: Vec<Said>,
    pub keys: Keyring,
    entropy: Entropy,
    handle_key: [u8; 32],
    packer: Packer,
}

pub const CUSTODIAN: usize = 0;
pub const PATIENT: usize = 1;

impl World {
    pub fn new(seed: [u8; 32], actors: usize) -> Self {
        let mut entropy = Entropy::new(seed);
        let actors = (0..actors).map(|_| Actor { identity: Identity::generate(&mut entropy), seen: Vec::new() });
        let mut world = Self {
            record: RecordId([0; 32]),
            actors: actors.collect(),
            ops: Vec::new(),
            keys: Keyring::default(),
            entropy,
            handle_key: [0; 32],
            packer: Packer::default(),
        };
        let secret = Secret::new([9; 32]);
        let genesis = Genesis {
            random: [5; 32],
            format_version: 1,
            purpose: Purpose::Custodial,
            author: world.actors[CUSTODIAN].identity.card().clone(),
            successor: None,
            commitment: commitment(&secret),
        };
        world.handle_key = genesis.handle_key();
        let body = Body::Genesis(genesis);
        let frame = DraftFrame::Body { body: body.clone(), key_name: KeyName::Plain, key: None };
        let id = world.write(CUSTODIAN, Kind::Genesis, Authority::Genesis, vec![frame], Some(body));
        world.record = RecordId(id.0);
        world.keys.add(KeyItem { epoch: id, level: Level::Epoch, secret });
        world
    }

    /// What an actor has folded.
    pub fn state(&self, actor: usize) -> State {
        State::fold(&self.controls(&self.actors[actor].seen))
    }

    pub fn controls(&self, which: &[usize]) -> Vec<Control> {
        let control =
            which.iter().map(|at| &self.ops[*at]).filter(|said| said.op.header().lane.kind == LaneKind::Control);
        control
            .map(|said| Control { id: said.op.id(), header: said.op.header().clone(), body: said.body.clone() })
            .collect()
    }

    /// Sends what `from` has and `to` lacks.
    pub fn sync(&mut self, from: usize, to: usize) {
        for at in self.actors[from].seen.clone() {
            if !self.actors[to].seen.contains(&at) {
                self.actors[to].seen.push(at);
            }
        }
    }

    fn write(
        &mut self,
        actor: usize,
        kind: Kind,
        authority: Authority,
        frames: Vec<DraftFrame>,
        body: Option<Body>,
    ) -> OpId {
        let seen = self.actors[actor].seen.iter().map(|at| self.ops[*at].op.clone()).collect::<Vec<_>>();
        let lane = Lane { author: self.actors[actor].identity.id(), kind: kind.lane(), instance: 0 };
        let own = seen.iter().filter(|op| op.header().lane == lane).max_by_key(|op| op.header().seq);
        let state = self.state(actor);
        let mut data = Vec::<&Op>::new();
        if kind == Kind::Change {
            for op in seen.iter().filter(|op| op.header().lane.kind == LaneKind::Change && op.header().lane != lane) {
                match data.iter_mut().find(|head| head.header().lane == op.header().lane) {
                    Some(head) if head.header().seq < op.header().seq => *head = op,
                    Some(_) => {}
                    None => data.push(op),
                }
            }
        }
        let control_heads = if kind == Kind::Genesis { Vec::new() } else { state.control_heads() };
        let greatest =
            data.iter().map(|op| op.header().lamport).chain([own.map_or(0, |op| op.header().lamport), state.lamport()]);
        let draft = Draft {
            record: self.record,
            lane,
            seq: own.map_or(0, |op| op.header().seq + 1),
            previous: own.map(|op| op.id()),
            control_heads,
            data_heads: data.iter().map(|op| op.id()).collect(),
            lamport: greatest.max().unwrap_or(0) + 1,
            wall_ms: 0,
            kind,
            authority,
            frames,
        };
        let (op, _) = draft.sign(&self.actors[actor].identity, &mut self.entropy).unwrap();
        let id = op.id();
        self.ops.push(Said { op, body });
        self.actors[actor].seen.push(self.ops.len() - 1);
        id
    }

    fn control(&mut self, actor: usize, kind: Kind, body: Body) -> OpId {
        let epochs = self.state(actor).epochs();
        let key = self.keys.key(&epochs, &Level::Control).unwrap();
        let frame = DraftFrame::Body { body: body.clone(), key_name: KeyName::Epochs(tag(&epochs)), key: Some(key) };
        self.write(actor, kind, Authority::Genesis, vec![frame], Some(body))
    }

    /// What an actor has folded once it has written `body`.
    pub fn state_with(&mut self, actor: usize, kind: Kind, body: Body) -> State {
        self.control(actor, kind, body);
        self.state(actor)
    }

    /// The same for an actor that is a device, under the word that let it in.
    pub fn state_under(&mut self, actor: usize, kind: Kind, body: Body) -> State {
        let state = self.state(actor);
        let word = state.word_of(&self.actors[actor].identity.id()).unwrap();
        let epochs = state.epochs();
        let key = self.keys.key(&epochs, &Level::Control).unwrap();
        let frame = DraftFrame::Body { body: body.clone(), key_name: KeyName::Epochs(tag(&epochs)), key: Some(key) };
        self.write(actor, kind, word, vec![frame], Some(body));
        self.state(actor)
    }

    pub fn grant_to(&self, actor: usize, scope: &str) -> Grant {
        Grant {
            to: self.actors[actor].identity.card().clone(),
            name: format!("actor {actor}"),
            scope: scope.into(),
            classes: vec![Class::NORMAL, Class::DIRECTORY],
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

    pub fn claim(&mut self) -> OpId {
        let grants = vec![self.grant_to(CUSTODIAN, "patient/*.cruds")];
        let transcript = [3; 32];
        let acceptance = accept(&self.actors[PATIENT].identity, &self.record, &transcript, &grants);
        let retains = self.heads_of(CUSTODIAN, CUSTODIAN);
        let patient = self.actors[PATIENT].identity.card().clone();
        let claim = Claim { patient, transcript, acceptance, grants, retains };
        self.control(CUSTODIAN, Kind::Claim, Body::Claim(claim))
    }

    pub fn give(&mut self, by: usize, to: usize, scope: &str) -> GrantId {
        let grants = vec![self.grant_to(to, scope)];
        GrantId { op: self.control(by, Kind::Grant, Body::Grant(Grants { grants })), index: 0 }
    }

    /// The heads of `whose` data lanes as far as `seen_by` has them.
    pub fn heads_of(&self, whose: usize, seen_by: usize) -> Vec<Head> {
        let author = self.actors[whose].identity.id();
        let ops = self.actors[seen_by].seen.iter().map(|at| &self.ops[*at].op);
        let ops = ops.filter(|op| op.header().lane.author == author && op.header().lane.kind == LaneKind::Change);
        ops.max_by_key(|op| op.header().seq).map(|op| op.head()).into_iter().collect()
    }

    pub fn revoke(&mut self, by: usize, grant: GrantId, whose: usize) -> OpId {
        let retains = self.heads_of(whose, by);
        let body = Revoke { grants: vec![grant], identities: Vec::new(), retains };
        self.control(by, Kind::Revoke, Body::Revoke(body))
    }

    pub fn change(&mut self, actor: usize, authority: Authority, kind: &str, id: &str) -> OpId {
        let epochs = self.state(actor).epochs();
        let key = self.keys.key(&epochs, &Level::Type(Class::NORMAL, kind.into())).unwrap();
        let origin = self.actors[actor].identity.id();
        let content = Content {
            resource_type: kind.into(),
            origin,
            id: id.into(),
            method: Method::Create,
            house_seq: 0,
            json: format!("{{\"resourceType\":\"{kind}\"}}").into_bytes(),
        };
        let frame = DraftFrame::Resource {
            kind: FrameKind::Put,
            resolves: false,
            resource_type: kind.into(),
            class: Class::NORMAL,
            handle: handle(&self.handle_key, &origin, kind, id),
            key_name: KeyName::Epochs(tag(&epochs)),
            key,
            packed: self.packer.pack(&content.encode()),
        };
        self.write(actor, Kind::Change, authority, vec![frame], None)
    }

    pub fn find(&self, id: &OpId) -> &Verified {
        &self.ops.iter().find(|said| said.op.id() == *id).unwrap().op
    }
}
