//! The keys that tokens are signed with: published, one for all processes, rotated without a token lost.

use crate::hospital::{Hospital, databases};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use server::token;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn status(hospital: &Hospital, token: &str) -> u16 {
    hospital.send("GET", "/fhir/Patient", &[("authorization", &format!("Bearer {token}"))], "").await.status
}

#[tokio::test]
async fn a_token_verifies_by_the_published_keys() {
    let hospital = Hospital::open().await;
    let answered = hospital.send("GET", "/auth/jwks", &[("authorization", "")], "").await;
    assert_eq!((answered.status, answered.header("content-type")), (200, "application/json"));
    let set: JwkSet = serde_json::from_slice(&answered.body).unwrap();
    let key = set.find(&kid(&hospital.token)).unwrap();
    let mut validation = Validation::new(Algorithm::ES384);
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&hospital.token, &key, &validation).unwrap().claims;
    assert!(claims["iss"].as_str().unwrap().starts_with("urn:chartwell:"));
    for name in ["sub", "client_id", "jti", "scope", "iat", "exp", "aud"] {
        assert!(claims.get(name).is_some(), "{name}");
    }
    // What the world may read of a key is its public half, and a key of each kind is there.
    let keys = answered.json()["keys"].as_array().unwrap().clone();
    assert!(keys.iter().all(|key| key["d"].is_null() && key["use"] == "sig" && key["kid"].is_string()));
    let algorithms = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(algorithms, ["ES384", "RS256"]);
}

#[tokio::test]
async fn processes_that_start_at_once_agree_on_one_key() {
    for database in databases() {
        let hospital = Hospital::on(database).await;
        let client = hospital.node.client("ehr").await.unwrap().unwrap();
        hospital.node.forget_token_keys("ES384", i64::MAX).await.unwrap();
        let tasks = (0..8).map(|_| {
            let (node, client) = (hospital.node.clone(), client.clone());
            tokio::spawn(async move { token::issue(&node, &client, HOUR).await.unwrap() })
        });
        let mut kids = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            kids.push(kid(&task.await.unwrap()));
        }
        kids.dedup();
        assert_eq!(kids.len(), 1, "{database:?}: {kids:?}");
    }
}

#[tokio::test]
async fn a_rotation_loses_no_token() {
    for database in databases() {
        let hospital = Hospital::on(database).await;
        let client = hospital.node.client("ehr").await.unwrap().unwrap();
        let before = hospital.token.clone();
        assert_eq!(status(&hospital, &before).await, 200);
        token::rotate(&hospital.node).await.unwrap();
        let after = token::issue(&hospital.node, &client, HOUR).await.unwrap();
        assert_ne!(kid(&before), kid(&after));
        let listed = token::list(&hospital.node).await.unwrap();
        let listed = listed.iter().filter(|key| key.algorithm == "ES384").collect::<Vec<_>>();
        assert_eq!((listed[0].kid.clone(), listed[0].until_s), (kid(&after), None));
        assert_eq!(listed[1].kid, kid(&before));
        let until = listed[1].until_s.unwrap();
        assert!(until >= listed[0].made_s + token::LIFETIME_MAX.as_secs(), "{until}");
        // The running process hears of a key it does not know at once, and goes on with the one before.
        assert_eq!(status(&hospital, &after).await, 200);
        assert_eq!(status(&hospital, &before).await, 200);
    }
}

/// A token of a key that another process had made less than a second before was refused once.
#[tokio::test]
async fn a_key_that_another_process_made_a_moment_ago_is_known() {
    for database in databases() {
        let (here, there) = {
            let hospital = Hospital::on(database).await;
            let other = hospital.another_process().await;
            (hospital, other)
        };
        let client = here.node.client("ehr").await.unwrap().unwrap();
        for round in 0..4 {
            // Looked at its keys just now, and once more for a name that nobody knows.
            assert_eq!(status(&there, &there.token).await, 200);
            assert_eq!(status(&there, "e30.e30.e30").await, 401);
            token::rotate(&here.node).await.unwrap();
            let after = token::issue(&here.node, &client, HOUR).await.unwrap();
            assert_eq!(status(&there, &after).await, 200, "{database:?}, rotation {round}");
        }
    }
}
