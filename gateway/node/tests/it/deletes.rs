//! Deletions: wherever a resource of one's own stands it goes, as far as grants let it, and where it cannot go the caller
//! hears of it.

use crate::common::{
    Database, caller, count, databases, kind, let_in, pair, search, stays_the_same_after_reindex, until, valid,
};
use crate::world::World;
use fhir::Code;
use node::write::{Intent, Written};
use node::{Node, NodeError};
use serde_json::{Value, json};

async fn put(node: &Node, json: Value) -> Written {
    node.write(&caller(), Intent::Update { resource: valid(json), if_match: None }).await.unwrap()
}

async fn delete(node: &Node, id: &str) -> Written {
    node.write(&caller(), Intent::Delete { kind: kind("Observation"), id: id.into(), if_match: None }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_goes_wherever_the_resource_stands() {
    for database in databases() {
        a_deletion_goes_wherever_the_resource_stands_on(database).await;
    }
}

/// A hospital wrote an Observation before it was let in, and again after: it stands in two records.
async fn a_deletion_goes_wherever_the_resource_stands_on(database: Database) {
    let World { a, b, p, at_a, at_b, .. } = World::open(database).await;
    let observation = |id: &str, words: &str| {
        json!({"resourceType":"Observation","id":id,"status":"final","code":{"text":words},
            "subject":{"reference":format!("Patient/{at_b}")}})
    };
    for id in ["kept", "gone", "twice"] {
        put(&b.node, observation(id, "before")).await;
    }
    let address = pair(&a.node, &p.node, &at_a).await;
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.cru").await;
    for id in ["kept", "gone", "twice"] {
        put(&b.node, observation(id, "after")).await;
    }
    until("the patient has all three", || async { count(&p.node, "Observation", "").await == 3 }).await;

    // No grant lets B delete there: it is gone at B, stays with the patient, and whoever deleted it is told.
    let told = delete(&b.node, "gone").await;
    assert_eq!(told.issues.iter().map(|issue| issue.code).collect::<Vec<_>>(), [Code::Forbidden], "{told:?}");
    let read = b.node.read(&caller(), kind("Observation"), "gone").await;
    assert!(matches!(read, Err(NodeError::Gone(_))), "{read:?}");
    assert_eq!(delete(&b.node, "gone").await.issues.len(), 1, "and whoever deletes it again");
    assert_eq!(count(&p.node, "Observation", "").await, 3);
    stays_the_same_after_reindex(&b.node).await;

    // With a grant that does, the same request takes it away there too.
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.crud").await;
    let again = delete(&b.node, "gone").await;
    assert!(!again.changed && again.issues.is_empty(), "{again:?}");
    let both = delete(&b.node, "twice").await;
    assert!(both.changed && both.issues.is_empty(), "{both:?}");
    until("the patient has the one that was kept", || async { count(&p.node, "Observation", "").await == 1 }).await;
    assert!(search(&p.node, "Observation", "").await.matches[0].id.ends_with(".kept"));
    let more = delete(&b.node, "gone").await;
    assert!(more.issues.is_empty(), "nothing is left to say: {more:?}");
    for place in [&b, &p] {
        stays_the_same_after_reindex(&place.node).await;
    }
    for id in ["gone", "twice"] {
        let known = delete(&b.node, id).await;
        assert!(known.issues.is_empty(), "where it stands is known from the log, too: {known:?}");
    }
}
