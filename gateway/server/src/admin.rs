//! `/admin`: what an operator does over HTTP that `chartwell client`, `user` and `keys` do on the machine: JSON, for clients that
//! were given the right `admin` on the machine, with tokens of the scope `admin`. Everything asked for here, also what is refused to
//! whoever has a token, stands in the audit log. No secret comes in or goes out: passwords, secrets and administrators themselves
//! are made on the machine. Called by the router in `app`; the paths are in `docs/OPERATIONS.md`.

mod apps;
mod clients;
mod keys;
mod people;

use crate::app::App;
use crate::auth;
use crate::body;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::serve::Peer;
use crate::settings::Limits;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use fhir::Code;
use node::clients::Client;
use node::operator::Act;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Largest body: a client with its key set.
const BODY_BYTES_MAX: usize = 128 * 1024;

/// Longest path that the audit log keeps, and longest text of what was asked for, in characters.
const PATH_CHARS_MAX: usize = 512;
const WHAT_CHARS_MAX: usize = 1000;

/// Answers a request under `/admin`.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(request.headers()));
    match answer(&app, &id, request).await {
        Ok(done) => done.into_response(),
        Err(error) => error.into_response(&id),
    }
}

/// What a request came to.
struct Done(StatusCode, Value);

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        if self.1.is_null() {
            return self.0.into_response();
        }
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (self.0, [json], self.1.to_string()).into_response()
    }
}

async fn answer(app: &App, id: &RequestId, request: Request) -> Result<Done, ApiError> {
    let (parts, body) = request.into_parts();
    let client = match auth::client(app, &parts.headers).await {
        Ok(client) => client,
        Err(error) => {
            if error.status == StatusCode::UNAUTHORIZED {
                app.quotas.failed(parts.extensions.get::<Peer>().map(|peer| peer.0.ip()))?;
            }
            return Err(error);
        }
    };
    let mut said = String::new();
    let asked = (&parts.method, parts.uri.path());
    app.quotas.note(&client.0.id, client.0.quota);
    let _place = match app.quotas.admit(&client.0.id) {
        Ok(place) => place,
        Err(error) => {
            if app.quotas.is_noted(&client.0.id) {
                note(app, id, client.0, (asked, &said), error.status).await?;
            }
            return Err(error);
        }
    };
    let result = match client.1 {
        true => {
            let limits = Limits { body_bytes_max: BODY_BYTES_MAX, ..app.settings.limits };
            match body::read(&limits, &parts.headers, body).await {
                Ok(bytes) => run(app, asked, parts.uri.query(), &bytes, &mut said).await,
                Err(error) => Err(error),
            }
        }
        false => {
            let text = "the right admin and a token of the scope admin are needed; `chartwell client add --right admin` gives it";
            Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text))
        }
    };
    let outcome = result.as_ref().map_or_else(|error| error.status, |done| done.0);
    note(app, id, client.0, (asked, &said), outcome).await?;
    result
}

/// Writes into the audit log who asked for what, and what came of it.
async fn note(
    app: &App,
    id: &RequestId,
    Client { id: by, name: who, .. }: Client,
    ((method, path), said): ((&Method, &str), &str),
    outcome: StatusCode,
) -> Result<(), ApiError> {
    // The path names what was done and has no secret; what it cannot be is cut.
    let path = path.chars().take(PATH_CHARS_MAX).collect::<String>();
    let what = format!("{method} {path}{said}").chars().take(WHAT_CHARS_MAX).collect();
    let act =
        Act { who, client: by, what, outcome: outcome.as_u16(), request: id.as_str().to_owned(), ..Act::default() };
    Ok(app.node.note_act(act).await?)
}

/// Does what is asked for; writes into `said` what that is beside method and path.
async fn run(
    app: &App,
    (method, path): (&Method, &str),
    query: Option<&str>,
    body: &[u8],
    said: &mut String,
) -> Result<Done, ApiError> {
    let rest = path.strip_prefix("/admin").unwrap_or_default();
    let parts = rest.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let pairs = node::search::pairs(query.unwrap_or_default());
    let one = |name: &str| pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    match (method.as_str(), &parts[..]) {
        ("GET", ["clients"]) => clients::list(app).await,
        ("POST", ["clients"]) => clients::put(app, read(body, said)?, said).await,
        ("GET", ["clients", id]) => clients::show(app, id).await,
        ("DELETE", ["clients", id]) => clients::remove(app, id, said).await,
        ("PUT", ["clients", id, "status"]) => clients::set_status(app, id, read(body, said)?, said).await,
        ("PUT", ["clients", id, "quota"]) => clients::set_quota(app, id, Some(read(body, said)?), said).await,
        ("DELETE", ["clients", id, "quota"]) => clients::set_quota(app, id, None, said).await,
        ("GET", ["keys"]) => keys::list(app).await,
        ("POST", ["keys", "rotate"]) => keys::rotate(app).await,
        ("GET", ["grants"]) => apps::list(app, one("client"), one("person"), one("after")).await,
        ("DELETE", ["grants", id]) => apps::take_back(app, id).await,
        ("POST", ["tokens", "revoke"]) => apps::revoke_token(app, read(body, said)?).await,
        ("GET", ["users"]) => people::list(app).await,
        ("PUT", ["users", id, "status"]) => people::set_status(app, id, read(body, said)?).await,
        ("GET", ["sessions"]) => people::sessions(app).await,
        ("DELETE", ["sessions", name]) => people::end_session(app, name).await,
        ("GET", ["audit"]) => acts(app, one("before")).await,
        _ => {
            Err(ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "nothing is administered by this method and path"))
        }
    }
}

/// What operators did, the last first.
async fn acts(app: &App, before: &str) -> Result<Done, ApiError> {
    let before = match before {
        "" => None,
        text => Some(text.parse().map_err(|_| ApiError::bad(Code::Value, "before is no position", "before"))?),
    };
    let acts = app.node.acts(before).await?;
    let one = |act: &Act| {
        json!({ "position": act.position, "recorded": fhir::datetime::format_instant(act.recorded), "who": act.who,
            "client": act.client, "what": act.what, "outcome": act.outcome, "request": act.request })
    };
    Ok(Done(StatusCode::OK, json!({ "audit": acts.iter().map(one).collect::<Vec<_>>() })))
}

/// What a body asks for, as the audit log says it: without a secret.
trait Said: DeserializeOwned {
    fn said(&self) -> String;
}

/// Reads a body and says what it asks for; members that are not known are refused, since what was meant by them would not be done.
fn read<T: Said>(body: &[u8], said: &mut String) -> Result<T, ApiError> {
    let wrong = |error| ApiError::bad(Code::Structure, format!("the body: {error}"), "body");
    let asked = serde_json::from_slice::<T>(body).map_err(wrong)?;
    said.push_str(&asked.said());
    Ok(asked)
}

/// A text as the audit log quotes it: on one line, and no longer than `most` characters.
fn quoted(text: &str, most: usize) -> String {
    format!("{text:?}").chars().take(most).collect()
}

/// What a token does not do, which may have been stolen: it makes no administrator and ends none, and lets nobody do more.
fn on_the_machine_alone(what: &str) -> ApiError {
    let text = format!("{what} is done on the machine, by the command line");
    ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text)
}
