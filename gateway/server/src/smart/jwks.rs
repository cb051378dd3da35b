//! The public keys of a client: as registered, from a file, or from the URL that the operator registered. Called by
//! `assertion`, and by `external` for what it fetches. Spec: <https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html>.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Largest key set that is read.
const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// Longest time fetching one may take.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// How long a fetched key set is used: a key that a client withdraws is honoured so long at most.
const KEPT: Duration = Duration::from_secs(60);

/// How often a key that is not in a fetched set may cause another fetch: somebody who guesses names of keys must not
/// make this server knock at a client's door.
const AGAIN: Duration = Duration::from_secs(5);

/// Most fetched sets remembered.
const KEPT_MAX: usize = 256;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the client has no key set")]
    None,
    #[error("the client's key set cannot be had: {0}")]
    Away(String),
    #[error("the client's key set does not have this key")]
    Unknown,
}

/// Key sets fetched from URLs.
#[derive(Default)]
pub(crate) struct KeySets(Mutex<HashMap<String, (Instant, Arc<JwkSet>)>>);

impl KeySets {
    /// The key of this name out of what a client registered.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) async fn key(&self, registered: &str, name: &str) -> Result<Jwk, KeyError> {
        let find = |set: &JwkSet| set.find(name).cloned().ok_or(KeyError::Unknown);
        let registered = registered.trim();
        if registered.is_empty() {
            return Err(KeyError::None);
        }
        if registered.starts_with('{') {
            return find(&parse(registered.as_bytes())?);
        }
        if !registered.starts_with("http://") && !registered.starts_with("https://") {
            return find(&from_file(registered.strip_prefix("file://").unwrap_or(registered)).await?);
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(registered).cloned();
        if let Some((fetched, set)) = known.filter(|(fetched, _)| fetched.elapsed() < KEPT) {
            match find(&set) {
                Err(KeyError::Unknown) if fetched.elapsed() >= AGAIN => {}
                found => return found,
            }
        }
        let set = Arc::new(fetch(registered).await?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert(registered.to_owned(), (Instant::now(), set.clone()));
        find(&set)
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Result<JwkSet, KeyError> {
    serde_json::from_slice(bytes).map_err(|_| KeyError::Away("it is no JSON Web Key Set".to_owned()))
}

async fn from_file(path: &str) -> Result<JwkSet, KeyError> {
    if !Path::new(path).is_absolute() {
        return Err(KeyError::Away("its path is not absolute".to_owned()));
    }
    let away = |error: std::io::Error| KeyError::Away(error.kind().to_string());
    if tokio::fs::metadata(path).await.map_err(away)?.len() > KEY_SET_BYTES_MAX as u64 {
        return Err(KeyError::Away("it is too large".to_owned()));
    }
    parse(&tokio::fs::read(path).await.map_err(away)?)
}

async fn fetch(url: &str) -> Result<JwkSet, KeyError> {
    parse(&fetch_bytes(url).await?)
}

/// What is at a URL, within limits and without going on to another.
pub(crate) async fn fetch_bytes(url: &str) -> Result<Vec<u8>, KeyError> {
    answered(client()?.get(url)).await
}

/// What answers a form that a client of somebody else's sends, within the same limits.
pub(crate) async fn post_form(url: &str, (name, secret): (&str, &str), form: String) -> Result<Vec<u8>, KeyError> {
    let request = client()?.post(url).basic_auth(name, Some(secret)).body(form);
    answered(request.header("content-type", "application/x-www-form-urlencoded")).await
}

fn client() -> Result<reqwest::Client, KeyError> {
    let client = reqwest::Client::builder().timeout(FETCH_MAX).redirect(reqwest::redirect::Policy::none()).build();
    client.map_err(|error| KeyError::Away(error.without_url().to_string()))
}

async fn answered(request: reqwest::RequestBuilder) -> Result<Vec<u8>, KeyError> {
    let away = |error: reqwest::Error| KeyError::Away(error.without_url().to_string());
    let mut response = request.send().await.map_err(away)?.error_for_status().map_err(away)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if bytes.len() + chunk.len() > KEY_SET_BYTES_MAX {
            return Err(KeyError::Away("it is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
