//! What a Bundle may ask for and what it may cost. <https://hl7.org/fhir/R4/http.html#transaction>

use super::{bundle, patient, put, status};
use crate::hospital::Hospital;
use fhir::validate::Mode;
use serde_json::{Value, json};
use server::Limits;

fn ask(url: &str) -> Value {
    json!({"request":{"method":"GET","url":url}})
}

/// The reads of one Bundle have one budget: beyond it a batch goes on with refusals, a transaction does not begin.
#[tokio::test]
async fn the_reads_of_a_bundle_have_a_budget() {
    let hospital = Hospital::with(Limits { bundle_reads_bytes_max: 1200, ..Limits::default() }).await;
    put(&hospital, "a", &"x".repeat(300)).await;
    let read = hospital.get("/fhir/Patient/a").await.body.len();
    assert!((400..600).contains(&read), "two of {read} bytes fit and three do not");
    let four = || json!([ask("Patient/a"), ask("Patient/a"), ask("Patient/a"), ask("Patient/a")]);
    let json = bundle(&hospital, "batch", four()).await.json();
    let statuses: Vec<&str> = (0..4).map(|at| status(&json, at)).collect();
    assert_eq!(statuses, ["200", "200", "413", "413"], "{json}");
    assert_eq!(json["entry"][2]["response"]["outcome"]["issue"][0]["code"], "too-costly");
    assert!(json["entry"][2].get("resource").is_none());

    let mut entries = four();
    let new = json!({"resource":serde_json::from_str::<Value>(&patient("new", "1")).unwrap(),
        "request":{"method":"PUT","url":"Patient/new"}});
    entries.as_array_mut().unwrap().push(new.clone());
    let refused = bundle(&hospital, "transaction", entries).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "too-costly"), "{}", refused.text());
    assert!(refused.text().contains("Bundle.entry[2]"), "{}", refused.text());
    assert_eq!(hospital.get("/fhir/Patient/new").await.status, 404, "nothing was written");
    let two = bundle(&hospital, "transaction", json!([ask("Patient/a"), ask("Patient/a"), new])).await;
    assert_eq!((two.status, status(&two.json(), 1)), (200, "200"), "{}", two.text());
}

/// <https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.response.outcome>: "an OperationOutcome containing hints and
/// warnings produced as part of processing this entry": where rules only warn, each entry says which it broke.
#[tokio::test]
async fn an_entry_that_breaks_rules_is_told_so() {
    let hospital = Hospital::validating(Mode::Warn).await;
    put(&hospital, "a", "1").await;
    let bad = |id: &str| {
        let mut json = json!({"resourceType":"Patient","gender":"x","birthDate":"1990-13-01"});
        if !id.is_empty() {
            json["id"] = id.into();
        }
        json
    };
    let data = data_encoding::BASE64.encode(br#"[{"op":"add","path":"/gender","value":"x"}]"#);
    let entries = json!([
        {"resource":bad(""),"request":{"method":"POST","url":"Patient"}},
        {"resource":bad("b"),"request":{"method":"PUT","url":"Patient/b"}},
        {"resource":bad(""),"request":{"method":"PUT","url":"Patient?identifier=urn:s|9"}},
        {"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":data},
            "request":{"method":"PATCH","url":"Patient/a"}},
        {"resource":{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}},
            "request":{"method":"POST","url":"Patient"}},
    ]);
    for kind in ["transaction", "batch"] {
        let answered = bundle(&hospital, kind, entries.clone()).await;
        let json = answered.json();
        assert_eq!(answered.status, 200, "{json}");
        for at in 0..4 {
            let response = &json["entry"][at]["response"];
            assert!(response["status"].as_str().unwrap().starts_with('2'), "{kind} {at}: {json}");
            let issues = response["outcome"]["issue"].as_array().unwrap_or_else(|| panic!("{kind} {at}: {json}"));
            assert!(issues.iter().any(|issue| issue["expression"][0] == "Patient.gender"), "{kind} {at}: {json}");
            assert!(issues.iter().all(|issue| issue["severity"] != "error"), "beside a success there are no errors");
        }
        assert!(json["entry"][4]["response"].get("outcome").is_none(), "{kind}: {json}");
        let valid = fhir::validate::check(fhir::parse::resource(answered.body).unwrap());
        assert!(valid.is_ok(), "{:?}", valid.err());
        hospital.send("DELETE", "/fhir/Patient/b", &[], "").await;
    }
}
