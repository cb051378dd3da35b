//! `POST /auth/revoke`: a client gives a token of its own back. Called by the router in `app`. Spec: RFC 7009.

use crate::app::App;
use crate::smart::authenticate;
use crate::smart::form::Form;
use crate::smart::refused::{Refused, answer};
use crate::token::{self, TokenError};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Takes a token back. A token that is none, or not the client's, is answered alike: there is nothing left to do.
pub(crate) async fn revoke(State(app): State<App>, request: Request) -> Response {
    match taken_back(&app, request).await {
        Ok(()) => answer(StatusCode::OK, &json!({})),
        Err(refused) => refused.into_response(),
    }
}

async fn taken_back(app: &App, request: Request) -> Result<(), Refused> {
    let form = Form::read(app, request).await?;
    let client = authenticate::client(app, &form).await?;
    let text = form.one("token")?;
    // A refresh token goes with whatever the person allowed; it is no JWT and has no dots.
    if let Some(grant) = app.node.grant_of_refresh(text).await?.filter(|grant| grant.client == client.id) {
        app.node.revoke_grants(&grant.id, "").await?;
        tracing::info!(client = %client.id, "a grant was given back");
        return Ok(());
    }
    match token::verify(&app.signing, &app.node, &app.places, text).await {
        Ok((claims, _)) if claims.client_id == client.id => {
            app.node.revoke_token(&claims.jti, claims.exp).await?;
            tracing::info!(client = %client.id, "a token was given back");
            Ok(())
        }
        Err(TokenError::Node(error)) => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}
