//! The rules of batches and transactions. <https://hl7.org/fhir/R4/http.html#trules>

use super::{bundle, patient, put, status};
use crate::hospital::Hospital;
use serde_json::{Value, json};

fn ask(method: &str, url: &str) -> Value {
    json!({"request":{"method":method,"url":url}})
}

fn write(method: &str, url: &str, resource: &str) -> Value {
    json!({"resource":serde_json::from_str::<Value>(resource).unwrap(),"request":{"method":method,"url":url}})
}

/// <https://hl7.org/fhir/R4/http.html#trules>: DELETE, then POST, then PUT and PATCH, then GET, whatever their order in the
/// Bundle; the answers stand in the order of the requests.
#[tokio::test]
async fn entries_run_in_the_order_of_the_text() {
    let hospital = Hospital::open().await;
    put(&hospital, "old", "1").await;
    put(&hospital, "read", "2").await;
    let entries = json!([
        ask("GET", "Patient?identifier=urn:s|1"),
        ask("GET", "Patient/read"),
        write("PUT", "Patient/read", &patient("read", "3")),
        // The one that is deleted does not match any more, whichever entry comes first.
        {"resource":serde_json::from_str::<Value>(&patient("", "1")).unwrap(),
            "request":{"method":"POST","url":"Patient"}},
        ask("DELETE", "Patient/old"),
    ]);
    let answered = bundle(&hospital, "transaction", entries).await;
    let json = answered.json();
    assert_eq!(answered.status, 200, "{json}");
    let statuses: Vec<&str> = (0..5).map(|at| status(&json, at)).collect();
    assert_eq!(statuses, ["200", "200", "200", "201", "204"], "{json}");
    let found = &json["entry"][0]["resource"];
    assert_eq!((&found["total"], found["entry"][0]["resource"]["id"] == "old"), (&1.into(), false), "{json}");
    assert_eq!(json["entry"][1]["resource"]["identifier"][0]["value"], "3", "a read sees what was written");
    assert_eq!(hospital.get("/fhir/Patient/old").await.status, 410);
}

/// <https://hl7.org/fhir/R4/http.html#trules>: "if any resource identities (including resolved identities from conditional
/// update/delete) overlap in steps 1-3, then the transaction SHALL fail".
#[tokio::test]
async fn identities_do_not_overlap() {
    let hospital = Hospital::open().await;
    put(&hospital, "a", "1").await;
    let update = write("PUT", "Patient/a", &patient("a", "1"));
    let conditional = write("PUT", "Patient?identifier=urn:s|1", &patient("", "1"));
    let create = json!({"resource":{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"9"}]},
        "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:s|9"}});
    for (one, other, wanted) in [
        (&update, &update, 400),
        (&update, &ask("DELETE", "Patient/a"), 400),
        (&conditional, &update, 400),
        (&conditional, &ask("DELETE", "Patient/a"), 400),
        (&ask("DELETE", "Patient?identifier=urn:s|1"), &update, 400),
        (&create, &create, 412),
        (&update, &write("PUT", "Patient/b", &patient("b", "2")), 200),
        (&update, &ask("GET", "Patient/a"), 200),
    ] {
        let before = hospital.get("/fhir/Patient/_history?_summary=count").await.json()["total"].clone();
        let answered = bundle(&hospital, "transaction", json!([one, other])).await;
        assert_eq!(answered.status, wanted, "{one} {other}: {}", answered.text());
        let after = hospital.get("/fhir/Patient/_history?_summary=count").await.json()["total"].clone();
        assert_eq!(before == after, wanted != 200, "{one} {other}");
        // In a batch each stands for itself.
        let answered = bundle(&hospital, "batch", json!([ask("GET", "Patient/a"), ask("GET", "Patient/a")])).await;
        assert_eq!((answered.status, status(&answered.json(), 1)), (200, "200"));
    }
}

