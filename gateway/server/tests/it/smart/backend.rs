//! Backend Services: an assertion signed with a client's own key, once, for here.
//! <https://hl7.org/fhir/smart-app-launch/backend-services.html>

use super::{FORM, ask, claims, ec, rsa};
use crate::hospital::{BASE, Hospital, databases};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn an_assertion_gets_a_token_that_works() {
    let hospital = Hospital::open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, ec().public()).unwrap();
    let path = file.display().to_string();
    for (name, key, jwks) in [
        ("rsa", rsa(), rsa().public()),
        ("ec", ec(), ec().public()),
        ("file", ec(), path.clone()),
        ("url", ec(), format!("file://{path}")),
    ] {
        let client = hospital.node.add_client(name, "system/Patient.rs", Some(jwks)).await.unwrap();
        let answered = ask(&hospital, &key.assertion(&claims(&client.id, "one", 60)), "system/*.rs%20openid").await;
        assert_eq!(answered.status, 200, "{name}: {}", answered.text());
        let json = answered.json();
        assert_eq!((json["token_type"].as_str(), json["scope"].as_str()), (Some("bearer"), Some("system/Patient.rs")));
        assert_eq!((json["expires_in"].as_u64(), answered.header("cache-control")), (Some(300), "no-store"));
        let bearer = format!("Bearer {}", json["access_token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(hospital.send("GET", "/fhir/Patient", &headers, "").await.status, 200);
        assert_eq!(hospital.send("GET", "/fhir/Observation", &headers, "").await.status, 403);
    }
}

#[tokio::test]
async fn an_assertion_is_taken_once_and_only_if_it_is_right() {
    let hospital = Hospital::open().await;
    let client = hospital.node.add_client("rsa", "system/Patient.rs", Some(rsa().public())).await.unwrap();
    let keyless = hospital.node.add_client("keyless", "system/Patient.rs", None).await.unwrap();
    let id = client.id.as_str();
    let with = |name: &str, value: Value| {
        let mut claims = claims(id, name, 60);
        claims[name] = value;
        claims
    };
    let first = rsa().assertion(&claims(id, "j", 60));
    let mut shared = Header::new(Algorithm::HS384);
    shared.kid = Some("k".to_owned());
    let symmetric =
        jsonwebtoken::encode(&shared, &claims(id, "s", 60), &EncodingKey::from_secret(rsa().public().as_bytes()))
            .unwrap();
    for (what, assertion, scope, status, error) in [
        ("good", first.clone(), "system/Patient.r", 200, ""),
        ("replayed", first, "system/Patient.r", 401, "invalid_client"),
        ("another's key", ec().assertion(&claims(id, "k", 60)), "system/Patient.r", 401, "invalid_client"),
        ("a shared secret", symmetric, "system/Patient.r", 401, "invalid_client"),
        ("expired", rsa().assertion(&claims(id, "e", -60)), "system/Patient.r", 401, "invalid_client"),
        ("too far ahead", rsa().assertion(&claims(id, "f", 3600)), "system/Patient.r", 401, "invalid_client"),
        ("elsewhere", rsa().assertion(&with("aud", "http://x".into())), "system/Patient.r", 401, "invalid_client"),
        (
            "several audiences",
            rsa().assertion(&with("aud", json!(["x", format!("{BASE}/auth/token")]))),
            "system/Patient.r",
            200,
            "",
        ),
        ("two names", rsa().assertion(&with("sub", "x".into())), "system/Patient.r", 401, "invalid_client"),
        ("no jti", rsa().assertion(&with("jti", Value::Null)), "system/Patient.r", 401, "invalid_client"),
        ("unknown", rsa().assertion(&claims("nobody", "u", 60)), "system/Patient.r", 401, "invalid_client"),
        ("no keys", rsa().assertion(&claims(&keyless.id, "n", 60)), "system/Patient.r", 401, "invalid_client"),
        ("no JWT", "x".to_owned(), "system/Patient.r", 401, "invalid_client"),
        ("no scope of its", rsa().assertion(&claims(id, "o", 60)), "system/Observation.r", 400, "invalid_scope"),
    ] {
        let answered = ask(&hospital, &assertion, scope).await;
        assert_eq!(
            (answered.status, answered.json()["error"].as_str().unwrap_or_default()),
            (status, error),
            "{what}: {}",
            answered.text()
        );
        assert!(!answered.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn a_form_that_is_wrong_is_told_so() {
    let hospital = Hospital::open().await;
    for (headers, form, error) in [
        (FORM, "", "invalid_request"),
        (FORM, "grant_type=password", "unsupported_grant_type"),
        (FORM, "grant_type=client_credentials", "invalid_request"),
        (FORM, "grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        (&[("content-type", "application/json")], "{}", "invalid_request"),
    ] {
        let answered = hospital.send("POST", "/auth/token", headers, form).await;
        assert_eq!((answered.status, answered.json()["error"].as_str()), (400, Some(error)), "{form}");
    }
}

/// However many send one assertion at the same moment, one of them gets a token.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_sent_many_times_at_once_is_taken_once() {
    for database in databases() {
        let hospital = Arc::new(Hospital::on(database).await);
        let client = hospital.node.add_client("rsa", "system/Patient.rs", Some(rsa().public())).await.unwrap();
        let assertion = Arc::new(rsa().assertion(&claims(&client.id, "once", 60)));
        let tasks = (0..32).map(|_| {
            let (hospital, assertion) = (hospital.clone(), assertion.clone());
            tokio::spawn(async move { ask(&hospital, &assertion, "system/Patient.r").await.status })
        });
        let mut granted = 0;
        for task in tasks.collect::<Vec<_>>() {
            granted += usize::from(task.await.unwrap() == 200);
        }
        assert_eq!(granted, 1, "{database:?}");
    }
}
