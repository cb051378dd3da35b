//! What a token does not reach is for it as if it were not there: in reads, searches, chains, includes, histories,
//! conditions and writes. One patient's app, and a system that may see laboratory results alone.

use crate::common::{Database, Place, caller, create, databases, is_clean, kind, until, valid};
use node::write::{Intent, Which};
use node::{Caller, Node, NodeError, Role};
use record::scope::Scopes;
use serde_json::{Value, json};

struct Ward {
    place: Place,
    mine: String,
    other: String,
    my_lab: node::Written,
    my_vital: node::Written,
    other_lab: node::Written,
}

fn observation(subject: &str, category: &str, words: &str) -> Value {
    json!({"resourceType":"Observation","status":"final","code":{"text":words},
        "identifier":[{"system":"urn:lab","value":words}],
        "category":[{"coding":[{"system":"urn:category","code":category}]}],
        "subject":{"reference":format!("Patient/{subject}")}})
}

async fn ward(database: Database) -> Ward {
    let place = Place::new(Role::Gateway, "Hospital", database).await;
    let node = &place.node;
    let doctor = create(node, json!({"resourceType":"Practitioner","name":[{"family":"Arzt"}]})).await.id;
    let patient = |family: &str| {
        json!({"resourceType":"Patient","name":[{"family":family}],
            "generalPractitioner":[{"reference":format!("Practitioner/{doctor}")}]})
    };
    let mine = create(node, patient("Mine")).await.id;
    let other = create(node, patient("Other")).await.id;
    let my_lab = create(node, observation(&mine, "laboratory", "mine-lab")).await;
    let my_vital = create(node, observation(&mine, "vital-signs", "mine-vital")).await;
    let other_lab = create(node, observation(&other, "laboratory", "other-lab")).await;
    create(node, observation(&other, "vital-signs", "other-vital")).await;
    Ward { place, mine, other, my_lab, my_vital, other_lab }
}

/// A patient's app.
fn app(patient: &str, scopes: &str) -> Caller {
    Caller {
        scopes: Scopes::default(),
        patient_scopes: Scopes::parse(scopes),
        patient: Some(patient.to_owned()),
        ..caller()
    }
}

fn system(scopes: &str) -> Caller {
    Caller { scopes: Scopes::parse(scopes), ..caller() }
}

async fn found(node: &Node, by: &Caller, name: &str, query: &str) -> (Option<i64>, usize, usize) {
    let query = node.query(kind(name), &node::search::pairs(query)).await.unwrap();
    let found = node.search(by, query, None).await.unwrap();
    (found.total, found.matches.len(), found.includes.len())
}

