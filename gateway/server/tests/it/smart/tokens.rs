//! What is taken for a bearer token and what is not: every way to pass something else off as one.
//! RFC 8725 has most of them.

use super::ec;
use crate::hospital::{BASE, Hospital};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use server::token::{self, Claims, Place};
use std::time::Duration;

/// The text of a token over any header and any claims.
fn made(header: &Value, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    let message = format!("{header}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

async fn status(hospital: &Hospital, token: &str) -> u16 {
    hospital.send("GET", "/fhir/Patient", &[("authorization", &format!("Bearer {token}"))], "").await.status
}

#[tokio::test]
async fn only_the_keys_of_this_server_sign_tokens() {
    let hospital = Hospital::open().await;
    let set = hospital.get("/auth/jwks").await.json();
    let public = set["keys"][0].clone();
    let keys = hospital.node.token_keys().await.unwrap();
    let [own, identity] = ["ES384", "RS256"].map(|name| keys.iter().find(|key| key.algorithm == name).unwrap());
    let own_key = EncodingKey::from_ec_der(&own.secret);
    let client = hospital.node.client("ehr").await.unwrap().unwrap();
    let place = Place::of_base(BASE);
    let claims = token::claims(&place, &client, "system/*.rs", Duration::from_secs(60));
    let text = serde_json::to_string(&claims).unwrap();
    let head = json!({ "alg": "ES384", "typ": "at+jwt", "kid": own.kid });
    let with = |name: &str, value: Value| {
        let mut head = head.clone();
        head[name] = value;
        head
    };
    let sign = |head: &Value| made(head, &text, &own_key, Algorithm::ES384);
    let good = sign(&head);
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let none = BASE64URL_NOPAD.encode(with("alg", "none".into()).to_string().as_bytes());
    let payload = BASE64URL_NOPAD.encode(text.as_bytes());
    let x = BASE64URL_NOPAD.decode(public["x"].as_str().unwrap().as_bytes()).unwrap();
    let y = BASE64URL_NOPAD.decode(public["y"].as_str().unwrap().as_bytes()).unwrap();
    let point = [&[4_u8][..], &x, &y].concat();
    let shared = |secret: &[u8], algorithm: Algorithm| {
        let head = with("alg", format!("{algorithm:?}").into());
        made(&head, &text, &EncodingKey::from_secret(secret), algorithm)
    };
    let rsa_pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n",
        data_encoding::BASE64_MIME.encode(&identity.secret)
    );
    let rsa_key = EncodingKey::from_rsa_pem(rsa_pem.as_bytes()).unwrap();
    let mut rsa_head = with("kid", identity.kid.clone().into());
    rsa_head["alg"] = "RS256".into();
    let other = ec();
    let foreign = |head: &Value| made(head, &text, &other.secret, Algorithm::ES384);
    let other_public: Value = serde_json::from_str(&other.public()).unwrap();
    for (what, token, wanted) in [
        ("as issued", good.clone(), 200),
        ("no algorithm", format!("{none}.{payload}."), 401),
        ("no algorithm, a signature", format!("{none}.{payload}.{}", good.rsplit('.').next().unwrap()), 401),
        ("no signature", format!("{unsigned}."), 401),
        ("two parts", unsigned.to_owned(), 401),
        ("four parts", format!("{good}.x"), 401),
        ("the public key as a shared secret", shared(public.to_string().as_bytes(), Algorithm::HS256), 401),
        ("the public point as a shared secret", shared(&point, Algorithm::HS384), 401),
        ("the key's name as a shared secret", shared(own.kid.as_bytes(), Algorithm::HS512), 401),
        ("another's key under this name", foreign(&head), 401),
        ("another's key in the header", foreign(&with("jwk", other_public["keys"][0].clone())), 401),
        ("another's keys at a URL", foreign(&with("jku", "https://evil.example/jwks".into())), 401),
        ("another's certificate at a URL", foreign(&with("x5u", "https://evil.example/c".into())), 401),
        ("no key's name", sign(&with("kid", Value::Null)), 401),
        ("an unknown key", sign(&with("kid", "nobody".into())), 401),
        ("a path as a name", sign(&with("kid", "../../../../dev/null".into())), 401),
        ("SQL as a name", sign(&with("kid", "' OR '1'='1".into())), 401),
        ("a key's name that is no text", sign(&with("kid", json!(["a"]))), 401),
        ("signed as an id_token", made(&rsa_head, &text, &rsa_key, Algorithm::RS256), 401),
        ("of an id_token's type", sign(&with("typ", "JWT".into())), 401),
        ("of no type", sign(&with("typ", Value::Null)), 401),
        ("with what must be understood", sign(&with("crit", json!(["b64"]))), 401),
        ("with a key of its own that is not used", sign(&with("jwk", other_public["keys"][0].clone())), 200),
        ("huge", format!("{good}{}", "a".repeat(token::TOKEN_BYTES_MAX)), 401),
        ("empty", String::new(), 401),
        ("an encrypted one", "e30.e30.e30.e30.e30".to_owned(), 401),
    ] {
        assert_eq!(status(&hospital, &token).await, wanted, "{what}: {token}");
    }
}

#[tokio::test]
async fn a_token_is_from_here_for_here_and_for_now() {
    let hospital = Hospital::open().await;
    let keys = hospital.node.token_keys().await.unwrap();
    let own = keys.iter().find(|key| key.algorithm == "ES384").unwrap();
    let key = EncodingKey::from_ec_der(&own.secret);
    let client = hospital.node.client("ehr").await.unwrap().unwrap();
    let base = token::claims(&Place::of_base(BASE), &client, "system/*.rs", Duration::from_secs(60));
    let operator = Place::of_operator(&hospital.node);
    let now = base.iat;
    let of = |claims: Claims| serde_json::to_string(&claims).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = serde_json::to_value(&base).unwrap();
        claims[name] = value;
        claims.to_string()
    };
    let plain = of(base.clone());
    let twice = |more: &str| format!("{},{more}}}", plain.strip_suffix('}').unwrap());
    let sign = |claims: &str| {
        let head = json!({ "alg": "ES384", "typ": "at+jwt", "kid": own.kid });
        made(&head, claims, &key, Algorithm::ES384)
    };
    for (what, claims, wanted) in [
        ("as issued", plain.clone(), 200),
        (
            "the operator's",
            of(Claims { iss: operator.issuer.clone(), aud: operator.audience.clone(), ..base.clone() }),
            200,
        ),
        ("another issuer", with("iss", "https://evil.example".into()), 401),
        ("the issuer with a slash", with("iss", format!("{BASE}/").into()), 401),
        ("the operator's issuer for a base", with("iss", operator.issuer.clone().into()), 401),
        ("no issuer", with("iss", Value::Null), 401),
        ("another audience", with("aud", "https://evil.example/fhir".into()), 401),
        ("several audiences", with("aud", json!([format!("{BASE}/fhir"), "https://evil.example/fhir"])), 401),
        ("the token endpoint's audience", with("aud", format!("{BASE}/auth/token").into()), 401),
        ("no audience", with("aud", Value::Null), 401),
        ("expired", with("exp", (now - 1).into()), 401),
        ("no end", with("exp", Value::Null), 401),
        ("an end that is text", with("exp", "9999999999".into()), 401),
        ("an end below zero", with("exp", json!(-1)), 401),
        ("not yet", with("nbf", (now + 3600).into()), 401),
        ("no name of its own", with("jti", Value::Null), 401),
        ("another client", with("client_id", "nobody".into()), 401),
        ("a client's name for its id", with("client_id", "ehr".into()), 401),
        ("two scopes claims", twice("\"scope\":\"system/*.cruds\""), 401),
        ("two ends", twice("\"exp\":9999999999"), 401),
        ("two clients", twice("\"client_id\":\"x\""), 401),
        ("no claims", "{}".to_owned(), 401),
        ("a list", "[]".to_owned(), 401),
        ("no JSON", "x".to_owned(), 401),
    ] {
        assert_eq!(status(&hospital, &sign(&claims)).await, wanted, "{what}: {claims}");
    }
}

