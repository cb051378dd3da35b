//! `GET /auth/jwks`: the public keys of this server's tokens. Called by the router in `app`.
//! Spec: RFC 7517 section 5.

use crate::app::App;
use crate::dispatch::request_id;
use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// The key set.
pub(crate) async fn keys(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match app.signing.public(&app.node).await {
        Ok(set) => {
            let json = serde_json::to_string(&set).unwrap_or_default();
            let mut response = json.into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => ApiError::from(error).into_response(&request_id(&parts)),
    }
}
