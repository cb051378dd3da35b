//! What others wrote is found as far as a grant reaches, whichever way a search goes; after a revoke it is on no page,
//! not even on one whose link is older.

use crate::common::{Database, Place, caller, create, databases, kind, let_in, pair, search, until, valid};
use node::search::Page;
use node::write::Intent;
use node::{Node, Role};
use serde_json::{Value, json};

/// How many match, how many are included, and the total.
async fn seen(node: &Node, name: &str, query: &str) -> (usize, usize, Option<i64>) {
    let found = search(node, name, &format!("{query}&_total=accurate")).await;
    (found.matches.len(), found.includes.len(), found.total)
}

async fn first_page(node: &Node, query: &str) -> Page {
    search(node, "Observation", query).await.next.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_as_far_as_a_grant() {
    for database in databases() {
        a_search_goes_as_far_as_a_grant_on(database).await;
    }
}

async fn a_search_goes_as_far_as_a_grant_on(database: Database) {
    let a = Place::new(Role::Gateway, "A", database).await;
    let b = Place::new(Role::Gateway, "B", database).await;
    let p = Place::new(Role::Patient, "Clara", database).await;
    for place in [&a, &b, &p] {
        place.connect().await;
    }
    let make = async |node: &Node, kind: &str, rest: Value| {
        let mut json = rest;
        json["resourceType"] = kind.into();
        create(node, json).await.id
    };
    let named = |family: &str| json!({"name": [{"family": family}]});
    let doctor = make(&a.node, "Practitioner", named("House")).await;
    let at_a = make(&a.node, "Patient", named("There")).await;
    let subject = json!({"reference": format!("Patient/{at_a}")});
    let encounter = json!({"status": "finished", "class": {"code": "AMB"}, "subject": subject});
    let encounter = make(&a.node, "Encounter", encounter).await;
    for day in 1..=3 {
        let observation = json!({"status": "final", "code": {"coding": [{"code": "hiv"}]}, "subject": subject,
            "encounter": {"reference": format!("Encounter/{encounter}")},
            "contained": [{"resourceType": "Practitioner", "id": "inner", "name": [{"family": "Inner"}]},
                {"resourceType": "PractitionerRole", "id": "role",
                "practitioner": {"reference": format!("Practitioner/{doctor}")}}],
            "performer": [{"reference": format!("Practitioner/{doctor}")}, {"reference": "#inner"},
                {"reference": "#role"}],
            "effectiveDateTime": format!("2020-01-0{day}")});
        make(&a.node, "Observation", observation).await;
    }
    make(&a.node, "Condition", json!({"subject": subject, "code": {"coding": [{"code": "flu"}]}})).await;
    let address = pair(&a.node, &p.node, &at_a).await;
    let at_b = make(&b.node, "Patient", named("Here")).await;
    make(&b.node, "Patient", named("Nobody")).await;
    // Another Practitioner, who has the id at B that A's has at A.
    let same = json!({"resourceType": "Practitioner", "id": doctor, "name": [{"family": "Same"}]});
    let intent = Intent::Update { resource: valid(same), if_match: None };
    b.node.write(&caller(), intent).await.unwrap();
    let_in(&b.node, &p.node, &at_b, &address, "patient/Observation.rs patient/Patient.rs").await;
    until("B finds what A wrote", || async { seen(&b.node, "Observation", "").await.0 == 3 }).await;

    for (name, query, matches, includes) in [
        ("Observation", "patient={b}", 3, 0),
        ("Observation", "patient:missing=false", 3, 0),
        ("Observation", "subject:Patient.family=here", 3, 0),
        // The Encounter is not for B: nothing of it can be asked, and it comes with nothing.
        ("Observation", "encounter.status=finished", 0, 0),
        ("Observation", "_include=Observation:encounter", 3, 0),
        ("Observation", "_include=Observation:performer", 3, 1),
        ("Observation", "performer:Practitioner.family=house", 3, 0),
        ("Observation", "performer:Practitioner.family=inner", 3, 0),
        // References inside of what A's resources contain name A's resources, which B knows by other ids.
        ("Observation", "performer:PractitionerRole.practitioner:missing=false", 3, 0),
        ("Observation", "performer:PractitionerRole.practitioner.family=same", 0, 0),
        ("Practitioner", "family=inner&_contained=true", 3, 0),
        ("Practitioner", "family=inner&_contained=both&_include=Observation:performer", 3, 1),
        ("Practitioner", "family=same&_contained=both", 1, 0),
        ("Encounter", "", 0, 0),
        ("Encounter", "_has:Observation:encounter:code=hiv", 0, 0),
        ("Condition", "", 0, 0),
        ("Patient", "_has:Observation:patient:code=hiv", 1, 0),
        ("Patient", "_has:Condition:patient:code=flu", 0, 0),
        ("Patient", "_has:Observation:patient:encounter.status=finished", 0, 0),
        ("Patient", "_id={b}&_revinclude=Observation:patient", 1, 3),
        ("Patient", "_id={b}&_revinclude=Condition:patient", 1, 0),
        // The request and the grant are about this Patient too.
        ("Patient", "_id={b}&_revinclude=*", 1, 5),
        ("Patient", "family=there", 0, 0),
        ("Patient", "", 2, 0),
    ] {
        let query = query.replace("{b}", &at_b);
        let found = seen(&b.node, name, &query).await;
        assert_eq!(found, (matches, includes, Some(matches as i64)), "{name}?{query} on {database:?}");
    }
    let across = async |types: &str| {
        let pairs = vec![("_type".to_owned(), types.to_owned())];
        let found = b.node.search_across(&caller(), b.node.query_across(&pairs).await.unwrap(), None).await.unwrap();
        assert_eq!(found.total, Some(found.matches.len() as i64));
        found.matches.len()
    };
    assert_eq!(across("Observation,Condition,Encounter").await, 3);
    // Others' Patients are found by id and by include alone, across types too.
    assert_eq!(across("Patient,Condition").await, 2);

    let queries = [
        "_count=1",
        "_count=1&_sort=date",
        "_count=1&_sort=-date,status",
        "_count=1&_sort=_lastUpdated",
        "_count=1&code=hiv",
    ];
    let mut pages = Vec::new();
    for query in queries {
        pages.push((query, first_page(&b.node, query).await));
    }
    for grant in p.node.grants().await.unwrap().into_iter().filter(|grant| grant.name == "B") {
        p.node.revoke(&grant.id).await.unwrap();
    }
    until("B finds its own alone", || async { seen(&b.node, "Observation", "").await.0 == 0 }).await;
    for (query, page) in pages {
        let asked = b.node.query(kind("Observation"), &node::search::pairs(query)).await.unwrap();
        // A page that went along what is gone may be refused; it shows nothing in any case.
        if let Ok(found) = b.node.search(&caller(), asked, Some(page)).await {
            assert_eq!((found.matches.len(), found.includes.len(), found.total), (0, 0, Some(0)), "{query}");
        }
    }
    for (name, query) in [
        ("Patient", "_has:Observation:patient:code=hiv"),
        ("Patient", "_has:Observation:patient:code:missing=false"),
        ("Observation", "subject:Patient.family=here"),
    ] {
        assert_eq!(seen(&b.node, name, query).await, (0, 0, Some(0)), "{name}?{query}");
    }
    let rest = search(&b.node, "Patient", &format!("_id={at_b}&_revinclude=*")).await.includes;
    assert!(rest.iter().all(|served| served.kind != kind("Observation")));
}
