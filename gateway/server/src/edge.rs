//! Around every request: its id, its turn, its time, a panic's end, its numbers and its log line. Called by the router
//! in `app`; the only layer on the way, so that a read stays lean.

use crate::app::App;
use crate::dispatch::Label;
use crate::error::ApiError;
use crate::negotiate;
use crate::request_id::{self, HEADER, RequestId};
use crate::serve::Peer;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;
use fhir::Code;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

/// Marks an answer that is sent as it is. Pages and tokens of `/auth` have secrets beside what somebody else chose, and how
/// well both compress together tells of them: <https://www.breachattack.com/>.
#[derive(Clone, Copy)]
struct Uncompressed;

/// Whether an answer may be compressed.
pub(crate) fn may_compress(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Uncompressed>().is_none()
}

/// Gives a request its id and answers it.
pub(crate) async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let own = request_id::replaced(request.headers(), &id);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", request.id = %id, trace.id = tracing::field::Empty);
    if let Some(trace) = request_id::trace(request.headers()) {
        span.record("trace.id", trace);
    }
    let mut response = answer(app, id, request, next).instrument(span).await;
    if let Some(own) = own {
        response.headers_mut().insert(request_id::CORRELATION, own);
    }
    response
}

async fn answer(app: App, id: RequestId, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let safe = matches!(method, Method::GET | Method::HEAD);
    let path = request.uri().path();
    // What watches the server must get through when the server is busy.
    let watching = path.starts_with("/health/") || path == "/metrics";
    let auth = path.starts_with("/auth");
    let private = auth || path.starts_with("/fhir") || path.starts_with("/admin");
    let from = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let limits = app.settings.limits;
    let form = negotiate::told(request.uri().query().unwrap_or_default(), request.headers());
    let work = async {
        // Before anything is read: who sends forms is nobody known yet.
        let _place = if auth && !safe { app.form_quotas.admit_address(from)? } else { None };
        let turns = if auth { &app.auth_turns } else { &app.turns };
        let _turn = if watching { None } else { Some(turn(turns, limits.queue_time_max).await?) };
        let running = async {
            if safe {
                return caught(next.run(request)).await;
            }
            // On a task of its own: a client that hangs up must not stop a write between its commit and its audit.
            tokio::spawn(next.run(request).in_current_span()).await.map_err(|_| Panicked)
        };
        match tokio::time::timeout(limits.request_time_max, running).await {
            Ok(Ok(response)) => {
                if auth && response.status() == StatusCode::UNAUTHORIZED {
                    app.form_quotas.failed(from)?;
                }
                Ok(response)
            }
            Ok(Err(Panicked)) => Err(panicked()),
            Err(_) => Err(ApiError::busy(
                Code::Timeout,
                format!(
                    "the request took longer than {} s; a write may still take effect",
                    limits.request_time_max.as_secs()
                ),
                30,
            )),
        }
    };
    let mut response = match work.await {
        Ok(response) => response,
        Err(error) => error.delivered(form, &id).await,
    };
    if auth {
        response.extensions_mut().insert(Uncompressed);
    }
    let headers = response.headers_mut();
    headers.insert(HEADER, id.header());
    protect(headers, app.settings.base_url.starts_with("https://"));
    if private {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    note(&app, &method, &response, started.elapsed());
    response
}

/// What keeps a browser from running, framing or passing on what is served; pages say more themselves.
fn protect(headers: &mut HeaderMap, secure: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    if secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// A turn of FHIR's, or of `/auth`'s: neither waits for the other.
async fn turn(turns: &Semaphore, patience: Duration) -> Result<SemaphorePermit<'_>, ApiError> {
    if let Ok(turn) = turns.try_acquire() {
        return Ok(turn);
    }
    match tokio::time::timeout(patience, turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(ApiError::busy(Code::Throttled, "the server has too many requests at once; nothing was done", 5)),
    }
}

struct Panicked;

/// A panic while answering is this request's end, not the process's.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

fn panicked() -> ApiError {
    tracing::error!("a request ended in a panic; its message is above");
    let text = "an internal error; the server's log has it under this request's id";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Exception, text)
}

/// Neither ids nor queries are logged: both may name a person.
fn note(app: &App, method: &Method, response: &Response, took: Duration) {
    let label = response.extensions().get::<Label>();
    let interaction = label.map_or("other", |label| label.interaction);
    let status = response.status().as_u16();
    app.metrics.request(interaction, status, took);
    let kind = label.and_then(|label| label.kind).map_or("", fhir::ResourceType::name);
    let client = label.map_or("", |label| label.client.as_str());
    let ms = took.as_secs_f64() * 1000.0;
    if status >= 500 {
        tracing::error!(%method, interaction, kind, client, status, ms, "{method} {kind} {interaction}: {status}");
    } else if status >= 400 || !matches!(*method, Method::GET | Method::HEAD) {
        tracing::info!(%method, interaction, kind, client, status, ms, "{method} {kind} {interaction}: {status}");
    } else {
        // Reads that went well are by far the most lines, and the audit log has each of them.
        tracing::debug!(%method, interaction, kind, client, status, ms, "{method} {kind} {interaction}: {status}");
    }
}
