//! How a search is asked for; what it finds is tested elsewhere. <https://hl7.org/fhir/R4/http.html#search>

use super::put;
use crate::hospital::Hospital;

const FORM: &str = "application/x-www-form-urlencoded";

/// "GET [base]/[type]{?[parameters]}" and "POST [base]/[type]/_search" with the parameters as a form; "both have the same
/// result"; parameters of the URL and the form count together.
#[tokio::test]
async fn a_search_is_asked_by_either_verb() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    put(&hospital, "b", "2").await;
    for (method, path, kind, body, status, total) in [
        ("GET", "/fhir/Patient?identifier=urn:s|1", "", "", 200, 1),
        ("GET", "/fhir/Patient/_search?identifier=urn:s|1", "", "", 200, 1),
        ("POST", "/fhir/Patient/_search", FORM, "identifier=urn:s|1", 200, 1),
        (
            "POST",
            "/fhir/Patient/_search",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "identifier=urn%3As%7C1",
            200,
            1,
        ),
        ("POST", "/fhir/Patient/_search?identifier=urn:s|1", "", "", 200, 1),
        ("POST", "/fhir/Patient/_search?identifier=urn:s|1", FORM, "_id=b", 200, 0),
        ("POST", "/fhir/Patient/_search", FORM, "", 200, 2),
        ("POST", "/fhir/Patient/_search", "application/fhir+json", "{}", 415, 0),
        ("GET", "/fhir/Patient", "", "", 200, 2),
        ("GET", "/fhir?_type=Patient", "", "", 200, 2),
        ("POST", "/fhir/_search", FORM, "_type=Patient", 200, 2),
        ("GET", "/fhir/Patient/a/Observation", "", "", 200, 0),
        ("POST", "/fhir/Patient/a/Observation/_search", FORM, "code=x", 200, 0),
    ] {
        let answered = hospital.send(method, path, &[("content-type", kind)], body).await;
        assert_eq!(answered.status, status, "{method} {path} {body}: {}", answered.text());
        if status == 200 {
            let json = answered.json();
            assert_eq!((&json["type"], &json["total"]), (&"searchset".into(), &total.into()), "{method} {path} {body}");
        }
    }
}

/// <https://hl7.org/fhir/R4/search.html#errors>: `Prefer: handling=` says what becomes of a parameter that is not known.
#[tokio::test]
async fn what_is_not_known_is_told_or_refused() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    for (prefer, status) in [("", 200), ("handling=lenient", 200), ("handling=strict", 400)] {
        let answered = hospital.send("GET", "/fhir/Patient?shoe=1", &[("prefer", prefer)], "").await;
        assert_eq!(answered.status, status, "{prefer}");
        let outcome = answered.found("outcome").len();
        assert_eq!(outcome, usize::from(status == 200), "{prefer}: {}", answered.text());
        if status == 200 {
            assert!(!answered.link("self").unwrap().contains("shoe"), "what had no effect is not in the link");
        }
    }
}
