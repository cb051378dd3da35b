//! Two histories of one lane: each of two members was told one, then they meet. Both have both, both know who signed them, and
//! they have nothing more to say (rules 6.17 and 7.6).

use crate::common::{Database, Place, databases, is_clean, stays_the_same_after_reindex, until};
use crate::meet::{give, meet};
use crate::world::World;
use net::Log;
use node::Node;
use node::grants::GrantState;
use record::body::Body;
use record::body::access::Agent;
use record::draft::{Draft, DraftFrame};
use record::entry::KeyName;
use record::fork::Proof;
use record::{Authority, Head, Identity, Kind, Lane, LaneKind, OpId, Parcel, RecordId, Verified};

/// A hospital and the patient hold a record; another hospital was let in, and is gone: its identity signs what it likes.
struct House {
    a: Place,
    p: Place,
    thief: Identity,
    record: RecordId,
    grant: Authority,
    heads: Vec<OpId>,
    lamport: u64,
}

async fn house(database: Database) -> House {
    let world = World::open(database).await.handed_over().await;
    world.let_in("patient/Observation.cruds").await;
    let record = world.p.node.records().await.unwrap()[0].record;
    let grant = world.grants(GrantState::Open).await.remove(0);
    let World { mut a, b, mut p, .. } = world;
    let grant = Authority::Grant(record::GrantId::parse(&grant.id).unwrap());
    b.node.close().await;
    let thief = node::identity_file::load(&b.dir.path().join("identity.json"), None).unwrap();
    for place in [&mut a, &mut p] {
        place.restart(false).await;
    }
    meet(&a.node, &p.node, record).await;
    let store = p.store().await;
    let controls = store::db::Reader::from(&store).control_ops(&record).await.unwrap();
    store.close().await;
    let headers = controls.iter().map(|stored| stored.op.header()).collect::<Vec<_>>();
    let cited = headers.iter().flat_map(|header| header.cited()).collect::<Vec<_>>();
    let heads = controls.iter().map(|stored| stored.op.id()).filter(|id| !cited.contains(&id)).collect();
    let lamport = headers.iter().map(|header| header.lamport).max().unwrap() + 1;
    House { a, p, thief, record, grant, heads, lamport }
}

impl House {
    fn lane(&self, kind: LaneKind, instance: u64) -> Lane {
        Lane { author: self.thief.id(), kind, instance }
    }

    /// The thief's next op of a lane after `previous`; `mark` makes it another than its twin.
    fn op(&self, lane: Lane, mark: u64, previous: Option<&Verified>) -> (Verified, Vec<u8>) {
        let agent = Agent { who: format!("B {mark}"), client: "b".into(), purpose: "TREAT".into() };
        let draft = Draft {
            record: self.record,
            lane,
            seq: previous.map_or(0, |before| before.header().seq + 1),
            previous: previous.map(|before| before.id()),
            control_heads: self.heads.clone(),
            data_heads: Vec::new(),
            lamport: previous.map_or(self.lamport, |before| before.header().lamport + 1),
            wall_ms: mark,
            kind: match lane.kind {
                LaneKind::Control => Kind::Checkpoint,
                LaneKind::Audit => Kind::Access,
                LaneKind::Change => Kind::Change,
            },
            authority: self.grant,
            frames: vec![DraftFrame::Body { body: Body::Agent(agent), key_name: KeyName::Plain, key: None }],
        };
        let (op, frames) = draft.sign(&self.thief, &mut node::clock::entropy()).unwrap();
        let frames = frames.into_iter().map(Some).collect::<Vec<_>>();
        let parcel = Parcel::encode(&op, &frames);
        (op, parcel)
    }

    /// `count` ops of a lane, one after the other, behind `previous`.
    fn line(&self, lane: Lane, mark: u64, previous: Option<&Verified>, count: usize) -> Vec<(Verified, Vec<u8>)> {
        let mut line = Vec::<(Verified, Vec<u8>)>::new();
        for _ in 0..count {
            let before = line.last().map(|(op, _)| op).or(previous);
            line.push(self.op(lane, mark, before));
        }
        line
    }

