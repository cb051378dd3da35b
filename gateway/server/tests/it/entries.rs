//! Every verb within a batch and a transaction, in the order the text asks for.
//! <https://hl7.org/fhir/R4/http.html#trules>

use crate::hospital::Hospital;
use serde_json::{Value, json};

async fn send(hospital: &Hospital, kind: &str, entries: Value) -> (u16, Value) {
    let body = json!({"resourceType":"Bundle","type":kind,"entry":entries}).to_string();
    let answered = hospital.post("/fhir", &body).await;
    (answered.status, answered.json())
}

fn status(json: &Value, at: usize) -> &str {
    json["entry"][at]["response"]["status"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default()
}

fn ask(method: &str, url: &str) -> Value {
    json!({"request":{"method":method,"url":url}})
}

fn patient(value: &str) -> Value {
    json!({"resourceType":"Patient","identifier":[{"system":"urn:s","value":value}]})
}

/// A JSON Patch travels as a Binary (<https://hl7.org/fhir/R4/http.html#patch>).
fn patch(url: &str, text: &str) -> Value {
    let data = data_encoding::BASE64.encode(text.as_bytes());
    json!({"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":data},
        "request":{"method":"PATCH","url":url}})
}

const ACTIVATE: &str = r#"[{"op":"add","path":"/active","value":true}]"#;

#[tokio::test]
async fn every_verb_works_in_both_kinds_of_bundle() {
    for kind in ["batch", "transaction"] {
        let hospital = Hospital::open().await;
        let put = |id: &str| json!({"resource":{"resourceType":"Patient","id":id},"request":{"method":"PUT","url":format!("Patient/{id}")}});
        for id in ["a", "b", "c", "d"] {
            hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], put(id)["resource"].to_string()).await;
        }
        hospital.create(&patient("gone").to_string()).await;
        hospital.create(&patient("patched").to_string()).await;
        let path = json!({"resource":{"resourceType":"Parameters","parameter":[{"name":"operation","part":[
            {"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},
            {"name":"name","valueString":"active"},{"name":"value","valueBoolean":true}]}]},
            "request":{"method":"PATCH","url":"Patient/c"}});
        let rows = [
            (ask("GET", "Patient/b"), "200"),
            (ask("HEAD", "Patient/b"), "200"),
            (ask("GET", "Patient?active=true&_summary=count"), "200"),
            (ask("GET", "Patient/b/_history"), "200"),
            (ask("GET", "metadata"), "200"),
            (ask("POST", "Patient/_search?_id=b"), "200"),
            (ask("GET", "Patient/b/*"), "200"),
            (ask("GET", "Patient/b/Observation"), "200"),
            (ask("GET", "Patient/b/$everything"), "200"),
            (ask("GET", "Patient/_history?_count=1"), "200"),
            (ask("GET", "_history?_count=1"), "200"),
            (ask("GET", "Patient?name=Jürgen M"), "200"),
            (put("a"), "200"),
            (json!({"resource":patient("new"),"request":{"method":"PUT","url":"Patient?identifier=urn:s|new"}}), "201"),
            (patch("Patient/b", ACTIVATE), "200"),
            (patch("Patient?identifier=urn:s|patched", ACTIVATE), "200"),
            (path, "200"),
            (json!({"resource":patient("x"),"request":{"method":"POST","url":"Patient"}}), "201"),
            (ask("DELETE", "Patient/d"), "204"),
            (ask("DELETE", "Patient?identifier=urn:s|gone"), "204"),
            (ask("DELETE", "Patient?identifier=urn:s|nobody"), "204"),
        ];
        let entries: Vec<Value> = rows.iter().map(|(entry, _)| entry.clone()).collect();
        let (code, json) = send(&hospital, kind, entries.into()).await;
        assert_eq!(code, 200, "{kind}: {json}");
        for (at, (entry, wanted)) in rows.iter().enumerate() {
            assert_eq!(status(&json, at), *wanted, "{kind} {entry}: {}", json["entry"][at]);
        }
        // What reads sees what was written beside it.
        assert_eq!(json["entry"][0]["resource"]["active"], true, "{kind}");
        assert!(json["entry"][1].get("resource").is_none());
        assert_eq!(json["entry"][2]["resource"]["total"], 3, "{kind}");
        assert_eq!(json["entry"][3]["resource"]["total"], 2, "{kind}");
    }
}

/// <https://hl7.org/fhir/R4/http.html#cread>
#[tokio::test]
async fn an_entry_may_have_what_it_asks_for() {
    let hospital = Hospital::open().await;
    let id = hospital.create(&patient("1").to_string()).await;
    let read = hospital.get(&format!("/fhir/Patient/{id}")).await;
    let with = |name: &str, value: &str| json!([{"request":{"method":"GET","url":format!("Patient/{id}"),name:value}}]);
    for (entry, wanted) in [
        (with("ifNoneMatch", read.header("etag")), "304"),
        (with("ifNoneMatch", "W/\"x\""), "200"),
        (with("ifModifiedSince", "2999-01-01T00:00:00Z"), "304"),
        (with("ifModifiedSince", "1999-01-01T00:00:00Z"), "200"),
    ] {
        let (_, json) = send(&hospital, "batch", entry.clone()).await;
        assert_eq!(status(&json, 0), wanted, "{entry}: {json}");
        assert_eq!(json["entry"][0].get("resource").is_some(), wanted == "200");
    }
}

