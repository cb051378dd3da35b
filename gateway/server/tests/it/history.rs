//! Histories over HTTP: of one resource, of a type, of everything the token may read.
//! <https://hl7.org/fhir/R4/http.html#history>

use crate::hospital::{Answered, Hospital};

/// `Type/id method` of each entry.
fn entries(answered: &Answered) -> Vec<String> {
    let json = answered.json();
    let entries = json["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: &serde_json::Value| {
        let url = entry["fullUrl"].as_str().unwrap_or_default();
        let place = url.split("/fhir/").nth(1).unwrap_or_default();
        format!("{place} {}", entry["request"]["method"].as_str().unwrap_or_default())
    };
    entries.iter().map(name).collect()
}

/// Two Patients and an Observation, one of them changed, one deleted.
async fn filled() -> Hospital {
    let hospital = Hospital::open().await;
    for (method, path, body) in [
        ("PUT", "Patient/a", r#"{"resourceType":"Patient","id":"a"}"#),
        ("PUT", "Observation/o", r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}}"#),
        ("PUT", "Patient/b", r#"{"resourceType":"Patient","id":"b"}"#),
        ("PUT", "Patient/a", r#"{"resourceType":"Patient","id":"a","active":true}"#),
        ("DELETE", "Patient/b", ""),
    ] {
        let answered = hospital.send(method, &format!("/fhir/{path}"), &[], body).await;
        assert!(answered.status < 300, "{}", answered.text());
        // So that no two versions have the same millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    hospital
}

const ALL: [&str; 5] = ["Patient/b DELETE", "Patient/a PUT", "Patient/b PUT", "Observation/o PUT", "Patient/a PUT"];

#[tokio::test]
async fn a_history_has_every_version_of_what_it_is_of() {
    let hospital = filled().await;
    let patients: Vec<&str> = ALL.into_iter().filter(|name| name.starts_with("Patient")).collect();
    for (path, wanted) in [
        ("/fhir/_history", ALL.to_vec()),
        ("/fhir/Patient/_history", patients),
        ("/fhir/Patient/a/_history", vec!["Patient/a PUT", "Patient/a PUT"]),
        ("/fhir/Observation/_history", vec!["Observation/o PUT"]),
        ("/fhir/Group/_history", vec![]),
    ] {
        let answered = hospital.get(path).await;
        assert_eq!(
            (answered.status, entries(&answered)),
            (200, wanted.iter().map(ToString::to_string).collect()),
            "{path}"
        );
        assert_eq!(answered.json()["total"], wanted.len(), "{path}");
        let ascending = hospital.get(&format!("{path}?_sort=_lastUpdated")).await;
        let reversed: Vec<String> = wanted.iter().rev().map(ToString::to_string).collect();
        assert_eq!(entries(&ascending), reversed, "{path}");
    }
    assert_eq!(hospital.get("/fhir/Patient/nobody/_history").await.status, 404);
    let json = hospital.get("/fhir/_history").await.json();
    assert!(json["entry"][0].get("resource").is_none());
    assert_eq!(json["entry"][1]["resource"]["active"], true);
}

#[tokio::test]
async fn since_and_at_choose_versions_by_time() {
    let hospital = filled().await;
    let json = hospital.get("/fhir/_history").await.json();
    let time = |at: usize| json["entry"][at]["response"]["lastModified"].as_str().unwrap().to_owned();
    for (path, wanted) in [
        (format!("/fhir/_history?_since={}", time(1)), 2),
        ("/fhir/_history?_since=2999-01-01T00:00:00Z".to_owned(), 0),
        ("/fhir/Patient/a/_history?_since=2999-01-01T00:00:00Z".to_owned(), 0),
        ("/fhir/_history?_since=1999-01-01T00:00:00Z".to_owned(), 5),
        // When b was there and a was still as it was made.
        (format!("/fhir/Patient/_history?_at={}", time(2)), 2),
        (format!("/fhir/Patient/a/_history?_at={}", time(2)), 1),
        ("/fhir/_history?_at=1999".to_owned(), 0),
        // The last version of each, the deletion among them.
        ("/fhir/_history?_at=2999".to_owned(), 3),
    ] {
        let answered = hospital.get(&path).await;
        assert_eq!((answered.status, entries(&answered).len()), (200, wanted), "{path}: {}", answered.text());
    }
}

#[tokio::test]
async fn pages_of_a_history_belong_together() {
    let hospital = filled().await;
    for (order, wanted) in [("-_lastUpdated", ALL.to_vec()), ("_lastUpdated", ALL.into_iter().rev().collect())] {
        let (mut path, mut found) = (format!("/fhir/_history?_count=2&_sort={order}"), Vec::new());
        loop {
            let page = hospital.get(&path).await;
            assert_eq!(page.status, 200, "{}", page.text());
            found.extend(entries(&page));
            // What comes meanwhile is on no page of this snapshot.
            hospital.create(r#"{"resourceType":"Group","type":"person","actual":true}"#).await;
            match page.link("next") {
                Some(next) => path = next,
                None => break,
            }
        }
        found.retain(|name| !name.starts_with("Group"));
        assert_eq!(found, wanted, "{order}");
    }
    let next = hospital.get("/fhir/_history?_count=2").await.link("next").unwrap();
    assert_eq!(hospital.get(&next.replace("_count=2", "_count=3")).await.status, 403);
    assert_eq!(hospital.get(&format!("{next}a")).await.status, 400);
}

/// What the token may not read is not counted either.
#[tokio::test]
async fn a_history_tells_only_what_the_token_may_read() {
    let hospital = filled().await;
    for (scope, path, status, wanted) in [
        ("system/Patient.r", "/fhir/_history", 200, 4),
        ("system/Observation.rs", "/fhir/_history", 200, 1),
        ("system/*.s", "/fhir/_history", 403, 0),
        ("system/Patient.r", "/fhir/Patient/_history", 200, 4),
        ("system/Patient.s", "/fhir/Patient/_history", 403, 0),
        ("system/Observation.r", "/fhir/Patient/a/_history", 403, 0),
    ] {
        let token = format!("Bearer {}", hospital.client(&format!("{scope} {path}"), scope).await);
        let answered = hospital.send("GET", path, &[("authorization", &token)], "").await;
        assert_eq!(answered.status, status, "{scope} {path}: {}", answered.text());
        if status == 200 {
            assert_eq!((entries(&answered).len(), &answered.json()["total"]), (wanted, &wanted.into()), "{scope}");
        }
    }
}
