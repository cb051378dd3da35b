//! Who may write and not read: what it writes goes into the patient's record, those who may read it read it, its author too,
//! and of what others wrote it opens nothing (rule 5.8).

use crate::common::{
    Database, Place, caller, count, create, databases, kind, let_in, search, stays_the_same_after_reindex, until, valid,
};
use crate::meet::meet;
use crate::world::{World, clara_at, observation};
use net::Log;
use node::Role;
use node::grants::GrantState;
use node::write::Intent;
use record::entry::{FrameKind, KeyName};
use serde_json::json;

/// A hospital that knows the patient first, one that reads, a laboratory that only writes, and the patient.
struct House {
    a: Place,
    reader: Place,
    lab: Place,
    p: Place,
    at_a: String,
    at_lab: String,
    address: String,
}

async fn house(database: Database) -> House {
    let world = World::open(database).await;
    let lab = Place::connected(Role::Gateway, "Laboratory", database).await;
    create(&world.a.node, observation(&world.at_a, "height")).await;
    let world = world.handed_over().await;
    let at_lab = clara_at(&lab).await;
    world.let_in("patient/Observation.rs").await;
    let World { a, b: reader, p, at_a, address, .. } = world;
    let house = House { a, reader, lab, p, at_a, at_lab, address };
    let_in(&house.lab.node, &house.p.node, &house.at_lab, &house.address, "patient/Observation.c").await;
    until("all is told", || async { count(&house.reader.node, "Observation", "").await == 1 }).await;
    house
}

impl House {
    async fn seen(&self) -> [usize; 4] {
        let mut seen = [0; 4];
        for (at, place) in [&self.a, &self.reader, &self.lab, &self.p].into_iter().enumerate() {
            seen[at] = count(&place.node, "Observation", "").await;
        }
        seen
    }

