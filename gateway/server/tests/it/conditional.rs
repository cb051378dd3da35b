//! Conditional update and delete over HTTP. <https://hl7.org/fhir/R4/http.html#cond-update>

use crate::hospital::Hospital;
use server::Settings;

fn patient(id: &str, value: &str) -> String {
    format!(r#"{{"resourceType":"Patient"{id},"identifier":[{{"system":"urn:s","value":"{value}"}}]}}"#)
}

#[tokio::test]
async fn a_conditional_update_answers_by_how_many_match() {
    let hospital = Hospital::open().await;
    for (body, criteria, status) in [
        (patient("", "1"), "identifier=urn:s|1", 201),
        (patient("", "1"), "identifier=urn:s|1", 200),
        (patient("", "1"), "identifier=urn:s%7C1&_format=json", 200),
        (patient(r#","id":"mine""#, "2"), "identifier=urn:s|2", 201),
        (patient(r#","id":"mine""#, "2"), "identifier=urn:s|2", 200),
        (patient(r#","id":"other""#, "2"), "identifier=urn:s|2", 400),
        (patient(r#","id":"mine""#, "3"), "identifier=urn:s|3", 409),
        (patient("", "2"), "identifier=urn:s|", 412),
        (patient("", "2"), "shoe=1", 400),
        (patient("", "2"), "_format=json", 400),
        (r#"{"resourceType":"Group"}"#.to_owned(), "identifier=urn:s|1", 400),
    ] {
        let answered = hospital.send("PUT", &format!("/fhir/Patient?{criteria}"), &[], body).await;
        assert_eq!(answered.status, status, "{criteria}: {}", answered.text());
        assert_eq!(answered.header("location").is_empty(), status >= 400);
    }
    let tag = hospital.get("/fhir/Patient/mine").await.header("etag").to_owned();
    for (criteria, if_match, status) in [
        ("identifier=urn:s|2", "W/\"x\"", 412),
        ("identifier=urn:s|9", tag.as_str(), 412),
        ("identifier=urn:s|2", tag.as_str(), 200),
    ] {
        let headers = [("if-match", if_match)];
        let answered = hospital.send("PUT", &format!("/fhir/Patient?{criteria}"), &headers, patient("", "2")).await;
        assert_eq!(answered.status, status, "{criteria} {if_match}: {}", answered.text());
    }
}

/// <https://hl7.org/fhir/R4/http.html#3.1.0.7.1>
#[tokio::test]
async fn a_conditional_delete_takes_several_only_where_allowed() {
    let mut hospital = Hospital::open().await;
    let away = "/fhir/Patient?identifier=urn:s|1";
    assert_eq!(hospital.send("DELETE", away, &[], "").await.status, 204);
    let id = hospital.create(&patient("", "1")).await;
    assert_eq!(hospital.send("DELETE", away, &[], "").await.status, 204);
    assert_eq!(hospital.get(&format!("/fhir/Patient/{id}")).await.status, 410);
    hospital.create(&patient("", "1")).await;
    hospital.create(&patient("", "1")).await;
    assert_eq!(hospital.send("DELETE", away, &[], "").await.status, 412);
    let claim = async |hospital: &Hospital| {
        hospital.get("/fhir/metadata").await.json()["rest"][0]["resource"][0]["conditionalDelete"].clone()
    };
    assert_eq!(claim(&hospital).await, "single");
    let settings = Settings { conditional_delete_multiple: true, ..Settings::new(crate::hospital::BASE) };
    hospital.router = server::app(settings, hospital.node.clone());
    assert_eq!(claim(&hospital).await, "multiple");
    assert_eq!(hospital.send("DELETE", away, &[], "").await.status, 204);
    assert_eq!(hospital.get(&format!("{away}&_summary=count")).await.json()["total"], 0);
}

#[tokio::test]
async fn the_statement_says_what_works() {
    let hospital = Hospital::open().await;
    let json = hospital.get("/fhir/metadata").await.json();
    let patient = &json["rest"][0]["resource"].as_array().unwrap().iter().find(|one| one["type"] == "Patient").unwrap();
    assert_eq!(patient["conditionalUpdate"], true);
    let codes: Vec<_> = patient["interaction"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    for code in ["patch", "history-instance", "vread", "update", "delete"] {
        assert!(codes.contains(&code.into()), "{code} is not among {codes:?}");
    }
}
