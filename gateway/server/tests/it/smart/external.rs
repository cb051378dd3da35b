//! A gateway that takes the tokens of an issuer elsewhere: by its published keys, for its own audience, and no others.
//! RFC 8725, RFC 8414.

use super::{ec, rsa};
use crate::hospital::{BASE, Hospital};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use server::settings::{Issuer, Settings};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const AUDIENCE: &str = "https://fhir.example/fhir";

/// An OpenID provider on this machine.
#[derive(Clone, Default)]
pub struct Provider {
    pub url: String,
    document: Arc<Mutex<Value>>,
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
    /// What its token endpoint answers, and what it was sent: the header and the form.
    pub answer: Arc<Mutex<Value>>,
    pub sent: Arc<Mutex<(String, String)>>,
}

impl Provider {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { url: url.clone(), ..Self::default() };
        *provider.document.lock().unwrap() = json!({
            "issuer": url,
            "jwks_uri": format!("{url}/keys"),
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "secret_of_its_own": "x",
        });
        provider.publish(&[("k", &ec().public())]);
        let document = |State(at): State<Provider>| async move {
            at.asked.fetch_add(1, Ordering::SeqCst);
            at.document.lock().unwrap().to_string()
        };
        let keys = |State(at): State<Provider>| async move { at.keys.lock().unwrap().to_string() };
        let token = |State(at): State<Provider>, headers: HeaderMap, form: String| async move {
            let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
            *at.sent.lock().unwrap() = (authorization.to_owned(), form);
            at.answer.lock().unwrap().to_string()
        };
        let router = Router::new()
            .route("/token", post(token))
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    /// Publishes keys under these names.
    pub fn publish(&self, sets: &[(&str, &str)]) {
        let keys = sets.iter().map(|(kid, set)| {
            let set: Value = serde_json::from_str(set).unwrap();
            let mut key = set["keys"][0].clone();
            key["kid"] = (*kid).into();
            key
        });
        *self.keys.lock().unwrap() = json!({ "keys": keys.collect::<Vec<_>>() });
    }

    /// A gateway that takes its tokens.
    async fn gateway(&self) -> Hospital {
        self.before(Hospital::open().await)
    }

    /// The gateway of a hospital that takes its tokens.
    fn before(&self, hospital: Hospital) -> Hospital {
        let issuer = Some(Issuer { url: self.url.clone(), audience: AUDIENCE.to_owned() });
        let router = server::app(Settings { issuer, ..Settings::new(BASE) }, hospital.node.clone());
        Hospital { router, ..hospital }
    }

    fn claims(&self) -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({
            "iss": self.url, "aud": [AUDIENCE, "account"], "sub": "u", "azp": "app", "iat": now, "exp": now + 60,
            "scope": "openid system/*.rs",
        })
    }
}

pub fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap())
}

fn token(kid: &str, claims: &Value) -> String {
    signed(&json!({ "alg": "ES384", "kid": kid }), claims, &ec().secret, Algorithm::ES384)
}

async fn status(hospital: &Hospital, token: &str) -> u16 {
    hospital.send("GET", "/fhir/Patient", &[("authorization", &format!("Bearer {token}"))], "").await.status
}

