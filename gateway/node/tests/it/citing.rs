//! What an op cites where a hostile member leaves more ends than fit: nobody is kept from signing, and what is written over is
//! cited, whatever else is new.

use crate::common::{Database, Place, caller, count, create, kind, stays_the_same_after_reindex, until, valid};
use crate::meet::{give, meet};
use crate::world::{World, observation};
use net::Log;
use node::grants::GrantState;
use node::identity_file::{hand_over, load};
use node::write::Intent;
use record::body::Body;
use record::body::access::Agent;
use record::draft::{Draft, DraftFrame};
use record::entry::KeyName;
use record::{Authority, GrantId, Identity, Kind, Lane, OpId, Parcel, RecordId, Verified};
use store::db::Reader;

/// Hospital B with its own key, and a program that signs what it likes.
struct Hostile {
    identity: Identity,
    record: RecordId,
    authority: Authority,
    heads: Vec<OpId>,
    lamport: u64,
}

impl Hostile {
    async fn of(house: &World) -> Self {
        let identity = load(&house.b.dir.path().join("identity.json"), None).unwrap();
        let record = house.p.node.records().await.unwrap()[0].record;
        let grant = house.grants(GrantState::Open).await.remove(0);
        let authority = Authority::Grant(GrantId::parse(&grant.id).unwrap());
        let store = house.a.store().await;
        let controls = Reader::from(&store).control_ops(&record).await.unwrap();
        store.close().await;
        let headers = controls.iter().map(|stored| stored.op.header()).collect::<Vec<_>>();
        let cited = headers.iter().flat_map(|header| header.cited()).collect::<Vec<_>>();
        let heads = controls.iter().map(|stored| stored.op.id()).filter(|id| !cited.contains(&id)).collect();
        let lamport = headers.iter().map(|header| header.lamport).max().unwrap();
        Self { identity, record, authority, heads, lamport }
    }

    /// The next op of a lane, after `previous`, which cites `seen`.
    fn sign(
        &self,
        kind: Kind,
        instance: u64,
        wall_ms: u64,
        previous: Option<&Verified>,
        seen: Option<&Verified>,
    ) -> Verified {
        let cited = previous.iter().chain(&seen).map(|op| op.header().lamport).chain([self.lamport]);
        let body = Body::Agent(Agent { who: "B".into(), client: "b".into(), purpose: "TREAT".into() });
        let draft = Draft {
            record: self.record,
            lane: Lane { author: self.identity.id(), kind: kind.lane(), instance },
            seq: previous.map_or(0, |before| before.header().seq + 1),
            previous: previous.map(|before| before.id()),
            control_heads: self.heads.clone(),
            data_heads: seen.iter().map(|op| op.id()).collect(),
            lamport: cited.max().unwrap() + 1,
            wall_ms,
            kind,
            authority: self.authority,
            frames: vec![DraftFrame::Body { body, key_name: KeyName::Plain, key: None }],
        };
        draft.sign(&self.identity, &mut node::clock::entropy()).unwrap().0
    }

    async fn send(&self, to: &Place, ops: &[Verified]) {
        let parcels = ops.iter().map(|op| Parcel::encode(op, &vec![None; op.entries().len()])).collect();
        to.node.port().apply(self.identity.id(), self.record, parcels).await.unwrap();
    }
}

/// The three know each other and have nothing to say; then nobody is connected any more.
async fn house() -> World {
    let mut house = World::open(Database::Sqlite).await.handed_over().await;
    house.let_in("patient/Observation.cruds").await;
    for place in [&mut house.a, &mut house.b, &mut house.p] {
        place.restart(false).await;
    }
    let record = house.p.node.records().await.unwrap()[0].record;
    meet(&house.a.node, &house.p.node, record).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn more_ends_of_control_lanes_than_fit_keep_nobody_from_signing() {
    let mut house = house().await;
    let hostile = Hostile::of(&house).await;
    let branches = (0..70).map(|n| hostile.sign(Kind::Revoke, 0, n, None, None)).collect::<Vec<_>>();
    hostile.send(&house.a, &branches).await;
    create(&house.a.node, observation(&house.at_a, "in spite of it")).await;
    // Nor from being handed over, or from starting.
    house.a.node.close().await;
    hand_over(&house.a.dir.path().join("identity.json"), None).unwrap();
    house.a.restart(false).await;
    create(&house.a.node, observation(&house.at_a, "by the next key")).await;
    hostile.send(&house.p, &branches).await;
    give(&house.a.node, &house.p.node, hostile.record).await;
    assert_eq!(count(&house.p.node, "Observation", "").await, 2);
    assert_eq!(house.p.node.held_back_count().await.unwrap(), 0);
    for node in [&house.a.node, &house.p.node] {
        stays_the_same_after_reindex(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_over_is_cited_whatever_else_is_new() {
    let mut house = house().await;
    let hostile = Hostile::of(&house).await;
    let mut ids = Vec::new();
    for words in ["first", "second"] {
        ids.push(create(&house.a.node, observation(&house.at_a, words)).await.id);
    }
    // A process with lanes of its own, before which many lanes of another moved far ahead.
    house.a.restart(false).await;
    let mut chain = vec![hostile.sign(Kind::Change, 1000, 1, None, None)];
    for n in 1..40 {
        chain.push(hostile.sign(Kind::Change, 1000, n, chain.last(), None));
    }
    let beside = (0..70).map(|n| hostile.sign(Kind::Change, n, 1, None, chain.last())).collect::<Vec<_>>();
    for place in [&house.a, &house.p] {
        hostile.send(place, &chain).await;
        hostile.send(place, &beside).await;
    }
    // The second is written over when nothing is new any more.
    for id in &ids {
        let mut resource = observation(&house.at_a, "corrected");
        resource["id"] = id.as_str().into();
        let update = Intent::Update { resource: valid(resource), if_match: None };
        house.a.node.write(&caller(), update).await.unwrap();
    }
    meet(&house.a.node, &house.p.node, hostile.record).await;
    until("the patient has both", || async { count(&house.p.node, "Observation", "").await == 2 }).await;
    assert_eq!(house.p.node.conflict_count().await.unwrap(), 0, "one version took the place of the other");
    for id in &ids {
        let read = house.a.node.read(&caller(), kind("Observation"), id).await.unwrap();
        assert!(!String::from_utf8(read.json).unwrap().contains("conflict"));
    }
    for node in [&house.a.node, &house.p.node] {
        stays_the_same_after_reindex(node).await;
    }
}
