//! Whether the process lives, and whether it can serve. Called by the router in `app`; needs no token and tells nothing
//! about data.

use crate::app::App;
use crate::error::chain;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use node::Node;
use std::time::Duration;

/// Longest time the database may take to say that it is there; probes usually give up after a second or more.
const PING_MAX: Duration = Duration::from_secs(2);

/// `GET /health/live`
pub(crate) async fn live() -> Response {
    json(StatusCode::OK, r#"{"status":"up"}"#.to_owned())
}

/// `GET /health/ready`: each check by its name.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let database = match tokio::time::timeout(PING_MAX, app.node.ping()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = %chain(&error), "not ready: the database does not answer");
            false
        }
        Err(_) => {
            tracing::warn!("not ready: the database did not answer within {} s", PING_MAX.as_secs());
            false
        }
    };
    let word = |good: bool| if good { "up" } else { "down" };
    let all = database && app.signer;
    // A node opens only once every migration has run, so there is nothing to ask for later.
    let text = format!(
        r#"{{"status":"{}","checks":{{"database":"{}","migrations":"up","signer":"{}"}}}}"#,
        word(all),
        word(database),
        word(app.signer)
    );
    json(if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

/// Whether what this node signs verifies.
pub(crate) fn signer_works(node: &Node) -> bool {
    let probe = b"chartwell readiness probe, no operation";
    let identity = node.identity();
    let works = identity.card().verify(probe, &identity.sign(probe)).is_ok();
    if !works {
        tracing::error!("this node's signing key does not sign what it verifies");
    }
    works
}

fn json(status: StatusCode, text: String) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
