//! PATCH over HTTP in every form: JSON Patch, FHIRPath Patch as JSON and as XML, XML Patch.
//! <https://hl7.org/fhir/R4/http.html#patch>

use crate::hospital::{Answered, Hospital};

const JSON: &str = "application/json-patch+json";
const XML: &str = "application/xml-patch+xml";
const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":false,"multipleBirthInteger":2,"extension":[{"url":"http://e.org/x","valueDecimal":1.00}]}"#;
const ACTIVATE: &str = r#"[{"op":"replace","path":"/active","value":true}]"#;
const PATH: &str = r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.active"},{"name":"value","valueBoolean":true}]}]}"#;
const PATH_XML: &str = r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/><valueCode value="replace"/></part><part><name value="path"/><valueString value="Patient.active"/></part><part><name value="value"/><valueBoolean value="true"/></part></parameter></Parameters>"#;
const DIFF: &str =
    r#"<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:active/@value">true</replace></diff>"#;

async fn patch(hospital: &Hospital, path: &str, media: &str, body: &str) -> Answered {
    hospital.send("PATCH", path, &[("content-type", media)], body).await
}

async fn put(hospital: &Hospital) -> Answered {
    hospital.send("PUT", "/fhir/Patient/p", &[], PATIENT).await
}

#[tokio::test]
async fn every_form_of_patch_changes_what_it_names_and_nothing_else() {
    let hospital = Hospital::open().await;
    for (media, body) in [
        (JSON, ACTIVATE),
        ("application/fhir+json", PATH),
        ("application/fhir+xml", PATH_XML),
        (XML, DIFF),
        ("application/json-patch+json; charset=utf-8", ACTIVATE),
    ] {
        put(&hospital).await;
        let patched = patch(&hospital, "/fhir/Patient/p", media, body).await;
        assert_eq!(patched.status, 200, "{media}: {}", patched.text());
        assert_eq!(patched.json()["active"], true, "{media}");
        assert!(patched.text().contains("1.00"), "{media}: {}", patched.text());
        assert!(!patched.header("etag").is_empty() && !patched.header("location").is_empty());
        let read = hospital.get("/fhir/Patient/p").await;
        assert_eq!((&read.body, read.header("etag")), (&patched.body, patched.header("etag")), "{media}");
    }
}

#[tokio::test]
async fn a_patch_that_cannot_be_applied_changes_nothing() {
    let hospital = Hospital::open().await;
    let first = put(&hospital).await;
    let patient = "/fhir/Patient/p";
    for (path, media, body, status) in [
        (patient, JSON, "", 400),
        (patient, JSON, "{", 400),
        (patient, JSON, r#"[{"op":"shift","path":"/active"}]"#, 400),
        (patient, XML, "<diff><add/></diff>", 400),
        (patient, XML, "no xml", 400),
        (patient, "application/fhir+json", PATIENT, 400),
        (patient, "application/fhir+xml", "<Parameters/>", 400),
        (patient, "application/merge-patch+json", "{}", 415),
        (patient, "", ACTIVATE, 415),
        (patient, JSON, r#"[{"op":"remove","path":"/name"}]"#, 422),
        (patient, JSON, r#"[{"op":"test","path":"/active","value":true}]"#, 422),
        (patient, JSON, r#"[{"op":"replace","path":"/id","value":"q"}]"#, 422),
        (patient, JSON, r#"[{"op":"add","path":"/shoe","value":1}]"#, 422),
        (patient, JSON, r#"[{"op":"replace","path":"/active","value":"yes"}]"#, 422),
        ("/fhir/Patient/nobody", JSON, ACTIVATE, 404),
        ("/fhir/Patient?family=nobody", JSON, ACTIVATE, 404),
    ] {
        let answered = patch(&hospital, path, media, body).await;
        assert_eq!(answered.status, status, "{media} {body}: {}", answered.text());
        assert_eq!(answered.json()["resourceType"], "OperationOutcome");
        assert_eq!(hospital.get(patient).await.header("etag"), first.header("etag"));
    }
}

#[tokio::test]
async fn a_patch_holds_to_the_version_named_and_the_form_preferred() {
    let hospital = Hospital::open().await;
    let first = put(&hospital).await;
    let send = async |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", JSON)], headers].concat();
        hospital.send("PATCH", "/fhir/Patient/p", &headers, ACTIVATE).await
    };
    assert_eq!(send(&[("if-match", "W/\"other\"")]).await.status, 412);
    let tag = first.header("etag").to_owned();
    assert_eq!(send(&[("if-match", &tag)]).await.status, 200);
    assert_eq!(send(&[("if-match", &tag)]).await.status, 412);
    assert!(send(&[("prefer", "return=minimal")]).await.body.is_empty());
    let outcome = send(&[("prefer", "return=OperationOutcome")]).await;
    assert_eq!(outcome.json()["resourceType"], "OperationOutcome");
    // Who may write and not read is not shown what was there.
    let writer = format!("Bearer {}", hospital.client("writer", "system/Patient.u").await);
    let blind = send(&[("authorization", writer.as_str())]).await;
    assert_eq!((blind.status, blind.body.len()), (200, 0));
    hospital.send("DELETE", "/fhir/Patient/p", &[], "").await;
    assert_eq!(send(&[]).await.status, 410);
}
