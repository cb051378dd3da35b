//! Nothing that comes after access is over is kept: ops of others are, since they prove what follows, their contents are not,
//! whoever brings them and however late.

use crate::common::{Database, Place, count, create, databases, let_in, pair, stays_the_same_after_reindex, until};
use crate::meet::{give, meet};
use crate::world::{World, observation};
use net::{FrameId, Log};
use node::grants::GrantState;
use record::{Kind, Op, Parcel, RecordId};
use store::db::Reader;

/// The changes of a record as a place holds them, each with its frames by place.
async fn changes(place: &Place, record: &RecordId) -> Vec<(Op, Vec<Option<Vec<u8>>>)> {
    let store = place.store().await;
    let mut changes = Vec::new();
    for stored in Reader::from(&store).ops_after(record, 0, 10_000).await.unwrap() {
        if stored.op.header().kind != Kind::Change {
            continue;
        }
        let mut frames = vec![None; stored.op.entries().len()];
        for (at, frame) in Reader::from(&store).frames(&stored.op.id()).await.unwrap() {
            frames[at as usize] = Some(frame);
        }
        changes.push((stored.op, frames));
    }
    store.close().await;
    changes
}

/// How many changes of others a place holds, and how many of their resources; the same of its own.
async fn held(place: &Place, record: &RecordId) -> [(usize, usize); 2] {
    let (me, mut held) = (place.node.identity().id(), [(0, 0); 2]);
    for (op, frames) in changes(place, record).await {
        let of = &mut held[usize::from(op.header().lane.author == me)];
        of.0 += 1;
        of.1 += op.entries().iter().zip(frames).filter(|(entry, frame)| entry.is_resource() && frame.is_some()).count();
    }
    held
}

async fn is_missing_nothing(place: &Place, record: &RecordId) -> bool {
    let store = place.store().await;
    let missing = Reader::from(&store).missing_kinds(record).await.unwrap();
    store.close().await;
    missing.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_access_is_over_is_not_kept() {
    for database in databases() {
        what_comes_after_access_is_over_is_not_kept_on(database).await;
    }
}

async fn what_comes_after_access_is_over_is_not_kept_on(database: Database) {
    let World { mut a, mut b, mut p, at_a, at_b, .. } = World::open(database).await;
    create(&a.node, observation(&at_a, "before")).await;
    let address = pair(&a.node, &p.node, &at_a).await;
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.cruds").await;
    until("B sees what A wrote", || async { count(&b.node, "Observation", "").await == 1 }).await;
    // From here on nobody dials anybody.
    for place in [&mut a, &mut b, &mut p] {
        place.restart(false).await;
    }
    let record = p.node.records().await.unwrap()[0].record;
    create(&b.node, observation(&at_b, "its own")).await;
    meet(&b.node, &p.node, record).await;
    meet(&a.node, &p.node, record).await;
    let [(ops, frames), own] = held(&b, &record).await;
    assert!(ops > 0 && frames > 0 && own.1 > 0, "{ops} {frames} {own:?}");

    // A writes while B is still in; B hears of that after it was let out, by whoever cares to tell it.
    create(&a.node, observation(&at_a, "meanwhile")).await;
    meet(&a.node, &p.node, record).await;
    let grants = p.node.grants().await.unwrap();
    let grant = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
    p.node.revoke(&grant.id).await.unwrap();
    give(&p.node, &b.node, record).await;
    assert_eq!(held(&b, &record).await, [(ops, 0), own], "the contents went with the revoke");
    meet(&a.node, &p.node, record).await;
    create(&a.node, observation(&at_a, "after")).await;
    meet(&a.node, &p.node, record).await;

    // The epoch that followed the revoke comes along, or nothing after it could be taken.
    let store = p.store().await;
    let controls = Reader::from(&store).control_ops(&record).await.unwrap();
    let mut parcels = Vec::new();
    for stored in &controls {
        let mut frames = vec![None; stored.op.entries().len()];
        for (at, frame) in Reader::from(&store).frames(&stored.op.id()).await.unwrap() {
            frames[at as usize] = Some(frame);
        }
        parcels.push(Parcel::encode(&stored.op, &frames));
    }
    store.close().await;
    let late = changes(&p, &record).await;
    parcels.extend(late.iter().map(|(op, frames)| Parcel::encode(op, frames)));
    let from = p.node.identity().id();
    b.node.port().apply(from, record, parcels).await.unwrap();
    let others = late.iter().filter(|(op, _)| op.header().lane.author != b.node.identity().id()).count();
    assert!(others >= ops + 2, "{others} {ops}");
    assert_eq!(held(&b, &record).await, [(others, 0), own]);
    assert!(is_missing_nothing(&b, &record).await);
    assert!(b.node.port().wanted(from, record).await.is_empty());

    // Nor is it kept frame by frame.
    for (op, frames) in late.iter().filter(|(op, _)| op.header().lane.author != b.node.identity().id()) {
        let of_op = (0..).zip(frames).zip(op.entries()).filter(|(_, entry)| entry.is_resource());
        let of_op = of_op.filter_map(|((index, frame), _)| Some((FrameId { op: op.id(), index }, frame.clone()?)));
        assert_eq!(b.node.port().fill(from, record, of_op.collect()).await.unwrap(), 0);
    }
    assert_eq!(held(&b, &record).await, [(others, 0), own]);
    assert_eq!(count(&b.node, "Observation", "").await, 1, "its own stays its own");
    stays_the_same_after_reindex(&b.node).await;
    assert_eq!(held(&b, &record).await, [(others, 0), own]);
    assert!(is_missing_nothing(&b, &record).await);

    // Let in again it has all of it.
    let listen = || vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let at = p.node.start_net(listen(), Vec::new()).await.unwrap();
    b.node.start_net(listen(), at).await.unwrap();
    let address = p.node.records().await.unwrap()[0].address.clone();
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.rs").await;
    until("B sees everything", || async { count(&b.node, "Observation", "").await == 4 }).await;
    stays_the_same_after_reindex(&b.node).await;
}
