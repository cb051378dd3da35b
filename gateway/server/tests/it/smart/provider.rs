//! Logging in at an OpenID provider: who comes back is proven by the provider, from the browser that left, and is a user here.
//! OpenID Connect Core section 3.1.3.7, RFC 9207.

use super::external::{Provider, signed};
use super::site::{Browser, Site, form, parameter};
use super::{ec, rsa};
use crate::hospital::{BASE, Database, Hospital, databases};
use data_encoding::BASE64;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use server::settings::{Login, Settings};

/// A site whose people log in at the provider; `s-1` is a user there and here.
async fn site(provider: &Provider) -> Site {
    site_on(provider, Database::Sqlite).await
}

async fn site_on(provider: &Provider, database: Database) -> Site {
    let mut site = Site::on(database).await;
    let (issuer, client_id, secret) = (provider.url.clone(), "gate way".to_owned(), "s:ecret".to_owned());
    let login = Some(Login { issuer, client_id, secret });
    let router = server::app(Settings { login, ..Settings::new(BASE) }, site.hospital.node.clone());
    site.hospital = Hospital { router, ..site.hospital.beside() };
    let user = format!("Patient/{}", site.ada);
    site.hospital.node.put_user("ada elsewhere", (None, "s-1"), "Ada", &user).await.unwrap();
    site
}

/// Leaves for the provider; the address the browser is sent to.
async fn left(site: &Site, browser: &Browser<'_>) -> String {
    let page = browser.asks(&site.asked(&[])).await;
    assert!(page.text().contains("Log in at 127.0.0.1:") && !page.text().contains("password"), "{}", page.text());
    let answered = browser.on(&page, "/auth/provider", &[]).await;
    assert_eq!(answered.status, 303, "{}", answered.text());
    answered.header("location").to_owned()
}

fn identity(provider: &Provider, nonce: &str) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    json!({ "iss": provider.url, "sub": "s-1", "aud": "gate way", "iat": now, "exp": now + 60, "nonce": nonce })
}

fn token(claims: &Value) -> String {
    signed(&json!({ "alg": "ES384", "kid": "k" }), claims, &ec().secret, Algorithm::ES384)
}

async fn back(browser: &Browser<'_>, fields: &[(&str, &str)]) -> crate::hospital::Answered {
    browser.send("GET", &format!("/auth/callback?{}", form(fields)), &[], "").await
}

#[tokio::test]
async fn a_person_logs_in_elsewhere() {
    for database in databases() {
        let provider = Provider::open().await;
        let site = site_on(&provider, database).await;
        let browser = Browser::new(&site.hospital);
        let page = browser.asks(&site.asked(&[])).await;
        let policy = page.header("content-security-policy").to_owned();
        assert!(policy.contains(&format!("form-action 'self' https://app.example {};", provider.url)), "{policy}");
        let url = left(&site, &browser).await;
        assert!(url.starts_with(&format!("{}/authorize?response_type=code&", provider.url)), "{url}");
        let said = |name: &str| parameter(&url, name).unwrap();
        assert_eq!((said("client_id"), said("scope")), ("gate way".to_owned(), "openid".to_owned()));
        assert_eq!(said("redirect_uri"), format!("{BASE}/auth/callback"));
        assert_eq!(said("code_challenge_method"), "S256");
        *provider.answer.lock().unwrap() = json!({ "id_token": token(&identity(&provider, &said("nonce"))) });
        let page = back(&browser, &[("code", "c-1"), ("state", &said("state")), ("iss", &provider.url)]).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let (authorization, form) = provider.sent.lock().unwrap().clone();
        assert_eq!(authorization, format!("Basic {}", BASE64.encode(b"gate%20way:s%3Aecret")));
        assert!(
            form.starts_with("grant_type=authorization_code&code=c-1&redirect_uri=")
                && form.contains("&code_verifier=")
        );
        let url = browser.allows(page, "").await;
        let json = site.exchanged(&parameter(&url, "code").unwrap()).await.json();
        assert_eq!(json["patient"], site.ada.as_str(), "{json}");
        // A password opens nothing where people log in elsewhere.
        let browser = Browser::new(&site.hospital);
        let page = browser.asks(&site.asked(&[])).await;
        assert_eq!(browser.logs_in(&page, "doctor").await.status, 403);
    }
}

