//! Tokens of an issuer elsewhere, where the gateway is a resource server only: its keys by discovery, cached, fetched again
//! for a name that is not known, at a limited rate. Called by `auth`, `discovery` and `authorize::provider`.
//! Spec: RFC 8414, OpenID Connect Discovery, RFC 9068, RFC 8725.

use crate::smart::jwks::{self, KeyError};
use crate::token::{Claims, TOKEN_BYTES_MAX, TokenError, now_s};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long what an issuer said is used before it is asked again: a key that it withdraws is honoured so long at most.
const KEPT: Duration = Duration::from_secs(600);

/// How long it is used where the issuer does not answer: a moment without it must not keep everybody out.
const STALE_MAX: Duration = Duration::from_secs(3600);

/// How often the issuer is asked at most: somebody who guesses names of keys must not make this server knock at its door.
const AGAIN: Duration = Duration::from_secs(2);

/// How far the issuer's clock may be behind or ahead.
const SKEW_S: u64 = 10;

/// Who issues tokens elsewhere, and what they must be for.
pub(crate) struct External {
    issuer: String,
    audience: String,
    known: Mutex<Option<Arc<Known>>>,
    /// When the issuer was last asked; held while it is, so that one asks for all.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

/// What is known of an issuer.
pub(crate) struct Known {
    at: Instant,
    /// Its discovery document.
    pub(crate) document: Value,
    keys: JwkSet,
}

#[derive(Deserialize)]
struct Foreign {
    iss: String,
    aud: OneOrMore,
    exp: u64,
    #[serde(default)]
    iat: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    jti: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    scope: Option<OneOrMore>,
    #[serde(default)]
    scp: Option<OneOrMore>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    patient: Option<String>,
    #[serde(default, rename = "fhirUser")]
    fhir_user: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    iss: String,
    sub: String,
    aud: OneOrMore,
    exp: u64,
    nonce: String,
    #[serde(default)]
    azp: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::More(more) => more.iter().any(|one| one == wanted),
        }
    }

    fn joined(self) -> String {
        match self {
            Self::One(one) => one,
            Self::More(more) => more.join(" "),
        }
    }
}

