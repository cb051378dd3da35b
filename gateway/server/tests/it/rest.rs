//! The life of a resource over HTTP: create, read, vread, update, history, delete, and the headers that go with it.
//! <https://hl7.org/fhir/R4/http.html>

use crate::hospital::{Answered, BASE, Hospital};

const PATIENT: &str = r#"{"resourceType":"Patient","name":[{"family":"Doe"}],"extension":[{"url":"http://e.org/x","valueDecimal":1.00}]}"#;

#[tokio::test]
async fn a_resource_lives_and_dies() {
    let hospital = Hospital::open().await;
    let created = hospital.post("/fhir/Patient", PATIENT).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let (id, first) = names(&created);
    assert_eq!(created.header("location"), format!("{BASE}/fhir/Patient/{id}/_history/{first}"));
    assert_eq!(created.header("etag"), format!("W/\"{first}\""));
    assert!(created.header("last-modified").ends_with(" GMT"));
    assert!(created.text().contains("1.00"));

    let path = format!("/fhir/Patient/{id}");
    let read = hospital.get(&path).await;
    assert_eq!((read.status, &read.body), (200, &created.body));
    assert_eq!(read.header("content-type"), "application/fhir+json; charset=utf-8");
    assert_eq!(read.header("cache-control"), "no-store");
    let head = hospital.send("HEAD", &path, &[], "").await;
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, read.header("etag")));

    let second = format!(r#"{{"resourceType":"Patient","id":"{id}","active":true}}"#);
    let updated = hospital.send("PUT", &path, &[("if-match", created.header("etag"))], second.as_str()).await;
    assert_eq!(updated.status, 200, "{}", updated.text());
    let stale = hospital.send("PUT", &path, &[("if-match", created.header("etag"))], second.as_str()).await;
    assert_eq!((stale.status, stale.code().as_str()), (412, "conflict"));
    let (_, now) = names(&updated);
    assert_ne!(first, now);
    let old = hospital.get(&format!("{path}/_history/{first}")).await;
    assert_eq!((old.status, &old.body), (200, &created.body));

    let gone = hospital.send("DELETE", &path, &[("if-match", updated.header("etag"))], "").await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert_eq!(hospital.get(&path).await.status, 410);
    assert_eq!(hospital.send("DELETE", &path, &[], "").await.status, 204);
    assert_eq!(hospital.get(&format!("{path}/_history/{now}")).await.status, 200);

    let history = hospital.get(&format!("{path}/_history")).await.json();
    assert_eq!((&history["type"], &history["total"]), (&"history".into(), &3.into()));
    let methods: Vec<&str> =
        history["entry"].as_array().unwrap().iter().map(|entry| entry["request"]["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["DELETE", "PUT", "POST"]);
    assert!(history["entry"][0].get("resource").is_none());
    assert_eq!(history["entry"][1]["fullUrl"], format!("{BASE}{path}"));
    let again = hospital.send("PUT", &path, &[], second.as_str()).await;
    assert_eq!(again.status, 201, "a deleted resource comes back as new: {}", again.text());
}

#[tokio::test]
async fn a_client_is_not_sent_what_it_has() {
    let hospital = Hospital::open().await;
    let created = hospital.post("/fhir/Patient", PATIENT).await;
    let (id, version) = names(&created);
    let path = format!("/fhir/Patient/{id}");
    let (tag, date) = (format!("W/\"{version}\""), created.header("last-modified"));
    for (name, value, wanted) in [
        ("if-none-match", tag.as_str(), 304),
        ("if-none-match", "W/\"x\", *", 304),
        ("if-none-match", "W/\"x\"", 200),
        ("if-modified-since", date, 304),
        ("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT", 304),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("if-modified-since", "yesterday", 200),
    ] {
        let answered = hospital.send("GET", &path, &[(name, value)], "").await;
        assert_eq!(answered.status, wanted, "{name}: {value}");
        assert_eq!((answered.body.is_empty(), answered.header("etag")), (wanted == 304, tag.as_str()));
    }
}

#[tokio::test]
async fn a_write_answers_as_preferred() {
    let hospital = Hospital::open().await;
    for (prefer, wanted) in [
        ("", "Patient"),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("return=minimal", ""),
    ] {
        let answered = hospital.send("POST", "/fhir/Patient", &[("prefer", prefer)], PATIENT).await;
        assert_eq!(answered.status, 201);
        assert!(!answered.header("location").is_empty());
        let kind = if answered.body.is_empty() { "".into() } else { answered.json()["resourceType"].clone() };
        assert_eq!(kind, wanted, "{prefer}");
    }
}

#[tokio::test]
async fn a_conditional_create_makes_one() {
    let hospital = Hospital::open().await;
    let body = r#"{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"1"}]}"#;
    let condition = [("if-none-exist", "identifier=urn:s|1")];
    let first = hospital.send("POST", "/fhir/Patient", &condition, body).await;
    let second = hospital.send("POST", "/fhir/Patient", &condition, body).await;
    assert_eq!((first.status, second.status), (201, 200), "{}", second.text());
    assert_eq!(first.header("location"), second.header("location"));
    hospital.create(body).await;
    let third = hospital.send("POST", "/fhir/Patient", &condition, body).await;
    assert_eq!((third.status, third.code().as_str()), (412, "conflict"));
    let unknown = hospital.send("POST", "/fhir/Patient", &[("if-none-exist", "shoe=1")], body).await;
    assert_eq!(unknown.status, 400, "{}", unknown.text());
}

#[tokio::test]
async fn a_history_is_paged() {
    let hospital = Hospital::open().await;
    for active in [true, false, true, false, true] {
        let body = format!(r#"{{"resourceType":"Patient","id":"a","active":{active}}}"#);
        let written = hospital.send("PUT", "/fhir/Patient/a", &[], body).await;
        assert!(written.status < 300);
    }
    let (mut path, mut pages, mut versions) = ("/fhir/Patient/a/_history?_count=2".to_owned(), 0, Vec::new());
    loop {
        let page = hospital.get(&path).await;
        assert_eq!((page.status, &page.json()["total"]), (200, &5.into()), "{}", page.text());
        pages += 1;
        let json = page.json();
        versions.extend(json["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["etag"].to_string()));
        match page.link("next") {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!((pages, versions.len()), (3, 5));
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 5);
    assert_eq!(hospital.get("/fhir/Patient/a/_history?_since=2020").await.status, 400);
}

fn names(answered: &Answered) -> (String, String) {
    let json = answered.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&json["id"]), text(&json["meta"]["versionId"]))
}
