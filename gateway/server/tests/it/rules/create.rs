//! Creates, conditional ones too. <https://hl7.org/fhir/R4/http.html#create>

use super::{names, patient};
use crate::hospital::Hospital;

/// <https://hl7.org/fhir/R4/http.html#create>: "if an id is provided, the server SHALL ignore it"; "if the request body includes
/// a meta, the server SHALL ignore the existing versionId and lastUpdated values", and populates its own; the rest is kept.
#[tokio::test]
async fn a_create_gives_its_own_id_version_and_time() {
    let hospital = Hospital::open().await;
    let body = r#"{"resourceType":"Patient","id":"mine","meta":{"versionId":"9","lastUpdated":"1999-01-01T00:00:00Z","tag":[{"system":"urn:t","code":"kept"}]},"active":true}"#;
    let created = hospital.post("/fhir/Patient", body).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let (id, version) = names(&created);
    assert!(id != "mine" && version != "9", "{}", created.text());
    let meta = &created.json()["meta"];
    assert!(!meta["lastUpdated"].as_str().unwrap().starts_with("1999"), "{meta}");
    assert_eq!((&meta["tag"][0]["code"], &created.json()["active"]), (&"kept".into(), &true.into()));
    assert_eq!(hospital.get("/fhir/Patient/mine").await.status, 404);
    let again = hospital.post("/fhir/Patient", body).await;
    assert_ne!(names(&again).0, id, "each create makes one");
}

/// <https://hl7.org/fhir/R4/http.html#create>: 400 for what cannot be parsed or fails the basic rules, 404 for a type that
/// is none, 422 is for business rules; "the body of the response SHOULD be an OperationOutcome" with where and why.
#[tokio::test]
async fn a_create_that_fails_says_where() {
    let hospital = Hospital::open().await;
    for (path, body, status, code, place) in [
        ("/fhir/Patient", "", 400, "structure", ""),
        ("/fhir/Patient", "{", 400, "structure", ""),
        ("/fhir/Patient", "[]", 400, "structure", ""),
        ("/fhir/Patient", "{}", 400, "", ""),
        ("/fhir/Patient", r#"{"resourceType":"Shoe"}"#, 400, "", ""),
        ("/fhir/Patient", r#"{"resourceType":"Group","type":"person","actual":true}"#, 400, "invalid", "resourceType"),
        ("/fhir/Patient", r#"{"resourceType":"Patient","active":"yes"}"#, 400, "", "Patient.active"),
        ("/fhir/Patient", r#"{"resourceType":"Patient","birthDate":"1990-02-30"}"#, 400, "value", "Patient.birthDate"),
        ("/fhir/Patient", r#"{"resourceType":"Patient","gender":"x"}"#, 400, "code-invalid", "Patient.gender"),
        ("/fhir/Patient", r#"{"resourceType":"Patient","shoe":1}"#, 400, "structure", "Patient"),
        ("/fhir/Patient", r#"{"resourceType":"Patient","active":true,"active":false}"#, 400, "structure", ""),
        ("/fhir/Observation", r#"{"resourceType":"Observation","status":"final"}"#, 400, "required", "Observation"),
        ("/fhir/Shoe", r#"{"resourceType":"Shoe"}"#, 404, "not-found", ""),
        ("/fhir/Resource", r#"{"resourceType":"Resource"}"#, 404, "not-found", ""),
    ] {
        let answered = hospital.post(path, body).await;
        assert_eq!(answered.status, status, "{path} {body}: {}", answered.text());
        assert!(code.is_empty() || answered.code() == code, "{body}: {}", answered.text());
        let expression = answered.json()["issue"][0]["expression"][0].as_str().unwrap_or_default().to_owned();
        assert!(expression.starts_with(place), "{body}: {}", answered.text());
    }
    assert_eq!(hospital.get("/fhir/Patient?_summary=count").await.json()["total"], 0);
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>: no match creates; one match: "the server ignores the post and returns 200 OK,
/// with headers Location and ETag" as if it had been created; several are 412.
#[tokio::test]
async fn a_conditional_create_goes_by_its_matches() {
    let hospital = Hospital::open().await;
    let condition = [("if-none-exist", "identifier=urn:s|1")];
    let first = hospital.send("POST", "/fhir/Patient", &condition, patient("", "1")).await;
    let second = hospital.send("POST", "/fhir/Patient", &condition, patient("", "other")).await;
    assert_eq!((first.status, second.status), (201, 200), "{}", second.text());
    for name in ["location", "etag", "last-modified"] {
        assert!(!first.header(name).is_empty() && first.header(name) == second.header(name), "{name}");
    }
    assert_eq!(second.json()["identifier"][0]["value"], "1", "what is there, not what was sent");
    hospital.post("/fhir/Patient", &patient("", "1")).await;
    let third = hospital.send("POST", "/fhir/Patient", &condition, patient("", "1")).await;
    assert_eq!(third.status, 412, "{}", third.text());
    for (query, status) in [
        ("identifier=urn:s|2", 201),
        ("Patient?identifier=urn:s|3", 201),
        ("http://hospital.test/fhir/Patient?identifier=urn:s|4", 201),
        ("?identifier=urn:s|5", 201),
        ("shoe=1", 400),
        ("_count=1", 400),
        ("birthdate=x", 400),
        ("?", 400),
    ] {
        let answered = hospital.send("POST", "/fhir/Patient", &[("if-none-exist", query)], patient("", "x")).await;
        assert_eq!(answered.status, status, "{query}: {}", answered.text());
    }
    // Criteria in the URL are no condition of R4's: passed over, each such request would make one more.
    for (query, status) in
        [("identifier=urn:s|1", 400), ("_id=1", 400), ("birthdate=x", 400), ("_format=json", 201), ("from=ward", 201)]
    {
        let answered = hospital.post(&format!("/fhir/Patient?{query}"), &patient("", "7")).await;
        assert_eq!(answered.status, status, "{query}: {}", answered.text());
    }
    // What was deleted does not match.
    let gone =
        hospital.send("POST", "/fhir/Patient", &[("if-none-exist", "identifier=urn:s|6")], patient("", "6")).await;
    hospital.send("DELETE", &format!("/fhir/Patient/{}", names(&gone).0), &[], "").await;
    let anew =
        hospital.send("POST", "/fhir/Patient", &[("if-none-exist", "identifier=urn:s|6")], patient("", "6")).await;
    assert_eq!(anew.status, 201);
}
