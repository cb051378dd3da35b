//! Resources in part: each `_summary`, `_elements`, in reads, searchsets and histories, in both formats.
//! <https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>

use crate::hospital::Hospital;
use serde_json::Value;

const WHOLE: &str = r#"{"resourceType":"Observation","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"status":"final","code":{"text":"c"},"valueQuantity":{"value":1.00},"note":[{"text":"n"}]}"#;

fn members(resource: &Value) -> String {
    let names =
        resource.as_object().unwrap().keys().filter(|name| !matches!(name.as_str(), "resourceType" | "id" | "meta"));
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

#[tokio::test]
async fn a_part_is_what_was_asked_for_and_says_so() {
    let hospital = Hospital::open().await;
    let id = hospital.create(WHOLE).await;
    for (query, wanted, part) in [
        ("", "code note status text valueQuantity", false),
        ("_summary=false", "code note status text valueQuantity", false),
        ("_summary=true", "code status valueQuantity", true),
        ("_summary=text", "code status text", true),
        ("_summary=data", "code note status valueQuantity", true),
        ("_elements=value", "code status valueQuantity", true),
        ("_elements=Observation.note,text", "code note status text", true),
    ] {
        let read = hospital.get(&format!("/fhir/Observation/{id}?{query}")).await;
        assert_eq!(read.status, 200, "{}", read.text());
        let found = hospital.get(&format!("/fhir/Observation?_id={id}&{query}")).await.json();
        let history = hospital.get(&format!("/fhir/Observation/{id}/_history?{query}")).await.json();
        let xml = hospital.get(&format!("/fhir/Observation/{id}?_format=xml&{query}")).await;
        let xml: Value = serde_json::from_slice(&fhir::xml::read(&xml.body).unwrap()).unwrap();
        assert_eq!(found["entry"].as_array().unwrap().len(), 1, "{query}: nothing is to be told: {found}");
        for resource in [&read.json(), &found["entry"][0]["resource"], &history["entry"][0]["resource"], &xml] {
            assert_eq!(members(resource), wanted, "{query}");
            assert_eq!(resource["meta"]["tag"][0]["code"] == "SUBSETTED", part, "{query}");
        }
    }
    let count = hospital.get("/fhir/Observation?_summary=count").await.json();
    assert_eq!((&count["total"], count.get("entry")), (&1.into(), None));
    assert_eq!(hospital.get("/fhir/Observation?_summary=maybe").await.status, 400);
    let mixed = hospital.get("/fhir/Observation?_summary=text&_include=Observation:subject").await;
    assert_eq!(mixed.status, 400, "{}", mixed.text());
}