impl External {
    pub(crate) fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            known: Mutex::default(),
            asked: tokio::sync::Mutex::default(),
        }
    }

    /// What a token says, if the issuer made it for here and it holds now; and the name of its key.
    ///
    /// # Errors
    /// [`TokenError`]; [`TokenError::Away`] where the issuer was never heard.
    pub(crate) async fn verify(&self, text: &str) -> Result<(Claims, String), TokenError> {
        let (said, kid) = self.said::<Foreign>(text, &["jwt", "at+jwt", "application/at+jwt"]).await?;
        Ok((self.claims(said, now_s())?, kid))
    }

    /// Who an id_token says is there: the issuer's name of the person, which is given to nobody else.
    ///
    /// # Errors
    /// As [`External::verify`].
    pub(crate) async fn verify_identity(&self, text: &str, nonce: &str) -> Result<String, TokenError> {
        let (said, _) = self.said::<Identified>(text, &["jwt"]).await?;
        let alone = match &said.aud {
            OneOrMore::One(_) => true,
            OneOrMore::More(more) => more.len() == 1 || said.azp.is_some(),
        };
        let meant = alone && said.aud.has(&self.audience) && said.azp.is_none_or(|azp| azp == self.audience);
        if said.iss != self.issuer || !meant || said.nonce != nonce || said.sub.is_empty() {
            return Err(TokenError::Forged);
        }
        if said.exp.saturating_add(SKEW_S) <= now_s() {
            return Err(TokenError::Expired);
        }
        Ok(said.sub)
    }

    /// What a signed text of one of these types says, and the name of its key.
    async fn said<T: DeserializeOwned>(&self, text: &str, types: &[&str]) -> Result<(T, String), TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Forged);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| TokenError::Forged)?;
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let ours = types.contains(&kind.as_str()) && header.crit.is_none();
        let kid = header.kid.filter(|_| ours).ok_or(TokenError::Forged)?;
        let key = self.key(&kid).await?.ok_or(TokenError::Forged)?;
        if !fits(&key, header.alg) {
            return Err(TokenError::Forged);
        }
        let decoding = DecodingKey::from_jwk(&key).map_err(|_| TokenError::Forged)?;
        let mut validation = Validation::new(header.alg);
        // Times and audience are checked by who asks, by one clock and one rule.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims = HashSet::new();
        let said = jsonwebtoken::decode::<T>(text, &decoding, &validation).map_err(|_| TokenError::Forged)?;
        Ok((said.claims, kid))
    }

    fn claims(&self, said: Foreign, now: u64) -> Result<Claims, TokenError> {
        if said.iss != self.issuer || !said.aud.has(&self.audience) || said.nbf.is_some_and(|nbf| nbf > now + SKEW_S) {
            return Err(TokenError::Forged);
        }
        if said.exp.saturating_add(SKEW_S) <= now {
            return Err(TokenError::Expired);
        }
        let client_id = said.client_id.or(said.azp).filter(|id| !id.is_empty()).ok_or(TokenError::Forged)?;
        let scope = said.scope.or(said.scp).map(OneOrMore::joined).unwrap_or_default();
        Ok(Claims {
            iss: said.iss,
            aud: self.audience.clone(),
            sub: said.sub,
            client_id,
            jti: said.jti,
            name: said.name,
            scope,
            iat: said.iat,
            exp: said.exp.saturating_add(SKEW_S),
            purpose: None,
            patient: said.patient,
            fhir_user: said.fhir_user,
            grant: None,
        })
    }

    /// Whether a key still counts.
    pub(crate) async fn knows(&self, kid: &str) -> Result<bool, TokenError> {
        Ok(self.key(kid).await?.is_some())
    }

    async fn key(&self, kid: &str) -> Result<Option<Jwk>, TokenError> {
        let find = |known: &Known| known.keys.find(kid).cloned();
        match find(&*self.known(KEPT).await?) {
            Some(key) => Ok(Some(key)),
            None => Ok(find(&*self.known(AGAIN).await?)),
        }
    }

    /// What the issuer said, no older than `age_max` where it answers.
    ///
    /// # Errors
    /// [`TokenError::Away`] where nothing, or nothing fresh enough, is known.
    pub(crate) async fn discovered(&self) -> Result<Arc<Known>, TokenError> {
        self.known(KEPT).await
    }

    async fn known(&self, age_max: Duration) -> Result<Arc<Known>, TokenError> {
        let kept = |most: Duration| {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            known.filter(|known| known.at.elapsed() < most)
        };
        if let Some(known) = kept(age_max) {
            return Ok(known);
        }
        let mut asked = match (self.asked.try_lock(), kept(STALE_MAX)) {
            (Ok(asked), _) => asked,
            // While somebody asks, what is known does, unless it is a name that is not.
            (Err(_), Some(known)) if age_max >= KEPT => return Ok(known),
            (Err(_), _) => self.asked.lock().await,
        };
        if let Some(known) = kept(age_max) {
            return Ok(known);
        }
        if asked.is_some_and(|asked| asked.elapsed() < AGAIN) {
            return kept(STALE_MAX).ok_or_else(|| TokenError::Away("it did not answer a moment ago".to_owned()));
        }
        let answer = self.ask().await;
        *asked = Some(Instant::now());
        match answer {
            Ok(known) => {
                let known = Arc::new(known);
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
                Ok(known)
            }
            Err(error) => {
                tracing::warn!(%error, "the issuer of tokens does not answer");
                kept(STALE_MAX).ok_or_else(|| TokenError::Away(error.to_string()))
            }
        }
    }

    async fn ask(&self) -> Result<Known, KeyError> {
        let away = |text: &str| KeyError::Away(text.to_owned());
        let at = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = jwks::fetch_bytes(&at).await?;
        let document: Value = serde_json::from_slice(&document).map_err(|_| away("its configuration is no JSON"))?;
        // An issuer speaks for itself alone (RFC 8414 section 3.3).
        if document["issuer"] != self.issuer.as_str() {
            return Err(away("its configuration names another issuer"));
        }
        let at = document["jwks_uri"].as_str().filter(|url| is_safe(url));
        let keys = jwks::parse(&jwks::fetch_bytes(at.ok_or_else(|| away("its jwks_uri is not https"))?).await?)?;
        Ok(Known { at: Instant::now(), document, keys })
    }
}

/// Whether keys may be fetched from there: nobody on the way can change them.
pub fn is_safe(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let here = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    !name.is_empty() && !host.contains('@') && (scheme == "https" || (scheme == "http" && here))
}

/// Whether a key signs with this algorithm: the key decides, the token only says which of those it may be.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm as A;
    let kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => {
            matches!(algorithm, A::RS256 | A::RS384 | A::RS512 | A::PS256 | A::PS384 | A::PS512)
        }
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => algorithm == A::ES256,
            EllipticCurve::P384 => algorithm == A::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(_) => algorithm == A::EdDSA,
        // A shared secret signs for nobody else.
        _ => false,
    };
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    kind && signs && key.common.key_algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_where_nobody_changes_them() {
        let row = |url: &str, wanted: bool| assert_eq!(is_safe(url), wanted, "{url}");
        row("https://login.example/realms/x", true);
        row("https://login.example:8443", true);
        row("http://127.0.0.1:8080", true);
        row("http://[::1]:8080/x", true);
        row("http://login.example", false);
        row("http://localhost.evil.example", false);
        row("http://127.0.0.1@evil.example", false);
        row("https://user@login.example", false);
        row("file:///etc/passwd", false);
        row("https://", false);
        row("", false);
    }
}
