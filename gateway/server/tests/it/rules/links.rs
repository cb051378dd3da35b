//! How the entries of a transaction name each other. <https://hl7.org/fhir/R4/http.html#transaction>

use super::{bundle, put};
use crate::hospital::{Answered, Hospital};
use serde_json::{Value, json};

const NAME: &str = "urn:uuid:7e4d2a3c-0000-4000-8000-000000000001";

fn entry(full_url: &str, resource: Value) -> Value {
    let url = resource["resourceType"].clone();
    json!({"fullUrl":full_url,"resource":resource,"request":{"method":"POST","url":url}})
}

/// What an entry of a response made, as it reads.
async fn made(hospital: &Hospital, answered: &Answered, at: usize) -> Value {
    let location = answered.json()["entry"][at]["response"]["location"].as_str().unwrap().to_owned();
    hospital.get(location.strip_prefix(crate::hospital::BASE).unwrap()).await.json()
}

/// "If the server assigns a new id to any resource in the bundle which has a POST method as part of the processing rules, it
/// SHALL also update any references to that resource in the same bundle as they are processed"; "Servers SHALL replace all
/// matching links in the bundle, whether they are found in the resource ids, resource references, elements of type uri, url,
/// oid, uuid, and <a href=\"\" & <img src=\"\" in the narrative. Elements of type canonical are not replaced."
#[tokio::test]
async fn every_link_to_an_entry_is_replaced() {
    let hospital = Hospital::open().await;
    let div = format!(
        r#"<div xmlns="http://www.w3.org/1999/xhtml"><p>{NAME}</p><a href="{NAME}">of</a><img alt="x" src="{NAME}"/></div>"#
    );
    let communication = json!({"resourceType":"Communication","status":"completed",
        "text":{"status":"generated","div":div},
        "subject":{"reference":NAME},"instantiatesUri":[NAME,"http://e.org/other"],"instantiatesCanonical":[NAME],
        "note":[{"text":NAME}],
        "extension":[{"url":"http://e.org/x","valueUrl":NAME},{"url":"http://e.org/y","valueReference":{"reference":NAME}}]});
    let entries = json!([
        entry("urn:uuid:7e4d2a3c-0000-4000-8000-000000000002", communication),
        entry(NAME, json!({"resourceType":"Patient"}))
    ]);
    let answered = bundle(&hospital, "transaction", entries).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let patient = format!("Patient/{}", made(&hospital, &answered, 1).await["id"].as_str().unwrap());
    let found = made(&hospital, &answered, 0).await;
    for (place, wanted) in [
        ("/subject/reference", patient.as_str()),
        ("/instantiatesUri/0", &patient),
        ("/instantiatesUri/1", "http://e.org/other"),
        ("/instantiatesCanonical/0", NAME),
        ("/note/0/text", NAME),
        ("/extension/0/valueUrl", &patient),
        ("/extension/1/valueReference/reference", &patient),
    ] {
        assert_eq!(found.pointer(place).and_then(Value::as_str), Some(wanted), "{place}: {found}");
    }
    let div = found["text"]["div"].as_str().unwrap();
    assert!(div.contains(&format!("<a href=\"{patient}\"")) && div.contains(&format!("src=\"{patient}\"")), "{div}");
    assert!(div.contains(&format!("<p>{NAME}</p>")), "only links are: {div}");
}

/// A link by an absolute fullUrl, to what a conditional create finds, and to an entry that comes later.
#[tokio::test]
async fn a_link_follows_what_the_entry_becomes() {
    let hospital = Hospital::open().await;
    put(&hospital, "there", "1").await;
    let observation = |subject: &str| json!({"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":subject}});
    let mut found = entry(NAME, json!({"resourceType":"Patient"}));
    found["request"]["ifNoneExist"] = "identifier=urn:s|1".into();
    let mut updated = entry("http://other.org/fhir/Patient/p", json!({"resourceType":"Patient","id":"mine"}));
    updated["request"] = json!({"method":"PUT","url":"Patient/mine"});
    let entries = json!([
        entry("urn:uuid:7e4d2a3c-0000-4000-8000-000000000003", observation(NAME)),
        entry("urn:uuid:7e4d2a3c-0000-4000-8000-000000000004", observation("http://other.org/fhir/Patient/p")),
        entry("urn:uuid:7e4d2a3c-0000-4000-8000-000000000005", observation("Patient?identifier=urn:s|1")),
        found,
        updated,
    ]);
    let answered = bundle(&hospital, "transaction", entries).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    for (at, wanted) in [(0, "Patient/there"), (1, "Patient/mine"), (2, "Patient/there")] {
        assert_eq!(made(&hospital, &answered, at).await["subject"]["reference"], wanted, "{at}");
    }
}

/// "There SHALL be no interdependencies between the different entries" of a batch: nothing is replaced in one.
#[tokio::test]
async fn a_batch_replaces_nothing() {
    let hospital = Hospital::open().await;
    let basic =
        json!({"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://e.org/x","valueUri":NAME}]});
    let entries = json!([entry(NAME, json!({"resourceType":"Patient"})), entry("urn:uuid:2", basic)]);
    let answered = bundle(&hospital, "batch", entries).await;
    assert_eq!(made(&hospital, &answered, 1).await["extension"][0]["valueUri"], NAME, "{}", answered.text());
}

/// A link that names no entry: a transaction refuses it in a reference, and nobody minds it elsewhere.
#[tokio::test]
async fn a_reference_to_no_entry_fails() {
    let hospital = Hospital::open().await;
    let dangling = json!({"resourceType":"Patient","managingOrganization":{"reference":NAME}});
    let answered = bundle(&hospital, "transaction", json!([entry("urn:uuid:2", dangling)])).await;
    assert_eq!((answered.status, answered.code().as_str()), (400, "not-found"), "{}", answered.text());
    assert!(answered.text().contains("Bundle.entry[0].resource.managingOrganization"), "{}", answered.text());
    let uri =
        json!({"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://e.org/x","valueUri":NAME}]});
    let answered = bundle(&hospital, "transaction", json!([entry("urn:uuid:2", uri)])).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
}
