//! Patches. <https://hl7.org/fhir/R4/http.html#patch>

use super::{bundle, patient, put, status};
use crate::hospital::Hospital;
use serde_json::json;

const JSON: &str = "application/json-patch+json";
const XML: &str = "application/xml-patch+xml";
const FHIR: &str = "application/fhir+json";

/// <https://hl7.org/fhir/R4/http.html#patch>: the three kinds of patch, each under its type; "processing PATCH operations may be
/// very similar to updates"; 415 for another type, 400 for what is no patch, 422 for what does not fit, 404 and 410 as reads.
#[tokio::test]
async fn a_patch_changes_or_is_refused_by_its_status() {
    let hospital = Hospital::open().await;
    put(&hospital, "gone", "1").await;
    hospital.send("DELETE", "/fhir/Patient/gone", &[], "").await;
    let path = json!({"resourceType":"Parameters","parameter":[{"name":"operation","part":[
        {"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},
        {"name":"name","valueString":"active"},{"name":"value","valueBoolean":true}]}]})
    .to_string();
    let xml = r#"<diff xmlns:f="http://hl7.org/fhir"><add sel="f:Patient/f:identifier" pos="after"><active xmlns="http://hl7.org/fhir" value="true"/></add></diff>"#;
    let add = r#"[{"op":"add","path":"/active","value":true}]"#;
    for (id, kind, body, wanted) in [
        ("a", JSON, add, 200),
        ("a", XML, xml, 200),
        ("a", FHIR, path.as_str(), 200),
        ("a", JSON, "[]", 200),
        ("a", JSON, r#"[{"op":"test","path":"/identifier/0/value","value":"1"}]"#, 200),
        ("a", JSON, r#"[{"op":"test","path":"/identifier/0/value","value":"2"}]"#, 422),
        ("a", JSON, r#"[{"op":"remove","path":"/name"}]"#, 422),
        ("a", JSON, r#"[{"op":"replace","path":"/id","value":"b"}]"#, 422),
        ("a", JSON, r#"[{"op":"add","path":"/shoe","value":1}]"#, 422),
        ("a", JSON, r#"[{"op":"add","path":"/gender","value":"x"}]"#, 422),
        ("a", JSON, r#"[{"op":"jump","path":"/a"}]"#, 400),
        ("a", JSON, "{}", 400),
        ("a", JSON, "", 400),
        ("a", XML, "<diff", 400),
        ("a", FHIR, r#"{"resourceType":"Patient"}"#, 400),
        ("a", "text/plain", add, 415),
        ("a", "application/merge-patch+json", "{}", 415),
        ("nobody", JSON, add, 404),
        ("gone", JSON, add, 410),
    ] {
        put(&hospital, "a", "1").await;
        let before = hospital.get("/fhir/Patient/a").await.header("etag").to_owned();
        let answered = hospital.send("PATCH", &format!("/fhir/Patient/{id}"), &[("content-type", kind)], body).await;
        assert_eq!(answered.status, wanted, "{kind} {body}: {}", answered.text());
        let after = hospital.get("/fhir/Patient/a").await;
        assert_eq!(after.header("etag") == before, wanted != 200, "{kind} {body}");
        if body == add && wanted == 200 {
            assert_eq!((&after.json()["active"], after.body), (&true.into(), answered.body));
        }
    }
}

/// <https://hl7.org/fhir/R4/http.html#patch>: "servers SHALL process PATCH conditionally": none is 404, one is patched, several
/// are 412.
#[tokio::test]
async fn a_conditional_patch_goes_by_its_matches() {
    let hospital = Hospital::open().await;
    for (id, value) in [("a", "1"), ("b", "2"), ("c", "2")] {
        put(&hospital, id, value).await;
    }
    let add = r#"[{"op":"add","path":"/active","value":true}]"#;
    for (query, wanted) in [
        ("?identifier=urn:s|1", 200),
        ("?identifier=urn:s|2", 412),
        ("?identifier=urn:s|3", 404),
        ("?shoe=1", 400),
        ("", 400),
    ] {
        let answered = hospital.send("PATCH", &format!("/fhir/Patient{query}"), &[("content-type", JSON)], add).await;
        assert_eq!(answered.status, wanted, "{query}: {}", answered.text());
    }
    assert_eq!(hospital.get("/fhir/Patient?active=true&_summary=count").await.json()["total"], 1);
}

/// <https://hl7.org/fhir/R4/http.html#patch>: in a batch or transaction a patch is a Parameters resource, or a Binary with
/// the patch's type and text.
#[tokio::test]
async fn a_patch_within_a_bundle_travels_as_a_resource() {
    for kind in ["batch", "transaction"] {
        let hospital = Hospital::open().await;
        hospital.send("PUT", "/fhir/Patient/a", &[], patient("a", "1")).await;
        let data = data_encoding::BASE64.encode(br#"[{"op":"add","path":"/active","value":true}]"#);
        let entry = |media: &str| {
            json!([{"resource":{"resourceType":"Binary","contentType":media,"data":data},
                "request":{"method":"PATCH","url":"Patient/a"}}])
        };
        let answered = bundle(&hospital, kind, entry(JSON)).await;
        assert_eq!(status(&answered.json(), 0), "200", "{}", answered.text());
        assert_eq!(hospital.get("/fhir/Patient/a").await.json()["active"], true);
        let refused = bundle(&hospital, kind, entry("text/plain")).await;
        let found = if kind == "batch" { status(&refused.json(), 0).to_owned() } else { refused.status.to_string() };
        assert_eq!(found, "400", "{}", refused.text());
    }
}