    /// The thief tells somebody these ops.
    async fn tell(&self, node: &Node, ops: &[(Verified, Vec<u8>)]) {
        let parcels = ops.iter().map(|(_, parcel)| parcel.clone()).collect();
        node.port().apply(self.thief.id(), self.record, parcels).await.unwrap();
    }
}

async fn holds(place: &Place, ops: &[(Verified, Vec<u8>)]) -> usize {
    let store = place.store().await;
    let ids = ops.iter().map(|(op, _)| op.id()).collect::<Vec<_>>();
    let found = store::db::Reader::from(&store).lamports(&ids).await.unwrap();
    store.close().await;
    found.len()
}

async fn heads_of(node: &Node, house: &House, lane: Lane) -> Vec<Head> {
    let heads = node.port().heads(house.thief.id(), house.record).await;
    heads.into_iter().filter(|head| head.lane == lane).collect()
}

/// One history each, of these lengths behind what both know; who speaks first.
async fn check(house: &House, lane: Lane, common: usize, (at_a, at_p): (usize, usize), a_first: bool) {
    let before = house.line(lane, 0, None, common);
    let last = before.last().map(|(op, _)| op);
    let (one, other) = (house.line(lane, 1, last, at_a), house.line(lane, 2, last, at_p));
    let (a, p) = (&house.a.node, &house.p.node);
    for (node, branch) in [(a, &one), (p, &other)] {
        house.tell(node, &[before.clone(), branch.clone()].concat()).await;
    }
    let what = format!("{lane:?}: {common} in common, then {at_a} and {at_p}");
    let carried = if a_first { meet(a, p, house.record).await } else { meet(p, a, house.record).await };
    assert!(carried >= at_a + at_p, "{what}: {carried}");
    assert!(carried <= 2 * (common + at_a + at_p), "{what}: {carried} ops were carried");
    for place in [&house.a, &house.p] {
        assert_eq!((holds(place, &one).await, holds(place, &other).await), (at_a, at_p), "{what}");
    }
    let ends = [&one, &other].map(|branch| branch.last().unwrap().0.head());
    for node in [a, p] {
        let told = heads_of(node, house, lane).await;
        assert!(told.len() == 2 && ends.iter().all(|end| told.contains(end)), "{what}: {told:?}");
    }
    // Both have the proof against whoever signed them.
    for place in [&house.a, &house.p] {
        let store = place.store().await;
        let mut pair = Vec::new();
        for branch in [&one, &other] {
            pair.push(store::db::Reader::from(&store).op(&branch[0].0.id()).await.unwrap().unwrap().op);
        }
        store.close().await;
        let proof = Proof::of(&pair[0], &pair[1]).expect("two ops at one place");
        assert!(proof.verify(house.thief.card()), "{what}");
    }
    // Whatever else happens in the record, nothing of it is told twice.
    let (more, branch) = (house.line(lane, 1, Some(&one.last().unwrap().0), 1), house.line(lane, 3, last, 1));
    house.tell(a, &more).await;
    assert_eq!(meet(p, a, house.record).await, 1, "{what}: one op more");
    house.tell(p, &branch).await;
    assert_eq!(meet(p, a, house.record).await, 1, "{what}: one branch more");
    assert_eq!(heads_of(a, house, lane).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_histories_reach_whoever_was_told_one_of_them() {
    for database in databases() {
        let house = house(database).await;
        for node in [&house.a.node, &house.p.node] {
            assert_eq!(node.forks().await.unwrap(), []);
        }
        let mut instance = 70;
        for (common, lengths) in [(0, (1, 1)), (0, (3, 1)), (3, (1, 2)), (5, (4, 4)), (40, (60, 2)), (1, (2, 90))] {
            for a_first in [false, true] {
                instance += 1;
                check(&house, house.lane(LaneKind::Change, instance), common, lengths, a_first).await;
            }
        }
        check(&house, house.lane(LaneKind::Control, 0), 2, (2, 1), true).await;
        check(&house, house.lane(LaneKind::Audit, 9), 1, (1, 2), false).await;
        for place in [&house.a, &house.p] {
            let forks = place.node.forks().await.unwrap();
            assert_eq!(forks.iter().map(|fork| fork.name.as_str()).collect::<Vec<_>>(), ["Hospital B"]);
            is_clean(&place.node).await;
        }
        let told = house.a.node.port().heads(house.thief.id(), house.record).await;
        for place in [&house.a, &house.p] {
            stays_the_same_after_reindex(&place.node).await;
        }
        assert_eq!(house.a.node.port().heads(house.thief.id(), house.record).await, told);
        assert_eq!(meet(&house.a.node, &house.p.node, house.record).await, 0);
        // The patient goes on, and cites what it saw.
        let lane = house.lane(LaneKind::Change, 71);
        let late = house.line(lane, 9, None, 1);
        house.tell(&house.p.node, &late).await;
        let grants = house.p.node.grants().await.unwrap();
        let grant = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
        house.p.node.revoke(&grant.id).await.unwrap();
        meet(&house.p.node, &house.a.node, house.record).await;
        assert_eq!(holds(&house.a, &late).await, 1);
        assert_eq!(
            house.p.node.peers().await.unwrap().iter().find(|peer| peer.name == "Hospital A").unwrap().behind,
            0
        );
    }
}

/// A lane in more branches than are told: they come once, and no more after that.
#[tokio::test(flavor = "multi_thread")]
async fn who_signs_very_many_histories_stops_nobody() {
    for database in databases() {
        let house = house(database).await;
        let lane = house.lane(LaneKind::Change, 70);
        let many = (0..50).map(|mark| house.op(lane, mark, None)).collect::<Vec<_>>();
        house.tell(&house.a.node, &many[..40]).await;
        house.tell(&house.p.node, &many[30..]).await;
        let (a, p) = (&house.a.node, &house.p.node);
        give(a, p, house.record).await;
        give(p, a, house.record).await;
        for place in [&house.a, &house.p] {
            assert_eq!(holds(place, &many).await, 50);
        }
        assert_eq!(heads_of(a, &house, lane).await.len(), net::limits::BRANCHES_MAX);
        assert_eq!(heads_of(a, &house, lane).await, heads_of(p, &house, lane).await);
        let next = house.line(house.lane(LaneKind::Change, 71), 0, None, 2);
        house.tell(a, &next).await;
        give(a, p, house.record).await;
        assert_eq!(holds(&house.p, &next).await, 2);
    }
}

/// The same over connections: they fall silent by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn over_a_connection_both_histories_are_carried_too() {
    for database in databases() {
        let house = house(database).await;
        let lane = house.lane(LaneKind::Change, 70);
        let before = house.line(lane, 0, None, 3);
        let last = before.last().map(|(op, _)| op);
        let (one, other) = (house.line(lane, 1, last, 4), house.line(lane, 2, last, 2));
        house.tell(&house.a.node, &[before.clone(), one.clone()].concat()).await;
        house.tell(&house.p.node, &[before, other.clone()].concat()).await;
        let listen = || vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let at = house.a.node.start_net(listen(), Vec::new()).await.unwrap();
        house.p.node.start_net(listen(), at).await.unwrap();
        until("both have both", || async {
            let mut held = 0;
            for place in [&house.a, &house.p] {
                held += holds(place, &one).await + holds(place, &other).await;
            }
            held == 12
        })
        .await;
        for node in [&house.a.node, &house.p.node] {
            until("each knows it of the other", || async {
                let peers = node.peers().await.unwrap();
                peers.iter().filter(|peer| peer.name != "Hospital B").all(|peer| peer.behind == 0)
            })
            .await;
            assert_eq!(node.forks().await.unwrap().len(), 1);
        }
    }
}
