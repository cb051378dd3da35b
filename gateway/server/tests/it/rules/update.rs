//! Updates: as create, by version, by condition. <https://hl7.org/fhir/R4/http.html#update>

use super::{names, patient, put};
use crate::hospital::Hospital;

/// <https://hl7.org/fhir/R4/http.html#update>: "if no id element is provided, or the id disagrees with the id in the URL, the
/// server SHALL respond with an HTTP 400 error code"; 200 where it was there, 201 where it was not (#upsert).
#[tokio::test]
async fn an_update_names_its_resource_twice() {
    let hospital = Hospital::open().await;
    for (path, body, status) in [
        ("a", patient("a", "1"), 201),
        ("a", patient("a", "2"), 200),
        ("a", patient("", "3"), 400),
        ("a", patient("b", "3"), 400),
        ("a", patient("A", "3"), 400),
        ("a", r#"{"resourceType":"Group","id":"a","type":"person","actual":true}"#.to_owned(), 400),
        ("a", "{".to_owned(), 400),
        ("a", String::new(), 400),
        ("no_id", patient("no_id", "3"), 400),
    ] {
        let answered = hospital.send("PUT", &format!("/fhir/Patient/{path}"), &[], body.as_str()).await;
        assert_eq!(answered.status, status, "{path} {body}: {}", answered.text());
    }
    assert_eq!(hospital.get("/fhir/Patient/a").await.json()["identifier"][0]["value"], "2");
    assert_eq!(hospital.get("/fhir/Patient/b").await.status, 404);
}

/// <https://hl7.org/fhir/R4/http.html#update>: "if the request body includes a meta, the server SHALL ignore the provided
/// versionId and lastUpdated values"; what is not in the body is gone, what the server takes it keeps.
#[tokio::test]
async fn an_update_replaces_the_whole_and_keeps_its_own_meta() {
    let hospital = Hospital::open().await;
    let first = put(&hospital, "a", "1").await;
    let body = r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"x","lastUpdated":"1999-01-01T00:00:00Z","profile":["http://e.org/p"]},"extension":[{"url":"http://e.org/x","valueDecimal":1.00}]}"#;
    let second = hospital.send("PUT", "/fhir/Patient/a", &[], body).await;
    let json = second.json();
    assert!(names(&second).1 != "x" && names(&second).1 != names(&first).1);
    assert!(!json["meta"]["lastUpdated"].as_str().unwrap().starts_with("1999"));
    assert_eq!(json["meta"]["profile"][0], "http://e.org/p");
    assert!(json.get("identifier").is_none() && second.text().contains("1.00"), "{}", second.text());
    let third = hospital.send("PUT", "/fhir/Patient/a", &[], body).await;
    assert_eq!(third.status, 200);
    assert_eq!(hospital.get("/fhir/Patient/a/_history").await.json()["total"], 3, "each update is a version");
}

/// <https://hl7.org/fhir/R4/http.html#concurrency>: "if the version id given in the If-Match header does not match, the server
/// returns a 412 Precondition Failed status code instead of updating the resource".
#[tokio::test]
async fn an_update_may_name_the_version_it_changes() {
    let hospital = Hospital::open().await;
    let old = put(&hospital, "a", "1").await.header("etag").to_owned();
    let patch = r#"[{"op":"add","path":"/active","value":true}]"#;
    for (method, kind, body) in [
        ("PUT", "application/fhir+json", patient("a", "2")),
        ("PATCH", "application/json-patch+json", patch.to_owned()),
        ("DELETE", "", String::new()),
    ] {
        let tag = hospital.get("/fhir/Patient/a").await.header("etag").to_owned();
        let stale = if tag == old { "W/\"x\"".to_owned() } else { old.clone() };
        for (value, wanted) in [(stale.as_str(), 412), ("W/\"x\"", 412), ("*", 400), ("", 0)] {
            if wanted == 0 {
                continue;
            }
            let headers = [("if-match", value), ("content-type", kind)];
            let answered = hospital.send(method, "/fhir/Patient/a", &headers, body.as_str()).await;
            assert_eq!(answered.status, wanted, "{method} {value}: {}", answered.text());
            assert_eq!(hospital.get("/fhir/Patient/a").await.header("etag"), tag, "{method} {value} changes nothing");
        }
        let headers = [("if-match", tag.as_str()), ("content-type", kind)];
        let answered = hospital.send(method, "/fhir/Patient/a", &headers, body.as_str()).await;
        assert!(answered.status < 300, "{method}: {}", answered.text());
    }
    let absent = hospital.send("PUT", "/fhir/Patient/b", &[("if-match", "W/\"1\"")], patient("b", "1")).await;
    assert_eq!(absent.status, 412, "there is no such version of what is not there");
}

/// <https://hl7.org/fhir/R4/http.html#cond-update>, case by case.
#[tokio::test]
async fn a_conditional_update_goes_by_its_matches() {
    let hospital = Hospital::open().await;
    put(&hospital, "one", "1").await;
    put(&hospital, "twin-a", "2").await;
    put(&hospital, "twin-b", "2").await;
    put(&hospital, "taken", "9").await;
    for (query, body, status, id) in [
        ("identifier=urn:s|1", patient("", "1"), 200, "one"),
        ("identifier=urn:s|1", patient("one", "1"), 200, "one"),
        ("identifier=urn:s|1", patient("other", "1"), 400, ""),
        ("identifier=urn:s|2", patient("", "2"), 412, ""),
        ("identifier=urn:s|3", patient("new", "3"), 201, "new"),
        ("identifier=urn:s|4", patient("", "4"), 201, "*"),
        ("identifier=urn:s|5", patient("taken", "5"), 409, ""),
        ("shoe=1", patient("", "1"), 400, ""),
        ("", patient("", "1"), 400, ""),
    ] {
        let path = format!("/fhir/Patient?{query}");
        let answered = hospital.send("PUT", path.trim_end_matches('?'), &[], body.as_str()).await;
        assert_eq!(answered.status, status, "{query} {body}: {}", answered.text());
        match id {
            "" => assert_eq!(answered.json()["resourceType"], "OperationOutcome"),
            "*" => assert!(!names(&answered).0.is_empty()),
            id => assert_eq!(names(&answered).0, id),
        }
    }
    // What the resource holds afterwards need not match.
    let away = hospital.send("PUT", "/fhir/Patient?identifier=urn:s|1", &[], patient("", "6")).await;
    assert_eq!((away.status, names(&away).0.as_str()), (200, "one"));
}

/// <https://hl7.org/fhir/R4/http.html#upsert>: a client's own id is kept; one that others' resources are served under is not.
#[tokio::test]
async fn an_update_as_create_takes_the_clients_id() {
    let hospital = Hospital::open().await;
    let longest = "a".repeat(64);
    for (id, status) in [("A-b.1", 201), (longest.as_str(), 201), ("0", 201), ("abcdefghij234567.e1", 403)] {
        let answered = hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], patient(id, "1")).await;
        assert_eq!(answered.status, status, "{id}: {}", answered.text());
        let read = hospital.get(&format!("/fhir/Patient/{id}")).await.status;
        assert_eq!(read, if status == 201 { 200 } else { 404 }, "{id}");
    }
    let claims = hospital.get("/fhir/metadata").await.json();
    assert_eq!(claims["rest"][0]["resource"][0]["updateCreate"], true);
}
