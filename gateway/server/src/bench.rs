//! What is measured by itself: the bare handler that reads are held against, called by `chartwell bench`, and who a token is,
//! called by `benches/decision.rs`.

use crate::app::{App, shared};
use crate::request_id::RequestId;
use crate::settings::Settings;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
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

/// A gateway that is asked who a token is and what it may do, and nothing else.
pub struct Decision(App);

impl Decision {
    /// Over a node that is open.
    pub fn new(settings: Settings, node: node::Node) -> Self {
        Self(shared(settings, node))
    }

    /// Whether the token of these headers may read a type.
    pub async fn may_read(&self, headers: &HeaderMap, kind: fhir::ResourceType) -> bool {
        let caller = crate::auth::caller(&self.0, headers, &RequestId::of(headers)).await;
        caller.is_ok_and(|caller| caller.may(kind, record::scope::Interactions::READ).is_ok())
    }
}
