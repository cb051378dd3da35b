//! A client's assertion of who it is: a JWT signed with its own key, good once and for five minutes. Called by
//! `authenticate`. Spec: <https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html>.

use crate::app::App;
use crate::smart::jwks::KeyError;
use crate::token::{TOKEN_BYTES_MAX, now_s};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use node::NodeError;
use node::clients::{Auth, Client};
use serde::Deserialize;
use std::collections::HashSet;

/// How far ahead an assertion may expire, as SMART says.
const AHEAD_S_MAX: u64 = 300;

/// How far a client's clock may be behind or ahead.
const SKEW_S_MAX: u64 = 10;

/// Longest `jti`.
const JTI_BYTES_MAX: usize = 256;

/// Why an assertion is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssertionError {
    /// The client may be told; it says nothing about which clients there are.
    #[error("{0}")]
    Refused(&'static str),
    /// The client's keys cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Node(#[from] NodeError),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    jti: String,
    #[serde(default)]
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The client that an assertion proves to be here.
///
/// # Errors
/// [`AssertionError`]; the assertion is used up only if it is good.
pub(crate) async fn client(app: &App, text: &str) -> Result<Client, AssertionError> {
    let refused = AssertionError::Refused;
    if text.len() > TOKEN_BYTES_MAX {
        return Err(refused("the assertion is too long"));
    }
    let header = jsonwebtoken::decode_header(text).map_err(|_| refused("the assertion is no JWT"))?;
    let algorithm = match header.alg {
        Algorithm::RS384 | Algorithm::ES384 => header.alg,
        _ => return Err(refused("the assertion must be signed with RS384 or ES384")),
    };
    let name = header.kid.ok_or(refused("the assertion's header has no kid"))?;
    let said: Claims = jsonwebtoken::dangerous::insecure_decode_claims(text).map_err(|_| refused(MISSING))?;
    if said.iss != said.sub {
        return Err(refused("iss and sub of an assertion must both be the client's id"));
    }
    let client = app.node.approved_client(&said.sub).await?.filter(|client| client.auth == Auth::Key);
    let client = client.ok_or(refused("the client is not registered"))?;
    let key = app.key_sets.key(&client.jwks, &name).await?;
    let key = DecodingKey::from_jwk(&key).map_err(|_| refused("the client's key cannot be used"))?;
    let mut validation = Validation::new(algorithm);
    // Times and audience are checked below, by one clock and one rule.
    (validation.validate_exp, validation.validate_aud, validation.required_spec_claims) =
        (false, false, HashSet::new());
    let claims = jsonwebtoken::decode::<Claims>(text, &key, &validation);
    let claims = claims.map_err(|_| refused("the assertion's signature does not verify"))?.claims;
    check(&claims, &app.token_url, now_s()).map_err(refused)?;
    // Two clients may choose the same jti.
    let jti = format!("{} {}", client.id, claims.jti);
    let expires = i64::try_from(claims.exp.saturating_add(SKEW_S_MAX)).unwrap_or(i64::MAX);
    if !app.node.use_assertion(&jti, expires).await? {
        return Err(refused("the assertion was used before"));
    }
    Ok(client)
}

const MISSING: &str = "an assertion needs iss, sub, aud, exp and jti";

fn check(claims: &Claims, audience: &str, now: u64) -> Result<(), &'static str> {
    let meant = match &claims.aud {
        Audience::One(one) => one == audience,
        Audience::Several(several) => several.iter().any(|one| one == audience),
    };
    if !meant {
        return Err("the assertion's aud is not this token endpoint");
    }
    if claims.exp.saturating_add(SKEW_S_MAX) <= now {
        return Err("the assertion has expired");
    }
    if claims.exp > now + AHEAD_S_MAX + SKEW_S_MAX {
        return Err("the assertion expires more than five minutes from now");
    }
    if claims.nbf.is_some_and(|start| start > now + SKEW_S_MAX) {
        return Err("the assertion is not valid yet");
    }
    if claims.jti.is_empty() || claims.jti.len() > JTI_BYTES_MAX {
        return Err("the assertion's jti must have 1 to 256 bytes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_for_here_and_now() {
        let here = || Audience::One("here".to_owned());
        let good = || Claims { iss: "c".into(), sub: "c".into(), aud: here(), exp: 1300, jti: "j".into(), nbf: None };
        row(good(), true);
        row(Claims { aud: Audience::Several(vec!["x".into(), "here".into()]), ..good() }, true);
        row(Claims { aud: Audience::One("there".into()), ..good() }, false);
        row(Claims { exp: 989, ..good() }, false);
        row(Claims { exp: 991, ..good() }, true);
        row(Claims { exp: 1311, ..good() }, false);
        row(Claims { nbf: Some(1011), ..good() }, false);
        row(Claims { nbf: Some(1010), ..good() }, true);
        row(Claims { jti: String::new(), ..good() }, false);
        row(Claims { jti: "j".repeat(257), ..good() }, false);
        row(Claims { exp: u64::MAX - 5, ..good() }, false);
    }

    fn row(claims: Claims, wanted: bool) {
        assert_eq!(check(&claims, "here", 1000).is_ok(), wanted, "{} {:?}", claims.exp, claims.nbf);
    }
}
