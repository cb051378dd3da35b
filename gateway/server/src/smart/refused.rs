//! Why an endpoint for clients refused: an OAuth error code and a sentence. The one place where they get their status.
//! Called by every endpoint of this room that answers JSON.
//! Spec: RFC 6749 section 5.2, RFC 7591 section 3.2.2.

use crate::error::{ApiError, chain};
use axum::http::header::{CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use node::NodeError;
use serde_json::{Value, json};

/// Most of a sentence that goes into the log.
const LOGGED_CHARS_MAX: usize = 200;

/// Why a client's request was refused; the sentence says nothing of which clients, people or tokens there are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The request is not put together as it must be.
    #[error("{0}")]
    Request(String),
    /// Nobody proved to be a client of this server; whoever tried with a password is told how.
    #[error("{text}")]
    Client { text: String, basic: bool },
    /// What was presented for a token is none, is over, or belongs to somebody else.
    #[error("{0}")]
    Grant(String),
    /// This client may not ask for tokens this way.
    #[error("{0}")]
    Unauthorized(String),
    /// There is no such grant type.
    #[error("{0}")]
    GrantType(String),
    /// The client may have none of these scopes.
    #[error("{0}")]
    Scope(String),
    /// What wants to register itself cannot be a client.
    #[error("{0}")]
    Metadata(String),
    /// It wants people sent back where they are not.
    #[error("{0}")]
    Redirect(String),
    /// Too much at once: again later.
    #[error("{0}")]
    Busy(String),
    /// The form could not be read.
    #[error("the form cannot be read")]
    Unread(StatusCode),
    /// The store.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl Refused {
    pub(crate) fn request(text: &str) -> Self {
        Self::Request(text.to_owned())
    }

    pub(crate) fn client(text: impl Into<String>) -> Self {
        Self::Client { text: text.into(), basic: false }
    }

    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Request(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Client { .. } => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::Grant(_) => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::Unauthorized(_) => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Self::GrantType(_) => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::Scope(_) => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::Metadata(_) => (StatusCode::BAD_REQUEST, "invalid_client_metadata"),
            Self::Redirect(_) => (StatusCode::BAD_REQUEST, "invalid_redirect_uri"),
            Self::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Self::Unread(status) => (*status, "invalid_request"),
            Self::Node(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Unread(error.status)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        let text = match &self {
            Self::Node(error) => {
                tracing::error!(error = %chain(error), "a client could not be answered");
                "try again in a few seconds".to_owned()
            }
            _ => self.to_string(),
        };
        // The sentence may repeat what was sent.
        let said = text.chars().take(LOGGED_CHARS_MAX).collect::<String>();
        tracing::info!(error = code, "a client was refused: {said}");
        let mut response = answer(status, &json!({ "error": code, "error_description": text }));
        if let Self::Client { basic: true, .. } = self {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"clients\""));
        }
        response
    }
}

/// An answer in JSON that nothing on the way keeps; `edge` adds the rest.
pub(crate) fn answer(status: StatusCode, json: &Value) -> Response {
    let mut response = (status, json.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
