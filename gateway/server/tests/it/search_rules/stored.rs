//! Search parameters that are stored as resources. <https://hl7.org/fhir/R4/searchparameter.html>

use super::search;
use crate::hospital::{Answered, BASE, Hospital, databases};
use serde_json::json;
use std::time::Duration;

fn definition(id: &str, code: &str, expression: &str) -> String {
    json!({"resourceType": "SearchParameter", "id": id, "url": format!("http://a/{id}"), "name": id, "status": "active",
        "description": "of a test", "code": code, "type": "token", "base": ["Patient"], "expression": expression})
    .to_string()
}

const EYE: &str = "Patient.extension.where(url = 'http://a/eye').value";

async fn put(hospital: &Hospital, path: &str, body: &str) {
    let answered = hospital.send("PUT", &format!("/fhir/{path}"), &[], body).await;
    assert!(matches!(answered.status, 200 | 201), "{path}: {}", answered.text());
}

/// Begins a job and asks for it until it is done.
async fn reindexed(hospital: &Hospital) -> Answered {
    let begun = hospital.post("/fhir/$reindex", "").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let path = begun.header("content-location").strip_prefix(BASE).unwrap().to_owned();
    for _ in 0..600 {
        let answered = hospital.get(&path).await;
        if answered.status != 202 {
            return answered;
        }
        assert!(answered.header("x-progress").ends_with(" resources"), "{}", answered.header("x-progress"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job does not end");
}

fn diagnostics(answered: &Answered) -> Vec<String> {
    let json = answered.json();
    let issues = json["issue"].as_array().unwrap().iter();
    issues.map(|issue| issue["diagnostics"].as_str().unwrap().to_owned()).collect()
}

/// <https://hl7.org/fhir/R4/searchparameter.html>: "A search parameter resource specifies a search parameter that may be used
/// on the RESTful API"; <https://hl7.org/fhir/R4/async.html>: 202 with Content-Location, then 202 with X-Progress, then 200.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_parameter_lives_from_its_first_reindex_to_its_last() {
    for database in databases() {
        let hospital = Hospital::on(database).await;
        let eye = |id: &str, color: &str| {
            json!({"resourceType": "Patient", "id": id, "extension": [{"url": "http://a/eye", "valueCode": color}]})
                .to_string()
        };
        put(&hospital, "Patient/a", &eye("a", "blue")).await;
        put(&hospital, "Patient/b", &eye("b", "green")).await;
        let unknown = search(&hospital, "Patient?eye=blue").await;
        assert_eq!(
            (unknown.status, unknown.found("match").len()),
            (200, 2),
            "an unknown parameter is ignored, and told"
        );
        put(&hospital, "SearchParameter/eye", &definition("eye", "eye", EYE)).await;
        for query in
            ["Patient?eye=blue", "Patient?_sort=eye", "Observation?patient.eye=blue", "Patient?_filter=eye eq blue"]
        {
            let refused = search(&hospital, query).await;
            assert_eq!((refused.status, &*refused.code()), (400, "not-supported"), "{query}: {}", refused.text());
            assert!(refused.text().contains("$reindex"), "{query}: {}", refused.text());
        }
        let done = reindexed(&hospital).await;
        assert_eq!(done.status, 200, "{}", done.text());
        assert_eq!(diagnostics(&done), ["SearchParameter/eye: Patient can be searched by eye"]);
        assert!(fhir::validate::check(fhir::parse::resource(done.body).unwrap()).is_ok());
        assert_eq!(search(&hospital, "Patient?eye=blue").await.found("match"), ["a"]);
        // What is written after the job, without another one.
        put(&hospital, "Patient/c", &eye("c", "blue")).await;
        assert_eq!(search(&hospital, "Patient?eye=blue&_sort=-_lastUpdated").await.found("match"), ["c", "a"]);
        // A conditional reference, to what is here and to what the same transaction makes.
        let entry = |url: &str, resource: serde_json::Value| json!({"request": {"method": "PUT", "url": url}, "resource": resource});
        let about = |id: &str, eye: &str| {
            entry(
                &format!("Observation/{id}"),
                json!({"resourceType": "Observation", "id": id, "status": "final",
                "code": {"text": "x"}, "subject": {"reference": format!("Patient?eye={eye}")}}),
            )
        };
        let made = entry("Patient/d", serde_json::from_str(&eye("d", "grey")).unwrap());
        let entries = [about("o1", "green"), about("o2", "grey"), made];
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string();
        let answered = hospital.post("/fhir", &bundle).await;
        assert_eq!(answered.status, 200, "{}", answered.text());
        assert_eq!(search(&hospital, "Observation?patient=b").await.found("match"), ["o1"]);
        assert_eq!(search(&hospital, "Observation?patient.eye=grey").await.found("match"), ["o2"]);
        let metadata = hospital.get("/fhir/metadata").await.json();
        let resources = metadata["rest"][0]["resource"].as_array().unwrap();
        let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
        let stored = patient["searchParam"].as_array().unwrap().iter().find(|param| param["name"] == "eye").unwrap();
        assert_eq!((&stored["definition"], &stored["type"]), (&json!("http://a/eye"), &json!("token")));
        let deleted = hospital.send("DELETE", "/fhir/SearchParameter/eye", &[], "").await;
        assert_eq!(deleted.status, 204);
        assert_eq!(search(&hospital, "Patient?eye=blue").await.found("match").len(), 2, "what is in force stays");
        let done = reindexed(&hospital).await;
        assert_eq!(diagnostics(&done), ["no SearchParameter is stored that is active"]);
        let strict = hospital.send("GET", "/fhir/Patient?eye=blue", &[("prefer", "handling=strict")], "").await;
        assert_eq!(strict.status, 400, "{}", strict.text());
        let metadata = hospital.get("/fhir/metadata").await.text();
        assert!(!metadata.contains("http://a/eye"));
    }
}

/// <https://hl7.org/fhir/R4/searchparameter.html>: a SearchParameter is a resource as any other, and stored as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_searched_by_is_stored_and_told_of() {
    let hospital = Hospital::open().await;
    put(&hospital, "SearchParameter/broken", &definition("broken", "broken", "Patient.gender(")).await;
    put(&hospital, "SearchParameter/gender", &definition("gender", "gender", "Patient.gender")).await;
    let done = reindexed(&hospital).await;
    assert_eq!(done.status, 200);
    let json = done.json();
    for (at, id, element, code) in
        [(0, "broken", "SearchParameter.expression", "invalid"), (1, "gender", "SearchParameter.code", "duplicate")]
    {
        let issue = &json["issue"][at];
        assert!(issue["diagnostics"].as_str().unwrap().starts_with(&format!("SearchParameter/{id}: ")), "{issue}");
        assert_eq!(
            (&issue["expression"][0], &issue["code"], &issue["severity"]),
            (&json!(element), &json!(code), &json!("warning"))
        );
    }
    let xml = hospital.post("/fhir/$reindex?_format=xml", "").await;
    assert_eq!((xml.status, xml.text()), (202, String::new()));
    assert_eq!(search(&hospital, "Patient?gender=male").await.status, 200);
    assert_eq!(search(&hospital, "Patient?broken=male").await.status, 400);
}

/// <https://hl7.org/fhir/R4/async.html>: the status is asked for and called off at its URL, by whoever may.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_for_those_who_may_change_definitions() {
    let hospital = Hospital::open().await;
    put(&hospital, "SearchParameter/eye", &definition("eye", "eye", EYE)).await;
    let some = [("system/*.rs", "reads"), ("system/Patient.cruds", "writes"), ("system/SearchParameter.u", "updates")];
    for (scope, name) in some {
        let token = format!("Bearer {}", hospital.client(name, scope).await);
        let refused = hospital.send("POST", "/fhir/$reindex", &[("authorization", &token)], "").await;
        assert_eq!(refused.status, 403, "{scope}: {}", refused.text());
    }
    let token = format!("Bearer {}", hospital.client("manages", "system/SearchParameter.ru").await);
    let begun = hospital.send("POST", "/fhir/$reindex", &[("authorization", &token)], "").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let path = begun.header("content-location").strip_prefix(BASE).unwrap().to_owned();
    for (method, path, scope, wanted) in [
        ("GET", &*path, "reads", 202),
        ("DELETE", &*path, "reads", 403),
        ("GET", &*path, "writes", 403),
        ("GET", "/fhir/$reindex/nobody", "reads", 404),
        ("DELETE", "/fhir/$reindex/nobody", "manages", 404),
        ("POST", "/fhir/$reindex/nobody", "manages", 405),
        ("GET", "/fhir/$reindex", "manages", 405),
        ("POST", "/fhir/Patient/$reindex", "manages", 501),
        ("DELETE", &*path, "manages", 202),
    ] {
        let scope =
            some.iter().find(|(_, name)| *name == scope).map_or("system/SearchParameter.ru", |(scope, _)| scope);
        let token = format!("Bearer {}", hospital.client(&format!("another {scope}"), scope).await);
        let answered = hospital.send(method, path, &[("authorization", &token)], "").await;
        let done = wanted == 202 && answered.status == 200;
        assert!(done || answered.status == wanted, "{method} {path} {scope}: {} {}", answered.status, answered.text());
    }
    let parameters = r#"{"resourceType":"Parameters","parameter":[{"name":"x","valueString":"y"}]}"#;
    assert_eq!(hospital.post("/fhir/$reindex", parameters).await.status, 400);
    let metadata = hospital.get("/fhir/metadata").await.json();
    let operations = metadata["rest"][0]["operation"].as_array().unwrap();
    assert!(operations.iter().any(|one| one["name"] == "reindex"), "{operations:?}");
}
