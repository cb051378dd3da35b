//! The bare handler that reads are held against: the bytes of a frame by primary key, and nothing else. Called by
//! `chartwell bench`.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Finds the bytes at a position.
pub type Find = Arc<dyn Fn(i64) -> Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>> + Send + Sync>;

/// A router with the one route `/{position}`.
pub fn bare(find: Find) -> Router {
    Router::new().route("/{position}", get(answer)).with_state(find)
}

async fn answer(State(find): State<Find>, Path(position): Path<i64>) -> Response {
    match find(position).await {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