#[tokio::test]
async fn a_token_of_the_issuer_is_taken_and_what_looks_like_one_is_not() {
    let provider = Provider::open().await;
    let mut signs_not: Value = serde_json::from_str(&ec().public()).unwrap();
    signs_not["keys"][0]["use"] = "enc".into();
    let mut other: Value = serde_json::from_str(&ec().public()).unwrap();
    other["keys"][0]["alg"] = "ES256".into();
    let shared = json!({ "keys": [{ "kty": "oct", "k": BASE64URL_NOPAD.encode(&[7; 32]) }] }).to_string();
    provider.publish(&[
        ("k", &ec().public()),
        ("r", &rsa().public()),
        ("enc", &signs_not.to_string()),
        ("es256", &other.to_string()),
        ("oct", &shared),
    ]);
    let hospital = provider.gateway().await;
    let claims = provider.claims();
    let now = claims["iat"].as_u64().unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let plain = |claims: Value| token("k", &claims);
    let of_user = |user: &str| {
        let mut claims = with("scope", "user/*.rs".into());
        if !user.is_empty() {
            claims["fhirUser"] = user.into();
        }
        token("k", &claims)
    };
    let head = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    let typed = |kind: &str| json!({ "alg": "ES384", "kid": "k", "typ": kind });
    let es = |header: Value| signed(&header, &claims, &ec().secret, Algorithm::ES384);
    let by_secret = |kid: &str, secret: &[u8]| {
        signed(&head("HS256", kid), &claims, &EncodingKey::from_secret(secret), Algorithm::HS256)
    };
    let by_rsa = |alg: Algorithm| signed(&head(&format!("{alg:?}"), "r"), &claims, &rsa().secret, alg);
    let public: Value = serde_json::from_str(&ec().public()).unwrap();
    let none = format!("{}.{}.", BASE64URL_NOPAD.encode(br#"{"alg":"none","kid":"k"}"#), good_payload(&claims));
    for (what, token, wanted) in [
        ("as it should be", plain(claims.clone()), 200),
        ("one audience", plain(with("aud", AUDIENCE.into())), 200),
        ("a client_id", plain(with("client_id", "app".into())), 200),
        ("scopes as a list", plain(with("scp", json!(["system/*.rs"]))), 200),
        ("of its type", es(typed("at+jwt")), 200),
        ("of its type in capitals", es(typed("AT+JWT")), 200),
        ("with RSA", by_rsa(Algorithm::RS384), 200),
        ("with RSA as its key does not say", by_rsa(Algorithm::RS256), 401),
        ("with RSA-PSS", by_rsa(Algorithm::PS384), 401),
        ("a few seconds over", plain(with("exp", (now - 5).into())), 200),
        ("another audience", plain(with("aud", "https://other.example/fhir".into())), 401),
        ("no audience", plain(with("aud", Value::Null)), 401),
        ("another issuer", plain(with("iss", "https://evil.example".into())), 401),
        ("the issuer with a slash", plain(with("iss", format!("{}/", provider.url).into())), 401),
        ("expired", plain(with("exp", (now - 60).into())), 401),
        ("no end", plain(with("exp", Value::Null)), 401),
        ("not yet", plain(with("nbf", (now + 60).into())), 401),
        ("no client", plain(with("azp", Value::Null)), 401),
        ("no scope", plain(with("scope", Value::Null)), 403),
        ("a patient's scope", plain(with("scope", "patient/*.rs".into())), 403),
        ("a user's scope of a patient", of_user("https://fhir.example/fhir/Patient/1"), 403),
        ("a user's scope of anybody", of_user("Person/1"), 403),
        ("a user's scope of nobody", of_user(""), 403),
        ("a user's scope of staff with something behind", of_user("https://fhir.example/fhir/Practitioner/1/"), 403),
        ("a user's scope of a version of staff", of_user("Practitioner/1/_history/1"), 403),
        ("a user's scope of staff", of_user("https://fhir.example/fhir/Practitioner/1"), 200),
        ("another's key", signed(&head("RS384", "k"), &claims, &rsa().secret, Algorithm::RS384), 401),
        ("the public key as a secret", by_secret("k", public["keys"][0].to_string().as_bytes()), 401),
        ("a shared secret", by_secret("oct", &[7; 32]), 401),
        ("no algorithm", none, 401),
        ("an algorithm that is not the key's", es(head("ES384", "es256")), 401),
        ("a key to encrypt", es(head("ES384", "enc")), 401),
        ("no key's name", es(json!({ "alg": "ES384" })), 401),
        ("a key at a URL", es(json!({ "alg": "ES384", "kid": "x", "jku": "https://evil.example" })), 401),
        ("a logout token", es(typed("logout+jwt")), 401),
        ("with what must be understood", es(json!({ "alg": "ES384", "kid": "k", "crit": ["x"] })), 401),
        ("this server's own", hospital.token.clone(), 401),
    ] {
        assert_eq!(status(&hospital, &token).await, wanted, "{what}");
    }
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES384) };
    let writes = jsonwebtoken::encode(&header, &claims, &ec().secret).unwrap();
    let bearer = format!("Bearer {writes}");
    let body = r#"{"resourceType":"Patient"}"#;
    assert_eq!(hospital.send("POST", "/fhir/Patient", &[("authorization", &bearer)], body).await.status, 403);
}

