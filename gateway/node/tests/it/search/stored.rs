//! Stored search parameters: what a job indexes is what a whole reindex indexes, whoever writes meanwhile, on however many
//! processes, however often the job is broken off.
//! <https://hl7.org/fhir/R4/searchparameter.html>

mod jobs;

use crate::common::{
    Database, Place, caller, count, create, databases, is_clean, kind, let_in, pair, stays_the_same_after_reindex,
    until, valid,
};
use node::parameters::Job;
use node::write::Intent;
use node::{Node, NodeError, Role};
use serde_json::{Value, json};

const EYE: &str = "extension.where(url = 'http://a/eye').value";

fn definition(id: &str, code: &str, kind: &str, base: &[&str], expression: &str) -> Value {
    json!({"resourceType": "SearchParameter", "id": id, "url": format!("http://a/{id}"), "name": id, "status": "active",
        "description": "of a test", "code": code, "type": kind, "base": base, "expression": expression})
}

fn patient(id: &str, eye: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "extension": [{"url": "http://a/eye", "valueCode": eye}]})
}

async fn put(node: &Node, json: Value) {
    node.write(&caller(), Intent::Update { resource: valid(json), if_match: None }).await.unwrap();
}

async fn delete(node: &Node, name: &str, id: &str) {
    let intent = Intent::Delete { kind: kind(name), id: id.to_owned(), if_match: None };
    node.write(&caller(), intent).await.unwrap();
}

async fn ended(node: &Node, id: &str) -> Job {
    until("the job ends", async || !node.reindex_job(&caller(), id).await.unwrap().is_running).await;
    node.reindex_job(&caller(), id).await.unwrap()
}

async fn reindex(node: &Node) -> Job {
    let job = node.begin_reindex(&caller()).await.unwrap();
    ended(node, &job.id).await
}

/// Why a query is refused; empty for one that is not.
async fn refusal(node: &Node, name: &str, query: &str) -> String {
    match node.query(kind(name), &node::search::pairs(query)).await {
        Err(NodeError::Invalid(outcome)) => outcome.to_string(),
        Err(error) => panic!("{query}: {error}"),
        Ok(query) => query.unknown.first().map(|issue| issue.diagnostics.clone()).unwrap_or_default(),
    }
}

