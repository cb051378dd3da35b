//! FHIR over HTTP with a bearer token, for tests.

use crate::process::Process;
use reqwest::{Client, Method, Response};
use serde_json::Value;

/// A gateway and a token for it.
pub struct Fhir {
    /// The FHIR base.
    pub base: String,
    /// A bearer token.
    pub token: String,
    client: Client,
}

impl Fhir {
    /// Opens the FHIR side of a gateway process.
    ///
    /// # Errors
    /// No token can be had.
    pub async fn of(process: &Process) -> anyhow::Result<Self> {
        Ok(Self::new(&process.text("fhir"), &process.token().await?))
    }

    /// Opens a FHIR base with a token.
    pub fn new(base: &str, token: &str) -> Self {
        Self { base: base.to_owned(), token: token.to_owned(), client: Client::new() }
    }

    /// Sends a request; `path` follows the base.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> anyhow::Result<Response> {
        let url = if path.is_empty() { self.base.clone() } else { format!("{}/{path}", self.base) };
        // A Binary is shown as a resource only to who names FHIR's own types.
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let mut request = request.header("accept", "application/fhir+json");
        if let Some(body) = body {
            request = request.header("content-type", "application/fhir+json").body(body);
        }
        Ok(request.send().await?)
    }

    /// Sends a request and returns status and JSON (null for none).
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        let answer = self.send(method, path, body.map(|body| body.to_string())).await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// GET.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        self.ask(Method::GET, path, None).await
    }

    /// POST.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// PUT.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn put(&self, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    /// The `total` of a search.
    ///
    /// # Errors
    /// The search fails.
    pub async fn total(&self, path: &str) -> anyhow::Result<u64> {
        let (status, body) = self.get(path).await?;
        anyhow::ensure!(status == 200, "{path}: {status} {body}");
        body["total"].as_u64().ok_or_else(|| anyhow::anyhow!("{path} has no total: {body}"))
    }
}