fn hidden<T: std::fmt::Debug>(result: Result<T, NodeError>, absent: Result<T, NodeError>, ids: [&str; 2]) {
    let said = |result: Result<T, NodeError>, id: &str| format!("{:?}", result.unwrap_err()).replace(id, "ID");
    assert_eq!(said(result, ids[0]), said(absent, ids[1]), "hidden and absent are the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_app_reads_what_is_the_patients() {
    for database in databases() {
        let ward = ward(database).await;
        let (node, app) = (&ward.place.node, app(&ward.mine, "patient/*.cruds"));
        let read = async |name: &str, id: &str| node.read(&app, kind(name), id).await;
        read("Patient", &ward.mine).await.unwrap();
        read("Observation", &ward.my_lab.id).await.unwrap();
        for (name, id) in [("Patient", &ward.other), ("Observation", &ward.other_lab.id)] {
            hidden(read(name, id).await, read(name, "nowhere").await, [id, "nowhere"]);
            let version = &ward.other_lab.version;
            let hid = node.vread(&app, kind(name), id, version).await;
            hidden(hid, node.vread(&app, kind(name), "nowhere", version).await, [id, "nowhere"]);
            let hid = node.history(&app, kind(name), id, None, 10).await;
            hidden(hid, node.history(&app, kind(name), "nowhere", None, 10).await, [id, "nowhere"]);
        }
        let check = async |name: &str, query: &str, total: i64, includes: usize| {
            let found = found(node, &app, name, query).await;
            assert_eq!(found, (Some(total), total as usize, includes), "{name}?{query}");
        };
        check("Observation", "", 2, 0).await;
        check("Observation", &format!("patient={}", ward.other), 0, 0).await;
        check("Observation", "identifier=other-lab", 0, 0).await;
        check("Observation", &format!("_id={},{}", ward.my_lab.id, ward.other_lab.id), 1, 0).await;
        check("Observation", "identifier:not=mine-lab", 1, 0).await;
        check("Observation", "subject:Patient.name=other", 0, 0).await;
        check("Observation", "subject:Patient.name=mine", 2, 0).await;
        check("Observation", "subject.name=other", 0, 0).await;
        check("Patient", "", 1, 0).await;
        check("Patient", "name=other", 0, 0).await;
        check("Patient", "_has:Observation:patient:identifier=other-lab", 0, 0).await;
        check("Patient", "_has:Observation:patient:identifier=mine-lab", 1, 0).await;
        check("Practitioner", "_has:Patient:general-practitioner:name=other", 0, 0).await;
        check("Practitioner", "_has:Patient:general-practitioner:name=mine", 1, 0).await;
        check("Observation", "_include=Observation:patient", 2, 1).await;
        check("Patient", "_revinclude=Observation:patient", 1, 2).await;
        // From the patient to the doctor, and back to everybody who has the same one.
        let around = "_include=Patient:general-practitioner&_revinclude:iterate=Patient:general-practitioner";
        check("Patient", around, 1, 1).await;
        let around = "_revinclude=Patient:general-practitioner&_revinclude:iterate=Observation:patient";
        check("Practitioner", around, 1, 3).await;
        check("Observation", "_filter=subject.name co \"other\"", 0, 0).await;

        let query = node.query_across(&node::search::pairs("_lastUpdated=gt2000-01-01")).await.unwrap();
        let across = node.search_across(&app, query, None).await.unwrap();
        let kinds = across.matches.iter().map(|found| found.kind.name()).collect::<Vec<_>>();
        assert!(kinds.len() == 4 && kinds.contains(&"Practitioner"), "{kinds:?}");
        let wanted = node::everything::Wanted::default();
        let mine = node.everything(&app, &ward.mine, &wanted, None).await.unwrap();
        assert_eq!((mine.total, mine.matches.len()), (Some(3), 3));
        assert!(matches!(node.everything(&app, &ward.other, &wanted, None).await, Err(NodeError::NotFound(_))));
        let of = node::history::Of::Type(kind("Observation"));
        let all = node.versions(&app, &of, node::history::Wanted { count: 9, ..Default::default() }, None).await;
        assert!(matches!(all, Err(NodeError::Forbidden(_))), "lists of versions are not narrowed: {all:?}");
        let all = node.versions(&app, &node::history::Of::System, Default::default(), None).await;
        assert!(matches!(all, Err(NodeError::Forbidden(_))));
        for name in ["ValueSet", "Binary"] {
            let query = node.query(kind(name), &[]).await.unwrap();
            let refused = node.search(&app, query, None).await;
            assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{name}: {refused:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_is_shown_to_those_whose_it_was() {
    for database in databases() {
        let ward = ward(database).await;
        let node = &ward.place.node;
        let mut moved = observation(&ward.other, "laboratory", "corrected");
        moved["id"] = json!(ward.my_lab.id);
        let intent = Intent::Update { resource: valid(moved), if_match: None };
        let now = node.write(&caller(), intent).await.unwrap();
        let versions = async |patient: &str| {
            let app = app(patient, "patient/*.rs");
            let mut shown = Vec::new();
            for (name, version) in [("before", &ward.my_lab.version), ("now", &now.version)] {
                if node.vread(&app, kind("Observation"), &ward.my_lab.id, version).await.is_ok() {
                    shown.push(name);
                }
            }
            let history = node.history(&app, kind("Observation"), &ward.my_lab.id, None, 10).await;
            (shown, history.map(|page| (page.total, page.versions.len())).ok())
        };
        assert_eq!(versions(&ward.mine).await, (vec!["before"], Some((1, 1))));
        assert_eq!(versions(&ward.other).await, (vec!["now"], Some((1, 1))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patients_app_writes_what_is_the_patients() {
    for database in databases() {
        let ward = ward(database).await;
        let (node, app) = (&ward.place.node, app(&ward.mine, "patient/*.cruds"));
        let total = async || found(node, &caller(), "Observation", "").await.0;
        let put = |id: &str, resource: Value, if_match: Option<&str>| {
            let mut resource = resource;
            resource["id"] = json!(id);
            Intent::Update { resource: valid(resource), if_match: if_match.map(str::to_owned) }
        };
        let post = |resource, condition: Option<&str>| Intent::Create {
            resource: valid(resource),
            if_none_exist: condition.map(str::to_owned),
        };
        let own = node.write(&app, post(observation(&ward.mine, "survey", "own"), None)).await.unwrap();
        let refused = node.write(&app, post(observation(&ward.other, "survey", "for another"), None)).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
        let mut nobodys = observation(&ward.mine, "survey", "nobody's");
        nobodys.as_object_mut().unwrap().remove("subject");
        let refused = node.write(&app, post(nobodys, None)).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
        // Whose it is says its subject: being named beside another is not enough.
        let mut beside = observation(&ward.other, "survey", "beside");
        beside["performer"] = json!([{"reference": format!("Patient/{}", ward.mine)}]);
        let refused = node.write(&app, post(beside.clone(), None)).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
        let refused = node.write(&app, put(&own.id, beside, None)).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
        assert_eq!(total().await, Some(5), "nothing of what was refused is there");
        let me = |more: Value| {
            let mut me = json!({"resourceType":"Patient","name":[{"family":"Mine"}]});
            me.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            put(&ward.mine, me, None)
        };
        let claims = me(json!({"identifier":[{"system":"urn:mrn","value":"MRN-77"}]}));
        let refused = node.write(&app, claims).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "what waits for a number is not claimed: {refused:?}");
        node.write(&app, me(json!({"gender":"female"}))).await.unwrap();

        // A condition finds what the token finds: another's result neither blocks a write nor shows itself.
        let twin = post(observation(&ward.mine, "survey", "twin"), Some("identifier=other-lab"));
        assert!(node.write(&app, twin).await.unwrap().created);
        let known = post(observation(&ward.mine, "survey", "again"), Some("identifier=own"));
        assert_eq!(node.write(&app, known).await.unwrap().id, own.id);
        assert_eq!(total().await, Some(6));

        node.write(&app, put(&own.id, observation(&ward.mine, "survey", "changed"), None)).await.unwrap();
        let away = node.write(&app, put(&own.id, observation(&ward.other, "survey", "given away"), None)).await;
        assert!(matches!(away, Err(NodeError::Forbidden(_))), "{away:?}");
        let other = &ward.other_lab.id;
        for if_match in [None, Some("x"), Some(ward.other_lab.version.as_str())] {
            let steal = observation(&ward.mine, "survey", "stolen");
            let hid = node.write(&app, put(other, steal.clone(), if_match)).await;
            hidden(hid, node.write(&app, put("nowhere", steal, if_match)).await, [other, "nowhere"]);
        }
        let criteria = "identifier=other-lab".to_owned();
        let steal = Intent::UpdateWhere {
            resource: valid(observation(&ward.mine, "survey", "stolen")),
            criteria: criteria.clone(),
            if_match: None,
        };
        let made = node.write(&app, steal).await.unwrap();
        assert!(made.created && made.id != *other, "where nothing is found one is made");
        let mut named = observation(&ward.mine, "survey", "stolen");
        named["id"] = json!(other);
        let steal = Intent::UpdateWhere { resource: valid(named), criteria: criteria.clone(), if_match: None };
        assert!(matches!(node.write(&app, steal).await, Err(NodeError::Forbidden(_))));
        let patch = |which| Intent::Patch {
            kind: kind("Observation"),
            which,
            patch: node::patch::Patch::of_type(
                "application/json-patch+json",
                br#"[{"op":"replace","path":"/status","value":"amended"}]"#.to_vec(),
            )
            .unwrap(),
            if_match: None,
        };
        let hid = node.write(&app, patch(Which::Id(other.clone()))).await;
        hidden(hid, node.write(&app, patch(Which::Id("nowhere".into()))).await, [other, "nowhere"]);
        for tried in [
            &br#"[{"op":"test","path":"/status","value":"final"}]"#[..],
            br#"[{"op":"test","path":"/status","value":"x"}]"#,
            b"{}",
        ] {
            let Some(tried) = node::patch::Patch::of_type("application/json-patch+json", tried.to_vec()) else {
                continue;
            };
            let on = |id: &str| Intent::Patch {
                kind: kind("Observation"),
                which: Which::Id(id.to_owned()),
                patch: tried.clone(),
                if_match: None,
            };
            let hid = node.write(&app, on(other)).await;
            hidden(hid, node.write(&app, on("nowhere")).await, [other, "nowhere"]);
        }
        let refused = node.write(&app, patch(Which::Where(criteria.clone()))).await;
        assert!(matches!(refused, Err(NodeError::NotFound(_))), "{refused:?}");
        node.write(&app, patch(Which::Id(own.id.clone()))).await.unwrap();

        let delete = |id: &str| Intent::Delete { kind: kind("Observation"), id: id.to_owned(), if_match: None };
        let (hid, absent) =
            (node.write(&app, delete(other)).await.unwrap(), node.write(&app, delete("x")).await.unwrap());
        assert_eq!((hid.changed, hid.version), (absent.changed, absent.version));
        let all = Intent::DeleteWhere { kind: kind("Observation"), criteria, if_match: None };
        assert!(!node.write(&app, all).await.unwrap().changed);
        let kept = node.read(&caller(), kind("Observation"), other).await.unwrap();
        assert_eq!(kept.version, ward.other_lab.version, "another's result is as it was");
        node.write(&app, delete(&own.id)).await.unwrap();
        let gone = node.read(&app, kind("Observation"), &own.id).await;
        assert!(matches!(gone, Err(NodeError::NotFound(_))), "what is gone is nobody's: {gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_with_parameters_opens_what_they_find() {
    for database in databases() {
        let ward = ward(database).await;
        let node = &ward.place.node;
        let check = async |scopes: &str, name: &str, query: &str, expected: Option<usize>| {
            let query = node.query(kind(name), &node::search::pairs(query)).await.unwrap();
            let found = node.search(&system(scopes), query, None).await;
            assert_eq!(found.as_ref().map(|found| found.matches.len()).ok(), expected, "{scopes}: {found:?}");
        };
        let lab = "system/Observation.rs?category=laboratory";
        check(lab, "Observation", "", Some(2)).await;
        check(lab, "Observation", "category=vital-signs", Some(0)).await;
        check(lab, "Observation", &format!("patient={}", ward.mine), Some(1)).await;
        check(lab, "Patient", "", None).await;
        check(&format!("{lab} system/Observation.rs?category=vital-signs"), "Observation", "", Some(4)).await;
        check(&format!("{lab} system/Observation.rs"), "Observation", "", Some(4)).await;
        check("system/Observation.rs?category=laboratory&status=final", "Observation", "", Some(2)).await;
        check("system/Observation.rs?category=laboratory&status=amended", "Observation", "", Some(0)).await;
        check("system/*.rs?_id=x", "Observation", "", Some(0)).await;
        check("system/Observation.rs?subject.name=mine", "Observation", "", Some(2)).await;
        for unknown in
            ["colour=red", "category:rough=a", "_include=Observation:patient", "_contained=true", "_sort=code", "="]
        {
            check(&format!("system/Observation.rs?{unknown}"), "Observation", "", None).await;
        }
        // A chain is narrowed where it leads, too.
        check(
            &format!("system/Patient.rs {lab}"),
            "Patient",
            "_has:Observation:patient:identifier=mine-vital",
            Some(0),
        )
        .await;
        check(&format!("system/Patient.rs {lab}"), "Patient", "_has:Observation:patient:identifier=mine-lab", Some(1))
            .await;
        let by = system(lab);
        node.read(&by, kind("Observation"), &ward.my_lab.id).await.unwrap();
        let hid = node.read(&by, kind("Observation"), &ward.my_vital.id).await;
        let absent = node.read(&by, kind("Observation"), "nowhere").await;
        hidden(hid, absent, [&ward.my_vital.id, "nowhere"]);
        // Both hold: the app's patient and the parameter.
        let app = app(&ward.mine, "patient/Observation.rs?category=laboratory");
        assert_eq!(found(node, &app, "Observation", "").await, (Some(1), 1, 0));
        let writes = system("system/Observation.cu?category=laboratory");
        let post = |category| Intent::Create {
            resource: valid(observation(&ward.mine, category, "new")),
            if_none_exist: None,
        };
        node.write(&writes, post("laboratory")).await.unwrap();
        let refused = node.write(&writes, post("vital-signs")).await;
        assert!(matches!(refused, Err(NodeError::Forbidden(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_recorded_for_each_patient_it_touched() {
    for database in databases() {
        let ward = ward(database).await;
        let node = &ward.place.node;
        let look = async |query: &str, request: &str| {
            let asked = node.query(kind("Observation"), &node::search::pairs(query)).await.unwrap();
            let found = node.search(&caller(), asked, None).await.unwrap();
            let event = node::access::Event {
                caller: Some(&caller()),
                interaction: "search",
                kind: Some(kind("Observation")),
                id: "",
                query,
                status: 200,
                request,
                patient: "",
                read: &found.matches.iter().collect::<Vec<_>>(),
            };
            node.audit(event).await;
        };
        look("", "of-both").await;
        look("identifier=mine-lab", "of-one").await;
        look("identifier=nothing", "of-none").await;
        let told = async |query: &str| {
            let asked = node.query(kind("AuditEvent"), &node::search::pairs(query)).await.unwrap();
            let found = node.search(&caller(), asked, None).await.unwrap();
            let texts = found.matches.iter().map(|event| String::from_utf8(event.json.clone()).unwrap());
            let requests = ["of-both", "of-one", "of-none"];
            let named = texts.map(|text| requests.into_iter().find(|request| text.contains(request)).unwrap());
            let mut named = named.collect::<Vec<_>>();
            named.sort_unstable();
            named
        };
        until("all is recorded", || async { told("").await.len() == 4 }).await;
        assert_eq!(told("").await, ["of-both", "of-both", "of-none", "of-one"]);
        assert_eq!(told(&format!("patient={}", ward.mine)).await, ["of-both", "of-one"]);
        assert_eq!(told(&format!("patient={}", ward.other)).await, ["of-both"]);
        is_clean(node).await;
        // Somebody who can write to the database makes a look go away.
        let store = ward.place.store().await;
        store.run("DELETE FROM log_audit WHERE request = 'of-one'").await.unwrap();
        store.close().await;
        let report = node.verify().await.unwrap();
        let told = report.faults.iter().map(|fault| fault.text.as_str()).collect::<Vec<_>>();
        assert!(told.len() == 1 && told[0].starts_with("audit row"), "{told:?}");
    }
}
