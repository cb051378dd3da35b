//! XML everywhere JSON is: bodies in, answers out, and what is refused of either.
//! <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/xml.html>

use crate::hospital::{Answered, Hospital};
use fhir::json::Doc;

const XML: &str = "application/fhir+xml; charset=utf-8";
const JSON: &str = "application/fhir+json; charset=utf-8";
const PATIENT: &str = r#"<Patient xmlns="http://hl7.org/fhir"><id value="x"/><extension url="http://e.org/x"><valueDecimal value="1.00"/></extension><name><family value="Doe"/></name><birthDate value="1990"><extension url="http://e.org/y"><valueBoolean value="true"/></extension></birthDate></Patient>"#;
const IN_XML: &[(&str, &str)] = &[("content-type", "application/fhir+xml"), ("accept", "application/fhir+xml")];

/// The JSON of an answer that must be XML.
fn json(answered: &Answered) -> serde_json::Value {
    assert_eq!(answered.header("content-type"), XML, "{}", answered.text());
    serde_json::from_slice(&fhir::xml::read(&answered.body).unwrap()).unwrap()
}

/// <https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/http.html#read>
#[tokio::test]
async fn a_resource_lives_and_dies_in_xml() {
    let hospital = Hospital::open().await;
    let created = hospital.send("POST", "/fhir/Patient", IN_XML, PATIENT).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let first = json(&created);
    let id = first["id"].as_str().unwrap();
    assert!(created.text().contains("<valueDecimal value=\"1.00\"/>"), "{}", created.text());
    let path = format!("/fhir/Patient/{id}");

    let read = hospital.send("GET", &path, IN_XML, "").await;
    assert_eq!((read.status, &read.body), (200, &created.body));
    let stored = hospital.get(&path).await;
    assert_eq!((stored.header("content-type"), stored.json()), (JSON, first.clone()));
    assert_eq!(stored.json()["_birthDate"]["extension"][0]["valueBoolean"], true);
    let parsed = Doc::parse(stored.body).unwrap();
    assert_eq!(fhir::xml::write(&parsed, false).unwrap(), created.body);

    let body = PATIENT.replace("value=\"x\"", &format!("value=\"{id}\"")).replace("Doe", "Roe");
    let updated = hospital.send("PUT", &path, IN_XML, body).await;
    assert_eq!((updated.status, &json(&updated)["name"][0]["family"]), (200, &"Roe".into()));
    let version = first["meta"]["versionId"].as_str().unwrap();
    let old = hospital.send("GET", &format!("{path}/_history/{version}"), IN_XML, "").await;
    assert_eq!(old.body, created.body);
    let history = json(&hospital.send("GET", &format!("{path}/_history"), IN_XML, "").await);
    assert_eq!((&history["type"], &history["total"]), (&"history".into(), &2.into()));
    let found = json(&hospital.send("GET", "/fhir/Patient?family=roe", IN_XML, "").await);
    assert_eq!(found["entry"][0]["resource"]["id"], id);
    let head = hospital.send("HEAD", &path, IN_XML, "").await;
    assert_eq!((head.status, head.header("content-type"), head.body.len()), (200, XML, 0));
    let outcome = [IN_XML[0], IN_XML[1], ("prefer", "return=OperationOutcome")];
    let gone = hospital.send("DELETE", &path, &outcome, "").await;
    assert_eq!((gone.status, &json(&gone)["issue"][0]["severity"]), (200, &"information".into()));
}

