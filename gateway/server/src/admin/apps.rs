//! `/admin/grants` and `/admin/tokens`: what people allowed apps, and single tokens, taken back. Called by `admin`.

use super::{Done, Said, quoted};
use crate::app::App;
use crate::error::ApiError;
use crate::token::{LIFETIME_MAX, now_s};
use axum::http::StatusCode;
use fhir::Code;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest name of a token; those made here have far less.
const NAME_BYTES_MAX: usize = 128;

/// A token by its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    jti: String,
}

impl Said for Named {
    fn said(&self) -> String {
        format!(" jti={}", quoted(&self.jti, NAME_BYTES_MAX))
    }
}

pub(super) async fn list(app: &App, client: &str, person: &str, after: &str) -> Result<Done, ApiError> {
    let grants = app.node.grants_of_apps(client, person, after).await?;
    let next = (grants.len() == node::operator::LIST_MAX).then(|| grants.last().map(|grant| grant.id.clone()));
    let one = |grant: &node::apps::Grant| {
        json!({ "id": grant.id, "client": grant.client, "person": grant.person, "scope": grant.scope,
            "patient": grant.patient, "until": grant.expires_s })
    };
    let grants = grants.iter().map(one).collect::<Vec<_>>();
    Ok(Done(StatusCode::OK, json!({ "grants": grants, "after": next })))
}

pub(super) async fn take_back(app: &App, id: &str) -> Result<Done, ApiError> {
    if app.node.revoke_grants(id, "").await?.is_empty() {
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "there is no grant of this id"));
    }
    Ok(Done(StatusCode::NO_CONTENT, Value::Null))
}

/// Ends a token by its name (`jti`), also one that this server knows nothing of: it keeps no list of them.
pub(super) async fn revoke_token(app: &App, named: Named) -> Result<Done, ApiError> {
    if named.jti.is_empty() || named.jti.len() > NAME_BYTES_MAX {
        return Err(ApiError::bad(Code::Value, "jti is the name of a token", "jti"));
    }
    app.node.revoke_token(&named.jti, now_s() + LIFETIME_MAX.as_secs()).await?;
    Ok(Done(StatusCode::NO_CONTENT, Value::Null))
}