/// Resources of all kinds, and what they are found by: each search finds as many as it says.
async fn filled(node: &Node) {
    for (id, eye) in [("p1", "blue"), ("p2", "green"), ("p3", "blue")] {
        put(node, patient(id, eye)).await;
    }
    put(node, json!({"resourceType": "Patient", "id": "p4"})).await;
    for (id, subject, weight) in [("o1", "p1", 80.0), ("o2", "p2", 90.5), ("o3", "p3", 70.0)] {
        let weight = json!({"url": "http://a/weight", "valueQuantity": {"value": weight, "unit": "kg",
            "system": "http://unitsofmeasure.org", "code": "kg"}});
        let observer =
            json!({"url": "http://a/observer", "valueReference": {"reference": format!("Patient/{subject}")}});
        put(
            node,
            json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
                "subject": {"reference": "Patient/p4"}, "extension": [weight, observer]}),
        )
        .await;
    }
    put(node, definition("eye", "eye", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
    let weight = "Observation.extension.where(url = 'http://a/weight').value";
    put(node, definition("weight", "weight", "quantity", &["Observation"], weight)).await;
    let observer = "Observation.extension.where(url = 'http://a/observer').value";
    let mut observer = definition("observer", "observer", "reference", &["Observation"], observer);
    observer["target"] = json!(["Patient"]);
    put(node, observer).await;
    put(node, definition("count", "extensions", "number", &["Resource"], "extension.count()")).await;
}

/// What the searches above find: each use of a parameter, as the search page has it.
async fn is_found(node: &Node) {
    for (name, query, wanted) in [
        ("Patient", "eye=blue", 2),
        ("Patient", "eye:not=blue", 2),
        ("Patient", "eye:missing=true", 1),
        ("Observation", "weight=gt75", 2),
        ("Observation", "weight=80||kg", 1),
        ("Observation", "weight=80000|http://unitsofmeasure.org|g", 1),
        ("Observation", "observer=p1,p2", 2),
        ("Observation", "observer:Patient.eye=blue", 2),
        ("Observation", "subject:Patient.eye=blue", 0),
        ("Patient", "_has:Observation:observer:weight=lt85", 2),
        ("Patient", "_filter=eye eq blue or eye eq green", 3),
        ("Patient", "extensions=1", 3),
        ("SearchParameter", "extensions=0", 4),
    ] {
        assert_eq!(refusal(node, name, query).await, "", "{query}");
        assert_eq!(count(node, name, query).await, wanted, "{name}?{query}");
    }
    let found = crate::common::search(node, "Observation", "_sort=-weight&_include=Observation:observer").await;
    assert_eq!(found.matches.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["o2", "o1", "o3"]);
    assert_eq!(found.includes.len(), 3);
    let found = crate::common::search(node, "Patient", "eye=green&_revinclude=Observation:observer").await;
    assert_eq!(found.includes.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["o2"]);
}

// https://hl7.org/fhir/R4/search.html
#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_indexes_is_found_and_is_what_a_reindex_indexes() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        let node = &place.node;
        filled(node).await;
        assert!(
            refusal(node, "Patient", "eye=blue")
                .await
                .contains("a stored SearchParameter defines it and is not indexed")
        );
        let job = reindex(node).await;
        assert_eq!(job.notes.iter().filter(|note| note.is_refused).count(), 0, "{:?}", job.notes);
        assert_eq!(job.notes.len(), 4);
        is_found(node).await;
        stays_the_same_after_reindex(node).await;
        is_found(node).await;
        // A criterion and an If-None-Exist by a stored parameter.
        let intent = Intent::Create { resource: valid(patient("x", "green")), if_none_exist: Some("eye=green".into()) };
        assert!(!node.write(&caller(), intent).await.unwrap().changed);
        let resource = valid(patient("p2", "brown"));
        let intent = Intent::UpdateWhere { resource, criteria: "eye=green".into(), if_match: None };
        assert_eq!(node.write(&caller(), intent).await.unwrap().id, "p2");
        assert_eq!(count(node, "Patient", "eye=brown").await, 1);
        assert_eq!(count(node, "Patient", "eye=green").await, 0);
        // Of what no domain resource is, and of what is long.
        put(node, json!({"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": "aGVsbG8="})).await;
        assert_eq!(count(node, "Binary", "extensions=0").await, 1);
        put(node, patient("long", &"x".repeat(200_000))).await;
        assert_eq!(count(node, "Patient", "eye=brown,blue").await, 3);
        // A definition that is gone: its rows go, and nothing else.
        delete(node, "SearchParameter", "eye").await;
        assert_eq!(count(node, "Patient", "eye=brown").await, 1, "until $reindex it stays");
        reindex(node).await;
        assert!(refusal(node, "Patient", "eye=brown").await.contains("no such parameter"));
        assert_eq!(count(node, "Observation", "weight=gt75").await, 2);
        stays_the_same_after_reindex(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_reindex_takes_definitions_up_and_a_changed_one_finds_something_else() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        let node = &place.node;
        filled(node).await;
        let done = node.reindex(std::sync::Arc::new(|_| {})).await.unwrap();
        assert_eq!(done.notes.len(), 4);
        is_found(node).await;
        is_clean(node).await;
        // The same rows under another name: nothing is gone through.
        put(node, definition("eye", "eyes", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
        assert!(refusal(node, "Patient", "eyes=blue").await.contains("is not indexed"));
        let job = reindex(node).await;
        assert_eq!((job.done, count(node, "Patient", "eyes=blue").await), (0, 2));
        // Other rows under the same name.
        put(node, definition("eye", "eyes", "string", &["Patient"], &format!("Patient.{EYE}"))).await;
        let job = reindex(node).await;
        assert!(job.done > 0);
        assert_eq!(count(node, "Patient", "eyes=BLU").await, 2);
        stays_the_same_after_reindex(node).await;
    }
}

/// A chain leads to every type that has a parameter of the name, be it R4's or a stored one.
/// <https://hl7.org/fhir/R4/search.html#chaining>
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_leads_to_official_and_stored_parameters_of_one_name() {
    let place = Place::new(Role::Gateway, "A", Database::Sqlite).await;
    let node = &place.node;
    put(node, definition("name", "name", "string", &["Group"], "Group.name")).await;
    reindex(node).await;
    put(node, json!({"resourceType": "Patient", "id": "a", "name": [{"family": "Meier"}]})).await;
    put(node, json!({"resourceType": "Group", "id": "b", "type": "person", "actual": true, "name": "Meier"})).await;
    for subject in ["Patient/a", "Group/b"] {
        let id = subject.replace('/', "-");
        put(
            node,
            json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}}),
        )
        .await;
    }
    for query in ["subject.name=meier", "_filter=subject.name sw meier", "_filter=subject[name sw meier]"] {
        assert_eq!(count(node, "Observation", query).await, 2, "{query}");
    }
    assert_eq!(count(node, "Observation", "subject:Group.name=meier").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_searched_by_is_refused_with_its_element() {
    let place = Place::new(Role::Gateway, "A", Database::Sqlite).await;
    let node = &place.node;
    for (id, code, of, base, expression, status) in [
        ("a1", "eye", "token", "Patient", "Patient.gender", "active"),
        ("a2", "eye", "token", "Patient", "Patient.active", "active"),
        ("a3", "eye", "token", "Observation", "Observation.status", "active"),
        ("a4", "gender", "token", "Patient", "Patient.gender", "active"),
        ("a5", "name", "string", "Observation", "Observation.code.text", "active"),
        ("a6", "broken", "token", "Patient", "Patient.gender(", "active"),
        ("a7", "draft", "token", "Patient", "Patient.gender", "draft"),
        ("a8", "audit", "token", "AuditEvent", "AuditEvent.action", "active"),
        ("a9", "old", "token", "Patient", "Patient.gender", "retired"),
    ] {
        let mut json = definition(id, code, of, &[base], expression);
        json["status"] = status.into();
        put(node, json).await;
    }
    let job = reindex(node).await;
    let mut told = job.notes.iter().map(|note| (note.of.trim_start_matches("SearchParameter/"), &*note.element));
    let mut told = told.by_ref().collect::<Vec<_>>();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("a1", ""),
            ("a2", "SearchParameter.code"),
            ("a3", ""),
            ("a4", "SearchParameter.code"),
            ("a5", ""),
            ("a6", "SearchParameter.expression"),
            ("a7", "SearchParameter.status"),
            ("a8", "SearchParameter.base"),
        ]
    );
    assert_eq!(refusal(node, "Observation", "name=x").await, "", "the name of a parameter of another type");
    // Whoever had the name first keeps it, also when it is written again.
    put(node, definition("a1", "eye", "token", &["Patient"], "Patient.gender")).await;
    assert!(reindex(node).await.notes.iter().any(|note| note.is_refused && note.of == "SearchParameter/a2"));
}

