//! `$validate`, and what a gateway does with resources that break rules.
//! <https://hl7.org/fhir/R4/resource-operation-validate.html>, <https://hl7.org/fhir/R4/validation.html>

use crate::hospital::{Answered, Hospital};
use fhir::validate::Mode;

const GOOD: &str = r#"{"resourceType":"Patient","name":[{"family":"Doe"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}"#;
const BAD: &str = r#"{"resourceType":"Patient","gender":"x","birthDate":"1990-13-01","contact":[{}]}"#;

fn issues(answered: &Answered) -> Vec<(String, String)> {
    let text = |issue: &serde_json::Value, name: &str| issue[name].as_str().unwrap_or_default().to_owned();
    let json = answered.json();
    assert_eq!(json["resourceType"], "OperationOutcome", "{json}");
    json["issue"].as_array().unwrap().iter().map(|issue| (text(issue, "severity"), text(issue, "code"))).collect()
}

#[tokio::test]
async fn validate_tells_everything_and_stores_nothing() {
    let hospital = Hospital::open().await;
    let wrapped = |resource: &str, more: &str| {
        format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{resource}}}{more}]}}"#)
    };
    let id = hospital.create(GOOD).await;
    let own = GOOD.replacen('{', &format!(r#"{{"id":"{id}","#), 1);
    let one = format!("/fhir/Patient/{id}/$validate");
    let all = "/fhir/Patient/$validate";
    let mode = |code: &str| format!(r#",{{"name":"mode","valueCode":"{code}"}}"#);
    let profile = |url: &str| format!(r#",{{"name":"profile","valueUri":"{url}"}}"#);
    let base = "http://hl7.org/fhir/StructureDefinition/Patient";
    let ok = ("information", "informational");
    for (path, body, first, least) in [
        (all, GOOD.to_owned(), ok, 1),
        (all, wrapped(GOOD, ""), ok, 1),
        (all, wrapped(GOOD, &mode("create")), ok, 1),
        (all, BAD.to_owned(), ("error", ""), 3),
        (all, wrapped(BAD, &mode("create")), ("error", ""), 3),
        (all, "{".to_owned(), ("fatal", "structure"), 1),
        (all, wrapped(GOOD, &profile(base)), ok, 1),
        (all, wrapped(GOOD, &profile("http://e.org/p")), ("error", "not-supported"), 1),
        (&format!("{all}?profile=http://e.org/p"), GOOD.to_owned(), ("error", "not-supported"), 1),
        (all, r#"{"resourceType":"Observation"}"#.to_owned(), ("error", "invalid"), 2),
        (&one, own.clone(), ok, 1),
        (&one, wrapped(&own, &mode("update")), ok, 1),
        (&one, wrapped(GOOD, &mode("update")), ("error", "invalid"), 1),
        (&format!("{one}?mode=delete"), String::new(), ok, 1),
        ("/fhir/Patient/nobody/$validate?mode=delete", String::new(), ok, 1),
    ] {
        let answered = hospital.post(path, &body).await;
        assert_eq!(answered.status, 200, "{path} {body}: {}", answered.text());
        let found = issues(&answered);
        assert_eq!(found[0].0, first.0, "{path} {body}: {found:?}");
        assert!(first.1.is_empty() || found[0].1 == first.1, "{path} {body}: {found:?}");
        assert!(found.len() >= least, "{path} {body}: {found:?}");
    }
    assert!(hospital.post(all, GOOD).await.text().contains("All OK"));
    assert_eq!(issues(&hospital.get(&one).await)[0].0, "information");
    assert_eq!(hospital.get("/fhir/Patient?_summary=count").await.json()["total"], 1);
    for (path, body, status) in [
        (all, String::new(), 400),
        (all, wrapped(GOOD, &mode("other")), 400),
        (all, wrapped(GOOD, &mode("update")), 400),
        ("/fhir/Patient/nobody/$validate", String::new(), 404),
        ("/fhir/$validate", GOOD.to_owned(), 501),
    ] {
        assert_eq!(hospital.post(path, &body).await.status, status, "{path} {body}");
    }
    let html = hospital.send("POST", all, &[("content-type", "text/html")], "<p/>").await;
    assert_eq!(html.status, 415);
    let xml = hospital.send("POST", all, &[("content-type", "text/xml")], "<Patient xmlns=\"x\"/>").await;
    assert_eq!((xml.status, issues(&xml)[0].0 == "information"), (200, false));
}

#[tokio::test]
async fn a_gateway_refuses_or_tells_or_is_silent() {
    for (mode, status, issue) in [(Mode::Enforce, 400, "error"), (Mode::Warn, 201, "warning"), (Mode::Off, 201, "")] {
        let hospital = Hospital::validating(mode).await;
        let outcome = [("prefer", "return=OperationOutcome")];
        let answered = hospital.send("POST", "/fhir/Patient", &outcome, BAD).await;
        assert_eq!(answered.status, status, "{mode:?}: {}", answered.text());
        let found = issues(&answered);
        assert_eq!(found.iter().any(|(severity, _)| severity == issue), !issue.is_empty(), "{mode:?}: {found:?}");
        // An outcome beside a success has no errors (http.html#create).
        assert_eq!(found.iter().any(|(severity, _)| severity == "error"), status == 400, "{mode:?}: {found:?}");
        let plain = hospital.post("/fhir/Patient", BAD).await;
        assert_eq!(plain.status, status);
        if status == 201 {
            assert_eq!(plain.json()["gender"], "x", "the bytes are kept as they came");
        }
    }
}

/// A narrative that is no XML can be kept where no rule is held; a reader of XML is told.
#[tokio::test]
async fn what_cannot_be_written_as_xml_is_told() {
    let hospital = Hospital::validating(Mode::Off).await;
    let body = r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div><p>"}}"#;
    let id = hospital.create(body).await;
    let accept = [("accept", "application/fhir+xml")];
    let read = hospital.send("GET", &format!("/fhir/Patient/{id}"), &accept, "").await;
    assert_eq!((read.status, read.header("etag")), (406, ""), "{}", read.text());
    assert!(read.text().contains("<OperationOutcome") && read.text().contains("Patient.text"), "{}", read.text());
    let created = hospital.send("POST", "/fhir/Patient", &accept, body).await;
    assert_eq!((created.status, created.header("location").is_empty()), (201, false));
    assert!(created.text().contains("<severity value=\"warning\"/>"), "{}", created.text());
    assert_eq!(hospital.get(&format!("/fhir/Patient/{id}")).await.status, 200);
}
