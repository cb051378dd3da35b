//! A Binary is read by whoever may read what it is about: by grant here, by token in the server's own tests.
//! <https://hl7.org/fhir/R4/binary.html#security>

use crate::common::{Database, caller, count, create, kind, let_in, pair, search, until};
use crate::world::{World, observation};
use node::history::{Of, Wanted};
use node::{Node, NodeError};
use serde_json::{Value, json};

async fn reads(node: &Node, id: &str) -> bool {
    let read = node.read(&caller(), kind("Binary"), id).await;
    assert!(matches!(read, Ok(_) | Err(NodeError::NotFound(_))), "{read:?}");
    let wanted = Wanted { count: 10, ..Wanted::default() };
    let history = node.versions(&caller(), &Of::Instance(kind("Binary"), id.into()), wanted, None).await;
    assert_eq!(history.is_ok(), read.is_ok(), "{history:?}");
    read.is_ok()
}

/// B is let in to the Binaries, but not to the documents that two of them are about.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_no_binary_without_what_it_is_about() {
    let World { a, b, p, at_a, at_b, .. } = World::open(Database::Sqlite).await;
    let subject = json!({"reference": format!("Patient/{at_a}")});
    let observation = create(&a.node, observation(&at_a, "x")).await.id;
    let binary = async |context: Value| {
        let json = json!({"resourceType":"Binary","contentType":"text/plain","data":"aGk=","securityContext":context});
        create(&a.node, json).await.id
    };
    let of_patient = binary(subject.clone()).await;
    let of_observation = binary(json!({"reference": format!("Observation/{observation}")})).await;
    let address = pair(&a.node, &p.node, &at_a).await;
    let_in(&b.node, &p.node, &at_b, &address, "patient/Binary.rs").await;
    let origin = a.node.identity().id().origin();
    let at = |id: &str| format!("{origin}.{id}");
    // The Patient it is about is B's own.
    until("B reads what is about its Patient", || async { reads(&b.node, &at(&of_patient)).await }).await;
    assert!(!reads(&b.node, &at(&of_observation)).await);
    let wanted = Wanted { count: 10, ..Wanted::default() };
    let listed = b.node.versions(&caller(), &Of::Type(kind("Binary")), wanted, None).await.unwrap();
    assert_eq!(listed.total, 0, "no list of others' Binaries");

    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.rs").await;
    until("B finds the Observation", || async { count(&b.node, "Observation", "").await == 1 }).await;
    assert_eq!(search(&b.node, "Observation", "").await.matches[0].id, at(&observation));
    assert!(reads(&b.node, &at(&of_observation)).await);
    assert!(reads(&a.node, &of_observation).await);
}
