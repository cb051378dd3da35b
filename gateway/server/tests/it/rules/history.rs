//! Histories. <https://hl7.org/fhir/R4/http.html#history>

use super::{bundle, patient, put};
use crate::hospital::{Answered, BASE, Hospital};
use serde_json::json;

/// `id method` of each entry.
fn entries(answered: &Answered) -> Vec<String> {
    let json = answered.json();
    let entries = json["entry"].as_array().cloned().unwrap_or_default();
    let id = |entry: &serde_json::Value| entry["fullUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    entries.iter().map(|entry| format!("{} {}", id(entry), entry["request"]["method"].as_str().unwrap())).collect()
}

/// One that was created, updated, patched and deleted; one that was put there.
async fn filled() -> (Hospital, String) {
    let hospital = Hospital::open().await;
    let id = hospital.create(&patient("", "1")).await;
    hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], patient(&id, "2")).await;
    let kind = [("content-type", "application/json-patch+json")];
    let patch = r#"[{"op":"add","path":"/active","value":true}]"#;
    hospital.send("PATCH", &format!("/fhir/Patient/{id}"), &kind, patch).await;
    put(&hospital, "b", "3").await;
    hospital.send("DELETE", &format!("/fhir/Patient/{id}"), &[], "").await;
    (hospital, id)
}

/// "The return content is a Bundle with type set to history containing the specified version history, sorted with oldest
/// versions last, and including deleted resources. Each entry SHALL minimally contain at least one of: a resource ... a request
/// with entry.request. The method provides information about whether the entry is the result of a POST versus a PUT";
/// "the history is the same for a resource that was deleted".
#[tokio::test]
async fn a_history_has_every_version_newest_first() {
    let (hospital, id) = filled().await;
    let answered = hospital.get(&format!("/fhir/Patient/{id}/_history")).await;
    let wanted: Vec<String> = ["DELETE", "PUT", "PUT", "POST"].iter().map(|method| format!("{id} {method}")).collect();
    assert_eq!(entries(&answered), wanted, "{}", answered.text());
    let json = answered.json();
    assert_eq!((&json["type"], &json["total"]), (&"history".into(), &4.into()));
    for (at, status) in [(0, "204"), (1, "200"), (2, "200"), (3, "201")] {
        let entry = &json["entry"][at];
        assert_eq!(entry["fullUrl"], format!("{BASE}/fhir/Patient/{id}"), "{at}");
        assert_eq!(entry.get("resource").is_some(), at > 0, "a deletion has no resource");
        assert!(entry["response"]["status"].as_str().unwrap().starts_with(status), "{entry}");
        let url = entry["request"]["url"].as_str().unwrap();
        assert_eq!(url, if at == 3 { "Patient".to_owned() } else { format!("Patient/{id}") });
        if at > 0 {
            let meta = &entry["resource"]["meta"];
            assert_eq!(entry["response"]["etag"], format!("W/\"{}\"", meta["versionId"].as_str().unwrap()));
            assert_eq!(entry["response"]["lastModified"], meta["lastUpdated"]);
        }
    }
    let valid = fhir::validate::check(fhir::parse::resource(answered.body).unwrap());
    assert!(valid.is_ok(), "{:?}", valid.err());
}

/// The three histories, and what they take: `_count`, `_since`, `_at`, and the parameters of every read.
#[tokio::test]
async fn a_history_takes_its_parameters_and_no_others() {
    let (hospital, id) = filled().await;
    for (path, wanted, status) in [
        (format!("/fhir/Patient/{id}/_history"), 4, 200),
        ("/fhir/Patient/_history".to_owned(), 5, 200),
        ("/fhir/_history".to_owned(), 5, 200),
        ("/fhir/Group/_history".to_owned(), 0, 200),
        (format!("/fhir/Patient/{id}/_history?_count=1"), 1, 200),
        ("/fhir/_history?_since=2000-01-01T00:00:00Z".to_owned(), 5, 200),
        ("/fhir/_history?_since=2999-01-01T00:00:00%2B01:00".to_owned(), 0, 200),
        ("/fhir/_history?_at=2999".to_owned(), 2, 200),
        ("/fhir/_history?_at=2000-01-01".to_owned(), 0, 200),
        ("/fhir/Patient/nobody/_history".to_owned(), 0, 404),
        ("/fhir/Shoe/_history".to_owned(), 0, 404),
        ("/fhir/_history?_count=x".to_owned(), 0, 400),
        ("/fhir/_history?_count=-1".to_owned(), 0, 400),
        ("/fhir/_history?_since=2020".to_owned(), 0, 400),
        ("/fhir/_history?_at=x".to_owned(), 0, 400),
        ("/fhir/_history?_list=1".to_owned(), 0, 400),
        ("/fhir/_history?name=x".to_owned(), 0, 400),
    ] {
        let answered = hospital.get(&path).await;
        assert_eq!(answered.status, status, "{path}: {}", answered.text());
        if status == 200 {
            assert_eq!(entries(&answered).len(), wanted, "{path}");
            let head = hospital.send("HEAD", &path, &[], "").await;
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        }
    }
}

/// <https://hl7.org/fhir/R4/http.html#paging>: links to this page and the next; the total is of all pages, on each of them.
#[tokio::test]
async fn a_history_is_paged_by_links() {
    let (hospital, id) = filled().await;
    let (mut path, mut found, mut pages) = (format!("/fhir/Patient/{id}/_history?_count=3"), Vec::new(), 0);
    loop {
        let page = hospital.get(&path).await;
        assert_eq!((page.status, &page.json()["total"]), (200, &4.into()), "{}", page.text());
        assert_eq!(page.link("self").unwrap(), path);
        found.extend(entries(&page));
        pages += 1;
        let Some(next) = page.link("next") else { break };
        path = next;
    }
    assert_eq!((pages, found.len()), (2, 4));
}

/// What a transaction wrote is in the history, one version for each resource of it.
#[tokio::test]
async fn a_transaction_leaves_a_version_of_each() {
    let hospital = Hospital::open().await;
    let post = || json!({"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}});
    bundle(&hospital, "transaction", json!([post(), post(), post()])).await;
    let history = hospital.get("/fhir/_history").await;
    assert_eq!(entries(&history).len(), 3);
    let json = history.json();
    let times = json["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["lastModified"].to_string());
    let mut times: Vec<String> = times.collect();
    times.dedup();
    assert_eq!(times.len(), 1, "they were written at once");
}
