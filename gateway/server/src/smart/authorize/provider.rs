//! Logging in at an OpenID provider instead of here: `POST /auth/provider` sends a person there, `GET /auth/callback` takes
//! the person back. Who comes back is a user whom the operator added under the provider's `sub`; nobody else is let in.
//! Called by the router in `app`.
//! Spec: OpenID Connect Core section 3.1, RFC 7636, RFC 9207.

use super::asked::{Asked, Fault};
use super::steps::{self, login_page, opened};
use super::{answer, sealed};
use crate::app::App;
use crate::pairs::encode;
use crate::smart::browser::Browser;
use crate::smart::external::{External, is_safe};
use crate::smart::form::Form;
use crate::smart::jwks;
use crate::token::TokenError;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A provider that people log in at.
pub(crate) struct Provider {
    external: External,
    issuer: String,
    client_id: String,
    secret: String,
}

/// A login that was begun, until the person comes back.
#[derive(Serialize, Deserialize)]
struct Begun {
    /// What the app asked, sealed.
    asked: String,
    nonce: String,
    verifier: String,
    /// The browser that left, as a hash: another that comes back was sent by somebody else.
    browser: String,
}

/// Why a login elsewhere came to nothing; a person may try again.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("it does not answer: {0}")]
    Away(String),
    #[error("what it answered does not prove who came back: {0}")]
    Unproven(#[from] TokenError),
}

impl Provider {
    pub(crate) fn new(issuer: &str, client_id: &str, secret: &str) -> Self {
        Self {
            external: External::new(issuer, client_id),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    async fn endpoint(&self, name: &str) -> Result<String, LoginError> {
        let known = self.external.discovered().await?;
        let url = known.document[name].as_str().filter(|url| is_safe(url));
        url.map(str::to_owned).ok_or_else(|| LoginError::Away(format!("its {name} is not https")))
    }

    /// Who a code stands for: the provider's name of the person, which it gives to nobody else.
    async fn subject(&self, code: &str, callback: &str, begun: &Begun) -> Result<String, LoginError> {
        let url = self.endpoint("token_endpoint").await?;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("code_verifier", &begun.verifier),
        ];
        let form = pairs.map(|(name, value)| format!("{name}={}", encode(value))).join("&");
        let answered = jwks::post_form(&url, (&encode(&self.client_id), &encode(&self.secret)), form).await;
        let bytes = answered.map_err(|error| LoginError::Away(error.to_string()))?;
        let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let token = json["id_token"].as_str().unwrap_or_default();
        Ok(self.external.verify_identity(token, &begun.nonce).await?)
    }
}

/// Sends a person to the provider.
pub(crate) async fn start(State(app): State<App>, request: Request) -> Response {
    let (browser, _, asked, client) = match opened(&app, request).await {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    match sent(&app, &browser, &asked).await {
        Ok(url) => browser.sent_to(&app, &url),
        Err(Ok(fault)) => answer(&app, &browser, fault),
        Err(Err(error)) => {
            tracing::warn!(%error, "nobody can be sent to the login elsewhere");
            login_page(&app, &browser, &asked, &client, StatusCode::SERVICE_UNAVAILABLE, Some(AWAY))
        }
    }
}

const AWAY: &str = "The login does not answer. Try again in a few seconds.";

async fn sent(app: &App, browser: &Browser, asked: &Asked) -> Result<String, Result<Fault, LoginError>> {
    let provider = app.provider.as_ref().ok_or(Ok(Fault::Page("People log in here with a password.")))?;
    let url = provider.endpoint("authorization_endpoint").await.map_err(Err)?;
    let fresh = || BASE64URL_NOPAD.encode(&node::clock::random::<32>());
    let begun = Begun {
        asked: sealed(app, asked),
        nonce: fresh(),
        verifier: fresh(),
        browser: hash(browser.secret.as_bytes()),
    };
    let body = serde_json::to_string(&begun).unwrap_or_default();
    let state = app.node.keep_login(&body).await.map_err(|error| Ok(error.into()))?;
    let pairs = [
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", &callback_url(app)),
        ("scope", "openid"),
        ("state", &state),
        ("nonce", &begun.nonce),
        ("code_challenge", &hash(begun.verifier.as_bytes())),
        ("code_challenge_method", "S256"),
    ];
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encode(value))).join("&");
    Ok(format!("{url}{}{pairs}", if url.contains('?') { '&' } else { '?' }))
}

/// Takes a person back.
pub(crate) async fn callback(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let browser = Browser::of(&app, &parts.headers);
    let over =
        || Fault::Page("This login is over, or was begun in another browser. Go back to the app and begin again.");
    let Ok(form) = Form::of(parts.headers, parts.uri.query().unwrap_or_default()) else {
        return answer(&app, &browser, over());
    };
    match taken_back(&app, &browser, &form).await {
        Ok(Some(response)) => response,
        Ok(None) => answer(&app, &browser, over()),
        Err(fault) => answer(&app, &browser, fault),
    }
}

async fn taken_back(app: &App, browser: &Browser, form: &Form) -> Result<Option<Response>, Fault> {
    let field = |name| form.find(name).ok().flatten().unwrap_or_default();
    let Some(provider) = &app.provider else { return Ok(None) };
    // Used up whatever comes of it.
    let Some(body) = app.node.take_login(field("state")).await? else { return Ok(None) };
    let begun = serde_json::from_str::<Begun>(&body).ok();
    let Some(begun) = begun.filter(|begun| begun.browser == hash(browser.secret.as_bytes())) else { return Ok(None) };
    let (asked, client) = Asked::open(app, &begun.asked).await?;
    let again = |status, text| login_page(app, browser, &asked, &client, status, Some(text));
    let issuer = field("iss");
    if !issuer.is_empty() && issuer != provider.issuer {
        tracing::warn!("another issuer than the login's sent somebody back");
        return Ok(None);
    }
    let code = field("code");
    if code.is_empty() || !field("error").is_empty() {
        return Ok(Some(again(StatusCode::FORBIDDEN, "You were not logged in. Try again.")));
    }
    let subject = match provider.subject(code, &callback_url(app), &begun).await {
        Ok(subject) => subject,
        Err(error) => {
            tracing::warn!(%error, "a login elsewhere came to nothing");
            return Ok(Some(again(StatusCode::BAD_GATEWAY, AWAY)));
        }
    };
    let Some(person) = app.node.person_of(&subject).await? else {
        tracing::warn!("somebody logged in elsewhere who is no user here");
        return Ok(Some(again(StatusCode::FORBIDDEN, "You are logged in there, but are no user here.")));
    };
    app.node.end_session(&browser.secret).await?;
    let secret = app.node.begin_session(&person).await?;
    tracing::info!("a person logged in elsewhere");
    Ok(Some(steps::next(app, &Browser::with(secret), asked).await))
}

fn callback_url(app: &App) -> String {
    format!("{}/auth/callback", app.settings.base_url)
}

fn hash(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(digest(&SHA256, bytes).as_ref())
}
