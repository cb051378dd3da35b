//! An identity hands over to its next key: it keeps its name, what it wrote and what it may open; whoever has the old key writes nothing
//! that counts any more.

use crate::common::{
    Database, Place, caller, count, create, databases, let_in, open, pair, stays_the_same_after_reindex, until,
};
use crate::meet::{give, meet};
use node::Role;
use node::identity_file::{hand_over, load};
use serde_json::{Value, json};

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