/// What a scope for one patient does not reach is as if it were not there; a list of versions needs the whole.
#[tokio::test]
async fn a_scope_of_the_issuer_for_one_patient_opens_no_others() {
    let provider = Provider::open().await;
    let hospital = Hospital::open().await;
    let (own, other) = (r#"{"resourceType":"Patient","active":true}"#, r#"{"resourceType":"Patient","active":false}"#);
    let (own, other) = (hospital.create(own).await, hospital.create(other).await);
    let hospital = provider.before(hospital);
    for (scope, user, wanted) in [
        ("patient/*.rs", None, [200, 404, 200, 403]),
        ("patient/*.rs", Some("Practitioner/1"), [200, 404, 200, 403]),
        ("user/*.rs", None, [200, 404, 200, 403]),
        ("user/*.rs", Some("https://fhir.example/fhir/Patient/1"), [200, 404, 200, 403]),
        ("user/*.rs", Some("https://fhir.example/fhir/Practitioner/1/"), [200, 404, 200, 403]),
        ("user/*.rs", Some("https://fhir.example/fhir/Practitioner/1"), [200; 4]),
        ("system/*.rs", None, [200; 4]),
    ] {
        let mut claims = provider.claims();
        (claims["scope"], claims["patient"]) = (scope.into(), own.as_str().into());
        if let Some(user) = user {
            claims["fhirUser"] = user.into();
        }
        let bearer = format!("Bearer {}", token("k", &claims));
        let paths = [
            format!("/fhir/Patient/{own}"),
            format!("/fhir/Patient/{other}"),
            "/fhir/Patient?active=false".to_owned(),
            "/fhir/Patient/_history".to_owned(),
        ];
        for (path, wanted_status) in paths.iter().zip(wanted) {
            let answered = hospital.send("GET", path, &[("authorization", &bearer)], "").await;
            assert_eq!(answered.status, wanted_status, "{scope} of {user:?}, {path}: {}", answered.text());
            let whole = wanted == [200; 4];
            let shown = answered.text().contains(&format!("\"id\":\"{other}\""));
            assert_eq!(shown, whole && !path.ends_with(&own), "{scope} of {user:?}, {path}: {}", answered.text());
        }
    }
}

fn good_payload(claims: &Value) -> String {
    BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_a_new_one() {
    let provider = Provider::open().await;
    let hospital = provider.gateway().await;
    let claims = provider.claims();
    let asked = || provider.asked.load(Ordering::SeqCst);
    assert_eq!(asked(), 0);
    for _ in 0..5 {
        assert_eq!(status(&hospital, &token("k", &claims)).await, 200);
    }
    assert_eq!(asked(), 1);
    provider.publish(&[("k", &ec().public()), ("k2", &ec().public())]);
    // Whoever guesses names makes nobody knock more often than every two seconds.
    for name in ["k2", "a", "b", "c", "d"] {
        assert_eq!(status(&hospital, &token(name, &claims)).await, 401, "{name}");
    }
    assert_eq!(asked(), 1);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(status(&hospital, &token("k2", &claims)).await, 200);
    assert_eq!((status(&hospital, &token("a", &claims)).await, asked()), (401, 2));
}

#[tokio::test]
async fn an_issuer_that_is_away_or_speaks_for_another_lets_nobody_in() {
    let provider = Provider::open().await;
    let honest = provider.document.lock().unwrap().clone();
    for (what, name, value) in [
        ("another issuer", "issuer", "https://evil.example"),
        ("keys without TLS", "jwks_uri", "http://evil.example/keys"),
        ("keys in a file", "jwks_uri", "file:///etc/passwd"),
    ] {
        let mut document = honest.clone();
        document[name] = value.into();
        *provider.document.lock().unwrap() = document;
        let hospital = provider.gateway().await;
        let answered = hospital
            .send(
                "GET",
                "/fhir/Patient",
                &[("authorization", &format!("Bearer {}", token("k", &provider.claims())))],
                "",
            )
            .await;
        assert_eq!((answered.status, answered.header("retry-after")), (503, "5"), "{what}: {}", answered.text());
        assert!(!answered.text().contains("evil"), "{what}");
    }
    *provider.document.lock().unwrap() = honest;
    let hospital = provider.gateway().await;
    assert_eq!(status(&hospital, &token("k", &provider.claims())).await, 200);
}

#[tokio::test]
async fn there_is_nothing_to_get_a_token_from_here() {
    let provider = Provider::open().await;
    let hospital = provider.gateway().await;
    for (method, path) in [
        ("POST", "/auth/token"),
        ("GET", "/auth/authorize"),
        ("POST", "/auth/authorize"),
        ("POST", "/auth/login"),
        ("POST", "/auth/consent"),
        ("POST", "/auth/launch"),
        ("POST", "/auth/introspect"),
        ("POST", "/auth/revoke"),
        ("GET", "/auth/jwks"),
        ("GET", "/.well-known/openid-configuration"),
    ] {
        assert_eq!(hospital.send(method, path, &[("authorization", "")], "").await.status, 404, "{method} {path}");
    }
    let json = hospital.get("/fhir/.well-known/smart-configuration").await.json();
    assert_eq!(json["issuer"], provider.url);
    assert_eq!(json["token_endpoint"], format!("{}/token", provider.url));
    assert!(json["capabilities"].is_array() && json.get("secret_of_its_own").is_none(), "{json}");
}
