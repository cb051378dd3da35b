//! Capabilities. <https://hl7.org/fhir/R4/http.html#capabilities>

use crate::hospital::{BASE, Hospital};

/// "mode: full, normative, terminology"; each answer is a valid resource of R4, and needs no token.
#[tokio::test]
async fn metadata_has_three_modes() {
    let hospital = Hospital::open().await;
    for (query, status, kind) in [
        ("", 200, "CapabilityStatement"),
        ("?mode=full", 200, "CapabilityStatement"),
        ("?mode=normative", 200, "CapabilityStatement"),
        ("?mode=terminology", 200, "TerminologyCapabilities"),
        ("?mode=shoe", 400, "OperationOutcome"),
    ] {
        let answered = hospital.send("GET", &format!("/fhir/metadata{query}"), &[("authorization", "")], "").await;
        assert_eq!(answered.status, status, "{query}: {}", answered.text());
        assert_eq!(answered.json()["resourceType"], kind, "{query}");
        let valid = fhir::validate::check(fhir::parse::resource(answered.body).unwrap());
        assert!(valid.is_ok(), "{query}: {:?}", valid.err());
        let and = if query.is_empty() { "?" } else { "&" };
        let xml = hospital.get(&format!("/fhir/metadata{query}{and}_format=xml")).await;
        assert!(xml.text().starts_with(&format!("<{kind}")), "{query}");
    }
    let normative = hospital.get("/fhir/metadata?mode=normative").await.json();
    let full = hospital.get("/fhir/metadata").await.json();
    assert!(full["rest"][0]["resource"][0].get("updateCreate").is_some());
    assert!(normative["rest"][0]["resource"][0].get("updateCreate").is_none(), "trial use is left out");
    assert_eq!(full["rest"][0]["resource"][0]["type"], normative["rest"][0]["resource"][0]["type"]);
}

/// What a client must find in it: the version, the formats, the base, and every interaction that works.
#[tokio::test]
async fn the_statement_says_what_a_client_needs() {
    let hospital = Hospital::open().await;
    let json = hospital.get("/fhir/metadata").await.json();
    assert_eq!((&json["fhirVersion"], &json["kind"]), (&"4.0.1".into(), &"instance".into()));
    assert_eq!(json["implementation"]["url"], format!("{BASE}/fhir"));
    let formats = json["format"].as_array().unwrap();
    for format in ["application/fhir+json", "application/fhir+xml", "json", "xml"] {
        assert!(formats.contains(&format.into()), "{format}");
    }
    let operations = json["rest"][0]["operation"].as_array().unwrap();
    assert!(operations.iter().any(|one| one["name"] == "meta"), "{operations:?}");
    for resource in json["rest"][0]["resource"].as_array().unwrap() {
        assert_eq!(resource["versioning"], "versioned-update", "{}", resource["type"]);
        let codes = resource["interaction"].as_array().unwrap();
        for code in
            ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"]
        {
            assert!(codes.iter().any(|one| one["code"] == code), "{code} at {}", resource["type"]);
        }
    }
}

/// <https://hl7.org/fhir/R4/http.html#capabilities>: what is claimed of a type works at that type.
#[tokio::test]
async fn what_is_claimed_is_served_at_every_type() {
    let hospital = Hospital::open().await;
    for kind in fhir::ResourceType::all() {
        // Rows of the audit log and what is derived from records have no id that a client gives.
        for (path, wanted) in [
            (format!("/fhir/{kind}/nobody"), 404),
            (format!("/fhir/{kind}/nobody/_history"), 404),
            (format!("/fhir/{kind}/nobody/_history/1"), 404),
            (format!("/fhir/{kind}/_history?_count=1"), 200),
            (format!("/fhir/{kind}?_count=1"), 200),
            (format!("/fhir/{kind}/$meta"), 200),
        ] {
            let answered = hospital.get(&path).await;
            assert_eq!(answered.status, wanted, "{path}: {}", answered.text());
        }
    }
}
