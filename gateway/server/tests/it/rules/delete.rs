//! Deletions, conditional ones too. <https://hl7.org/fhir/R4/http.html#delete>

use super::{patient, put};
use crate::hospital::Hospital;

/// <https://hl7.org/fhir/R4/http.html#delete>: "a delete interaction means that subsequent non-version specific reads of a
/// resource return a 410"; 204 without a body, 200 with one; "or if the resource does not exist at all" it went well, too;
/// "the deleted resource may be brought back to life by a subsequent update".
#[tokio::test]
async fn a_deletion_can_be_repeated_and_taken_back() {
    let hospital = Hospital::open().await;
    let first = put(&hospital, "a", "1").await;
    for (path, prefer, wanted) in [
        ("a", "", 204),
        ("a", "", 204),
        ("a", "return=OperationOutcome", 200),
        ("nobody", "", 204),
        ("nobody", "return=OperationOutcome", 200),
    ] {
        let answered = hospital.send("DELETE", &format!("/fhir/Patient/{path}"), &[("prefer", prefer)], "").await;
        assert_eq!((answered.status, answered.body.is_empty()), (wanted, wanted == 204), "{path} {prefer}");
        if wanted == 200 {
            assert_eq!(answered.json()["resourceType"], "OperationOutcome");
        }
    }
    assert_eq!(hospital.get("/fhir/Patient/a").await.status, 410);
    assert_eq!(hospital.get("/fhir/Patient?identifier=urn:s|1&_summary=count").await.json()["total"], 0);
    let history = hospital.get("/fhir/Patient/a/_history").await.json();
    assert_eq!(history["total"], 2, "a repeated deletion makes no version");
    let version = first.json()["meta"]["versionId"].as_str().unwrap().to_owned();
    assert_eq!(hospital.get(&format!("/fhir/Patient/a/_history/{version}")).await.status, 200);
    let back = hospital.send("PUT", "/fhir/Patient/a", &[], patient("a", "2")).await;
    assert_eq!((back.status, hospital.get("/fhir/Patient/a").await.status), (201, 200));
}

/// <https://hl7.org/fhir/R4/http.html#delete>: a resource that is referred to may be deleted here; 405 for what never may be.
#[tokio::test]
async fn what_is_referred_to_may_go_and_what_is_derived_may_not() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    let body = r#"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/a"}}"#;
    hospital.send("PUT", "/fhir/Condition/c", &[], body).await;
    assert_eq!(hospital.send("DELETE", "/fhir/Patient/a", &[], "").await.status, 204);
    assert_eq!(hospital.get("/fhir/Condition/c").await.status, 200);
    let task = hospital.send("POST", "/fhir/Patient/a/$invite", &[], "").await;
    assert_eq!(task.status, 410, "of what is gone nothing is invited: {}", task.text());
    put(&hospital, "b", "2").await;
    let invite = hospital.send("POST", "/fhir/Patient/b/$invite", &[], "").await.json();
    let task = invite["parameter"].as_array().unwrap().iter().find(|one| one["name"] == "task").unwrap();
    let reference = task["valueReference"]["reference"].as_str().unwrap();
    let refused = hospital.send("DELETE", &format!("/fhir/{reference}"), &[], "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"), "{}", refused.text());
}

/// <https://hl7.org/fhir/R4/http.html#3.1.0.7.1>: none or one match is an ordinary deletion, several are 412 here.
#[tokio::test]
async fn a_conditional_deletion_goes_by_its_matches() {
    let hospital = Hospital::open().await;
    for (id, value) in [("a", "1"), ("b", "2"), ("c", "2")] {
        put(&hospital, id, value).await;
    }
    for (query, wanted) in [
        ("?identifier=urn:s|1", 204),
        ("?identifier=urn:s|1", 204),
        ("?identifier=urn:s|2", 412),
        ("?identifier=urn:s|3", 204),
        ("?shoe=1", 400),
        ("?_sort=family", 400),
        ("?", 400),
        ("", 400),
    ] {
        let answered = hospital.send("DELETE", &format!("/fhir/Patient{query}"), &[], "").await;
        assert_eq!(answered.status, wanted, "{query}: {}", answered.text());
    }
    for (id, wanted) in [("a", 410), ("b", 200), ("c", 200)] {
        assert_eq!(hospital.get(&format!("/fhir/Patient/{id}")).await.status, wanted, "{id}");
    }
}