/// What others wrote, and what is derived, is indexed by the reader's own parameters: before a job and after it.
#[tokio::test(flavor = "multi_thread")]
async fn others_resources_and_derived_ones_are_indexed_too() {
    for database in databases() {
        let a = Place::new(Role::Gateway, "Hospital A", database).await;
        let b = Place::new(Role::Gateway, "Hospital B", database).await;
        let p = Place::new(Role::Patient, "Clara", database).await;
        for place in [&a, &b, &p] {
            place.connect().await;
        }
        let at_a = create(&a.node, json!({"resourceType": "Patient", "name": [{"family": "K"}]})).await.id;
        let observation = |words: &str| {
            json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                "subject": {"reference": format!("Patient/{at_a}")}, "extension": [{"url": "http://a/eye", "valueCode": words}]})
        };
        create(&a.node, observation("blue")).await;
        let at_b = create(&b.node, json!({"resourceType": "Patient", "name": [{"family": "K"}]})).await.id;
        let address = pair(&a.node, &p.node, &at_a).await;
        let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.rs").await;
        until("B has it", async || count(&b.node, "Observation", "").await == 1).await;
        put(&b.node, definition("eye", "eye", "token", &["Observation"], &format!("Observation.{EYE}"))).await;
        let intent = definition("goal", "goal", "token", &["Task"], "Task.intent");
        put(&b.node, intent).await;
        reindex(&b.node).await;
        assert_eq!(count(&b.node, "Observation", "eye=blue").await, 1);
        assert_eq!(count(&b.node, "Task", "goal=order").await, 1);
        create(&a.node, observation("green")).await;
        until("B has the other", async || count(&b.node, "Observation", "eye=green").await == 1).await;
        is_clean(&b.node).await;
        stays_the_same_after_reindex(&b.node).await;
        assert_eq!(count(&b.node, "Observation", "eye=blue,green").await, 2);
        assert_eq!(count(&b.node, "Task", "goal=order").await, 1);
    }
}

/// Five hundred parameters, slow ones, and references without targets do no harm but to themselves.
#[tokio::test(flavor = "multi_thread")]
async fn many_and_slow_definitions_end() {
    let place = Place::new(Role::Gateway, "A", Database::Sqlite).await;
    let node = &place.node;
    let endless = "Patient.descendants().select(%resource.descendants().select(%resource.descendants().count()))";
    put(node, definition("slow", "slow", "number", &["Patient"], endless)).await;
    put(node, definition("to", "to", "reference", &["Patient"], "Patient.managingOrganization")).await;
    for id in 0..node::parameters::PARAMETERS_MAX {
        put(node, definition(&format!("n{id}"), &format!("n{id}"), "token", &["Patient"], "Patient.gender")).await;
    }
    let name = (0..40).map(|at| json!({"family": format!("f{at}"), "given": ["a", "b", "c"]})).collect::<Vec<_>>();
    let reference = json!({"reference": "Organization/o1"});
    create(node, json!({"resourceType": "Organization", "id": "o1", "name": "o"})).await;
    put(node, json!({"resourceType": "Organization", "id": "o1", "name": "o"})).await;
    put(node, json!({"resourceType": "Patient", "id": "p", "gender": "male", "name": name, "managingOrganization": reference})).await;
    let job = reindex(node).await;
    let refused = job.notes.iter().filter(|note| note.is_refused).collect::<Vec<_>>();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused.iter().all(|note| note.text.contains("512")), "{refused:?}");
    let slow = job.notes.iter().find(|note| note.of == "SearchParameter/slow").unwrap();
    assert!(slow.text.contains("took too long on 1 resources"), "{slow:?}");
    for query in ["n7=male", "to=o1", "to=Organization/o1", "to:Organization.name=o", "to.name=o", "slow:missing=true"]
    {
        assert_eq!(count(node, "Patient", query).await, 1, "{query}");
    }
    let begun = std::time::Instant::now();
    put(node, json!({"resourceType": "Patient", "id": "q", "gender": "male"})).await;
    println!("a write under {} parameters took {:?}", node::parameters::PARAMETERS_MAX, begun.elapsed());
    stays_the_same_after_reindex(node).await;
}
