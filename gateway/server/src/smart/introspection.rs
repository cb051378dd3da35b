//! `POST /auth/introspect`: what a token is, for a server that was shown one. A client is told of its own tokens; of others'
//! only where the operator gave it the right `introspect`. Called by the router in `app`.
//! Spec: RFC 7662, <https://hl7.org/fhir/smart-app-launch/token-introspection.html>.

use crate::app::App;
use crate::auth::both;
use crate::smart::authenticate;
use crate::smart::form::Form;
use crate::smart::refused::{Refused, answer};
use crate::token::{self, TokenError};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use node::clients::INTROSPECT;
use record::scope::Scopes;
use serde_json::{Value, json};

/// Says what a token is.
pub(crate) async fn introspect(State(app): State<App>, request: Request) -> Response {
    match told(&app, request).await {
        Ok(json) => answer(StatusCode::OK, &json),
        Err(refused) => refused.into_response(),
    }
}

async fn told(app: &App, request: Request) -> Result<Value, Refused> {
    let form = Form::read(app, request).await?;
    let asker = authenticate::confidential(app, &form).await?;
    let text = form.one("token")?;
    // One answer for a token that is forged, over, taken back, or not the asker's business.
    let inactive = json!({ "active": false });
    let claims = match token::verify(&app.signing, &app.node, &app.places, text).await {
        Ok((claims, _)) => claims,
        Err(TokenError::Node(error)) => return Err(error.into()),
        Err(_) => return Ok(inactive),
    };
    let may = asker.id == claims.client_id || asker.has(INTROSPECT);
    if !may || claims.check_time(token::now_s()).is_err() {
        return Ok(inactive);
    }
    let grant = claims.grant.as_deref().unwrap_or_default();
    let Some(client) = app.node.client_of_token(&claims.client_id, &claims.jti, grant).await? else {
        return Ok(inactive);
    };
    // What the client may no longer have, its token does not give it either.
    let asked = Scopes::parse(&claims.scope);
    let scope = Scopes { other: asked.other.clone(), ..both(&asked, &Scopes::parse(&client.scope)) }.to_string();
    let mut json = json!({
        "active": true,
        "token_type": "bearer",
        "scope": scope,
        "client_id": claims.client_id,
        "sub": claims.sub,
        "iss": claims.iss,
        "aud": claims.aud,
        "jti": claims.jti,
        "iat": claims.iat,
        "exp": claims.exp,
    });
    let user = claims.fhir_user.map(|user| format!("{}/{user}", app.base));
    for (name, value) in [("patient", claims.patient), ("fhirUser", user)] {
        if let Some(value) = value {
            json[name] = value.into();
        }
    }
    Ok(json)
}
