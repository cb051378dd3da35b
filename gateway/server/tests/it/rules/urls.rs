//! URLs, case and the statuses that every interaction shares.
//! <https://hl7.org/fhir/R4/http.html#styleguide>, <https://hl7.org/fhir/R4/http.html#general>

use super::put;
use crate::hospital::{BASE, Hospital};

/// <https://hl7.org/fhir/R4/http.html#general>: "all URLs (and ids that form part of the URL) defined by this specification
/// are case sensitive"; "servers SHOULD decode them assuming they are UTF-8".
#[tokio::test]
async fn urls_are_case_sensitive_and_utf_8() {
    let hospital = Hospital::open().await;
    put(&hospital, "Aa", "1").await;
    put(&hospital, "aA", "2").await;
    for (path, wanted) in [
        ("/fhir/Patient/Aa", 200),
        ("/fhir/Patient/aA", 200),
        ("/fhir/Patient/aa", 404),
        ("/fhir/patient/Aa", 404),
        ("/fhir/PATIENT/Aa", 404),
        ("/fhir/Patient/%41a", 200),
        ("/fhir/Patient/Aa/", 200),
        ("/fhir/Patient?identifier=urn%3As%7C1", 200),
        ("/fhir/Patient?family=J%C3%BCrgen", 200),
        ("/fhir/Patient?family=J%FCrgen", 400),
        ("/Fhir/Patient/Aa", 404),
        ("/fhir/metadata", 200),
        ("/fhir/Metadata", 404),
    ] {
        assert_eq!(hospital.get(path).await.status, wanted, "{path}");
    }
    assert_eq!(hospital.get("/fhir/Patient/Aa").await.json()["identifier"][0]["value"], "1");
}

/// <https://hl7.org/fhir/R4/http.html#root>: what the server says of itself is under its Service Base URL.
#[tokio::test]
async fn what_is_told_is_under_the_base() {
    let hospital = Hospital::open().await;
    let created = hospital.post("/fhir/Patient", r#"{"resourceType":"Patient"}"#).await;
    assert!(created.header("location").starts_with(&format!("{BASE}/fhir/Patient/")), "{}", created.header("location"));
    let found = hospital.get("/fhir/Patient").await.json();
    assert!(found["entry"][0]["fullUrl"].as_str().unwrap().starts_with(&format!("{BASE}/fhir/Patient/")));
    assert_eq!(found["link"][0]["url"], format!("{BASE}/fhir/Patient"));
}

/// <https://hl7.org/fhir/R4/http.html#Status-Codes>, and the statuses that each interaction names for a type or a method
/// that is not there.
#[tokio::test]
async fn what_is_not_there_is_refused_by_its_own_status() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    for (method, path, status, allow) in [
        ("GET", "/fhir/Shoe", 404, ""),
        ("POST", "/fhir/Shoe", 404, ""),
        ("PUT", "/fhir/Shoe/1", 404, ""),
        ("DELETE", "/fhir/Shoe/1", 404, ""),
        ("PATCH", "/fhir/Shoe/1", 404, ""),
        ("GET", "/fhir/Patient/a/Shoe/b", 404, ""),
        ("POST", "/fhir/Patient/a", 405, "GET, PUT, DELETE, PATCH, HEAD"),
        ("PUT", "/fhir/Patient/a/_history", 405, "GET, HEAD"),
        ("DELETE", "/fhir/Patient/a/_history/1", 405, "GET, HEAD"),
        ("PUT", "/fhir/Patient/_search", 405, "GET, POST, HEAD"),
        ("PUT", "/fhir/metadata", 405, "GET, HEAD"),
        ("PUT", "/fhir", 405, "POST, GET, HEAD"),
        ("TRACE", "/fhir/Patient/a", 405, "GET, PUT, DELETE, PATCH, HEAD"),
        ("GET", "/fhir/Patient/a/$shoe", 501, ""),
        ("GET", "/fhir/$shoe", 501, ""),
    ] {
        let answered = hospital.send(method, path, &[], "").await;
        assert_eq!((answered.status, answered.header("allow")), (status, allow), "{method} {path}");
        assert_eq!(answered.json()["resourceType"], "OperationOutcome", "{method} {path}");
    }
}

/// <https://hl7.org/fhir/R4/http.html#security>: who is nobody is told so before anything is looked at.
#[tokio::test]
async fn a_stranger_learns_nothing() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    for (path, header) in [
        ("/fhir/Patient/a", ""),
        ("/fhir/Patient/nobody", ""),
        ("/fhir/Shoe", ""),
        ("/fhir/Patient/a", "Bearer x"),
        ("/fhir/Patient/a", "Basic eDp5"),
    ] {
        let answered = hospital.send("GET", path, &[("authorization", header)], "").await;
        assert_eq!(answered.status, 401, "{path}");
        assert!(answered.header("www-authenticate").starts_with("Bearer"), "{path}");
    }
    let narrow = format!("Bearer {}", hospital.client("narrow", "system/Observation.rs").await);
    let answered = hospital.send("GET", "/fhir/Patient/a", &[("authorization", &narrow)], "").await;
    assert_eq!((answered.status, answered.code().as_str()), (403, "forbidden"));
}
