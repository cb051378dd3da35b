//! `POST /auth/token`: a client's proof of who it is, and what it was given, for a bearer token. Called by the router in
//! `app`. Spec: RFC 6749 section 4.4, <https://hl7.org/fhir/smart-app-launch/backend-services.html>.

use crate::app::App;
use crate::auth::both;
use crate::smart::form::Form;
use crate::smart::refused::{Refused, answer};
use crate::smart::{app_tokens, authenticate};
use crate::token;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use node::clients::{ADMIN, Client, GRANTS};
use record::scope::Scopes;
use serde_json::{Value, json};
use std::time::Duration;

/// How long tokens of systems hold; SMART says five minutes at most for those without a person.
const SYSTEM_LIFETIME: Duration = Duration::from_secs(300);

/// Grants a token, or says why not.
pub(crate) async fn grant(State(app): State<App>, request: Request) -> Response {
    match token(&app, request).await {
        Ok(json) => answer(StatusCode::OK, &json),
        Err(refused) => refused.into_response(),
    }
}

async fn token(app: &App, request: Request) -> Result<Value, Refused> {
    let form = Form::read(app, request).await?;
    let grant = form.one("grant_type")?;
    if !GRANTS.contains(&grant) {
        return Err(Refused::GrantType(format!("there are {}", GRANTS.join(", "))));
    }
    let client = authenticate::client(app, &form).await?;
    if !client.may_use(grant) {
        return Err(Refused::Unauthorized("the client was not registered for this grant type".to_owned()));
    }
    match grant {
        "authorization_code" => app_tokens::of_code(app, &client, &form).await,
        "refresh_token" => app_tokens::of_refresh(app, &client, &form).await,
        _ => system(app, &client, &form).await,
    }
}

/// A token for a client that acts for itself.
async fn system(app: &App, client: &Client, form: &Form) -> Result<Value, Refused> {
    let wanted = form.one("scope")?;
    // Fewer than asked for is an answer (SMART: the client looks at `scope`); none at all is an error.
    let (wanted, may) = (Scopes::parse(wanted), Scopes::parse(&client.scope));
    let mut granted = both(&wanted, &may);
    let administers = |scopes: &Scopes| scopes.other.iter().any(|word| word == ADMIN);
    if client.has(ADMIN) && administers(&wanted) && administers(&may) {
        granted.other.push(ADMIN.to_owned());
    }
    if granted.known.is_empty() && granted.other.is_empty() {
        return Err(Refused::Scope("the client may have none of these scopes".to_owned()));
    }
    let scope = granted.to_string();
    let claims = token::claims(&app.places[0], client, &scope, SYSTEM_LIFETIME);
    let token = token::sign_with(&app.signing, &app.node, &claims).await?;
    tracing::info!(client = %client.id, "a token was granted for {} s", SYSTEM_LIFETIME.as_secs());
    let seconds = SYSTEM_LIFETIME.as_secs();
    Ok(json!({ "access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": scope }))
}
