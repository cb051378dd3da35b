//! What others wrote, in histories, compartments and conditions: seen as far as a grant reaches, changed and matched by
//! nobody here, gone without a trace in any total once the grant is.

use crate::common::{Database, caller, create, databases, kind, let_in, pair, until, valid};
use crate::world::World;
use node::everything::Wanted as Part;
use node::history::{Of, Wanted};
use node::patch::Patch;
use node::write::{Intent, Which};
use node::{Node, NodeError};
use serde_json::json;

/// How many Observations the histories, the compartment and everything about the Patient have, and their totals.
async fn seen(node: &Node, patient: &str) -> [(usize, i64); 4] {
    let observation = kind("Observation");
    let wanted = Wanted { count: 100, since: Some(0), at: Some((0, i64::MAX)), ..Wanted::default() };
    let mut seen = [(0, 0); 4];
    for (at, of) in [Of::Type(observation), Of::System].iter().enumerate() {
        let found = node.versions(&caller(), of, wanted, None).await.unwrap();
        let mine = found.versions.iter().filter(|version| version.kind == observation).count();
        let others = found.versions.len() - mine;
        seen[at] = (mine, found.total - others as i64);
    }
    let query = node.query(observation, &[]).await.unwrap();
    let found = node.search_compartment(&caller(), (kind("Patient"), patient), query, None).await.unwrap();
    seen[2] = (found.matches.len(), found.total.unwrap());
    let part = Part { kinds: vec![observation], start: Some(0), since: Some(0), directory: true, ..Part::default() };
    let found = node.everything(&caller(), patient, &part, None).await.unwrap();
    seen[3] = (found.matches.len(), found.total.unwrap());
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_shown_as_far_as_a_grant_reaches() {
    for database in databases() {
        what_others_wrote_is_shown_as_far_as_a_grant_reaches_on(database).await;
    }
}

async fn what_others_wrote_is_shown_as_far_as_a_grant_reaches_on(database: Database) {
    let World { a, b, p, at_a, at_b, .. } = World::open(database).await;
    let observation = |subject: &str| {
        json!({"resourceType":"Observation","identifier":[{"system":"urn:x","value":"1"}],"status":"final",
            "code":{"text":"height"},"subject":{"reference":format!("Patient/{subject}")}})
    };
    create(&a.node, observation(&at_a)).await;
    let address = pair(&a.node, &p.node, &at_a).await;
    assert_eq!(seen(&b.node, &at_b).await, [(0, 0); 4]);
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.rs").await;
    until("B sees what A wrote", || async { seen(&b.node, &at_b).await == [(1, 1); 4] }).await;

    // Nothing of it is changed here, and no condition matches it.
    let wanted = Wanted { count: 1, ..Wanted::default() };
    let theirs = b.node.versions(&caller(), &Of::Type(kind("Observation")), wanted, None).await.unwrap();
    let id = theirs.versions[0].id.clone();
    let patch = |which: Which| Intent::Patch {
        kind: kind("Observation"),
        which,
        patch: Patch::Json(b"[]".to_vec()),
        if_match: None,
    };
    let refused = b.node.write(&caller(), patch(Which::Id(id))).await;
    assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
    let criteria = || "identifier=urn:x|1".to_owned();
    let none = b.node.write(&caller(), patch(Which::Where(criteria()))).await;
    assert!(matches!(none, Err(NodeError::NotFound(_))), "{none:?}");
    let away = Intent::DeleteWhere { kind: kind("Observation"), criteria: criteria(), if_match: None };
    assert!(!b.node.write(&caller(), away).await.unwrap().changed);
    let own = Intent::UpdateWhere { resource: valid(observation(&at_b)), criteria: criteria(), if_match: None };
    assert!(b.node.write(&caller(), own).await.unwrap().created);
    assert_eq!(seen(&b.node, &at_b).await, [(2, 2); 4]);

    let grants = p.node.grants().await.unwrap();
    let grant = grants.iter().find(|grant| grant.name == "Hospital B").unwrap();
    p.node.revoke(&grant.id).await.unwrap();
    until("B sees its own alone", || async { seen(&b.node, &at_b).await == [(1, 1); 4] }).await;
}

/// What one sees of `_at` and of others' Patients.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_looks_at_nothing_that_is_not_to_be_seen() {
    for database in databases() {
        a_history_looks_at_nothing_that_is_not_to_be_seen_on(database).await;
    }
}

/// <https://hl7.org/fhir/R4/http.html#history>
async fn a_history_looks_at_nothing_that_is_not_to_be_seen_on(database: Database) {
    let World { a, b, p, at_a, at_b, .. } = World::open(database).await;
    let observation = json!({"resourceType":"Observation","status":"final","code":{"text":"height"},
        "subject":{"reference":format!("Patient/{at_a}")}});
    let made = create(&a.node, observation.clone()).await;
    let address = pair(&a.node, &p.node, &at_a).await;
    let_in(&b.node, &p.node, &at_b, &address, "patient/*.rs").await;
    until("B sees what A wrote", || async { seen(&b.node, &at_b).await == [(1, 1); 4] }).await;

    // A's Patient is read by its id, and listed nowhere.
    let theirs = format!("{}.{at_a}", a.node.identity().id().origin());
    until("B has A's Patient", || async { b.node.read(&caller(), kind("Patient"), &theirs).await.is_ok() }).await;
    for of in [Of::Type(kind("Patient")), Of::System] {
        let found = b.node.versions(&caller(), &of, Wanted { count: 100, ..Wanted::default() }, None).await.unwrap();
        let patients = found.versions.iter().filter(|version| version.kind == kind("Patient"));
        assert_eq!(patients.map(|version| version.id.as_str()).collect::<Vec<_>>(), [at_b.as_str()], "{of:?}");
    }

    // Of a version that B may not see `_at` knows nothing: the newest is put into a class that no grant covers.
    let mut second = observation;
    second["id"] = made.id.as_str().into();
    second["status"] = "amended".into();
    a.node.write(&caller(), Intent::Update { resource: valid(second), if_match: None }).await.unwrap();
    let of = Of::Type(kind("Observation"));
    let all = Wanted { count: 100, ..Wanted::default() };
    until("B has both versions", || async { b.node.versions(&caller(), &of, all, None).await.unwrap().total == 2 })
        .await;
    let at = Wanted { at: Some((i64::MAX - 1, i64::MAX - 1)), ..all };
    let now = b.node.versions(&caller(), &of, at, None).await.unwrap();
    assert!(String::from_utf8(now.versions[0].json.clone()).unwrap().contains("amended"));
    let newest =
        format!("SELECT MAX(position) FROM cache_versions WHERE own = 0 AND type = {}", kind("Observation").number());
    let hide = format!("UPDATE cache_versions SET class = 5 WHERE position = ({newest})");
    assert_eq!(b.store().await.run(&hide).await.unwrap(), 1);
    let now = b.node.versions(&caller(), &of, at, None).await.unwrap();
    assert_eq!((now.total, now.versions.len()), (1, 1));
    assert!(String::from_utf8(now.versions[0].json.clone()).unwrap().contains("final"));
}
