//! The rules of the search page of R4, one by one, each below its anchor, over HTTP and on both databases. The examples
//! are the page's own wherever it has some. <https://hl7.org/fhir/R4/search.html>

mod access;
mod contained;
mod contexts;
mod dates;
mod errors;
mod numbers;
mod places;
mod references;
mod results;
mod stored;
mod strings;
mod together;
mod tokens;

use crate::hospital::{Answered, Database, Hospital, databases};

/// A path and query as a client would send them: what may not stand in a URL is percent-encoded, a `%` stays.
fn encoded(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'?' | b'&' | b'=' | b'%' => {
                path.push(char::from(byte));
            }
            b':' | b',' | b'+' | b'*' | b'$' | b'(' | b')' => path.push(char::from(byte)),
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}

async fn search(hospital: &Hospital, query: &str) -> Answered {
    hospital.get(&format!("/fhir/{}", encoded(query))).await
}

/// A hospital with resources of given ids: `Type/id` and its members.
async fn filled(database: Database, resources: &[(&str, &str)]) -> Hospital {
    let hospital = Hospital::on(database).await;
    for (name, members) in resources {
        let (kind, id) = name.split_once('/').unwrap();
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!(r#"{{"resourceType":"{kind}","id":"{id}"{comma}{members}}}"#);
        let answered = hospital.send("PUT", &format!("/fhir/{name}"), &[], body).await;
        assert_eq!(answered.status, 201, "{name}: {}", answered.text());
    }
    hospital
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Each search finds these ids, in whatever order, and counts them right.
async fn finds(resources: &[(&str, &str)], rows: &[(&str, &str)]) {
    for database in databases() {
        let hospital = filled(database, resources).await;
        for (query, wanted) in rows {
            let answered = search(&hospital, query).await;
            assert_eq!(answered.status, 200, "{query} on {database:?}: {}", answered.text());
            let found = sorted(answered.found("match"));
            assert_eq!(found, sorted(words(wanted)), "{query} on {database:?}: {}", answered.text());
            assert_eq!(answered.json()["total"], found.len(), "{query} on {database:?}");
            assert_eq!(answered.found("outcome"), [""; 0], "{query} on {database:?}: {}", answered.text());
        }
    }
}

/// Each search is refused with this status and code of an OperationOutcome.
async fn refuses(resources: &[(&str, &str)], rows: &[(&str, u16, &str)]) {
    for database in databases() {
        let hospital = filled(database, resources).await;
        for (query, status, code) in rows {
            let answered = search(&hospital, query).await;
            let found = (answered.status, answered.json()["resourceType"].clone(), answered.code());
            assert_eq!(found, (*status, "OperationOutcome".into(), (*code).to_owned()), "{query}: {}", answered.text());
        }
    }
}
