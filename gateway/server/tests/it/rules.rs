//! Every rule of the RESTful API page of R4, one test or row each, under its anchor: <https://hl7.org/fhir/R4/http.html>.

mod bundle;
mod capabilities;
mod create;
mod delete;
mod formats;
mod headers;
mod history;
mod links;
mod order;
mod patch;
mod read;
mod search;
mod update;
mod urls;

use crate::hospital::{Answered, Hospital};
use serde_json::{Value, json};

/// A Patient with an identifier of `urn:s`, under an id unless it is empty.
fn patient(id: &str, value: &str) -> String {
    let mut json = json!({"resourceType":"Patient","identifier":[{"system":"urn:s","value":value}]});
    if !id.is_empty() {
        json["id"] = id.into();
    }
    json.to_string()
}

async fn put(hospital: &Hospital, id: &str, value: &str) -> Answered {
    let answered = hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], patient(id, value)).await;
    assert!(answered.status < 300, "{}", answered.text());
    answered
}

/// The id and versionId of an answered resource.
fn names(answered: &Answered) -> (String, String) {
    let json = answered.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&json["id"]), text(&json["meta"]["versionId"]))
}

/// Sends a Bundle of entries.
async fn bundle(hospital: &Hospital, kind: &str, entries: Value) -> Answered {
    let body = json!({"resourceType":"Bundle","type":kind,"entry":entries}).to_string();
    hospital.post("/fhir", &body).await
}

/// The status of an entry of a response, without its words.
fn status(json: &Value, at: usize) -> &str {
    json["entry"][at]["response"]["status"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default()
}
