//! `POST /auth/token`: an assertion for a bearer token of five minutes. Called by the router in `app`.
//! Spec: <https://hl7.org/fhir/smart-app-launch/backend-services.html>, RFC 6749 section 5.2 for the errors.

use crate::app::App;
use crate::auth::both;
use crate::error::{ApiError, chain};
use crate::settings::Limits;
use crate::smart::assertion::{self, AssertionError};
use crate::{body, pairs, token};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, PRAGMA};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use node::NodeError;
use record::scope::Scopes;
use serde_json::json;
use std::time::Duration;

/// How long its tokens hold; SMART says five minutes at most for those without a person.
const LIFETIME: Duration = Duration::from_secs(300);

/// Largest form; an assertion is a few hundred bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An OAuth error: its code and a sentence.
struct Refused(StatusCode, &'static str, String);

/// Grants a token, or says why not.
pub(crate) async fn grant(State(app): State<App>, request: Request) -> Response {
    let (status, json) = match token(&app, request).await {
        Ok(json) => (StatusCode::OK, json),
        Err(Refused(status, error, text)) => {
            tracing::info!(error, "no token was granted: {text}");
            (status, json!({ "error": error, "error_description": text }))
        }
    };
    let mut response = (status, json.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn token(app: &App, request: Request) -> Result<serde_json::Value, Refused> {
    let bad = |text: &str| Refused(StatusCode::BAD_REQUEST, "invalid_request", text.to_owned());
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(bad("send the form as application/x-www-form-urlencoded"));
    }
    let limits = Limits { body_bytes_max: FORM_BYTES_MAX, ..app.settings.limits };
    let unread = |error: ApiError| Refused(error.status, "invalid_request", "the form cannot be read".to_owned());
    let bytes = body::read(&limits, &parts.headers, body).await.map_err(unread)?;
    let text = String::from_utf8(bytes).map_err(|_| bad("the form is not UTF-8"))?;
    let pairs = pairs::read(&text).map_err(unread)?;
    let field = |name: &str| {
        let mut values = pairs.iter().filter(|pair| pair.name == name).map(|pair| pair.value.as_str());
        // RFC 6749 section 3.2: no parameter twice.
        values.next().filter(|_| values.next().is_none())
    };
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            return Err(Refused(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "only client_credentials is supported".to_owned(),
            ));
        }
        None => return Err(bad("grant_type is missing")),
    }
    if field("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(bad("client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    }
    let assertion = field("client_assertion").ok_or_else(|| bad("client_assertion is missing"))?;
    let wanted = field("scope").ok_or_else(|| bad("scope is missing"))?;
    let client = assertion::client(app, assertion).await.map_err(refused)?;
    // Fewer than asked for is an answer (SMART: the client looks at `scope`); none at all is an error.
    let granted = both(&Scopes::parse(wanted), &Scopes::parse(&client.scope));
    if granted.known.is_empty() {
        let text = "the client may have none of these scopes".to_owned();
        return Err(Refused(StatusCode::BAD_REQUEST, "invalid_scope", text));
    }
    let scope = granted.to_string();
    let claims = token::claims(&app.places[0], &client, &scope, LIFETIME);
    let token = token::sign_with(&app.signing, &app.node, &claims).await.map_err(unavailable)?;
    tracing::info!(client = %client.id, "a token was granted for {} s", LIFETIME.as_secs());
    Ok(json!({ "access_token": token, "token_type": "bearer", "expires_in": LIFETIME.as_secs(), "scope": scope }))
}

fn refused(error: AssertionError) -> Refused {
    match error {
        AssertionError::Node(error) => unavailable(error),
        error => Refused(StatusCode::UNAUTHORIZED, "invalid_client", error.to_string()),
    }
}

fn unavailable(error: NodeError) -> Refused {
    tracing::error!(error = %chain(&error), "a token could not be granted");
    let text = "try again in a few seconds".to_owned();
    Refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text)
}
