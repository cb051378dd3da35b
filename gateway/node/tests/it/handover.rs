//! An identity hands over to its next key: it keeps its name, what it wrote and what it may open; whoever has the old key writes nothing
//! that counts any more.

use crate::common::{
    Database, Place, caller, count, create, databases, let_in, open, pair, stays_the_same_after_reindex, until, valid,
};
use crate::meet::{give, meet};
use node::identity_file::{hand_over, load};
use node::write::Intent;
use node::{NodeError, Role};
use record::entry::KeyName;
use record::{Kind, RecordId};
use serde_json::{Value, json};
use std::path::Path;
use store::db::Reader;

fn observation(subject: &str, words: &str) -> Value {
    json!({"resourceType":"Observation","status":"final","code":{"text":words},
        "subject":{"reference":format!("Patient/{subject}")}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_goes_on_under_its_next_key_and_the_old_one_is_worth_nothing() {
    for database in databases() {
        goes_on_on(database).await;
    }
}

async fn goes_on_on(database: Database) {
    let mut a = Place::new(Role::Gateway, "Hospital A", database).await;
    let mut b = Place::new(Role::Gateway, "Hospital B", database).await;
    let mut p = Place::new(Role::Patient, "Clara", database).await;
    for place in [&a, &b, &p] {
        place.connect().await;
    }
    let patient = json!({"resourceType":"Patient"});
    let (at_a, at_b) = (create(&a.node, patient.clone()).await.id, create(&b.node, patient.clone()).await.id);
    let other = create(&a.node, patient.clone()).await.id;
    create(&a.node, observation(&at_a, "by the first key")).await;
    create(&a.node, observation(&other, "of another")).await;
    let address = pair(&a.node, &p.node, &at_a).await;
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.cruds").await;
    until("B sees what A wrote", || async { count(&b.node, "Observation", "").await == 1 }).await;
    for place in [&mut b, &mut p] {
        place.restart(false).await;
    }
    let record = p.node.records().await.unwrap()[0].record;

    // The folder is copied by a thief, whose node is its own from here on.
    a.node.close().await;
    let (identity, id) = (a.dir.path().join("identity.json"), a.node.identity().id());
    let stolen = (database == Database::Sqlite).then(|| tempfile::tempdir().unwrap());
    if let Some(stolen) = &stolen {
        for file in std::fs::read_dir(a.dir.path()).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), stolen.path().join(file.file_name())).unwrap();
            }
        }
    }
    hand_over(&identity, None).unwrap();
    assert!(load(&identity, None).unwrap().card().key_number() == 1);
    a.restart(false).await;
    assert_eq!(a.node.identity().id(), id, "nothing is renamed");
    meet(&a.node, &p.node, record).await;
    meet(&b.node, &p.node, record).await;
    let written = create(&a.node, observation(&at_a, "by the second key")).await;
    // Others' keys, sealed to the first card, and new ones: a revoke opens an epoch.
    create(&b.node, observation(&at_b, "by B")).await;
    let grants = p.node.grants().await.unwrap();
    let of_b = grants.iter().find(|grant| grant.name == "Hospital B").unwrap();
    for _ in 0..2 {
        meet(&a.node, &p.node, record).await;
        meet(&b.node, &p.node, record).await;
    }
    assert_eq!(count(&a.node, "Observation", &format!("patient={at_a}")).await, 3);
    p.node.revoke(&of_b.id).await.unwrap();
    meet(&a.node, &p.node, record).await;
    create(&a.node, observation(&at_a, "in the next epoch")).await;
    meet(&a.node, &p.node, record).await;
    assert_eq!(count(&p.node, "Observation", "").await, 4);
    assert_eq!(
        a.node.read(&caller(), crate::common::kind("Observation"), &written.id).await.unwrap().version,
        written.version
    );
    // A record opened by the second key is a record like others.
    let late = create(&a.node, patient).await.id;
    create(&a.node, observation(&late, "of a later one")).await;

    // The thief: its ops verify, and count nowhere.
    if let Some(stolen) = &stolen {
        let url = format!("sqlite://{}", stolen.path().join("node.db").display());
        let thief = open(stolen.path(), &url, Role::Gateway, "Hospital A").await;
        create(&thief, observation(&at_a, "by the old key")).await;
        give(&thief, &p.node, record).await;
        assert_eq!(count(&p.node, "Observation", "").await, 4, "what the old key signs does not count");
        assert_eq!(p.node.held_back_count().await.unwrap(), 1);
        thief.close().await;
    }

    for node in [&a.node, &p.node] {
        stays_the_same_after_reindex(node).await;
    }
    a.restart(false).await;
    assert_eq!(count(&a.node, "Observation", "").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_device_is_replaced_and_not_handed_over() {
    let place = Place::new(Role::Patient, "Clara", Database::Sqlite).await;
    let path = place.dir.path().join("identity.json");
    let before = std::fs::read(&path).unwrap();
    let refused = hand_over(&path, None).unwrap_err();
    assert!(refused.to_string().contains("let another device in"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// How often a place knows a record to be told of a next key of its own.
async fn handovers(place: &Place, record: RecordId) -> usize {
    let store = place.store().await;
    let controls = Reader::from(&store).control_ops(&record).await.unwrap();
    store.close().await;
    let handed = controls.iter().map(|stored| &stored.op).filter(|op| op.header().kind == Kind::Keys);
    handed.filter(|op| op.entries()[0].key == KeyName::Plain).count()
}

const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// A hospital and its patient, paired; where the patient is reached, the Patient's id and the record.
async fn paired() -> (Place, Place, Vec<String>, String, RecordId) {
    let a = Place::connected(Role::Gateway, "Hospital A", Database::Sqlite).await;
    let p = Place::new(Role::Patient, "Clara", Database::Sqlite).await;
    let reached = p.node.start_net(vec![LOOPBACK.into()], Vec::new()).await.unwrap();
    let at_a = create(&a.node, json!({"resourceType":"Patient"})).await.id;
    create(&a.node, observation(&at_a, "by the first key")).await;
    pair(&a.node, &p.node, &at_a).await;
    until("the patient has it", || async { count(&p.node, "Observation", "").await == 1 }).await;
    let record = p.node.records().await.unwrap()[0].record;
    (a, p, reached, at_a, record)
}

fn restore(backup: &Path, to: &Path) {
    for beside in ["node.db-wal", "node.db-shm"] {
        std::fs::remove_file(to.join(beside)).ok();
    }
    std::fs::copy(backup, to.join("node.db")).unwrap();
}

/// The database was put back to before the handover, the identity's file was not: the record was told twice at one place of the
/// hospital's lane, which is the proof of a fork, and what the key before had written since the backup counted nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_takes_its_handover_back_and_signs_no_other() {
    let (mut a, p, reached, at_a, record) = paired().await;
    a.node.close().await;
    let (dir, backup) = (a.dir.path().to_owned(), a.dir.path().join("backup"));
    std::fs::copy(dir.join("node.db"), &backup).unwrap();
    a.restart(false).await;
    a.node.start_net(vec![LOOPBACK.into()], reached.clone()).await.unwrap();
    create(&a.node, observation(&at_a, "after the backup, by the first key")).await;
    until("the patient has two", || async { count(&p.node, "Observation", "").await == 2 }).await;
    a.node.close().await;
    hand_over(&dir.join("identity.json"), None).unwrap();
    a.restart(false).await;
    a.node.start_net(vec![LOOPBACK.into()], reached.clone()).await.unwrap();
    create(&a.node, observation(&at_a, "by the second key")).await;
    until("the patient has three", || async { count(&p.node, "Observation", "").await == 3 }).await;

    a.node.close().await;
    restore(&backup, &dir);
    a.restart(false).await;
    assert_eq!(handovers(&a, record).await, 0, "nobody was heard from yet");
    a.node.start_net(vec![LOOPBACK.into()], reached).await.unwrap();
    create(&a.node, observation(&at_a, "after the restore")).await;
    until("the patient has all", || async { count(&p.node, "Observation", "").await == 4 }).await;
    until("so has the hospital", || async { count(&a.node, "Observation", "").await == 4 }).await;
    assert_eq!((handovers(&a, record).await, handovers(&p, record).await), (1, 1));
    assert_eq!(p.node.forks().await.unwrap(), []);
    assert_eq!(p.node.held_back_count().await.unwrap(), 0);
    for node in [&a.node, &p.node] {
        stays_the_same_after_reindex(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_to_ask_a_record_is_told_after_a_while_and_others_at_once() {
    let (mut a, p, _, at_a, record) = paired().await;
    p.node.close().await;
    a.node.close().await;
    hand_over(&a.dir.path().join("identity.json"), None).unwrap();
    a.restart(true).await;
    let waits = create(&a.node, observation(&at_a, "where another is"));
    let other = async {
        let late = create(&a.node, json!({"resourceType":"Patient"})).await.id;
        create(&a.node, observation(&late, "where nobody else is")).await;
        handovers(&a, record).await
    };
    let (_, meanwhile) = tokio::join!(waits, other);
    assert_eq!(meanwhile, 0, "who has nobody to wait for did not wait");
    assert_eq!(handovers(&a, record).await, 1);
    assert_eq!(count(&a.node, "Observation", "").await, 3);
    a.restart(true).await;
    create(&a.node, observation(&at_a, "again")).await;
    assert_eq!(handovers(&a, record).await, 1);
}

/// One record whose ops do not read any more kept the whole gateway from starting.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_told_keeps_nobody_from_starting() {
    let mut a = Place::new(Role::Gateway, "Hospital A", Database::Sqlite).await;
    let store = a.store().await;
    let records = async || Reader::from(&store).records().await.unwrap();
    create(&a.node, json!({"resourceType":"Patient"})).await;
    let damaged = records().await.iter().find(|known| known.purpose == 0).unwrap().record;
    let well = create(&a.node, json!({"resourceType":"Patient"})).await.id;
    let others =
        records().await.iter().map(|known| known.record).filter(|record| *record != damaged).collect::<Vec<_>>();
    assert_eq!(others.len(), 2);
    let id = damaged.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sql = format!("UPDATE log_ops SET header = x'00' WHERE record = x'{id}' AND lane_kind = 0");
    assert_eq!(store.run(&sql).await.unwrap(), 1);
    store.close().await;
    a.node.close().await;
    hand_over(&a.dir.path().join("identity.json"), None).unwrap();
    for _ in 0..2 {
        a.restart(false).await;
        create(&a.node, observation(&well, "by the next key")).await;
        for record in &others {
            assert_eq!(handovers(&a, *record).await, 1);
        }
    }
}

/// Another process goes on with the file from before: it answered 201 to what counted nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_the_key_before_writes_nothing() {
    let mut a = Place::new(Role::Gateway, "Hospital A", Database::Sqlite).await;
    let at_a = create(&a.node, json!({"resourceType":"Patient"})).await.id;
    let record = {
        let store = a.store().await;
        let known = Reader::from(&store).records().await.unwrap();
        store.close().await;
        known.iter().find(|known| known.purpose == 0).unwrap().record
    };
    for number in 1..=2 {
        let before = a.beside().await;
        create(&before, observation(&at_a, "by a key that is in use")).await;
        hand_over(&a.dir.path().join("identity.json"), None).unwrap();
        a.restart(false).await;
        // Neither where it was told, nor in a record that nobody told of anything.
        for resource in [observation(&at_a, "by the key before"), json!({"resourceType":"Patient"})] {
            let create = Intent::Create { resource: valid(resource), if_none_exist: None };
            let refused = before.write(&caller(), create).await.unwrap_err();
            assert!(matches!(refused, NodeError::HandedOver), "{refused}");
            assert!(refused.to_string().contains("restart this process with its new identity file"));
        }
        assert_eq!(handovers(&a, record).await, number, "it tells the record of nothing");
        create(&a.node, observation(&at_a, "by the key after")).await;
        assert_eq!(count(&a.node, "Observation", "").await, 2 * number);
        before.close().await;
    }
}
