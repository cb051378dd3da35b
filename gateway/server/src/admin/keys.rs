//! `/admin/keys`: the keys that tokens are signed with, by name. Called by `admin`.

use super::Done;
use crate::app::App;
use crate::error::ApiError;
use crate::token;
use axum::http::StatusCode;
use serde_json::json;

pub(super) async fn list(app: &App) -> Result<Done, ApiError> {
    let keys = token::list(&app.node).await?;
    let one = |key: &token::Listed| json!({ "kid": key.kid, "algorithm": key.algorithm, "made": key.made_s, "until": key.until_s });
    Ok(Done(StatusCode::OK, json!({ "keys": keys.iter().map(one).collect::<Vec<_>>() })))
}

/// New keys sign from now on; those before verify until the last token they signed has ended.
pub(super) async fn rotate(app: &App) -> Result<Done, ApiError> {
    token::rotate(&app.node).await?;
    list(app).await
}
