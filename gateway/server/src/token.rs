//! Bearer tokens: JWTs signed with keys that only this hospital's processes have. What a token may do is asked of its
//! client's registration each time. Called by `auth`, `smart` and `cli`.
//! Spec: RFC 9068, with the claims of <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>.

use crate::smart::signing::{ACCESS, Signing};
pub use crate::smart::signing::{Listed, list, rotate};
use jsonwebtoken::{Header, Validation};
use node::clients::Client;
use node::{Node, NodeError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Longest life of a token, which is that of the command line's: so long a key verifies after another took its place.
pub const LIFETIME_MAX: Duration = Duration::from_secs(12 * 3600);

/// The media type of an access token: no other signed thing of this server is taken for one.
const TYPE: &str = "at+jwt";

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: [`Place::issuer`].
    pub iss: String,
    /// What it is for: [`Place::audience`].
    pub aud: String,
    /// The person; the client's id where there is none.
    pub sub: String,
    /// The client's id.
    pub client_id: String,
    /// The token's own name, by which it is revoked.
    pub jti: String,
    /// The person or system that acts.
    #[serde(default)]
    pub name: String,
    /// Space-separated SMART scopes.
    pub scope: String,
    /// Seconds since 1970.
    pub iat: u64,
    /// Seconds since 1970.
    pub exp: u64,
    /// Purpose of use, a code of v3-PurposeOfUse; none for treatment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The id of the Patient it was launched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The person's own resource, such as `Practitioner/7`.
    #[serde(default, rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
    /// What a person allowed, by which all its tokens are revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}

/// Who issues tokens, and what they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

impl Place {
    /// Of tokens that clients ask for at a base URL.
    #[must_use]
    pub fn of_base(base_url: &str) -> Self {
        Self { issuer: base_url.to_owned(), audience: format!("{base_url}/fhir") }
    }

    /// Of tokens that the operator prints: for every base URL of the hospital, since no gateway need run yet.
    #[must_use]
    pub fn of_operator(node: &Node) -> Self {
        let name = format!("urn:chartwell:{}", node.identity().id());
        Self { issuer: name.clone(), audience: name }
    }
}

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It was not made here or not for here, or changed since: the client asks for a new one.
    #[error("the token was not issued by this server for this server, or was changed")]
    Forged,
    /// Its time is over: the client asks for a new one.
    #[error("the token has expired")]
    Expired,
    /// Who issues tokens does not answer: try again later.
    #[error("the issuer of tokens cannot be reached: {0}")]
    Away(String),
    /// The keys cannot be had: try again later.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A token of the operator's for a client, valid from now on for `lifetime`, [`LIFETIME_MAX`] at most.
///
/// # Errors
/// The store's.
pub async fn issue(node: &Node, client: &Client, lifetime: Duration) -> Result<String, NodeError> {
    sign(node, &claims(&Place::of_operator(node), client, &client.scope, lifetime)).await
}

/// The claims of a client that acts for itself, valid from now on for `lifetime`, [`LIFETIME_MAX`] at most.
#[must_use]
pub fn claims(place: &Place, client: &Client, scope: &str, lifetime: Duration) -> Claims {
    let iat = now_s();
    Claims {
        iss: place.issuer.clone(),
        aud: place.audience.clone(),
        sub: client.id.clone(),
        client_id: client.id.clone(),
        jti: node::clock::fresh_id(),
        name: client.name.clone(),
        scope: scope.to_owned(),
        iat,
        exp: iat + lifetime.min(LIFETIME_MAX).as_secs(),
        ..Claims::default()
    }
}

/// Signs claims as they are.
///
/// # Errors
/// The store's.
pub async fn sign(node: &Node, claims: &Claims) -> Result<String, NodeError> {
    sign_with(&Signing::default(), node, claims).await
}

pub(crate) async fn sign_with(signing: &Signing, node: &Node, claims: &Claims) -> Result<String, NodeError> {
    let key = signing.newest(node, ACCESS).await?;
    let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.kid.clone()), ..Header::new(key.algorithm) };
    jsonwebtoken::encode(&header, claims, key.encoding())
        .map_err(|_| NodeError::Internal("a token that cannot be signed"))
}

/// What a token says, if it was made here for one of `places`, and the name of the key that says so. Its time is not looked
/// at: that is [`Claims::check_time`].
///
/// # Errors
/// [`TokenError`].
pub(crate) async fn verify(
    signing: &Signing,
    node: &Node,
    places: &[Place],
    text: &str,
) -> Result<(Claims, String), TokenError> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Forged);
    }
    let header = jsonwebtoken::decode_header(text).map_err(|_| TokenError::Forged)?;
    let kid = header.kid.filter(|_| header.typ.as_deref() == Some(TYPE) && header.crit.is_none());
    let kid = kid.ok_or(TokenError::Forged)?;
    let key = signing.find(node, &kid).await?.filter(|key| key.algorithm == ACCESS).ok_or(TokenError::Forged)?;
    // The algorithm is the key's, never the token's; nothing else its header names is looked at.
    let mut validation = Validation::new(key.algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims = HashSet::new();
    (validation.validate_nbf, validation.leeway) = (true, 0);
    let claims =
        jsonwebtoken::decode::<Claims>(text, &key.decoding, &validation).map_err(|_| TokenError::Forged)?.claims;
    if !places.iter().any(|place| place.issuer == claims.iss && place.audience == claims.aud) {
        return Err(TokenError::Forged);
    }
    Ok((claims, kid))
}

impl Claims {
    /// Whether a token holds at `now_s` (seconds since 1970). There is no leeway: both ends are this hospital's.
    ///
    /// # Errors
    /// [`TokenError::Expired`].
    pub(crate) fn check_time(&self, now_s: u64) -> Result<(), TokenError> {
        if self.exp <= now_s { Err(TokenError::Expired) } else { Ok(()) }
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_when_it_says() {
        let row = |exp: u64, now: u64, wanted: bool| {
            assert_eq!(Claims { exp, ..Claims::default() }.check_time(now).is_ok(), wanted, "{exp} at {now}");
        };
        row(60, 59, true);
        row(60, 60, false);
        row(60, 61, false);
        row(0, 0, false);
        row(u64::MAX, u64::MAX - 1, true);
    }
}