/// <https://hl7.org/fhir/R4/http.html#transaction>: a transaction that fails answers one OperationOutcome and changes nothing;
/// a batch answers 200, and each entry its own.
#[tokio::test]
async fn a_transaction_fails_whole_and_a_batch_in_part() {
    let hospital = Hospital::open().await;
    let good = write("POST", "Patient", &patient("", "half"));
    for (bad, wanted, code) in [
        (write("POST", "Patient", r#"{"resourceType":"Patient","shoe":1}"#), "400", "structure"),
        (write("POST", "Group", &patient("", "1")), "400", "invalid"),
        (write("PUT", "Patient/a", &patient("b", "1")), "400", "invalid"),
        (write("PUT", "Patient/a", &patient("", "1")), "400", "invalid"),
        (ask("GET", "Patient/nobody"), "404", "not-found"),
        (ask("GET", "Shoe/1"), "404", "not-found"),
        (ask("DELETE", "Patient"), "400", ""),
        (ask("DELETE", "Patient?shoe=1"), "400", "not-supported"),
        (ask("PATCH", "Patient/nobody"), "400", ""),
        (ask("POST", "Patient/_search/x"), "400", ""),
    ] {
        let answered = bundle(&hospital, "transaction", json!([good, bad])).await;
        assert_eq!(answered.status.to_string(), wanted, "{bad}: {}", answered.text());
        assert_eq!(answered.json()["resourceType"], "OperationOutcome", "{bad}");
        assert!(code.is_empty() || answered.code() == code, "{bad}: {}", answered.text());
        assert!(answered.text().contains("Bundle.entry[1]"), "{bad}: {}", answered.text());
        let total =
            async || hospital.get("/fhir/Patient?identifier=urn:s|half&_summary=count").await.json()["total"].clone();
        assert_eq!(total().await, 0, "{bad}");
        if bad["request"]["method"] == "POST" && bad.get("resource").is_none() {
            continue;
        }
        let answered = bundle(&hospital, "batch", json!([good, bad])).await;
        let json = answered.json();
        if answered.status == 400 {
            // What is no request at all spoils the Bundle as such.
            continue;
        }
        assert_eq!((answered.status, status(&json, 0), status(&json, 1)), (200, "201", wanted), "{bad}: {json}");
        assert_eq!(json["entry"][1]["response"]["outcome"]["resourceType"], "OperationOutcome", "{bad}");
        assert_eq!(total().await, 1);
        hospital.send("DELETE", "/fhir/Patient?identifier=urn:s|half", &[], "").await;
    }
}

/// <https://hl7.org/fhir/R4/http.html#transaction>: "POST [base]" with a Bundle of type batch or transaction; entries need a
/// request with a method of HTTP and a URL.
#[tokio::test]
async fn what_is_posted_to_the_base_is_a_request() {
    let hospital = Hospital::open().await;
    for (kind, entries, wanted) in [
        ("batch", json!([]), 200),
        ("transaction", json!([]), 200),
        ("batch", json!([ask("GET", "metadata")]), 200),
        ("document", json!([]), 400),
        ("collection", json!([]), 400),
        ("history", json!([]), 400),
        ("shoe", json!([]), 400),
        ("batch", json!([{"resource":{"resourceType":"Patient"}}]), 400),
        ("batch", json!([{"request":{"method":"GET"}}]), 400),
        ("batch", json!([{"request":{"method":"JUMP","url":"Patient"}}]), 400),
        ("batch", json!([{"request":{"method":"get","url":"Patient"}}]), 400),
        ("transaction", json!([{"request":{"method":"POST","url":"Patient"}}]), 400),
    ] {
        let answered = bundle(&hospital, kind, entries.clone()).await;
        assert_eq!(answered.status, wanted, "{kind} {entries}: {}", answered.text());
        if wanted == 200 {
            assert_eq!(answered.json()["type"], format!("{kind}-response"));
        }
    }
}

/// <https://hl7.org/fhir/R4/http.html#transaction>: conditional headers within an entry mean what they mean outside.
#[tokio::test]
async fn an_entry_has_its_own_conditions() {
    for kind in ["batch", "transaction"] {
        let hospital = Hospital::open().await;
        let tag = put(&hospital, "a", "1").await.header("etag").to_owned();
        let with = |mut entry: Value, name: &str, value: &str| {
            entry["request"][name] = value.into();
            json!([entry])
        };
        for (entries, wanted) in [
            (with(ask("GET", "Patient/a"), "ifNoneMatch", &tag), "304"),
            (with(ask("GET", "Patient/a"), "ifNoneMatch", "W/\"x\""), "200"),
            (with(ask("GET", "Patient/a"), "ifModifiedSince", "2999-01-01T00:00:00Z"), "304"),
            (with(write("POST", "Patient", &patient("", "1")), "ifNoneExist", "identifier=urn:s|1"), "200"),
            (with(write("POST", "Patient", &patient("", "2")), "ifNoneExist", "identifier=urn:s|2"), "201"),
            (with(write("PUT", "Patient/a", &patient("a", "1")), "ifMatch", "W/\"x\""), "412"),
            (with(write("PUT", "Patient/a", &patient("a", "1")), "ifMatch", &tag), "200"),
            (with(ask("DELETE", "Patient/a"), "ifMatch", &tag), "412"),
        ] {
            let answered = bundle(&hospital, kind, entries.clone()).await;
            let found = if answered.status == 200 {
                status(&answered.json(), 0).to_owned()
            } else {
                answered.status.to_string()
            };
            assert_eq!(found, wanted, "{kind} {entries}: {}", answered.text());
        }
    }
}
