//! How the directory is asked: over the gateway's own HTTP client, within bounds of size and time, and nowhere but at its own
//! origin. Whatever else it answers is an error in words. Called by `order` through `instant_acme`.

use crate::acme::AcmeError;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use reqwest::Url;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

/// Largest answer: a chain of certificates has some kilobytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Longest time one answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Longest wait that a directory may ask for between two looks at an order; beyond it the looks go on as they would.
const RETRY_AFTER_S_MAX: u32 = 60;

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("it sends to {0}, which is not its own origin")]
    Elsewhere(String),
    #[error("it redirects, with {0}; name the directory by its last URL")]
    Redirect(StatusCode),
    #[error("it answers {0} without saying why")]
    Status(StatusCode),
    #[error("its answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("it is no ACME directory: {0}")]
    NoDirectory(String),
    #[error("it cannot be asked: {0}")]
    Away(String),
}

/// A client of one directory.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    directory: Url,
}

/// What of a directory is asked later on: held against its origin before anything is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    new_nonce: String,
    new_account: String,
    new_order: String,
}

impl Http {
    pub(crate) fn new(directory: &Url, ca: Option<&Path>) -> Result<Self, AcmeError> {
        let mut client = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).redirect(Policy::none());
        if let Some(file) = ca {
            let root = |error: String| AcmeError::Root { file: file.display().to_string(), error };
            let pem = std::fs::read(file).map_err(|error| root(error.to_string()))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| root(words(&error)))?;
            if roots.is_empty() {
                return Err(root("there is none in it".to_owned()));
            }
            client = client.tls_certs_only(roots);
        }
        let client = client.build().map_err(|error| AcmeError::Client(words(&error)))?;
        Ok(Self { client, directory: directory.clone() })
    }

    /// A URL that this directory may name.
    fn own(&self, url: &str) -> Result<Url, AnswerError> {
        // The library takes an `Uri`, and ends the process where it cannot.
        let parsed = Url::parse(url).ok().filter(|_| url.parse::<Uri>().is_ok());
        let parsed = parsed.ok_or_else(|| AnswerError::NoDirectory("a URL in it is none".to_owned()))?;
        if parsed.origin() != self.directory.origin() {
            return Err(AnswerError::Elsewhere(parsed.host_str().unwrap_or("nowhere").to_owned()));
        }
        Ok(parsed)
    }

    async fn ask(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AnswerError> {
        let (asked, body) = request.into_parts();
        let url = self.own(&asked.uri.to_string())?;
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await;
        let body = body.map_err(|error| AnswerError::Away(error.to_string()))?;
        let is_directory = asked.method == Method::GET;
        let request = self.client.request(asked.method, url).headers(asked.headers).body(body);
        let mut response = request.send().await.map_err(away)?;
        let (status, mut headers) = (response.status(), std::mem::take(response.headers_mut()));
        if status.is_redirection() {
            return Err(AnswerError::Redirect(status));
        }
        let bytes = read(response).await?;
        // A problem says why; an empty answer or a page of a proxy does not.
        let explained = !is_directory && serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.is_object());
        if !status.is_success() && !explained {
            return Err(AnswerError::Status(status));
        }
        if is_directory {
            self.check(&bytes)?;
        }
        bound_wait(&mut headers);
        let mut answered = Response::new(());
        (*answered.status_mut(), *answered.headers_mut()) = (status, headers);
        let (parts, ()) = answered.into_parts();
        Ok(BytesResponse { parts, body: Box::new(bytes) })
    }

    fn check(&self, bytes: &[u8]) -> Result<(), AnswerError> {
        let named = serde_json::from_slice(bytes).map_err(|error| AnswerError::NoDirectory(error.to_string()))?;
        let Named { new_nonce, new_account, new_order } = named;
        [new_nonce, new_account, new_order].iter().try_for_each(|url| self.own(url).map(drop))
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let http = self.clone();
        Box::pin(async move { http.ask(request).await.map_err(|error| Error::Other(Box::new(error))) })
    }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, AnswerError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(AnswerError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// The library adds the seconds to its clock, whatever they are: as many as 2^64 would end the process.
fn bound_wait(headers: &mut HeaderMap) {
    let Some(asked) = headers.remove(RETRY_AFTER) else { return };
    if asked.to_str().ok().and_then(|text| text.trim().parse().ok()).is_some_and(|s: u32| s <= RETRY_AFTER_S_MAX) {
        headers.insert(RETRY_AFTER, asked);
    }
}

fn away(error: reqwest::Error) -> AnswerError {
    AnswerError::Away(words(&error.without_url()))
}

/// An error with what it comes from: the first alone says that a request failed, and no more.
fn words(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |words, source| format!("{words}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_names_urls_of_its_own_origin_alone() {
        let directory = Url::parse("https://ca.example/directory").unwrap();
        let http = Http::new(&directory, None).unwrap();
        let own = directory.as_str();
        let row = |url: &str, wanted: &str| {
            let named = serde_json::json!({"newNonce": url, "newAccount": own, "newOrder": own});
            let found =
                http.check(named.to_string().as_bytes()).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(found.contains(wanted) && found.is_empty() == wanted.is_empty(), "{url}: {found}");
        };
        row("https://ca.example/nonce", "");
        row("https://ca.example:443/nonce?x", "");
        for url in ["http://ca.example/nonce", "https://ca.example:8443/", "https://10.0.0.1/"] {
            row(url, "not its own origin");
        }
        for url in ["", "nonce", "/nonce", "https://ca.example/a b", "https://", "file:///etc/passwd"] {
            row(url, "a URL in it is none");
        }
        for text in ["", "[]", "{}", "<html>", "{\"newNonce\":1}", "null"] {
            assert!(matches!(http.check(text.as_bytes()), Err(AnswerError::NoDirectory(_))), "{text}");
        }
    }

    #[test]
    fn a_wait_is_taken_up_within_bounds() {
        for (said, taken) in [("5", true), ("60", true), ("61", false), ("18446744073709551615", false), ("-1", false)]
        {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, said.parse().unwrap())]);
            bound_wait(&mut headers);
            assert_eq!(headers.contains_key(RETRY_AFTER), taken, "{said}");
        }
    }
}
