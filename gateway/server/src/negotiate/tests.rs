//! What is answered to which `Accept` and `_format`.

use super::*;
use Format::{Json, Xml};
use axum::http::HeaderValue;

/// <https://hl7.org/fhir/R4/http.html#mime-type>, RFC 9110 section 12.5.1
#[test]
fn the_best_format_is_chosen() {
    check("", "", Some(Json));
    check("", "*/*", Some(Json));
    check("", "application/*", Some(Json));
    check("", "application/fhir+json; fhirVersion=4.0", Some(Json));
    check("", "application/fhir+xml", Some(Xml));
    check("", "application/xml", Some(Xml));
    check("", "text/xml", Some(Xml));
    check("", "APPLICATION/FHIR+XML; FHIRVERSION=\"4.0.1\"", Some(Xml));
    check("", "application/fhir+xml;q=1, application/json;q=0.5", Some(Xml));
    check("", "application/fhir+xml;q=0.5, application/json;q=0.501", Some(Json));
    check("", "application/fhir+xml, application/fhir+json", Some(Xml));
    check("", "application/fhir+json, application/fhir+xml", Some(Json));
    check("", "application/fhir+xml, */*", Some(Xml));
    check("", "*/*, application/fhir+json;q=0", Some(Xml));
    check("", "*/*;q=0.1, application/fhir+xml;q=0", Some(Json));
    check("", "text/html, application/xhtml+xml, */*;q=0.8", Some(Json));
    check("", "text/html", None);
    check("", "application/fhir+turtle", None);
    check("", "application/fhir+json; fhirVersion=5.0", None);
    check("", "application/fhir+json; fhirVersion=5.0, application/fhir+xml; fhirVersion=4.0", Some(Xml));
    check("", "application/json;q=0", None);
    check("", "application/json;q=2", None);
    check("", "*/*;q=0", None);
}

/// "_format overrides the Accept header": <https://hl7.org/fhir/R4/http.html#parameters>
#[test]
fn a_parameter_overrides_the_header() {
    for value in ["json", "application/json", "application/fhir%2Bjson", "application/fhir+json", "text/json"] {
        check(&format!("_format={value}"), "application/fhir+xml", Some(Json));
    }
    for value in ["xml", "text/xml", "application/xml", "application/fhir%2Bxml", "application/fhir+xml", "XML"] {
        check(&format!("_format={value}"), "application/fhir+json", Some(Xml));
    }
    check("_format=application/fhir%2Bxml;charset=utf-8", "", Some(Xml));
    check("_format=application/fhir+xml;+fhirVersion=4.0", "", Some(Xml));
    check("_format=application/fhir+xml;+fhirVersion=3.0", "", None);
    check("_format=xml", "text/html", Some(Xml));
    for value in ["ttl", "text/turtle", "html", "text/html", ""] {
        check(&format!("_format={value}"), "*/*", None);
    }
}

fn check(query: &str, accept: &'static str, wanted: Option<Format>) {
    let mut headers = HeaderMap::new();
    if !accept.is_empty() {
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
    }
    let found = view(query, &headers).map(|view| view.form.format).map_err(|error| error.status.as_u16());
    assert_eq!(found, wanted.ok_or(406), "{query} {accept}");
    if let Some(format) = wanted {
        assert_eq!(told(query, &headers).format, format, "{query} {accept}");
    }
}

#[test]
fn prefer_names_the_answer_and_the_handling() {
    for (text, wanted) in [
        ("return=minimal", Prefer { answer: Return::Minimal, strict: false }),
        ("handling=strict, return=OperationOutcome", Prefer { answer: Return::Outcome, strict: true }),
        ("respond-async", Prefer::default()),
        ("handling=lenient", Prefer::default()),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", HeaderValue::from_static(text));
        assert_eq!(prefer(&headers).0, wanted, "{text}");
    }
}
