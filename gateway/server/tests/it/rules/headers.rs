//! Headers of requests and answers, and how much of a write comes back.
//! <https://hl7.org/fhir/R4/http.html#return>, <https://hl7.org/fhir/R4/http.html#custom>

use super::{bundle, names, patient, put, status};
use crate::hospital::{BASE, Hospital};
use serde_json::json;

/// <https://hl7.org/fhir/R4/http.html#return>: `Prefer: return=` for create, update, patch and transaction.
#[tokio::test]
async fn a_write_returns_what_is_preferred() {
    let hospital = Hospital::open().await;
    let patch = r#"[{"op":"add","path":"/active","value":true}]"#;
    for (prefer, wanted) in [
        ("", "Patient"),
        ("return=representation", "Patient"),
        ("return=minimal", ""),
        ("return=OperationOutcome", "OperationOutcome"),
        ("respond-async, return=minimal", ""),
        ("shoe=1", "Patient"),
    ] {
        for (method, path, kind, body) in [
            ("POST", "/fhir/Patient", "application/fhir+json", patient("", "1")),
            ("PUT", "/fhir/Patient/a", "application/fhir+json", patient("a", "1")),
            ("PATCH", "/fhir/Patient/a", "application/json-patch+json", patch.to_owned()),
        ] {
            let answered = hospital.send(method, path, &[("prefer", prefer), ("content-type", kind)], body).await;
            assert!(answered.status < 300, "{method} {prefer}: {}", answered.text());
            let found = if answered.body.is_empty() { "".into() } else { answered.json()["resourceType"].clone() };
            assert_eq!(found, wanted, "{method} {prefer}");
            assert!(!answered.header("etag").is_empty() && !answered.header("last-modified").is_empty());
        }
    }
    for (prefer, resource, outcome) in [
        ("return=representation", true, false),
        ("return=minimal", false, false),
        ("return=OperationOutcome", false, true),
    ] {
        let entry = json!({"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}});
        let body = json!({"resourceType":"Bundle","type":"transaction","entry":[entry]}).to_string();
        let json = hospital.send("POST", "/fhir", &[("prefer", prefer)], body).await.json();
        let entry = &json["entry"][0];
        assert_eq!(entry.get("resource").is_some(), resource, "{prefer}: {json}");
        assert_eq!(entry["response"].get("outcome").is_some(), outcome, "{prefer}: {json}");
    }
}

/// <https://hl7.org/fhir/R4/http.html#versioning>: the ETag is the versionId, weak; Last-Modified is lastUpdated to the second.
#[tokio::test]
async fn every_resource_comes_with_its_version_and_time() {
    let hospital = Hospital::open().await;
    let created = hospital.post("/fhir/Patient", &patient("", "1")).await;
    let (id, version) = names(&created);
    let at = created.json()["meta"]["lastUpdated"].as_str().unwrap().to_owned();
    let micros = fhir::datetime::parse_instant(&at).unwrap();
    for path in [format!("/fhir/Patient/{id}"), format!("/fhir/Patient/{id}/_history/{version}")] {
        for method in ["GET", "HEAD"] {
            let answered = hospital.send(method, &path, &[], "").await;
            assert_eq!(answered.header("etag"), format!("W/\"{version}\""), "{method} {path}");
            assert_eq!(answered.header("last-modified"), fhir::datetime::format_http(micros), "{method} {path}");
            assert_eq!(answered.body.is_empty(), method == "HEAD", "{method} {path}");
        }
    }
    let updated = hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], patient(&id, "1")).await;
    assert_ne!(names(&updated).1, version, "each write is a version of its own");
}

/// <https://hl7.org/fhir/R4/http.html#create>: "Location: [base]/[type]/[id]/_history/[vid]"; an update has it where it creates.
#[tokio::test]
async fn a_location_names_the_version() {
    let hospital = Hospital::open().await;
    let created = hospital.post("/fhir/Patient", &patient("", "1")).await;
    let upserted = put(&hospital, "mine", "2").await;
    for answered in [&created, &upserted] {
        let (id, version) = names(answered);
        assert_eq!(answered.status, 201);
        assert_eq!(answered.header("location"), format!("{BASE}/fhir/Patient/{id}/_history/{version}"));
        let path = answered.header("location").strip_prefix(BASE).unwrap().to_owned();
        assert_eq!(hospital.get(&path).await.body, answered.body, "and is there");
    }
}

/// <https://hl7.org/fhir/R4/http.html#custom>: "When the server assigned id is different to the client assigned id, the
/// server SHOULD also return the X-Correlation-Id header with the client's original id in it."
#[tokio::test]
async fn a_request_keeps_its_id_or_is_told_both() {
    let hospital = Hospital::open().await;
    let long = "a".repeat(65);
    for (sent, kept) in [("row-1", true), ("", false), ("not plain", false), (long.as_str(), false)] {
        for path in ["/fhir/Patient", "/fhir/Patient/nobody", "/fhir/metadata"] {
            let answered = hospital.send("GET", path, &[("x-request-id", sent)], "").await;
            let id = answered.header("x-request-id");
            assert_eq!(id == sent, kept, "{path} {sent}");
            assert!(!id.is_empty());
            assert_eq!(answered.header("x-correlation-id"), if kept { "" } else { sent }, "{path} {sent}");
            if answered.status == 404 {
                assert!(answered.text().contains(&format!("(request {id})")), "{}", answered.text());
            }
        }
    }
}

/// <https://hl7.org/fhir/R4/http.html#return>: an entry's answer has status, location, etag and lastModified.
#[tokio::test]
async fn an_entry_is_answered_with_what_headers_would_say() {
    let hospital = Hospital::open().await;
    put(&hospital, "old", "1").await;
    let entries = json!([
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Patient","id":"old"},"request":{"method":"PUT","url":"Patient/old"}},
        {"request":{"method":"DELETE","url":"Patient/nobody"}},
    ]);
    let json = bundle(&hospital, "transaction", entries).await.json();
    assert_eq!((status(&json, 0), status(&json, 1), status(&json, 2)), ("201", "200", "204"), "{json}");
    for at in [0, 1] {
        let response = &json["entry"][at]["response"];
        let path = response["location"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
        let read = hospital.get(&path).await;
        assert_eq!((read.status, read.header("etag")), (200, response["etag"].as_str().unwrap()));
        assert_eq!(read.json()["meta"]["lastUpdated"], response["lastModified"]);
    }
}
