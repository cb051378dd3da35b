//! The kit's group `OpenID Connect`.

use super::{ORIGIN, site};
use crate::hospital::BASE;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

#[tokio::test]
async fn openid_connect() {
    let site = site().await;
    for (who, kind) in [("doctor", "Practitioner"), ("ada", "Patient"), ("parent", "RelatedPerson")] {
        let scope = "launch/patient openid fhirUser patient/*.rs user/*.rs";
        let code = site.code(who, &[("scope", scope)], &site.ada).await;
        let json = site.exchanged(&code).await.json();
        let token = json["id_token"].as_str().unwrap();

        let title = "ID token can be decoded";
        let header = jsonwebtoken::decode_header(token).unwrap_or_else(|error| panic!("{title}: {error}"));
        let said: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();

        let title = "OpenID Connect well-known configuration can be retrieved";
        let issuer = said["iss"].as_str().unwrap();
        assert_eq!(issuer, BASE, "{title}: it is found behind the issuer");
        let answered =
            site.hospital.send("GET", "/.well-known/openid-configuration", &[("authorization", "")], "").await;
        assert_eq!((answered.status, answered.header("content-type")), (200, "application/json"), "{title}");
        let configuration = answered.json();

        let title = "OpenID Connect well-known configuration contains all required fields";
        for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
            assert!(configuration[name].is_string(), "{title}: {name}: {configuration}");
        }
        for name in ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"] {
            assert!(configuration[name].is_array(), "{title}: {name}: {configuration}");
        }
        let algorithms = configuration["id_token_signing_alg_values_supported"].as_array().unwrap();
        assert!(algorithms.contains(&"RS256".into()), "{title}: RS256 is supported");

        let title = "JWKS can be retrieved";
        let path = configuration["jwks_uri"].as_str().unwrap().strip_prefix(BASE).unwrap();
        let answered = site.hospital.send("GET", path, &[("authorization", "")], "").await;
        assert_eq!(answered.status, 200, "{title}");
        let keys = answered.json()["keys"].as_array().unwrap().clone();
        let rsa = keys.iter().filter(|key| key["kty"] == "RSA").cloned().collect::<Vec<_>>();
        assert!(!rsa.is_empty(), "{title}: it has RSA keys");
        let set: JwkSet = serde_json::from_value(serde_json::json!({ "keys": rsa })).unwrap();

        let title = "ID token header contains required information";
        assert_eq!(header.alg, Algorithm::RS256, "{title}: it is signed with RS256");
        let kid = header.kid.unwrap_or_else(|| panic!("{title}: it names its key"));
        let key = set.find(&kid).unwrap_or_else(|| panic!("{title}: the key is published"));

        let title = "ID token payload has required claims and a valid signature";
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&site.app.id]);
        validation.set_issuer(&[issuer]);
        let payload = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation);
        let payload = payload.unwrap_or_else(|error| panic!("{title}: {error}")).claims;
        for name in ["iss", "sub", "aud", "exp", "iat"] {
            assert!(!payload[name].is_null(), "{title}: {name}: {payload}");
        }
        let subject = payload["sub"].as_str().unwrap().len();
        assert!((1..256).contains(&subject), "{title}: sub has 1 to 255 characters");

        let title = "FHIR resource representing the current user can be retrieved";
        let user = payload["fhirUser"].as_str().unwrap_or_else(|| panic!("{title}: {payload}"));
        let path = user.strip_prefix(BASE).unwrap_or_else(|| panic!("{title}: it is here: {user}"));
        assert!(path.starts_with(&format!("/fhir/{kind}/")), "{title}: {user}");
        let bearer = format!("Bearer {}", json["access_token"].as_str().unwrap());
        let read = site.hospital.send("GET", path, &[("authorization", &bearer), ("origin", ORIGIN)], "").await;
        assert_eq!(read.status, 200, "{title}: {path} {}", read.text());
        assert_eq!(read.json()["resourceType"], kind, "{title}");

        let title = "SMART FHIR User REST API Endpoint Enables Cross-Origin Resource Sharing (CORS)";
        assert!([ORIGIN, "*"].contains(&read.header("access-control-allow-origin")), "{title}");
    }
}