#[tokio::test]
async fn who_is_not_proven_is_not_let_in() {
    let provider = Provider::open().await;
    provider.publish(&[("k", &ec().public()), ("r", &rsa().public())]);
    let site = site(&provider).await;
    site.hospital.node.put_user("bo", (None, "s-2"), "Bo", &format!("Patient/{}", site.bo)).await.unwrap();
    let bo = site.hospital.node.person("bo").await.unwrap().unwrap();
    site.hospital.node.disable_person(&bo.id).await.unwrap();
    let now = jsonwebtoken::get_current_timestamp();
    for (what, name, value, status) in [
        ("as it should be", "x", json!("y"), 200),
        ("one audience as a list", "aud", json!(["gate way"]), 200),
        ("another nonce", "nonce", json!("x"), 502),
        ("no nonce", "nonce", Value::Null, 502),
        ("another client's", "aud", json!("other"), 502),
        ("for another client too", "aud", json!(["gate way", "other"]), 502),
        ("issued to another client", "azp", json!("other"), 502),
        ("another issuer", "iss", json!("https://evil.example"), 502),
        ("expired", "exp", json!(now - 60), 502),
        ("nobody", "sub", json!(""), 502),
        ("a stranger", "sub", json!("s-9"), 403),
        ("another case", "sub", json!("S-1"), 403),
        ("a name for a subject", "sub", json!("doctor"), 403),
        ("a user who is kept out", "sub", json!("s-2"), 403),
    ] {
        let browser = Browser::new(&site.hospital);
        let url = left(&site, &browser).await;
        let mut claims = identity(&provider, &parameter(&url, "nonce").unwrap());
        claims[name] = value;
        *provider.answer.lock().unwrap() = json!({ "id_token": token(&claims) });
        let page = back(&browser, &[("code", "c"), ("state", &parameter(&url, "state").unwrap())]).await;
        assert_eq!(page.status, status, "{what}: {}", page.text());
        assert_eq!(page.text().contains("May App do this?"), status == 200, "{what}");
    }
    let forged = |claims: &Value| {
        let head = json!({ "alg": "ES384", "kid": "k" });
        let shared = jsonwebtoken::EncodingKey::from_secret(b"s:ecret");
        [
            (
                "another's signature",
                signed(&json!({ "alg": "RS384", "kid": "k" }), claims, &rsa().secret, Algorithm::RS384),
            ),
            ("the secret as a key", signed(&json!({ "alg": "HS256", "kid": "k" }), claims, &shared, Algorithm::HS256)),
            ("an access token", {
                let mut head = head.clone();
                head["typ"] = "at+jwt".into();
                signed(&head, claims, &ec().secret, Algorithm::ES384)
            }),
            ("no signature", token(claims).rsplit_once('.').unwrap().0.to_owned() + "."),
            ("none", String::new()),
        ]
    };
    for at in 0..5 {
        let browser = Browser::new(&site.hospital);
        let url = left(&site, &browser).await;
        let (what, text) = forged(&identity(&provider, &parameter(&url, "nonce").unwrap()))[at].clone();
        *provider.answer.lock().unwrap() = json!({ "id_token": text });
        let page = back(&browser, &[("code", "c"), ("state", &parameter(&url, "state").unwrap())]).await;
        assert_eq!(page.status, 502, "{what}");
    }
}

#[tokio::test]
async fn who_comes_back_is_who_left_and_comes_back_once() {
    let provider = Provider::open().await;
    let site = site(&provider).await;
    for (what, fields, other, status) in [
        ("no state", vec![("code", "c")], false, 400),
        ("another state", vec![("code", "c"), ("state", "x")], false, 400),
        ("another browser", vec![("code", "c"), ("state", "")], true, 400),
        ("another issuer", vec![("code", "c"), ("state", ""), ("iss", "https://evil.example")], false, 400),
        ("an error", vec![("error", "access_denied"), ("state", "")], false, 403),
        ("a code and an error", vec![("code", "c"), ("error", "x"), ("state", "")], false, 403),
        ("no code", vec![("state", "")], false, 403),
    ] {
        let browser = Browser::new(&site.hospital);
        let url = left(&site, &browser).await;
        let state = parameter(&url, "state").unwrap();
        let nonce = parameter(&url, "nonce").unwrap();
        *provider.answer.lock().unwrap() = json!({ "id_token": token(&identity(&provider, &nonce)) });
        let fields = fields
            .iter()
            .map(|(name, value)| (*name, if *name == "state" && value.is_empty() { state.as_str() } else { value }));
        let fields = fields.collect::<Vec<_>>();
        let stranger = Browser::new(&site.hospital);
        stranger.asks(&site.asked(&[])).await;
        let page = back(if other { &stranger } else { &browser }, &fields).await;
        assert_eq!((page.status, page.header("location")), (status, ""), "{what}: {}", page.text());
        assert!(!page.text().contains("May App do this?") && !page.text().contains("evil"), "{what}");
        // Whatever came of it, the state is used up, where it was sent.
        if fields.contains(&("state", state.as_str())) {
            let page = back(&browser, &[("code", "c"), ("state", &state)]).await;
            assert_eq!(page.status, 400, "{what} again: {}", page.text());
        }
    }
    // Where people log in with a password, nobody is sent anywhere or taken back.
    let plain = site.hospital.beside();
    let browser = Browser::new(&plain);
    let page = browser.asks(&site.asked(&[])).await;
    assert_eq!(browser.on(&page, "/auth/provider", &[]).await.status, 400);
    assert_eq!(back(&browser, &[("code", "c"), ("state", "x")]).await.status, 400);
}
