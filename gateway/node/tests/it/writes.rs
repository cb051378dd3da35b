//! Writes at one node: homes, versions, conditions, transactions, reindex.

use crate::common::{Database, Place, caller, count, create, databases, is_clean, kind, search, valid};
use node::write::Intent;
use node::{NodeError, Role};
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_written_read_updated_and_deleted() {
    for database in databases() {
        a_resource_is_written_read_updated_and_deleted_on(database).await;
    }
}

async fn a_resource_is_written_read_updated_and_deleted_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    let made =
        create(&a.node, json!({"resourceType":"Patient","name":[{"family":"Grün"}],"birthDate":"1970-01-01"})).await;
    assert!(made.created && made.changed);
    let read = a.node.read(&caller(), kind("Patient"), &made.id).await.unwrap();
    assert_eq!(read.version, made.version);
    assert_eq!(read.json, made.json);
    assert_eq!(count(&a.node, "Patient", "family=grun").await, 1);
    assert_eq!(count(&a.node, "Patient", "birthdate=1970").await, 1);
    assert_eq!(count(&a.node, "Patient", "family=blau").await, 0);

    let update = |if_match: Option<&str>| Intent::Update {
        resource: valid(json!({"resourceType":"Patient","id":made.id,"name":[{"family":"Blau"}]})),
        if_match: if_match.map(str::to_owned),
    };
    let stale = a.node.write(&caller(), update(Some("nothing"))).await;
    assert!(matches!(stale, Err(NodeError::Precondition(_))), "{stale:?}");
    let second = a.node.write(&caller(), update(Some(&made.version))).await.unwrap();
    assert!(!second.created && second.version != made.version);
    assert_eq!(count(&a.node, "Patient", "family=grun").await, 0);
    assert_eq!(count(&a.node, "Patient", "family=blau").await, 1);

    let observation = json!({"resourceType":"Observation","status":"final","code":{"text":"x"},
        "subject":{"reference":format!("Patient/{}", made.id)},"valueQuantity":{"value":1.00}});
    let observed = create(&a.node, observation).await;
    assert_eq!(count(&a.node, "Observation", &format!("patient={}", made.id)).await, 1);

    let gone = Intent::Delete { kind: kind("Observation"), id: observed.id.clone(), if_match: None };
    a.node.write(&caller(), gone).await.unwrap();
    let read = a.node.read(&caller(), kind("Observation"), &observed.id).await;
    assert!(matches!(read, Err(NodeError::Gone(_))), "{read:?}");
    let history = a.node.history(&caller(), kind("Observation"), &observed.id, None, 10).await.unwrap();
    assert_eq!(history.versions.iter().map(|v| v.method).collect::<Vec<_>>(), ["DELETE", "POST"]);
    assert!(a.node.vread(&caller(), kind("Observation"), &observed.id, &observed.version).await.is_ok());
    is_clean(&a.node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_conditional_creates_make_exactly_one() {
    for database in databases() {
        parallel_conditional_creates_make_exactly_one_on(database).await;
    }
}

async fn parallel_conditional_creates_make_exactly_one_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    let patient = || Intent::Create {
        resource: valid(json!({"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]})),
        if_none_exist: Some("identifier=urn:x|1".into()),
    };
    let mut all = Vec::new();
    for _ in 0..50 {
        let (node, intent) = (a.node.clone(), patient());
        all.push(tokio::spawn(async move { node.write(&caller(), intent).await.unwrap() }));
    }
    let mut made = 0;
    for one in all {
        made += usize::from(one.await.unwrap().created);
    }
    assert_eq!(made, 1);
    assert_eq!(count(&a.node, "Patient", "identifier=urn:x|1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synthea_transaction_loads_whole_and_reindexes_to_the_same() {
    for database in databases() {
        a_synthea_transaction_loads_whole_and_reindexes_to_the_same_on(database).await;
    }
}

async fn a_synthea_transaction_loads_whole_and_reindexes_to_the_same_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/synthea/Clemente_Kreiger_1484a42d-0eaf-4654-9cbf-6b050a5cd73b.json"
    );
    let bundle = fhir::bundle::read(std::fs::read(path).unwrap()).unwrap();
    let entries = bundle.entries.len();
    let results = a.node.transaction(&caller(), bundle).await.unwrap();
    assert_eq!(results.len(), entries);
    let patient = search(&a.node, "Patient", "family=Kreiger").await.matches.pop();
    let patient = patient.map(|served| served.id).unwrap_or_default();
    let query = format!("patient={patient}&_include=Observation:encounter&_count=1000");
    let before = search(&a.node, "Observation", &query).await;
    assert!(!before.matches.is_empty() && !before.includes.is_empty());
    is_clean(&a.node).await;
    let report = a.node.verify().await.unwrap();
    a.node.reindex(Arc::new(|_| {})).await.unwrap();
    is_clean(&a.node).await;
    assert_eq!(a.node.verify().await.unwrap(), report);
    let after = search(&a.node, "Observation", &query).await;
    let names = |found: &node::search::Found| {
        found
            .matches
            .iter()
            .chain(&found.includes)
            .map(|s| (s.id.clone(), s.version.clone(), s.last_updated, s.json.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after));
    // Writing goes on after it.
    create(&a.node, json!({"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":format!("Patient/{patient}")}})).await;
    is_clean(&a.node).await;
}

/// Ops signed in a form from before the format was settled do not read, and must not be half read.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_form_is_refused_in_words() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        create(&place.node, json!({"resourceType":"Patient"})).await;
        place.node.close().await;
        let store = place.store().await;
        store.run("DELETE FROM log_meta WHERE name = 'record-format'").await.unwrap();
        store.close().await;
        let refused = place.reopened().await;
        assert!(matches!(&refused, Err(node::OpenError::Format)), "{:?}", refused.err());
        let store = place.store().await;
        assert!(store.frame_count().await.unwrap() > 0, "nothing is changed");
        store.close().await;
    }
}
