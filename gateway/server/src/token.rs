//! Bearer tokens: JWTs signed with a key that only this hospital's processes have. Nothing is stored; what a token may
//! do is asked of its client's registration each time. Called by `auth`, `smart::token_endpoint` and `cli`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who issues them: the same for every process and base URL of a hospital, whose key tells it from others.
pub const ISSUER: &str = "chartwell";

/// Longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// The client's id.
    pub sub: String,
    /// The client's id, where SMART looks for it.
    pub client_id: String,
    /// The person or system that acts.
    #[serde(default)]
    pub name: String,
    /// Space-separated SMART v2 scopes.
    pub scope: String,
    /// Seconds since 1970.
    pub iat: u64,
    /// Seconds since 1970.
    pub exp: u64,
    /// Purpose of use, a code of v3-PurposeOfUse; none for treatment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not made here, or changed since: the client asks for a new one.
    #[error("the token was not issued by this server, or was changed")]
    Forged,
    /// Its time is over: the client asks for a new one.
    #[error("the token has expired")]
    Expired,
}

/// Makes a token that is valid from now on for `lifetime`.
#[must_use]
pub fn issue(key: &[u8; 32], client_id: &str, client_name: &str, scope: &str, lifetime: Duration) -> String {
    let iat = now_s();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: client_id.to_owned(),
        client_id: client_id.to_owned(),
        name: client_name.to_owned(),
        scope: scope.to_owned(),
        iat,
        exp: iat + lifetime.as_secs(),
        purpose: None,
    };
    sign(key, &claims)
}

/// Signs claims as they are.
#[must_use]
pub fn sign(key: &[u8; 32], claims: &Claims) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key))
        .expect("claims are text and numbers, and any 32 bytes are a key")
}

/// What a token says, if it was made here and still holds at `now_s` (seconds since 1970).
///
/// # Errors
/// [`TokenError`].
pub fn check(key: &[u8; 32], text: &str, now_s: u64) -> Result<Claims, TokenError> {
    check_with(&DecodingKey::from_secret(key), text, now_s)
}

pub(crate) fn check_with(key: &DecodingKey, text: &str, now_s: u64) -> Result<Claims, TokenError> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Forged);
    }
    let mut validation = Validation::new(Algorithm::HS256);
    // The clock is the caller's, and there is no leeway: both ends are this hospital's.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims = HashSet::new();
    let claims = jsonwebtoken::decode::<Claims>(text, key, &validation).map_err(|_| TokenError::Forged)?.claims;
    if claims.iss != ISSUER {
        return Err(TokenError::Forged);
    }
    if claims.exp <= now_s {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_token_holds_until_it_expires_and_only_as_issued() {
        let token = issue(&KEY, "id", "Ward", "system/*.rs", Duration::from_secs(60));
        let iat = check(&KEY, &token, 0).unwrap().iat;
        let (head, rest) = token.split_once('.').unwrap();
        let (_, mac) = rest.split_once('.').unwrap();
        let claims = check(&KEY, &token, 0).unwrap();
        let other = sign(&[8; 32], &claims);
        let (_, others) = other.split_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIn0";
        let foreign = sign(&KEY, &Claims { iss: "https://example.org".to_owned(), ..claims.clone() });
        for (text, now, wanted) in [
            (token.as_str(), iat, Ok("Ward")),
            (token.as_str(), iat + 59, Ok("Ward")),
            (token.as_str(), iat + 60, Err(TokenError::Expired)),
            (other.as_str(), iat, Err(TokenError::Forged)),
            (foreign.as_str(), iat, Err(TokenError::Forged)),
            (&format!("{none}.{}.", rest.split_once('.').unwrap().0), iat, Err(TokenError::Forged)),
            (
                &format!("{head}.{}.{mac}", others.split_once('.').unwrap().0.replace('a', "b")),
                iat,
                Err(TokenError::Forged),
            ),
            ("", iat, Err(TokenError::Forged)),
            ("a.b.c", iat, Err(TokenError::Forged)),
            (&"a".repeat(TOKEN_BYTES_MAX + 1), iat, Err(TokenError::Forged)),
        ] {
            assert_eq!(
                check(&KEY, text, now).as_ref().map(|claims| claims.name.as_str()).map_err(|error| *error),
                wanted
            );
        }
    }
}
