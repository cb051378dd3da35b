//! The kit's group `Token Introspection`: issued to whoever may ask of any token, compared with what the app was told.

use super::super::FORM;
use super::super::site::form;
use super::{scopes, site};
use crate::hospital::BASE;
use data_encoding::BASE64;
use node::clients::{Auth, INTROSPECT, NewClient};
use serde_json::Value;

#[tokio::test]
async fn token_introspection() {
    let site = site().await;
    let rights = vec![INTROSPECT.to_owned()];
    let server = NewClient { auth: Auth::Secret, rights, ..NewClient::system("Server", "system/*.rs", "") };
    let (server, secret) = site.hospital.node.register_client(&server).await.unwrap();
    let basic = format!("Basic {}", BASE64.encode(format!("{}:{}", server.id, secret.unwrap()).as_bytes()));
    let configuration = site.hospital.get("/fhir/.well-known/smart-configuration").await.json();
    let path = configuration["introspection_endpoint"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    let asked = async |token: &str| {
        let headers = [FORM[0], ("authorization", basic.as_str()), ("accept", "application/json")];
        site.hospital.send("POST", &path, &headers, form(&[("token", token)])).await
    };
    let scope = "launch/patient openid fhirUser offline_access patient/*.rs";
    let code = site.code("doctor", &[("scope", scope)], &site.ada).await;
    let given = site.exchanged(&code).await.json();

    let title = "Token introspection endpoint returns a response when provided an active token";
    let answered = asked(given["access_token"].as_str().unwrap()).await;
    assert_eq!(answered.status, 200, "{title}: {}", answered.text());
    assert!(answered.header("content-type").starts_with("application/json"), "{title}: as JSON");

    let title = "Token introspection response for an active token contains required fields";
    let told = answered.json();
    assert_eq!(told["active"], true, "{title}: it is active");
    assert_eq!(told["client_id"], site.app.id.as_str(), "{title}: client_id");
    assert_eq!(scopes(&told["scope"]), scopes(&given["scope"]), "{title}: scope");
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    assert!(told["exp"].as_i64().is_some_and(|exp| exp >= now - 600), "{title}: exp is not over: {told}");
    assert_eq!(told["patient"], given["patient"], "{title}: patient");
    let identity: Value = jsonwebtoken::dangerous::insecure_decode_claims(given["id_token"].as_str().unwrap()).unwrap();
    for name in ["iss", "sub", "fhirUser"] {
        assert!(identity[name].is_string() && told[name] == identity[name], "{title}: {name}: {told} {identity}");
    }

    let title = "Token introspection endpoint returns a response when provided an invalid token";
    let answered = asked("invalid_token_value").await;
    assert_eq!(answered.status, 200, "{title}: {}", answered.text());

    let title = "Token introspection response for an invalid token contains required fields";
    assert_eq!(answered.json(), serde_json::json!({ "active": false }), "{title}: and nothing else");
}
