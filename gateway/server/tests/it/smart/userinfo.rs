//! Who the person is, for an app that may know. OpenID Connect Core section 5.3, RFC 6750 section 3.1.

use super::site::Site;
use crate::hospital::{Answered, BASE};
use server::token::{self, Claims, Place};
use std::time::Duration;

async fn asked(site: &Site, method: &str, authorization: &str) -> Answered {
    site.hospital.send(method, "/auth/userinfo", &[("authorization", authorization)], "").await
}

async fn token(site: &Site, scope: &str) -> (String, String) {
    let code = site.code("doctor", &[("scope", scope)], &site.ada).await;
    let json = site.exchanged(&code).await.json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (text("access_token"), text("id_token"))
}

#[tokio::test]
async fn an_app_is_told_who_let_it_in() {
    let site = Site::open().await;
    for name in ["/.well-known/openid-configuration", "/fhir/.well-known/smart-configuration"] {
        assert_eq!(site.hospital.get(name).await.json()["userinfo_endpoint"], format!("{BASE}/auth/userinfo"));
    }
    let (access, identity) = token(&site, "patient/*.rs launch/patient openid fhirUser").await;
    let identity: serde_json::Value = jsonwebtoken::dangerous::insecure_decode_claims(&identity).unwrap();
    for method in ["GET", "POST"] {
        let told = asked(&site, method, &format!("Bearer {access}")).await;
        assert_eq!((told.status, told.header("content-type")), (200, "application/json"), "{}", told.text());
        assert_eq!(told.header("cache-control"), "no-store");
        let json = told.json();
        assert_eq!((&json["sub"], &json["fhirUser"]), (&identity["sub"], &identity["fhirUser"]), "{method}");
        assert_eq!(json.as_object().unwrap().len(), 2, "and nothing else: {json}");
    }
    let (nameless, _) = token(&site, "patient/*.rs launch/patient openid").await;
    let json = asked(&site, "GET", &format!("Bearer {nameless}")).await.json();
    assert_eq!((&json["sub"], json.as_object().unwrap().len()), (&identity["sub"], 1), "{json}");
    // Once it is taken back, nothing is told; and the person may be kept out.
    let person = site.hospital.node.person("doctor").await.unwrap().unwrap();
    site.hospital.node.disable_person(&person.id).await.unwrap();
    assert_eq!(asked(&site, "GET", &format!("Bearer {access}")).await.status, 401);
}

#[tokio::test]
async fn whoever_may_not_know_is_told_why() {
    let site = Site::open().await;
    let (access, identity) = token(&site, "patient/*.rs launch/patient").await;
    let (of_openid, _) = token(&site, "patient/*.rs launch/patient openid").await;
    let (message, _) = of_openid.rsplit_once('.').unwrap();
    let system = site.hospital.token.clone();
    let claims = Claims { scope: "openid".into(), ..of_app(&site, 3600) };
    let nobodys = token::sign(&site.hospital.node, &claims).await.unwrap();
    let over = Claims { scope: "openid".into(), grant: Some("g".into()), ..of_app(&site, 0) };
    let over = token::sign(&site.hospital.node, &over).await.unwrap();
    for (what, authorization, status, error) in [
        ("no token", String::new(), 401, "Bearer realm=\"fhir\""),
        ("none", "Bearer".to_owned(), 401, "invalid_request"),
        ("a password", "Basic YTpi".to_owned(), 401, "invalid_request"),
        ("another signature", format!("Bearer {message}.AAAA"), 401, "invalid_token"),
        ("over", format!("Bearer {over}"), 401, "invalid_token"),
        ("an id_token", format!("Bearer {identity}x"), 401, "invalid_token"),
        ("without openid", format!("Bearer {access}"), 403, "insufficient_scope"),
        ("a system's", format!("Bearer {system}"), 403, "insufficient_scope"),
        ("nobody's", format!("Bearer {nobodys}"), 403, "insufficient_scope"),
    ] {
        for method in ["GET", "POST"] {
            let told = asked(&site, method, &authorization).await;
            let challenge = told.header("www-authenticate");
            assert_eq!(told.status, status, "{what}: {}", told.text());
            assert!(challenge.starts_with("Bearer ") && challenge.contains(error), "{what}: {challenge}");
            assert!(!told.text().contains("sub\""), "{what}: {}", told.text());
        }
    }
    // A token in the URL is none.
    let named = format!("/auth/userinfo?access_token={of_openid}");
    assert_eq!(site.hospital.send("GET", &named, &[("authorization", "")], "").await.status, 401);
    assert_eq!(site.hospital.send("PUT", "/auth/userinfo", &[], "").await.status, 405);
}

fn of_app(site: &Site, seconds: u64) -> Claims {
    token::claims(&Place::of_base(BASE), &site.app, "", Duration::from_secs(seconds))
}
