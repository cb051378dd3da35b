//! `GET` and `POST /auth/userinfo`: who the person is that let an app in, for an app that may know. Called by the router in `app`.
//! Spec: OpenID Connect Core section 5.3; the errors are those of RFC 6750 section 3.1.

use crate::app::App;
use crate::auth;
use crate::dispatch::request_id;
use crate::error::ApiError;
use crate::smart::refused::answer;
use crate::token::Claims;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::Response;
use fhir::Code;
use serde_json::{Value, json};

/// Tells who the person is.
pub(crate) async fn userinfo(State(app): State<App>, request: Request) -> Response {
    // The token comes in the header alone: one in a body or in a URL ends up in logs.
    let (parts, _) = request.into_parts();
    match told(&app, auth::claims(&app, &parts.headers).await) {
        Ok(json) => answer(StatusCode::OK, &json),
        Err(error) => error.into_response(&request_id(&parts)),
    }
}

fn told(app: &App, claims: Result<Claims, ApiError>) -> Result<Value, ApiError> {
    let claims = claims?;
    let may = |wanted: &str| claims.scope.split_ascii_whitespace().any(|word| word == wanted);
    // A system that calls by itself is nobody.
    if !may("openid") || claims.grant.is_none() {
        let text = "the token is of nobody, or its app may not know of whom: the scope openid is needed";
        let challenge = "Bearer realm=\"fhir\", error=\"insufficient_scope\", scope=\"openid\"";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text).with(WWW_AUTHENTICATE, challenge));
    }
    let mut json = json!({ "sub": claims.sub });
    if may("fhirUser")
        && let Some(user) = &claims.fhir_user
    {
        json["fhirUser"] = format!("{}/{user}", app.base).into();
    }
    Ok(json)
}
