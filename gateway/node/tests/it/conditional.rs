//! Patches and conditional writes at one node: what they find is decided in their transaction, so none is lost and none
//! is made twice.

use crate::common::{Database, Place, caller, count, create, databases, is_clean, kind, search, valid};
use node::patch::Patch;
use node::write::{Intent, Which};
use node::{Caller, Node, NodeError, Role, Written};
use record::scope::Scopes;
use serde_json::json;

/// How many ask at once.
const AT_ONCE: usize = 200;

async fn write(node: &Node, intent: Intent) -> Result<Written, NodeError> {
    node.write(&caller(), intent).await
}

fn patch(which: Which, text: &str) -> Intent {
    Intent::Patch { kind: kind("Patient"), which, patch: Patch::Json(text.into()), if_match: None }
}

fn by_identifier(value: &str) -> Intent {
    Intent::UpdateWhere {
        resource: valid(json!({"resourceType":"Patient","identifier":[{"system":"urn:x","value":value}]})),
        criteria: format!("identifier=urn:x|{value}"),
        if_match: None,
    }
}

fn away(criteria: &str) -> Intent {
    Intent::DeleteWhere { kind: kind("Patient"), criteria: criteria.into(), if_match: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_patches_are_all_kept() {
    for database in databases() {
        parallel_patches_are_all_kept_on(database).await;
    }
}

/// <https://hl7.org/fhir/R4/http.html#patch>
async fn parallel_patches_are_all_kept_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    let made = create(&a.node, json!({"resourceType":"Patient","identifier":[{"value":"first"}]})).await;
    let each = (0..AT_ONCE).map(|at| {
        let (node, id) = (a.node.clone(), made.id.clone());
        let text = format!(r#"[{{"op":"add","path":"/identifier/-","value":{{"value":"{at}"}}}}]"#);
        tokio::spawn(async move { write(&node, patch(Which::Id(id), &text)).await.unwrap() })
    });
    for one in each.collect::<Vec<_>>() {
        assert!(one.await.unwrap().changed);
    }
    let read = a.node.read(&caller(), kind("Patient"), &made.id).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&read.json).unwrap();
    assert_eq!(json["identifier"].as_array().unwrap().len(), AT_ONCE + 1);
    assert_eq!(count(&a.node, "Patient", &format!("identifier={}", AT_ONCE / 2)).await, 1);
    is_clean(&a.node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_conditional_updates_make_exactly_one() {
    for database in databases() {
        parallel_conditional_updates_make_exactly_one_on(database).await;
    }
}

/// <https://hl7.org/fhir/R4/http.html#cond-update>
async fn parallel_conditional_updates_make_exactly_one_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    // Several gateway processes share one Postgres.
    let second = if database == Database::Postgres { a.beside().await } else { a.node.clone() };
    let each = (0..AT_ONCE).map(|at| {
        let node = if at % 2 == 0 { a.node.clone() } else { second.clone() };
        tokio::spawn(async move { write(&node, by_identifier("1")).await.unwrap() })
    });
    let (mut made, mut ids) = (0, Vec::new());
    for one in each.collect::<Vec<_>>() {
        let written = one.await.unwrap();
        made += usize::from(written.created);
        ids.push(written.id);
    }
    ids.dedup();
    assert_eq!((made, ids.len()), (1, 1));
    assert_eq!(count(&a.node, "Patient", "identifier=urn:x|1").await, 1);
    let versions = a.node.history(&caller(), kind("Patient"), &ids[0], None, 1000).await.unwrap();
    assert_eq!(versions.versions.len(), AT_ONCE);
    is_clean(&a.node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_conditional_creates_make_exactly_one() {
    for database in databases() {
        parallel_conditional_creates_make_exactly_one_on(database).await;
    }
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>
async fn parallel_conditional_creates_make_exactly_one_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    let second = if database == Database::Postgres { a.beside().await } else { a.node.clone() };
    let each = (0..AT_ONCE).map(|at| {
        let node = if at % 2 == 0 { a.node.clone() } else { second.clone() };
        let resource = valid(json!({"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]}));
        let intent = Intent::Create { resource, if_none_exist: Some("identifier=urn:x|1".into()) };
        tokio::spawn(async move { write(&node, intent).await.unwrap() })
    });
    let (mut made, mut ids) = (0, Vec::new());
    for one in each.collect::<Vec<_>>() {
        let written = one.await.unwrap();
        made += usize::from(written.created && written.changed);
        ids.push(written.id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!((made, ids.len()), (1, 1));
    let versions = a.node.history(&caller(), kind("Patient"), &ids[0], None, 1000).await.unwrap();
    assert_eq!(versions.versions.len(), 1);
    is_clean(&a.node).await;
}

/// <https://hl7.org/fhir/R4/http.html#cond-update>
#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_update_goes_by_what_matches() {
    let a = Place::new(Role::Gateway, "A", Database::Sqlite).await;
    let named = |id: &str, value: &str, criteria: &str| Intent::UpdateWhere {
        resource: valid(json!({"resourceType":"Patient","id":id,"identifier":[{"system":"urn:x","value":value}]})),
        criteria: format!("identifier=urn:x|{criteria}"),
        if_match: None,
    };
    let first = write(&a.node, named("mine", "1", "1")).await.unwrap();
    assert_eq!((first.id.as_str(), first.created), ("mine", true), "none, and an id: update as create");
    let second = write(&a.node, by_identifier("1")).await.unwrap();
    assert_eq!((second.id.as_str(), second.created), ("mine", false), "one, and no id");
    assert!(!write(&a.node, named("mine", "1", "1")).await.unwrap().created, "one, and its id");
    let other = write(&a.node, named("other", "1", "1")).await;
    assert!(matches!(other, Err(NodeError::Invalid(_))), "one, and another id: {other:?}");
    let taken = write(&a.node, named("mine", "2", "2")).await;
    assert!(matches!(taken, Err(NodeError::Conflict(_))), "none, and an id that is taken: {taken:?}");
    create(&a.node, json!({"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]})).await;
    let several = write(&a.node, by_identifier("1")).await;
    assert!(matches!(several, Err(NodeError::Precondition(_))), "several: {several:?}");
    let unknown = Intent::UpdateWhere {
        resource: valid(json!({"resourceType":"Patient"})),
        criteria: "shoe=1".into(),
        if_match: None,
    };
    let unknown = write(&a.node, unknown).await;
    assert!(matches!(unknown, Err(NodeError::Invalid(_))), "what is not known is never passed over: {unknown:?}");
}

/// <https://hl7.org/fhir/R4/http.html#patch>
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_goes_by_what_matches() {
    let a = Place::new(Role::Gateway, "A", Database::Sqlite).await;
    let active = r#"[{"op":"add","path":"/active","value":true}]"#;
    let criteria = || Which::Where("identifier=urn:x|1".into());
    let none = write(&a.node, patch(criteria(), active)).await;
    assert!(matches!(none, Err(NodeError::NotFound(_))), "{none:?}");
    let made = write(&a.node, by_identifier("1")).await.unwrap();
    assert_eq!(write(&a.node, patch(criteria(), active)).await.unwrap().id, made.id);
    assert_eq!(count(&a.node, "Patient", "active=true").await, 1);
    create(&a.node, json!({"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"}]})).await;
    let several = write(&a.node, patch(criteria(), active)).await;
    assert!(matches!(several, Err(NodeError::Precondition(_))), "{several:?}");
    let id = || Which::Id(made.id.clone());
    for (text, wanted) in [
        ("{}", "Invalid"),
        (r#"[{"op":"replace","path":"/id","value":"x"}]"#, "Inapplicable"),
        (r#"[{"op":"remove","path":"/id"}]"#, "Inapplicable"),
        (r#"[{"op":"replace","path":"/resourceType","value":"Group"}]"#, "Inapplicable"),
        (r#"[{"op":"test","path":"/active","value":false}]"#, "Inapplicable"),
        (r#"[{"op":"add","path":"/shoe","value":1}]"#, "Inapplicable"),
    ] {
        let found = format!("{:?}", write(&a.node, patch(id(), text)).await);
        assert!(found.starts_with(&format!("Err({wanted}")), "{text}: {found}");
    }
    let Intent::Patch { kind, which, patch: text, .. } = patch(id(), active) else { panic!() };
    let stale = write(&a.node, Intent::Patch { kind, which, patch: text, if_match: Some("old".into()) }).await;
    assert!(matches!(stale, Err(NodeError::Precondition(_))), "{stale:?}");
    write(&a.node, Intent::Delete { kind, id: made.id.clone(), if_match: None }).await.unwrap();
    let gone = write(&a.node, patch(id(), active)).await;
    assert!(matches!(gone, Err(NodeError::Gone(_))), "{gone:?}");
}

/// <https://hl7.org/fhir/R4/http.html#3.1.0.7.1>
#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_delete_goes_by_what_matches() {
    for database in databases() {
        let a = Place::new(Role::Gateway, "A", database).await;
        let none = write(&a.node, away("family=gone")).await.unwrap();
        assert_eq!((none.changed, none.id.as_str()), (false, ""));
        let doe = || json!({"resourceType":"Patient","name":[{"family":"Doe"}]});
        let one = create(&a.node, doe()).await;
        assert_eq!(write(&a.node, away("family=doe")).await.unwrap().id, one.id);
        create(&a.node, doe()).await;
        create(&a.node, doe()).await;
        let several = write(&a.node, away("family=doe")).await;
        assert!(matches!(several, Err(NodeError::Precondition(_))), "{several:?}");
        assert_eq!(count(&a.node, "Patient", "family=doe").await, 2);
        a.node.allow_multiple_deletes(true);
        let both = write(&a.node, away("family=doe")).await.unwrap();
        assert_eq!((both.changed, both.also.len()), (true, 1));
        assert!(search(&a.node, "Patient", "family=doe").await.matches.is_empty());
        is_clean(&a.node).await;
    }
}

/// A condition answers as a search does, and a patch writes: each needs its scope.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_needs_the_scope_of_a_search() {
    let a = Place::new(Role::Gateway, "A", Database::Sqlite).await;
    let made = write(&a.node, by_identifier("1")).await.unwrap();
    for (scope, intent, wanted) in [
        ("system/Patient.u", by_identifier("1"), false),
        ("system/Patient.us", by_identifier("1"), true),
        ("system/Patient.us", by_identifier("2"), false),
        ("system/Patient.cus", by_identifier("2"), true),
        ("system/Patient.d", away("identifier=9"), false),
        ("system/Patient.ds", away("identifier=9"), true),
        ("system/Patient.cdrs", patch(Which::Id(made.id.clone()), "[]"), false),
        ("system/Patient.u", patch(Which::Id(made.id.clone()), "[]"), true),
        ("system/Patient.u", patch(Which::Where("identifier=1".into()), "[]"), false),
    ] {
        let narrow = Caller { scopes: Scopes::parse(scope), ..caller() };
        let found = a.node.write(&narrow, intent).await;
        assert_eq!(found.is_ok(), wanted, "{scope}: {found:?}");
    }
}
