//! Reads of a resource and of its versions. <https://hl7.org/fhir/R4/http.html#read>

use super::{names, patient, put};
use crate::hospital::Hospital;

/// <https://hl7.org/fhir/R4/http.html#read>: "a GET for a deleted resource returns a 410 status code, whereas a GET for an
/// unknown resource returns 404"; "the returned resource SHALL have an id element with a value that is the [id]".
#[tokio::test]
async fn a_read_tells_unknown_from_deleted() {
    let hospital = Hospital::open().await;
    put(&hospital, "there", "1").await;
    put(&hospital, "gone", "2").await;
    hospital.send("DELETE", "/fhir/Patient/gone", &[], "").await;
    let too_long = "a".repeat(65);
    for (id, wanted, code) in [
        ("there", 200, ""),
        ("gone", 410, "deleted"),
        ("nobody", 404, "not-found"),
        ("no_id", 404, "not-found"),
        (too_long.as_str(), 404, "not-found"),
    ] {
        let path = format!("/fhir/Patient/{id}");
        let answered = hospital.get(&path).await;
        assert_eq!(answered.status, wanted, "{id}: {}", answered.text());
        match wanted {
            200 => assert_eq!(answered.json()["id"], id),
            _ => assert_eq!(answered.code(), code),
        }
        let head = hospital.send("HEAD", &path, &[], "").await;
        assert_eq!((head.status, head.body.len()), (wanted, 0), "HEAD {id}");
    }
    // The same id under another type is another resource.
    assert_eq!(hospital.get("/fhir/Group/there").await.status, 404);
}

/// <https://hl7.org/fhir/R4/http.html#vread>: "the returned resource SHALL have an id element with a value that is the [id],
/// and a meta.versionId element with a value of [vid]"; "if the version referred to is actually one where the resource was
/// deleted, the server should return a 410".
#[tokio::test]
async fn a_version_is_read_as_it_was() {
    let hospital = Hospital::open().await;
    let first = put(&hospital, "a", "1").await;
    let second = put(&hospital, "a", "2").await;
    let gone = hospital.send("DELETE", "/fhir/Patient/a", &[], "").await;
    let (_, one) = names(&first);
    let (_, two) = names(&second);
    let end = gone.header("etag").trim_start_matches("W/").trim_matches('"').to_owned();
    for (version, wanted, value) in [(&one, 200, "1"), (&two, 200, "2"), (&end, 410, ""), (&"x".to_owned(), 404, "")] {
        let path = format!("/fhir/Patient/a/_history/{version}");
        let answered = hospital.get(&path).await;
        assert_eq!(answered.status, wanted, "{version}: {}", answered.text());
        assert_eq!(hospital.send("HEAD", &path, &[], "").await.status, wanted);
        if wanted == 200 {
            let json = answered.json();
            assert_eq!((&json["id"], &json["meta"]["versionId"]), (&"a".into(), &version.as_str().into()));
            assert_eq!(json["identifier"][0]["value"], value);
        }
    }
    assert_eq!(
        hospital.get(&format!("/fhir/Patient/b/_history/{one}")).await.status,
        404,
        "a version is of one resource"
    );
}

/// <https://hl7.org/fhir/R4/http.html#cread>: 304 where the client has what it would get, by either header.
#[tokio::test]
async fn a_conditional_read_sends_what_is_new() {
    let hospital = Hospital::open().await;
    let read = put(&hospital, "a", "1").await;
    let (tag, date) = (read.header("etag"), read.header("last-modified"));
    let strong = tag.trim_start_matches("W/").to_owned();
    let bare = strong.trim_matches('"').to_owned();
    let several = format!("W/\"x\", {tag}");
    for (headers, wanted) in [
        (vec![("if-none-match", tag)], 304),
        (vec![("if-none-match", strong.as_str())], 304),
        (vec![("if-none-match", bare.as_str())], 304),
        (vec![("if-none-match", several.as_str())], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", "W/\"x\"")], 200),
        (vec![("if-modified-since", date)], 304),
        (vec![("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 200),
        (vec![("if-modified-since", "x")], 200),
        // The tag decides where both are there (RFC 9110 section 13.1.3).
        (vec![("if-none-match", "W/\"x\""), ("if-modified-since", date)], 200),
        (vec![("if-none-match", tag), ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 304),
    ] {
        for method in ["GET", "HEAD"] {
            let answered = hospital.send(method, "/fhir/Patient/a", &headers, "").await;
            assert_eq!((answered.status, answered.header("etag")), (wanted, tag), "{method} {headers:?}");
            assert_eq!(answered.body.is_empty(), wanted == 304 || method == "HEAD", "{method} {headers:?}");
        }
    }
    let changed = hospital.send("PUT", "/fhir/Patient/a", &[], patient("a", "2")).await;
    let answered = hospital.send("GET", "/fhir/Patient/a", &[("if-none-match", tag)], "").await;
    assert_eq!((answered.status, answered.header("etag")), (200, changed.header("etag")));
    hospital.send("DELETE", "/fhir/Patient/a", &[], "").await;
    let answered = hospital.send("GET", "/fhir/Patient/a", &[("if-none-match", changed.header("etag"))], "").await;
    assert_eq!(answered.status, 410, "what is gone is not unchanged");
}
