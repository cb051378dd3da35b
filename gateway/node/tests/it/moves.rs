//! Resources that change their home: those that waited for their Patient, those whose subject or label is corrected.

use crate::common::{
    Database, Place, caller, count, databases, kind, let_in, pair, search, stays_the_same_after_reindex, until, valid,
};
use crate::world::World;
use node::write::{Intent, Written};
use node::{Node, Role};
use serde_json::{Value, json};

async fn put(node: &Node, json: Value) -> Written {
    node.write(&caller(), Intent::Update { resource: valid(json), if_match: None }).await.unwrap()
}

fn observation(id: &str, subject: &Value, words: &str) -> Value {
    json!({"resourceType":"Observation","id":id,"status":"final","code":{"text":words},"subject":subject})
}

fn patient(id: &str) -> Value {
    json!({"reference": format!("Patient/{id}")})
}

async fn versions(node: &Node, name: &str, id: &str) -> usize {
    node.history(&caller(), kind(name), id, None, 50).await.unwrap().versions.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_its_patient_moves_into_the_record() {
    for database in databases() {
        what_waited_for_its_patient_moves_into_the_record_on(database).await;
    }
}

async fn what_waited_for_its_patient_moves_into_the_record_on(database: Database) {
    let a = Place::connected(Role::Gateway, "Hospital A", database).await;
    let p = Place::connected(Role::Patient, "Clara", database).await;
    // Before the Patient: by reference, by identifier, by what it says of another resource, and in a chain of those.
    put(&a.node, observation("o1", &patient("late"), "by reference")).await;
    let named = json!({"identifier": {"system": "urn:mrn", "value": "77"}});
    put(&a.node, observation("o2", &named, "by identifier")).await;
    let provenance = json!({"resourceType":"Provenance","id":"v1","recorded":"2026-01-01T00:00:00Z",
        "target":[{"reference":"Observation/o1"}],"agent":[{"who":{"display":"x"}}]});
    put(&a.node, provenance).await;
    put(&a.node, observation("other", &patient("never"), "somebody else's")).await;
    assert_eq!(versions(&a.node, "Observation", "o1").await, 1);
    stays_the_same_after_reindex(&a.node).await;

    let late = json!({"resourceType":"Patient","id":"late","identifier":[{"system":"urn:mrn","value":"77"}],
        "name":[{"family":"Late"}]});
    put(&a.node, late).await;
    for (name, id, wanted) in
        [("Observation", "o1", 2), ("Observation", "o2", 2), ("Provenance", "v1", 2), ("Observation", "other", 1)]
    {
        assert_eq!(versions(&a.node, name, id).await, wanted, "{name}/{id}");
    }
    assert_eq!(count(&a.node, "Observation", "patient=late").await, 1);
    stays_the_same_after_reindex(&a.node).await;

    // They are in the record: its patient has them, and nothing of anybody else.
    pair(&a.node, &p.node, "late").await;
    until("the patient has them", || async {
        count(&p.node, "Observation", "").await == 2 && count(&p.node, "Provenance", "").await == 1
    })
    .await;
    for place in [&a, &p] {
        stays_the_same_after_reindex(&place.node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_subject_and_a_raised_label_are_seen_by_nobody_else_any_more() {
    for database in databases() {
        a_corrected_subject_and_a_raised_label_are_seen_by_nobody_else_any_more_on(database).await;
    }
}

async fn a_corrected_subject_and_a_raised_label_are_seen_by_nobody_else_any_more_on(database: Database) {
    let World { a, b, p, at_b, .. } = World::open(database).await;
    for id in ["clara", "karla"] {
        put(&a.node, json!({"resourceType":"Patient","id":id,"name":[{"family":id}]})).await;
    }
    for id in ["stays", "wrong", "secret"] {
        put(&a.node, observation(id, &patient("clara"), id)).await;
    }
    let address = pair(&a.node, &p.node, "clara").await;
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.rs").await;
    let query = format!("patient={at_b}");
    until("B finds all three", || async { count(&b.node, "Observation", &query).await == 3 }).await;

    put(&a.node, observation("wrong", &patient("karla"), "wrong")).await;
    let mut secret = observation("secret", &patient("clara"), "secret");
    secret["meta"] = json!({"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]});
    put(&a.node, secret).await;
    until("B finds the one that stayed", || async { count(&b.node, "Observation", &query).await == 1 }).await;
    assert!(search(&b.node, "Observation", &query).await.matches[0].id.ends_with(".stays"));
    // A's grant does not reach that class, so A keeps it to itself.
    until("so does the patient", || async { count(&p.node, "Observation", "").await == 1 }).await;
    // At A nothing is gone, and every version is there.
    for (subject, wanted) in [("clara", 2), ("karla", 1)] {
        assert_eq!(count(&a.node, "Observation", &format!("patient={subject}")).await, wanted, "{subject}");
    }
    for id in ["wrong", "secret"] {
        assert_eq!(versions(&a.node, "Observation", id).await, 2, "{id}");
    }

    // And back again.
    put(&a.node, observation("wrong", &patient("clara"), "was right")).await;
    put(&a.node, observation("secret", &patient("clara"), "no secret")).await;
    until("B finds all three again", || async { count(&b.node, "Observation", &query).await == 3 }).await;
    for place in [&a, &b, &p] {
        stays_the_same_after_reindex(&place.node).await;
    }
}
