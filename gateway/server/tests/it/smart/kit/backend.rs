//! The kit's group `SMART Backend Services Authorization`.

use super::super::site::form;
use super::super::{FORM, claims, ec, rsa};
use super::{is_token_response, keeps_nothing};
use crate::hospital::Hospital;

const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[tokio::test]
async fn backend_services() {
    let hospital = Hospital::open().await;
    for (name, key) in [("RS384", rsa()), ("ES384", ec())] {
        let client = hospital.node.add_client(name, "system/*.rs", Some(key.public())).await.unwrap();
        let asked = async |jti: &str, grant: &str, kind: &str, other: &str| {
            let issuer = if other.is_empty() { client.id.as_str() } else { other };
            let assertion = key.assertion(&claims(issuer, jti, 300));
            let fields = [
                ("grant_type", grant),
                ("client_assertion_type", kind),
                ("client_assertion", assertion.as_str()),
                ("scope", "system/*.rs"),
            ];
            hospital.send("POST", "/auth/token", FORM, form(&fields)).await
        };

        let title = "Authorization request fails when client supplies invalid grant_type";
        let answered = asked("a", "not_a_grant_type", JWT, "").await;
        assert_eq!(answered.status, 400, "{title}: {}", answered.text());
        assert!(answered.json()["error"].is_string(), "{title}: and says which error: {}", answered.text());

        let title = "Authorization request fails when supplied invalid client_assertion_type";
        let answered = asked("b", "client_credentials", "not_an_assertion_type", "").await;
        assert!([400, 401].contains(&answered.status), "{title}: {}", answered.text());

        let title = "Authorization request fails when client supplies invalid JWT token";
        let answered = asked("c", "client_credentials", JWT, "not_an_iss").await;
        assert!([400, 401].contains(&answered.status), "{title}: {}", answered.text());

        let title = "Authorization request succeeds when supplied correct information";
        let answered = asked("d", "client_credentials", JWT, "").await;
        assert!([200, 201].contains(&answered.status), "{title}: {}", answered.text());

        let title = "Authorization request response body contains required information encoded in JSON";
        let json = is_token_response(&answered, title);
        assert!(json["refresh_token"].is_null(), "{title}: a system asks again instead");
        keeps_nothing(&answered, title);
        let bearer = format!("Bearer {}", json["access_token"].as_str().unwrap());
        let read = hospital.send("GET", "/fhir/Patient", &[("authorization", &bearer)], "").await;
        assert_eq!(read.status, 200, "{title}: and the token opens what it says");
    }
}
