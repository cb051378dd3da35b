//! Media types, the fhirVersion parameter, charsets and `_format`, `_pretty`, `_summary`, `_elements`.
//! <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/http.html#parameters>

use super::{patient, put};
use crate::hospital::Hospital;

const JSON: &str = "application/fhir+json; charset=utf-8";
const XML: &str = "application/fhir+xml; charset=utf-8";

/// <https://hl7.org/fhir/R4/http.html#mime-type>: server-driven negotiation by `Accept`; the generic types mean FHIR's own;
/// 406 where nothing fits. <https://hl7.org/fhir/R4/http.html#version-parameter>: so it is for another version of FHIR.
#[tokio::test]
async fn an_answer_has_the_type_that_was_accepted() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    for (accept, wanted) in [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/fhir+json", JSON),
        ("application/json", JSON),
        ("text/json", JSON),
        ("application/fhir+xml", XML),
        ("application/xml", XML),
        ("text/xml", XML),
        ("APPLICATION/FHIR+XML", XML),
        ("application/fhir+json;q=0.1, application/fhir+xml", XML),
        ("text/html, application/fhir+xml;q=0.9, */*;q=0.8", XML),
        ("application/fhir+xml;q=0, */*", JSON),
        ("application/fhir+json; fhirVersion=4.0", JSON),
        ("application/fhir+xml; fhirVersion=4.0", XML),
        ("application/fhir+json; fhirVersion=3.0, application/fhir+xml; fhirVersion=4.0", XML),
        ("application/fhir+json; fhirVersion=3.0", ""),
        ("application/fhir+json; fhirVersion=5.0", ""),
        ("application/fhir+turtle", ""),
        ("text/html", ""),
        ("application/fhir+json;q=0", ""),
    ] {
        let answered = hospital.send("GET", "/fhir/Patient/a", &[("accept", accept)], "").await;
        match wanted {
            "" => assert_eq!((answered.status, answered.code().as_str()), (406, "not-supported"), "{accept}"),
            _ => assert_eq!((answered.status, answered.header("content-type")), (200, wanted), "{accept}"),
        }
    }
}

/// <https://hl7.org/fhir/R4/http.html#parameters>: `_format` overrides `Accept`; its values SHALL mean the formats.
#[tokio::test]
async fn the_format_parameter_overrides_the_header() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    for (format, wanted) in [
        ("xml", XML),
        ("text/xml", XML),
        ("application/xml", XML),
        ("application/fhir%2Bxml", XML),
        ("application/fhir+xml", XML),
        ("json", JSON),
        ("application/json", JSON),
        ("application/fhir%2Bjson", JSON),
        ("ttl", ""),
        ("html", ""),
        ("shoe", ""),
    ] {
        let other = if wanted == XML { "application/fhir+json" } else { "application/fhir+xml" };
        for path in ["/fhir/Patient/a", "/fhir/Patient", "/fhir/Patient/a/_history", "/fhir/metadata"] {
            let answered = hospital.send("GET", &format!("{path}?_format={format}"), &[("accept", other)], "").await;
            match wanted {
                "" => assert_eq!(answered.status, 406, "{path} {format}"),
                _ => assert_eq!((answered.status, answered.header("content-type")), (200, wanted), "{path} {format}"),
            }
        }
    }
    // A refusal comes in the format that was asked for, too.
    let missing = hospital.get("/fhir/Patient/nobody?_format=xml").await;
    assert_eq!((missing.status, missing.header("content-type")), (404, XML));
    assert!(missing.text().starts_with("<OperationOutcome"), "{}", missing.text());
}

/// <https://hl7.org/fhir/R4/http.html#mime-type>: 415 for a body in a format that is not supported; UTF-8 is the only
/// charset; bodies of every write go through the same door.
#[tokio::test]
async fn a_body_has_a_type_that_is_understood() {
    let hospital = Hospital::open().await;
    let xml = r#"<Patient xmlns="http://hl7.org/fhir"><id value="a"/></Patient>"#;
    let json = r#"{"resourceType":"Patient","id":"a"}"#;
    for (kind, body, wanted) in [
        ("application/fhir+json", json, 201),
        ("application/json", json, 201),
        ("text/json", json, 201),
        ("application/fhir+json; charset=UTF-8", json, 201),
        ("application/fhir+json; fhirVersion=4.0", json, 201),
        ("application/fhir+xml", xml, 201),
        ("application/xml; charset=utf-8", xml, 201),
        ("text/xml", xml, 201),
        ("application/fhir+json; fhirVersion=3.0", json, 415),
        ("application/fhir+json; charset=latin1", json, 415),
        ("application/fhir+turtle", json, 415),
        ("text/plain", json, 415),
        ("application/x-www-form-urlencoded", "a=b", 415),
        ("application/fhir+json", xml, 400),
        ("application/fhir+xml", json, 400),
    ] {
        let headers = [("content-type", kind)];
        let posted = hospital.send("POST", "/fhir/Patient", &headers, body).await;
        assert_eq!(posted.status, wanted, "POST {kind}: {}", posted.text());
        let put = hospital.send("PUT", "/fhir/Patient/a", &headers, body).await.status;
        assert_eq!(if put == 200 { 201 } else { put }, wanted, "PUT {kind}");
    }
    for (kind, wanted) in [("application/fhir+json", 400), ("text/plain", 415)] {
        let posted = hospital.send("POST", "/fhir", &[("content-type", kind)], json).await;
        assert_eq!(posted.status, wanted, "a Bundle as {kind}");
    }
}

/// <https://hl7.org/fhir/R4/http.html#parameters>: `_pretty`, `_summary` and `_elements` change the form and nothing else.
#[tokio::test]
async fn general_parameters_work_on_every_read() {
    let hospital = Hospital::open().await;
    let put = put(&hospital, "a", "1").await;
    let plain = hospital.get("/fhir/Patient/a").await;
    let pretty = hospital.get("/fhir/Patient/a?_pretty=true").await;
    assert!(pretty.text().lines().count() > 3 && pretty.json() == plain.json(), "{}", pretty.text());
    assert_eq!(hospital.get("/fhir/Patient/a?_pretty=false").await.body, plain.body);
    for (query, has, lacks) in [
        ("_summary=true", "identifier", "shoe"),
        ("_elements=active", "meta", "identifier"),
        ("_summary=text", "meta", "identifier"),
    ] {
        let cut = hospital.get(&format!("/fhir/Patient/a?{query}")).await;
        assert!(cut.json().get(has).is_some() && cut.json().get(lacks).is_none(), "{query}: {}", cut.text());
        assert!(cut.text().contains("SUBSETTED"), "{query}");
        assert_eq!(cut.header("etag"), put.header("etag"), "{query}");
    }
    assert_eq!(hospital.get("/fhir/Patient/a?_summary=shoe").await.status, 400);
    // A write is answered in that form, too.
    let body = patient("", "2");
    let written = hospital.send("POST", "/fhir/Patient?_format=xml&_pretty=true", &[], body).await;
    assert_eq!((written.status, written.header("content-type")), (201, XML));
    assert!(written.text().lines().count() > 3);
}