    async fn until_seen(&self, what: &str, expected: [usize; 4]) {
        until(&format!("{what}: {expected:?}"), || async { self.seen().await == expected }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laboratory_writes_into_the_record_what_others_read_and_reads_its_own_alone() {
    for database in databases() {
        a_laboratory_writes_on(database).await;
    }
}

async fn a_laboratory_writes_on(database: Database) {
    let mut house = house(database).await;
    house.until_seen("what A wrote", [1, 1, 0, 1]).await;
    let made = create(&house.lab.node, observation(&house.at_lab, "sodium")).await;
    house.until_seen("what the laboratory wrote, too", [2, 2, 1, 2]).await;

    // It stands in the patient's record, under a key of the op's own.
    let record = house.p.node.records().await.unwrap()[0].record;
    let store = house.p.store().await;
    let ops = store::db::Reader::from(&store).ops_after(&record, 0, 10_000).await.unwrap();
    store.close().await;
    let by_lab = ops.iter().filter(|stored| stored.op.header().lane.author == house.lab.node.identity().id());
    let by_lab = by_lab.filter(|stored| stored.op.header().kind == record::Kind::Change).collect::<Vec<_>>();
    let [stored] = by_lab[..] else { panic!("one change by the laboratory, not {}", by_lab.len()) };
    let entries = stored.op.entries();
    let resources = entries.iter().filter(|entry| entry.is_resource()).map(|entry| &entry.key).collect::<Vec<_>>();
    assert_eq!(resources, [&KeyName::Own]);
    assert_eq!(entries.iter().filter(|entry| entry.kind == FrameKind::Wrap).count(), 2);

    // Asked for over and over, also beside what is not there, each frame is given once.
    let id = |index: usize| net::FrameId { op: stored.op.id(), index: index as u32 };
    let put = id(entries.iter().position(|entry| entry.kind == FrameKind::Put).expect("the Observation"));
    let to_lab = record::entry::wrap_handle(&record, &house.lab.node.identity().id());
    let to_readers = |entry: &record::Entry| entry.kind == FrameKind::Wrap && entry.handle != to_lab;
    let wrap = id(entries.iter().position(to_readers).expect("its keys, for readers"));
    let asked = [put, id(entries.len()), wrap, id(usize::MAX)].repeat(256);
    let given = house.p.node.port().frames(house.p.node.identity().id(), record, &asked, 1 << 20).await;
    assert_eq!(given.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [put, wrap]);
    let given = house.p.node.port().frames(house.reader.node.identity().id(), record, &[put; 1024], 1 << 20).await;
    assert_eq!(given.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [put]);

    // The author reads it by its id, by its version, and finds it by what it says.
    let read = house.lab.node.read(&caller(), kind("Observation"), &made.id).await.unwrap();
    assert!(String::from_utf8(read.json).unwrap().contains("sodium"));
    let vread = house.lab.node.vread(&caller(), kind("Observation"), &made.id, &made.version).await.unwrap();
    assert!(String::from_utf8(vread.json).unwrap().contains("sodium"));
    for (place, expected) in [(&house.lab, 1), (&house.reader, 1), (&house.p, 1), (&house.a, 1)] {
        assert_eq!(count(&place.node, "Observation", "code:text=sodium").await, expected, "{}", place.node.name());
    }
    let theirs = format!("{}.{}", house.lab.node.identity().id().origin(), made.id);
    let read = house.reader.node.read(&caller(), kind("Observation"), &theirs).await.unwrap();
    assert!(String::from_utf8(read.json).unwrap().contains("sodium"));
    // What others wrote it neither opens nor gets: not one frame.
    let store = house.lab.store().await;
    let all = store::db::Reader::from(&store).ops_after(&record, 0, 10_000).await.unwrap();
    let me = house.lab.node.identity().id();
    let others = all
        .iter()
        .filter(|stored| stored.op.header().lane.author != me && stored.op.header().kind == record::Kind::Change);
    let mut frames = 0;
    for stored in others {
        for (at, _) in store::db::Reader::from(&store).frames(&stored.op.id()).await.unwrap() {
            frames += usize::from(stored.op.entries()[at as usize].resource_type == "Observation");
        }
    }
    store.close().await;
    assert_eq!(frames, 0);
    assert!(house.lab.node.port().wanted(house.p.node.identity().id(), record).await.is_empty());

    // Several in one op, also of one that was there: what it may not update goes on at home.
    let mut changed = observation(&house.at_lab, "corrected sodium");
    changed["id"] = made.id.as_str().into();
    let intent = Intent::Update { resource: valid(changed), if_match: None };
    house.lab.node.write(&caller(), intent).await.unwrap();
    assert_eq!(count(&house.lab.node, "Observation", "code:text=corrected").await, 1);
    assert_eq!(count(&house.p.node, "Observation", "code:text=corrected").await, 0);

    for place in [&house.a, &house.reader, &house.lab, &house.p] {
        stays_the_same_after_reindex(&place.node).await;
    }
    assert_eq!(house.seen().await, [2, 2, 1, 2]);
    assert_eq!(count(&house.reader.node, "Observation", "code:text=sodium").await, 1);

    // A new epoch: whoever stays goes on.
    let grants = house.p.node.grants().await.unwrap();
    let theirs = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
    house.p.node.revoke(&theirs.id).await.unwrap();
    house.until_seen("B sees nothing", [2, 0, 1, 2]).await;
    until("the laboratory knows of it", || async { meetings(&house).await == 0 }).await;
    create(&house.lab.node, observation(&house.at_lab, "potassium")).await;
    create(&house.a.node, observation(&house.at_a, "weight")).await;
    house.until_seen("after the revoke", [4, 0, 2, 4]).await;
    // Let in again it reads all of it, what was withheld meanwhile too.
    let at_reader = create(&house.reader.node, json!({"resourceType":"Patient"})).await.id;
    let_in(&house.reader.node, &house.p.node, &at_reader, &house.address, "patient/Observation.rs").await;
    house.until_seen("let in again", [4, 4, 2, 4]).await;
    house.lab.restart(true).await;
    create(&house.lab.node, observation(&house.at_lab, "calcium")).await;
    house.until_seen("after a restart", [5, 5, 3, 5]).await;
    for place in [&house.a, &house.reader, &house.lab, &house.p] {
        stays_the_same_after_reindex(&place.node).await;
    }
    assert_eq!(house.seen().await, [5, 5, 3, 5]);
}

/// Where a grant has parameters, what is sealed under an op's own key is looked into, and given once.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_looked_for_under_an_ops_own_key() {
    for database in databases() {
        let house = house(database).await;
        let ward = Place::connected(Role::Gateway, "Ward", database).await;
        let here = clara_at(&ward).await;
        let scope = "patient/Observation.rs?category=laboratory";
        let_in(&ward.node, &house.p.node, &here, &house.address, scope).await;
        let mut within = observation(&house.at_lab, "sodium");
        within["category"] = json!([{"coding":[{"code":"laboratory"}]}]);
        let post = |resource| json!({"resource":resource,"request":{"method":"POST","url":"Observation"}});
        let entries = [post(observation(&house.at_lab, "height")), post(within)];
        let bundle = json!({"resourceType":"Bundle","type":"transaction","entry":entries}).to_string().into_bytes();
        house.lab.node.transaction(&caller(), fhir::bundle::read(bundle).unwrap()).await.unwrap();
        house.until_seen("what the laboratory wrote", [3, 3, 2, 3]).await;
        until("the ward sees the one", || async { count(&ward.node, "Observation", "").await == 1 }).await;

        let record = house.p.node.records().await.unwrap()[0].record;
        let store = house.p.store().await;
        let ops = store::db::Reader::from(&store).ops_after(&record, 0, 10_000).await.unwrap();
        store.close().await;
        let is_own = |entry: &record::Entry| entry.is_resource() && entry.key == KeyName::Own;
        let own = |stored: &&store::ops::StoredOp| stored.op.entries().iter().any(is_own);
        let op = &ops.iter().find(own).expect("the laboratory's op").op;
        let puts = (0..).zip(op.entries()).filter(|(_, entry)| entry.kind == FrameKind::Put);
        let puts = puts.map(|(index, _)| net::FrameId { op: op.id(), index }).collect::<Vec<_>>();
        let asks = async |place: &Place| {
            house.p.node.port().frames(place.node.identity().id(), record, &puts.repeat(512), 1 << 20).await.len()
        };
        assert_eq!((puts.len(), asks(&ward).await, asks(&house.reader).await, asks(&house.a).await), (2, 1, 2, 2));
    }
}

/// How many ops the laboratory and the patient have to say to each other.
async fn meetings(house: &House) -> usize {
    let record = house.p.node.records().await.unwrap()[0].record;
    meet(&house.p.node, &house.lab.node, record).await
}

/// What a hospital may write and not read because the patient unticked reading: every type.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_every_type_needs_no_record_of_its_own() {
    for database in databases() {
        let house = house(database).await;
        let clinic = Place::connected(Role::Gateway, "Clinic", database).await;
        let here = clara_at(&clinic).await;
        let scope = "patient/*.cud patient/Condition.rs";
        let_in(&clinic.node, &house.p.node, &here, &house.address, scope).await;
        let transaction = json!({"resourceType":"Bundle","type":"transaction","entry":[
            {"resource":observation(&here, "glucose"),"request":{"method":"POST","url":"Observation"}},
            {"resource":observation(&here, "insulin"),"request":{"method":"POST","url":"Observation"}},
            {"resource":{"resourceType":"Condition","subject":{"reference":format!("Patient/{here}")},
                "code":{"text":"diabetes"}},"request":{"method":"POST","url":"Condition"}},
            {"resource":{"resourceType":"MedicationStatement","status":"active",
                "subject":{"reference":format!("Patient/{here}")},
                "medicationCodeableConcept":{"text":"insulin"}},
                "request":{"method":"POST","url":"MedicationStatement"}}]});
        let bundle = fhir::bundle::read(transaction.to_string().into_bytes()).unwrap();
        assert_eq!(clinic.node.transaction(&caller(), bundle).await.unwrap().len(), 4);
        let all = ["Observation", "Condition", "MedicationStatement"];
        until("the patient has all of it", || async {
            let mut found = [0; 3];
            for (at, name) in all.into_iter().enumerate() {
                found[at] = count(&house.p.node, name, "").await;
            }
            found == [3, 1, 1]
        })
        .await;
        house.until_seen("B reads Observations", [3, 3, 0, 3]).await;
        assert_eq!(count(&house.reader.node, "MedicationStatement", "").await, 0);
        for (name, expected) in [("Observation", 2), ("Condition", 1), ("MedicationStatement", 1)] {
            assert_eq!(count(&clinic.node, name, "").await, expected, "{name}");
        }
        // A deletion and a change find it there too.
        let id = search(&clinic.node, "MedicationStatement", "").await.matches[0].id.clone();
        let gone = Intent::Delete { kind: kind("MedicationStatement"), id, if_match: None };
        clinic.node.write(&caller(), gone).await.unwrap();
        until("it is gone", || async { count(&house.p.node, "MedicationStatement", "").await == 0 }).await;
        for place in [&clinic, &house.p, &house.reader] {
            stays_the_same_after_reindex(&place.node).await;
        }
        // Whoever is let out misses nothing any more, not even the wraps of what it never could read.
        let record = house.p.node.records().await.unwrap()[0].record;
        assert!(misses(&house.reader, &record).await > 0);
        let grants = house.p.node.grants().await.unwrap();
        let theirs = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
        house.p.node.revoke(&theirs.id).await.unwrap();
        house.until_seen("B sees nothing", [3, 0, 0, 3]).await;
        assert_eq!(misses(&house.reader, &record).await, 0);
    }
}

/// How many kinds of frames a place lacks.
async fn misses(place: &Place, record: &record::RecordId) -> usize {
    let store = place.store().await;
    let missing = store::db::Reader::from(&store).missing_kinds(record).await.unwrap();
    store.close().await;
    missing.len()
}
