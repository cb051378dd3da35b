//! Bundles over HTTP: a whole Synthea patient as one transaction, batches that go on after a failure, limits.
//! <https://hl7.org/fhir/R4/http.html#transaction>

use crate::hospital::{BASE, Hospital};
use serde_json::Value;

pub const SYNTHEA: &str =
    include_str!("../../../../tests/data/synthea/Clemente_Kreiger_1484a42d-0eaf-4654-9cbf-6b050a5cd73b.json");

#[tokio::test]
async fn a_synthea_patient_goes_in_and_reads_back() {
    let hospital = Hospital::open().await;
    let answered = hospital.post("/fhir", SYNTHEA).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let (sent, json): (Value, _) = (serde_json::from_str(SYNTHEA).unwrap(), answered.json());
    let (sent, entries) = (sent["entry"].as_array().unwrap(), json["entry"].as_array().unwrap());
    assert_eq!((json["type"].as_str(), entries.len()), (Some("transaction-response"), sent.len()));
    for (sent, entry) in sent.iter().zip(entries) {
        assert_eq!(entry["response"]["status"], "201 Created");
        assert!(entry.get("resource").is_none());
        let location = entry["response"]["location"].as_str().unwrap().strip_prefix(BASE).unwrap();
        let read = hospital.get(location).await;
        assert_eq!((read.status, read.header("etag")), (200, entry["response"]["etag"].as_str().unwrap()));
        let mut read = read.json();
        let mut sent = sent["resource"].clone();
        for json in [&mut read, &mut sent] {
            json.as_object_mut().unwrap().remove("id");
            json.as_object_mut().unwrap().remove("meta");
            forget_references(json);
        }
        assert_eq!(read, sent);
    }
}

/// References to other entries are what a transaction changes.
fn forget_references(json: &mut Value) {
    match json {
        Value::Object(members) => {
            if let Some(reference) = members.get_mut("reference") {
                *reference = Value::Null;
            }
            members.values_mut().for_each(forget_references);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_references),
        _ => {}
    }
}

#[tokio::test]
async fn a_batch_answers_each_entry_by_itself() {
    let hospital = Hospital::open().await;
    let id = hospital.create(r#"{"resourceType":"Patient","name":[{"family":"Doe"}]}"#).await;
    let batch = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[
            {{"request":{{"method":"GET","url":"Patient/{id}"}}}},
            {{"request":{{"method":"GET","url":"Patient?family=doe&shoe=1"}}}},
            {{"request":{{"method":"GET","url":"Patient/nobody"}}}},
            {{"resource":{{"resourceType":"Patient","shoe":1}},"request":{{"method":"POST","url":"Patient"}}}},
            {{"resource":{{"resourceType":"Patient","active":true}},"request":{{"method":"POST","url":"Patient"}}}},
            {{"request":{{"method":"DELETE","url":"Patient/{id}"}}}}]}}"#
    );
    let answered = hospital.post("/fhir", &batch).await;
    assert_eq!(
        (answered.status, answered.json()["type"].as_str()),
        (200, Some("batch-response")),
        "{}",
        answered.text()
    );
    let json = answered.json();
    let statuses: Vec<&str> =
        json["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["status"].as_str().unwrap()).collect();
    assert_eq!(statuses[2..5], ["404 Not Found", "400 Bad Request", "201 Created"]);
    assert_eq!(statuses[1], "200 OK");
    assert_eq!(json["entry"][1]["resource"]["type"], "searchset");
    assert_eq!(json["entry"][3]["response"]["outcome"]["issue"][0]["code"], "structure");
    let valid = fhir::validate::check(fhir::parse::resource(answered.body).unwrap());
    assert!(valid.is_ok(), "{:?}", valid.err());
}

#[tokio::test]
async fn a_transaction_is_whole_or_not_at_all() {
    let hospital = Hospital::open().await;
    let post = |body: &str| format!(r#"{{"resource":{body},"request":{{"method":"POST","url":"Patient"}}}}"#);
    let good = post(r#"{"resourceType":"Patient","name":[{"family":"Half"}]}"#);
    for (bad, status) in [
        (post(r#"{"resourceType":"Patient","shoe":1}"#), 400),
        (post(r#"{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:7e4d2a3c-0000-4000-8000-000000000000"}}"#), 400),
        (post(r#"{"resourceType":"Patient","managingOrganization":{"reference":"Organization?name=nobody"}}"#), 412),
        (r#"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a","ifMatch":"W/\"1\""}}"#.to_owned(), 412),
        (r#"{"request":{"method":"GET","url":"Patient/a"}"#.to_owned(), 400),
    ] {
        let body = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{good},{bad}]}}"#);
        let answered = hospital.post("/fhir", &body).await;
        assert_eq!(answered.status, status, "{bad}: {}", answered.text());
        assert_eq!(answered.json()["resourceType"], "OperationOutcome");
        assert_eq!(hospital.get("/fhir/Patient?family=Half&_summary=count").await.json()["total"], 0);
    }
}

#[tokio::test]
async fn too_many_entries_are_refused() {
    let hospital = Hospital::open().await;
    let entries = vec![r#"{"request":{"method":"GET","url":"Patient/1"}}"#; 20_000].join(",");
    let body = format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{entries}]}}"#);
    let answered = hospital.post("/fhir", &body).await;
    assert_eq!((answered.status, answered.code().as_str()), (413, "too-long"), "{}", answered.text());
}

#[tokio::test]
async fn a_bundle_returns_what_is_preferred() {
    let hospital = Hospital::open().await;
    let body = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}}]}"#;
    for (prefer, resource, outcome) in [
        ("", false, false),
        ("return=representation", true, false),
        ("return=OperationOutcome", false, true),
        ("return=minimal", false, false),
    ] {
        let answered = hospital.send("POST", "/fhir", &[("prefer", prefer)], body).await.json();
        let entry = &answered["entry"][0];
        assert_eq!(
            (entry.get("resource").is_some(), entry["response"].get("outcome").is_some()),
            (resource, outcome),
            "{prefer}"
        );
    }
}
