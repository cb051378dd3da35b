//! A client that registers itself: it gets nothing until the operator lets it in, and there are not many of them.
//! RFC 7591.

use super::site::{Browser, REDIRECT, Site};
use super::{FORM, claims, ec};
use crate::hospital::{Answered, Hospital, databases};
use data_encoding::BASE64;
use node::clients::Status;
use serde_json::{Value, json};

async fn register(hospital: &Hospital, json: &Value) -> Answered {
    let headers = [("content-type", "application/json"), ("authorization", "")];
    hospital.send("POST", "/auth/register", &headers, json.to_string()).await
}

fn described() -> Value {
    json!({
        "client_name": "My app",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "scope": "patient/*.rs launch/patient openid fhirUser offline_access",
        "logo_uri": "https://evil.example/logo.png",
    })
}

#[tokio::test]
async fn a_client_waits_until_it_is_let_in() {
    for database in databases() {
        let site = Site::on(database).await;
        let answered = register(&site.hospital, &described()).await;
        assert_eq!((answered.status, answered.header("cache-control")), (201, "no-store"), "{}", answered.text());
        let json = answered.json();
        assert!(json["client_secret"].is_null() && json["logo_uri"].is_null(), "{json}");
        let id = json["client_id"].as_str().unwrap();
        let asked = site.asked(&[("client_id", id)]);
        let client = site.hospital.node.client(id).await.unwrap().unwrap();
        assert_eq!((client.status, client.rights.len()), (Status::Pending, 0));
        assert!(client.name.starts_with("My app ("), "{}", client.name);
        let answered = Browser::new(&site.hospital).asks(&asked).await;
        assert_eq!((answered.status, answered.header("location")), (400, ""));
        site.hospital.node.set_client_status(id, Status::Approved).await.unwrap();
        assert_eq!(Browser::new(&site.hospital).asks(&asked).await.status, 200);
    }
}

#[tokio::test]
async fn a_system_that_registers_itself_gets_no_token_before() {
    let hospital = Hospital::open().await;
    let grants = json!(["client_credentials"]);
    let secret = json!({ "client_name": "s", "scope": "system/*.rs", "grant_types": grants });
    let set: Value = serde_json::from_str(&ec().public()).unwrap();
    let key = json!({
        "client_name": "k", "scope": "system/*.rs", "grant_types": grants,
        "token_endpoint_auth_method": "private_key_jwt", "jwks": set,
    });
    for (what, described) in [("secret", secret), ("key", key)] {
        let json = register(&hospital, &described).await.json();
        let id = json["client_id"].as_str().unwrap().to_owned();
        assert_eq!(json["client_secret"].is_string(), what == "secret", "{json}");
        let ask = async |jti: &str| {
            let (authorization, proof) = match json["client_secret"].as_str() {
                Some(secret) => {
                    (format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes())), String::new())
                }
                None => {
                    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
                    let assertion = ec().assertion(&claims(&id, jti, 60));
                    (String::new(), format!("&client_assertion_type={kind}&client_assertion={assertion}"))
                }
            };
            let form = format!("grant_type=client_credentials&scope=system/*.rs{proof}");
            let headers = [FORM[0], ("authorization", authorization.as_str())];
            hospital.send("POST", "/auth/token", &headers, form).await.status
        };
        assert_eq!(ask("1").await, 401, "{what}");
        hospital.node.set_client_status(&id, Status::Approved).await.unwrap();
        assert_eq!(ask("2").await, 200, "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_client_is_told_so() {
    let hospital = Hospital::open().await;
    let with = |name: &str, value: Value| {
        let mut json = described();
        json[name] = value;
        json
    };
    for (what, json, error) in [
        ("no name", with("client_name", Value::Null), "invalid_client_metadata"),
        ("an empty name", with("client_name", " ".into()), "invalid_client_metadata"),
        ("a long name", with("client_name", "a".repeat(101).into()), "invalid_client_metadata"),
        ("a name of several lines", with("client_name", "a\nb".into()), "invalid_client_metadata"),
        ("nowhere to go", with("redirect_uris", json!([])), "invalid_client_metadata"),
        ("no TLS", with("redirect_uris", json!(["http://app.example/cb"])), "invalid_redirect_uri"),
        ("a script", with("redirect_uris", json!([REDIRECT, "javascript:alert(1)"])), "invalid_redirect_uri"),
        ("a fragment", with("redirect_uris", json!(["https://app.example/cb#x"])), "invalid_redirect_uri"),
        ("passwords", with("grant_types", json!(["password"])), "invalid_client_metadata"),
        ("a token at once", with("response_types", json!(["token"])), "invalid_client_metadata"),
        ("a public system", with("grant_types", json!(["client_credentials"])), "invalid_client_metadata"),
        ("a system's scope", with("scope", "system/*.rs".into()), "invalid_client_metadata"),
        ("no scope", with("scope", "".into()), "invalid_client_metadata"),
        ("a scope that is none", with("scope", "patient/*.rs root".into()), "invalid_client_metadata"),
        ("an unknown proof", with("token_endpoint_auth_method", "tls_client_auth".into()), "invalid_client_metadata"),
        ("a key without one", with("token_endpoint_auth_method", "private_key_jwt".into()), "invalid_client_metadata"),
        (
            "keys without TLS",
            {
                let mut json = with("token_endpoint_auth_method", "private_key_jwt".into());
                json["jwks_uri"] = "http://app.example/keys".into();
                json
            },
            "invalid_client_metadata",
        ),
        (
            "keys in a file",
            {
                let mut json = with("token_endpoint_auth_method", "private_key_jwt".into());
                json["jwks_uri"] = "/etc/passwd".into();
                json
            },
            "invalid_client_metadata",
        ),
        ("no object", json!([]), "invalid_client_metadata"),
        ("a huge one", with("x", "a".repeat(40_000).into()), "invalid_request"),
    ] {
        let answered = register(&hospital, &json).await;
        let status = if what == "a huge one" { 413 } else { 400 };
        assert_eq!((answered.status, answered.json()["error"].as_str()), (status, Some(error)), "{what}");
    }
    let answered = hospital.send("POST", "/auth/register", &[FORM[0]], "client_name=x").await;
    assert_eq!(answered.status, 400);
}

#[tokio::test]
async fn only_a_few_register_themselves() {
    let hospital = Hospital::open().await;
    let mut granted = 0;
    for _ in 0..15 {
        let answered = register(&hospital, &described()).await;
        assert!([201, 429].contains(&answered.status), "{}", answered.text());
        granted += usize::from(answered.status == 201);
    }
    assert_eq!(granted, 10);
    // Another process lets ten more in; a hundred wait, and whoever registers many keeps nobody out.
    let mut last = String::new();
    for _ in 0..12 {
        let beside = hospital.beside();
        for _ in 0..10 {
            last = register(&beside, &described()).await.json()["client_id"].as_str().unwrap().to_owned();
        }
    }
    let waiting = hospital.node.clients().await.unwrap().iter().filter(|one| one.status == Status::Pending).count();
    assert_eq!(waiting, 100);
    assert!(hospital.node.client(&last).await.unwrap().is_some(), "the last one waits");
}
