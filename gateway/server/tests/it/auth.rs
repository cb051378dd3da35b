//! Bearer tokens: who is let in, who is not, and what a scope permits.

use crate::hospital::Hospital;
use server::token::{self, Claims, Place};
use std::time::Duration;

const PATIENT: &str = r#"{"resourceType":"Patient"}"#;

#[tokio::test]
async fn only_a_token_of_a_known_client_is_let_in() {
    let hospital = Hospital::open().await;
    let client = hospital.node.client("ehr").await.unwrap().unwrap();
    let good = token::claims(&Place::of_operator(&hospital.node), &client, "system/*.cruds", Duration::from_secs(3600));
    let sign = async |claims: Claims| token::sign(&hospital.node, &claims).await.unwrap();
    let expired = sign(Claims { exp: good.iat - 1, ..good.clone() }).await;
    let unknown = sign(Claims { client_id: "nobody".to_owned(), ..good.clone() }).await;
    let by_name = sign(Claims { client_id: "ehr".to_owned(), ..good.clone() }).await;
    let other = Hospital::open().await;
    let forged = token::sign(&other.node, &good).await.unwrap();
    for (authorization, status, code) in [
        (format!("Bearer {}", hospital.token), 404, "not-found"),
        (format!("bearer {}", hospital.token), 404, "not-found"),
        (String::new(), 401, "login"),
        ("Basic YTpi".to_owned(), 401, "login"),
        ("Bearer x.y.z".to_owned(), 401, "unknown"),
        (format!("Bearer {expired}"), 401, "expired"),
        (format!("Bearer {unknown}"), 401, "unknown"),
        (format!("Bearer {by_name}"), 401, "unknown"),
        (format!("Bearer {forged}"), 401, "unknown"),
    ] {
        let answered = hospital.send("GET", "/fhir/Patient/nobody", &[("authorization", &authorization)], "").await;
        assert_eq!((answered.status, answered.code().as_str()), (status, code), "{authorization}");
        assert_eq!(answered.header("www-authenticate").starts_with("Bearer realm=\"fhir\""), status == 401);
    }
}

#[tokio::test]
async fn without_a_token_only_the_open_paths_answer() {
    let hospital = Hospital::open().await;
    for (method, path, status) in [
        ("GET", "/fhir/metadata", 200),
        ("HEAD", "/fhir/metadata", 200),
        ("GET", "/fhir/.well-known/smart-configuration", 200),
        ("GET", "/.well-known/smart-configuration", 200),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/fhir/Patient", 401),
        ("GET", "/fhir/Nothing", 401),
        ("POST", "/fhir", 401),
        ("GET", "/fhir/Patient/1/_history", 401),
        ("POST", "/fhir/Patient/1/$invite", 401),
    ] {
        let answered = hospital.send(method, path, &[("authorization", "")], "").await;
        assert_eq!(answered.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_scope_permits_what_it_says() {
    let hospital = Hospital::open().await;
    let id = hospital.create(PATIENT).await;
    let reader = format!("Bearer {}", hospital.client("reader", "system/Patient.rs").await);
    let writer = format!("Bearer {}", hospital.client("writer", "system/Observation.cruds").await);
    let path = format!("/fhir/Patient/{id}");
    for (bearer, method, path, body, status) in [
        (&reader, "GET", path.as_str(), "", 200),
        (&reader, "GET", "/fhir/Patient", "", 200),
        (&reader, "POST", "/fhir/Patient", PATIENT, 403),
        (&reader, "DELETE", path.as_str(), "", 403),
        (&reader, "POST", &format!("{path}/$invite"), "", 403),
        (&writer, "GET", path.as_str(), "", 403),
        (&writer, "GET", "/fhir/Patient?name=x", "", 403),
        (&writer, "GET", "/fhir/Observation", "", 200),
    ] {
        let answered = hospital.send(method, path, &[("authorization", bearer)], body).await;
        assert_eq!(answered.status, status, "{method} {path}: {}", answered.text());
        if status == 403 {
            assert_eq!(answered.code(), "forbidden");
        }
    }
}

#[tokio::test]
async fn a_client_that_is_narrowed_is_narrowed_at_once() {
    let hospital = Hospital::open().await;
    let bearer = format!("Bearer {}", hospital.client("lab", "system/*.cruds").await);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(hospital.send("POST", "/fhir/Patient", &headers, PATIENT).await.status, 201);
    hospital.node.add_client("lab", "system/Observation.rs", None).await.unwrap();
    let started = std::time::Instant::now();
    while hospital.send("POST", "/fhir/Patient", &headers, PATIENT).await.status == 201 {
        assert!(started.elapsed() < Duration::from_secs(5), "the old scope still holds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(hospital.send("GET", "/fhir/Observation", &headers, "").await.status, 200);
}

#[tokio::test]
async fn every_interaction_is_in_the_audit() {
    let hospital = Hospital::open().await;
    let id = hospital.create(PATIENT).await;
    hospital.get(&format!("/fhir/Patient/{id}")).await;
    hospital.get("/fhir/Patient?name=x").await;
    hospital.get("/fhir/Patient/nobody").await;
    let started = std::time::Instant::now();
    loop {
        let found = hospital.get("/fhir/AuditEvent?_count=100").await;
        assert_eq!(found.status, 200, "{}", found.text());
        if found.found("match").len() >= 4 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{}", found.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