#[tokio::test]
async fn a_transaction_that_fails_names_the_entry_and_changes_nothing() {
    let hospital = Hospital::open().await;
    hospital.create(&patient("twice").to_string()).await;
    hospital.create(&patient("twice").to_string()).await;
    hospital.send("PUT", "/fhir/Patient/a", &[], r#"{"resourceType":"Patient","id":"a"}"#).await;
    let good = json!({"resource":{"resourceType":"Patient","name":[{"family":"Half"}]},"request":{"method":"POST","url":"Patient"}});
    let group = |reference: &str| json!({"resource":{"resourceType":"Patient","managingOrganization":{"reference":reference}},"request":{"method":"POST","url":"Patient"}});
    let where_ = |value: &str, body: Value| json!({"resource":body,"request":{"method":"PUT","url":format!("Patient?identifier=urn:s|{value}")}});
    for (bad, wanted) in [
        (ask("GET", "Patient/nobody"), 404),
        (ask("GET", "Shoe/1"), 404),
        (ask("POST", "Patient/a/$invite"), 400),
        (ask("POST", "Patient/$match"), 400),
        (ask("DELETE", "Patient?identifier=urn:s|twice"), 412),
        (where_("twice", patient("twice")), 412),
        (patch("Patient/nobody", ACTIVATE), 404),
        (patch("Patient/a", "{}"), 400),
        (patch("Patient/a", r#"[{"op":"remove","path":"/name"}]"#), 422),
        (patch("Patient?identifier=urn:s|twice", ACTIVATE), 412),
        (
            json!({"resource":{"resourceType":"Binary","contentType":"text/plain","data":"eA=="},"request":{"method":"PATCH","url":"Patient/a"}}),
            400,
        ),
        (json!({"resource":patient("1"),"request":{"method":"PATCH","url":"Patient/a"}}), 400),
        (
            json!({"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a","ifMatch":"W/\"x\""}}),
            412,
        ),
        (group("Organization?name=nobody"), 412),
        (group("urn:uuid:7e4d2a3c-0000-4000-8000-000000000000"), 400),
        (ask("DELETE", "Patient?shoe=1"), 400),
        (ask("DELETE", "Patient"), 400),
    ] {
        let (code, json) = send(&hospital, "transaction", json!([good, bad])).await;
        assert_eq!(code, wanted, "{bad}: {json}");
        assert!(json["issue"].to_string().contains("Bundle.entry[1]"), "{bad}: {json}");
        let half = hospital.get("/fhir/Patient?family=Half&_summary=count").await.json();
        assert_eq!(half["total"], 0, "{bad}");
    }
    let (_, json) = send(&hospital, "transaction", json!([group("Organization?name=nobody")])).await;
    assert!(json["issue"][0]["diagnostics"].to_string().contains("Organization?name=nobody"), "{json}");
}

/// Identities that overlap fail the transaction, resolved ones among them.
#[tokio::test]
async fn no_two_entries_write_one_resource() {
    let hospital = Hospital::open().await;
    hospital
        .send(
            "PUT",
            "/fhir/Patient/a",
            &[],
            json!({"resourceType":"Patient","id":"a","identifier":[{"system":"urn:s","value":"1"}]}).to_string(),
        )
        .await;
    let where_ = |value: &str| json!({"resource":patient(value),"request":{"method":"PUT","url":format!("Patient?identifier=urn:s|{value}")}});
    for (entries, wanted) in [
        (json!([where_("1"), patch("Patient/a", ACTIVATE)]), 400),
        (json!([ask("DELETE", "Patient?identifier=urn:s|1"), patch("Patient/a", ACTIVATE)]), 400),
        (json!([where_("1"), where_("1")]), 400),
        (json!([where_("new"), where_("new")]), 412),
        (json!([where_("new"), where_("newer")]), 200),
    ] {
        let (code, json) = send(&hospital, "transaction", entries.clone()).await;
        assert_eq!(code, wanted, "{entries}: {json}");
    }
}

/// References are resolved after everything is written, so they may mean what the same transaction makes.
#[tokio::test]
async fn a_conditional_reference_finds_what_the_transaction_makes() {
    let hospital = Hospital::open().await;
    let organization = json!({"resource":{"resourceType":"Organization","name":"Ward","identifier":[{"system":"urn:s","value":"w"}]},"request":{"method":"POST","url":"Organization"}});
    let member = json!({"resource":{"resourceType":"Patient","managingOrganization":{"reference":"Organization?identifier=urn:s|w"}},"request":{"method":"POST","url":"Patient"}});
    let (code, json) = send(&hospital, "transaction", json!([member, organization])).await;
    assert_eq!(code, 200, "{json}");
    let found = hospital.get("/fhir/Patient?_include=Patient:organization").await;
    assert_eq!((found.found("match").len(), found.found("include").len()), (1, 1), "{}", found.text());
    let (code, json) = send(&hospital, "transaction", json!([member, organization])).await;
    assert_eq!(code, 412, "one is there and one is made: {json}");
    let (code, json) = send(&hospital, "transaction", json!([member])).await;
    assert_eq!(code, 200, "{json}");
}
