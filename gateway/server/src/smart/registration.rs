//! `POST /auth/register`: a client registers itself, and waits until the operator lets it in. Called by the router in `app`.
//! Spec: RFC 7591.

use crate::app::App;
use crate::body;
use crate::serve::Peer;
use crate::smart::form;
use crate::smart::refused::{Refused, answer};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use node::NodeError;
use node::clients::{Auth, Client, GRANTS, NewClient, Status, is_redirect};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Largest description of a client; a key set is some kilobytes.
const BYTES_MAX: usize = 32 * 1024;

/// Longest name; the operator reads it in a list.
const NAME_CHARS_MAX: usize = 100;

/// Most that register themselves from one address within [`WINDOW`]: they come by hand.
const ADDRESS_MAX: usize = 10;

/// Most that register themselves with one process within [`WINDOW`], so that one address does not use up everybody's.
const WINDOW_MAX: usize = 100;

/// See [`ADDRESS_MAX`].
const WINDOW: Duration = Duration::from_secs(60);

/// When somebody registered here lately, and from where.
#[derive(Default)]
pub(crate) struct Registrations(Mutex<Vec<(Option<IpAddr>, Instant)>>);

impl Registrations {
    /// Whether one more may now.
    fn begin(&self, from: Option<IpAddr>, now: Instant) -> bool {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|(_, at)| now.saturating_duration_since(*at) < WINDOW);
        let same = lately.iter().filter(|(other, _)| *other == from).count();
        if lately.len() >= WINDOW_MAX || same >= ADDRESS_MAX {
            return false;
        }
        lately.push((from, now));
        true
    }
}

/// What a client says of itself; what is not known here is not looked at (RFC 7591 section 2).
#[derive(Deserialize)]
struct Described {
    client_name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    jwks: Option<Value>,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    initiate_login_uri: Option<String>,
}

/// Registers a client that waits for the operator.
pub(crate) async fn register(State(app): State<App>, request: Request) -> Response {
    match registered(&app, request).await {
        Ok(json) => answer(StatusCode::CREATED, &json),
        Err(refused) => refused.into_response(),
    }
}

async fn registered(app: &App, request: Request) -> Result<Value, Refused> {
    let metadata = |text: &str| Refused::Metadata(text.to_owned());
    let (parts, body) = request.into_parts();
    let from = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(metadata("send the description of the client as application/json"));
    }
    let bytes = body::read(&form::limits(app, BYTES_MAX), &parts.headers, body).await?;
    let said: Described =
        serde_json::from_slice(&bytes).map_err(|_| metadata("the description is no JSON, or has no client_name"))?;
    let new = read(said)?;
    if !app.registrations.begin(from, Instant::now()) {
        return Err(Refused::Busy("too many clients register themselves; try again in a minute".to_owned()));
    }
    let (client, secret) = app.node.register_waiting(&new).await.map_err(|error| match error {
        NodeError::Unprocessable(text) => Refused::Metadata(text),
        error => error.into(),
    })?;
    tracing::info!(client = %client.id, "a client registered itself and waits for `chartwell client approve`");
    Ok(told(&client, secret, &new))
}

fn read(said: Described) -> Result<NewClient, Refused> {
    let metadata = |text: &str| Refused::Metadata(text.to_owned());
    if said.client_name.trim().is_empty() || said.client_name.chars().count() > NAME_CHARS_MAX {
        return Err(metadata("client_name has 1 to 100 characters"));
    }
    if said.response_types.is_some_and(|types| types.iter().any(|kind| kind != "code")) {
        return Err(metadata("response_types can be code alone"));
    }
    if let Some(uri) = said.redirect_uris.iter().find(|uri| !is_redirect(uri)) {
        let text =
            format!("{uri:?} must be https, http to the machine itself, or an app's own scheme with a dot in it");
        return Err(Refused::Redirect(text));
    }
    let auth = match said.token_endpoint_auth_method.as_deref() {
        Some("none") => Auth::None,
        // What RFC 7591 has for a client that says nothing.
        None | Some("client_secret_basic" | "client_secret_post") => Auth::Secret,
        Some("private_key_jwt") => Auth::Key,
        Some(_) => return Err(metadata("token_endpoint_auth_method is none that is known here")),
    };
    let jwks = match (auth, said.jwks, said.jwks_uri) {
        (Auth::Key, Some(set), None) if set["keys"].is_array() => set.to_string(),
        (Auth::Key, None, Some(url)) if url.starts_with("https://") => url,
        (Auth::Key, _, _) => return Err(metadata("a key set is needed: jwks, or jwks_uri with https")),
        (_, None, None) => String::new(),
        _ => return Err(metadata("a key set is for private_key_jwt")),
    };
    let grants = said.grant_types.unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    Ok(NewClient {
        name: said.client_name.trim().to_owned(),
        scope: said.scope,
        jwks,
        auth,
        redirects: said.redirect_uris,
        launch: said.initiate_login_uri.unwrap_or_default(),
        grants,
        // Rights are the operator's to give.
        rights: Vec::new(),
        status: Status::Pending,
    })
}

fn told(client: &Client, secret: Option<String>, new: &NewClient) -> Value {
    let method = match client.auth {
        Auth::Key => "private_key_jwt",
        Auth::Secret => "client_secret_basic",
        Auth::None => "none",
    };
    let mut json = json!({
        "client_id": client.id,
        "client_id_issued_at": client.made_s,
        "client_name": new.name,
        "redirect_uris": client.redirects,
        "grant_types": client.grants,
        "response_types": if client.may_use(GRANTS[1]) { json!(["code"]) } else { json!([]) },
        "token_endpoint_auth_method": method,
        "scope": client.scope,
    });
    if let Some(secret) = secret {
        json["client_secret"] = secret.into();
        json["client_secret_expires_at"] = 0.into();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_register_within_a_minute() {
        let (lately, start) = (Registrations::default(), Instant::now());
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        assert!((0..ADDRESS_MAX).all(|_| lately.begin(address(1), start)));
        assert!(!lately.begin(address(1), start + WINDOW / 2));
        assert!(lately.begin(address(2), start), "another address is not kept out");
        assert!(lately.begin(address(1), start + WINDOW));
        assert_eq!((0..200).filter(|last| lately.begin(address(*last), start + WINDOW)).count(), WINDOW_MAX - 1);
    }
}