/// <https://hl7.org/fhir/R4/http.html#transaction>
#[tokio::test]
async fn bundles_and_operations_speak_xml() {
    let hospital = Hospital::open().await;
    let bundle = r#"<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry><resource><Patient><active value="true"/></Patient></resource><request><method value="POST"/><url value="Patient"/></request></entry></Bundle>"#;
    let done = hospital.send("POST", "/fhir", IN_XML, bundle).await;
    assert_eq!(json(&done)["entry"][0]["response"]["status"], "201 Created");
    let id = hospital.create(r#"{"resourceType":"Patient"}"#).await;
    let invite = hospital.send("POST", &format!("/fhir/Patient/{id}/$invite"), IN_XML, "").await;
    assert_eq!(json(&invite)["resourceType"], "Parameters");
    let digits = r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="shoe"/><valueString value="1"/></parameter></Parameters>"#;
    let wrong = hospital.send("POST", "/fhir/Task/t/$confirm", IN_XML, digits).await;
    assert_eq!((wrong.status, &json(&wrong)["issue"][0]["code"]), (400, &"not-supported".into()));
}

/// <https://hl7.org/fhir/R4/http.html#capabilities>
#[tokio::test]
async fn the_statement_names_the_formats_it_comes_in() {
    let hospital = Hospital::open().await;
    let answered = hospital.get("/fhir/metadata?_format=xml").await;
    let statement = json(&answered);
    for format in statement["format"].as_array().unwrap() {
        let path = format!("/fhir/metadata?_format={}", format.as_str().unwrap().replace('+', "%2B"));
        assert_eq!(hospital.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(statement["format"].as_array().unwrap().len(), 4);
    assert_eq!(hospital.get("/fhir/metadata?mode=full").await.json(), hospital.get("/fhir/metadata").await.json());
    let normative = hospital.get("/fhir/metadata?mode=normative").await;
    assert!(normative.json()["rest"][0].get("security").is_none());
    assert!(fhir::validate::check(fhir::parse::resource(normative.body).unwrap()).is_ok());
    let terminology = hospital.get("/fhir/metadata?mode=terminology").await;
    assert_eq!(terminology.json()["resourceType"], "TerminologyCapabilities");
    assert_eq!(hospital.get("/fhir/metadata?mode=other").await.status, 400);
}

/// An error is answered as the client asked, whenever it is raised: <https://hl7.org/fhir/R4/http.html#Status-Codes>
#[tokio::test]
async fn errors_come_in_the_form_that_was_asked_for() {
    let hospital = Hospital::open().await;
    let accept = [("accept", "application/fhir+xml")];
    for (method, path, headers, status) in [
        ("GET", "/fhir/Patient/nobody", &accept[..], 404),
        ("GET", "/fhir/Nothing", &accept, 404),
        ("GET", "/other", &accept, 404),
        ("POST", "/health/live", &accept, 405),
        ("DELETE", "/fhir", &accept, 405),
        ("GET", "/fhir/Patient", &[accept[0], ("authorization", "Basic x")], 401),
        ("GET", "/fhir/Patient?birthdate=abc", &accept, 400),
        ("GET", "/fhir/Patient?name=%zz", &accept, 400),
        ("GET", "/fhir/Patient/nobody?_format=xml", &[("accept", "application/fhir+json")], 404),
        ("GET", "/fhir/Patient?_format=ttl", &accept, 406),
        ("POST", "/fhir/Patient", &[accept[0], ("content-type", "text/html")], 415),
    ] {
        let answered = hospital.send(method, path, headers, "").await;
        assert_eq!((answered.status, &json(&answered)["resourceType"]), (status, &"OperationOutcome".into()), "{path}");
    }
    for accept in ["text/html", "application/fhir+turtle", "application/fhir+xml; fhirVersion=3.0"] {
        let answered = hospital.send("GET", "/fhir/Patient", &[("accept", accept)], "").await;
        assert_eq!((answered.status, answered.header("content-type")), (406, JSON), "{accept}");
    }
    let pretty = hospital.get("/fhir/Patient/nobody?_format=xml&_pretty=true").await;
    assert!(pretty.text().contains("\n  <issue>"), "{}", pretty.text());
    let pretty = hospital.get("/fhir/Patient/nobody?_pretty=true").await;
    assert!(pretty.text().contains("\n  \"issue\""), "{}", pretty.text());
}

/// A search by POST may name the form in its body: <https://hl7.org/fhir/R4/http.html#search>
#[tokio::test]
async fn a_form_names_the_format_too() {
    let hospital = Hospital::open().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let found = hospital.send("POST", "/fhir/Patient/_search", &form, "_format=xml&family=x").await;
    assert_eq!(json(&found)["type"], "searchset");
}

/// <https://hl7.org/fhir/R4/xml.html>, <https://hl7.org/fhir/R4/security.html>
#[tokio::test]
async fn what_is_no_fhir_xml_is_refused_with_its_place() {
    let hospital = Hospital::open().await;
    let deep = format!("<Patient xmlns=\"http://hl7.org/fhir\">{}", "<extension url=\"u\">".repeat(5000));
    let laughs = r#"<!DOCTYPE Patient [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><Patient xmlns="http://hl7.org/fhir"><id value="&b;"/></Patient>"#;
    let outside = r#"<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&x;"/></Patient>"#;
    for (body, place) in [
        ("<Patient xmlns=\"http://hl7.org/fhir\">\n<active value=\"true\"/>\n<name></Patient>", "line 3"),
        ("", "line 1"),
        ("{}", "line 1"),
        (laughs, "line 1"),
        (outside, "line 1"),
        (deep.as_str(), "line 1"),
        (r#"<Patient xmlns="http://hl7.org/fhir"><id value="&x;"/></Patient>"#, "line 1"),
        (r#"<Patient><active value="true"/></Patient>"#, "namespace"),
        (r#"<Patient xmlns="urn:hl7-org:v3"><active value="true"/></Patient>"#, "namespace"),
        (r#"<Nothing xmlns="http://hl7.org/fhir"/>"#, "line 1"),
        ("<Patient xmlns=\"http://hl7.org/fhir\">\n<shoe value=\"1\"/></Patient>", "line 2"),
        ("<Patient xmlns=\"http://hl7.org/fhir\">\n<name><shoe value=\"1\"/></name></Patient>", "Patient.name"),
        (r#"<Patient xmlns="http://hl7.org/fhir"><birthDate value="1990-13-01"/></Patient>"#, "Patient.birthDate"),
        (r#"<Observation xmlns="http://hl7.org/fhir"><status value="final"/></Observation>"#, "Observation.code"),
    ] {
        let path = if body.starts_with("<Observation") { "/fhir/Observation" } else { "/fhir/Patient" };
        let answered = hospital.send("POST", path, IN_XML, body).await;
        let short: String = body.chars().take(100).collect();
        assert_eq!(answered.status, 400, "{short}: {}", answered.text());
        assert_eq!(json(&answered)["resourceType"], "OperationOutcome");
        assert!(answered.text().contains(place), "{short}: {place} is not in {}", answered.text());
        assert!(!answered.text().contains("root:"));
    }
    assert_eq!(hospital.get("/fhir/Patient?_summary=count").await.json()["total"], 0);
}

/// <https://hl7.org/fhir/R4/http.html#mime-type>: 415 for what is not understood.
#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let hospital = Hospital::open().await;
    let json = r#"{"resourceType":"Patient"}"#;
    for (kind, body, status) in [
        ("application/fhir+json", json, 201),
        ("application/json; charset=UTF-8", json, 201),
        ("application/fhir+json; fhirVersion=4.0", json, 201),
        ("text/xml", PATIENT, 201),
        ("application/xml; fhirVersion=\"4.0.1\"", PATIENT, 201),
        ("application/fhir+json; fhirVersion=3.0", json, 415),
        ("application/fhir+xml; fhirVersion=5.0", PATIENT, 415),
        ("application/fhir+xml; charset=utf-16", PATIENT, 415),
        ("application/fhir+turtle", json, 415),
        ("text/plain", json, 415),
        ("application/x-www-form-urlencoded", "a=b", 415),
        ("application/fhir+xml", json, 400),
        ("application/fhir+json", PATIENT, 400),
    ] {
        let answered = hospital.send("POST", "/fhir/Patient", &[("content-type", kind)], body).await;
        assert_eq!(answered.status, status, "{kind}: {}", answered.text());
    }
}
