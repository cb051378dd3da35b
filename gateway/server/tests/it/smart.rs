//! SMART: how tokens are had and what is taken for one. Each file has the rows of one endpoint; what they share is here.
//! <https://hl7.org/fhir/smart-app-launch/>

mod authorize;
mod backend;
mod clients;
mod codes;
mod external;
mod keys;
mod kit;
mod launch;
mod mark;
mod provider;
mod registration;
mod site;
mod tokens;
mod userinfo;

use crate::hospital::{Answered, BASE, Hospital};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

pub const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded"), ("authorization", "")];

pub struct Key {
    secret: EncodingKey,
    algorithm: Algorithm,
}

pub fn rsa() -> Key {
    let secret = EncodingKey::from_rsa_pem(include_bytes!("../data/rsa-for-tests-only.pem")).unwrap();
    Key { secret, algorithm: Algorithm::RS384 }
}

pub fn ec() -> Key {
    let secret = EncodingKey::from_ec_pem(include_bytes!("../data/ec-for-tests-only.pem")).unwrap();
    Key { secret, algorithm: Algorithm::ES384 }
}

impl Key {
    pub fn public(&self) -> String {
        let mut jwk = Jwk::from_encoding_key(&self.secret, self.algorithm).unwrap();
        jwk.common.key_id = Some("k".to_owned());
        serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap()
    }

    pub fn assertion(&self, claims: &Value) -> String {
        let header = Header { kid: Some("k".to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.secret).unwrap()
    }
}

pub fn claims(client: &str, jti: &str, ahead: i64) -> Value {
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    json!({ "iss": client, "sub": client, "aud": format!("{BASE}/auth/token"), "exp": now + ahead, "jti": jti })
}

pub async fn ask(hospital: &Hospital, assertion: &str, scope: &str) -> Answered {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = format!(
        "grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}&scope={scope}"
    );
    hospital.send("POST", "/auth/token", FORM, form).await
}

#[tokio::test]
async fn discovery_says_where_and_how() {
    let hospital = Hospital::open().await;
    let json = hospital.get("/fhir/.well-known/smart-configuration").await.json();
    assert_eq!(json, hospital.get("/.well-known/smart-configuration").await.json());
    assert_eq!(json["token_endpoint"], format!("{BASE}/auth/token"));
    for (name, path) in
        [("jwks_uri", "jwks"), ("introspection_endpoint", "introspect"), ("revocation_endpoint", "revoke")]
    {
        assert_eq!(json[name], format!("{BASE}/auth/{path}"));
    }
    let capabilities = json["capabilities"].as_array().unwrap();
    for works in ["permission-patient", "permission-user", "launch-ehr", "launch-standalone"] {
        assert!(capabilities.contains(&works.into()), "{works}");
    }
    let ways = json!(["private_key_jwt", "client_secret_basic", "client_secret_post"]);
    assert_eq!(json["token_endpoint_auth_methods_supported"], ways);
}