/// What a scope for one patient does not reach is as if it were not there; a list of versions needs the whole.
#[tokio::test]
async fn a_scope_for_one_patient_opens_no_others() {
    let hospital = Hospital::open().await;
    let id = hospital.create(r#"{"resourceType":"Patient"}"#).await;
    let all = "system/*.cruds user/*.cruds patient/*.cruds";
    let client = hospital.node.add_client("app", all, None).await.unwrap();
    let base = token::claims(&Place::of_base(BASE), &client, "", Duration::from_secs(60));
    for (scope, user, wanted) in [
        ("patient/*.rs", None, [404, 200, 403]),
        ("patient/*.cruds", Some("Practitioner/1"), [404, 200, 403]),
        ("user/*.rs", Some("Patient/1"), [404, 200, 403]),
        ("user/*.rs", Some("RelatedPerson/1"), [404, 200, 403]),
        // Who is not said to be staff may be a patient.
        ("user/*.rs", None, [404, 200, 403]),
        ("user/*.rs", Some("Person/1"), [404, 200, 403]),
        ("user/*.rs", Some("Practitioner/1/"), [404, 200, 403]),
        ("user/*.rs", Some("Practitioner/1"), [200; 3]),
        ("system/*.rs", None, [200; 3]),
        ("openid fhirUser launch/patient", None, [403; 3]),
    ] {
        let claims = Claims {
            scope: scope.to_owned(),
            patient: Some("1".to_owned()),
            fhir_user: user.map(str::to_owned),
            ..base.clone()
        };
        let token = token::sign(&hospital.node, &claims).await.unwrap();
        let bearer = format!("Bearer {token}");
        let paths = [format!("/fhir/Patient/{id}"), "/fhir/Patient".to_owned(), "/fhir/_history".to_owned()];
        for (path, wanted) in paths.iter().zip(wanted) {
            let answered = hospital.send("GET", path, &[("authorization", &bearer)], "").await;
            assert_eq!(answered.status, wanted, "{scope} of {user:?}, {path}: {}", answered.text());
            let shown = answered.text().contains(&format!("\"id\":\"{id}\""));
            assert_eq!(
                shown,
                wanted == 200 && (scope.contains("system/") || scope.contains("user/") && !narrowed(user)),
                "{scope} of {user:?}, {path}"
            );
        }
        let body = r#"{"resourceType":"Patient"}"#;
        let written = hospital.send("POST", "/fhir/Patient", &[("authorization", &bearer)], body).await;
        assert_eq!(written.status, 403, "{scope} of {user:?}: {}", written.text());
    }
}

fn narrowed(user: Option<&str>) -> bool {
    user != Some("Practitioner/1")
}
