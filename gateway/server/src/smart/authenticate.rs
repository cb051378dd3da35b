//! Which client asks: by an assertion, by its secret in the header or in the form, or by its name alone. Called by the
//! endpoints that clients call themselves.
//! Spec: RFC 6749 section 2.3, RFC 7523, <https://hl7.org/fhir/smart-app-launch/client-confidential-symmetric.html>.

use crate::app::App;
use crate::pairs;
use crate::smart::assertion::{self, AssertionError};
use crate::smart::form::Form;
use crate::smart::refused::Refused;
use axum::http::header::AUTHORIZATION;
use data_encoding::BASE64;
use node::clients::{Auth, Client};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest name or secret that is looked at.
const SECRET_BYTES_MAX: usize = 1024;

/// The same for a client that is not there, one that is not approved and one that did not prove who it is.
const UNKNOWN: &str = "the client is not registered here, or did not prove who it is as it was registered to";

/// The client that sent a form, proven as it was registered to; a public one by its name alone.
///
/// # Errors
/// [`Refused::Client`]; [`Refused::Request`] for two proofs at once.
pub(crate) async fn client(app: &App, form: &Form) -> Result<Client, Refused> {
    let basic = basic(form)?;
    let assertion = form.find("client_assertion")?;
    let secret = form.find("client_secret")?;
    let named = form.find("client_id")?;
    if usize::from(basic.is_some()) + usize::from(assertion.is_some()) + usize::from(secret.is_some()) > 1 {
        return Err(Refused::request("prove who you are in one way only"));
    }
    let found = if let Some(text) = assertion {
        if form.find("client_assertion_type")? != Some(ASSERTION_TYPE) {
            return Err(Refused::Request(format!("client_assertion_type must be {ASSERTION_TYPE}")));
        }
        Some(assertion::client(app, text).await.map_err(|error| match error {
            AssertionError::Node(error) => error.into(),
            error => Refused::client(error.to_string()),
        })?)
    } else if let Some((id, secret)) = &basic {
        let found = by_secret(app, id, secret).await?;
        Some(found.ok_or(Refused::Client { text: UNKNOWN.to_owned(), basic: true })?)
    } else if let Some(secret) = secret {
        by_secret(app, named.unwrap_or_default(), secret).await?
    } else {
        let Some(id) = named else {
            return Err(Refused::request("client_id, or a proof of who the client is, is missing"));
        };
        app.node.approved_client(id).await?.filter(|client| client.auth == Auth::None)
    };
    found.filter(|client| named.is_none_or(|id| id == client.id)).ok_or_else(|| Refused::client(UNKNOWN))
}

/// As [`client`], but only one that can prove who it is.
///
/// # Errors
/// As [`client`].
pub(crate) async fn confidential(app: &App, form: &Form) -> Result<Client, Refused> {
    let client = client(app, form).await?;
    if client.auth == Auth::None { Err(Refused::client(UNKNOWN)) } else { Ok(client) }
}

async fn by_secret(app: &App, id: &str, secret: &str) -> Result<Option<Client>, Refused> {
    if id.len() > SECRET_BYTES_MAX || secret.len() > SECRET_BYTES_MAX {
        return Ok(None);
    }
    // Compared before anything is said of the client, so that the time tells nothing of which there are.
    let proven = app.node.client_has_secret(id, secret).await?;
    let client = app.node.approved_client(id).await?.filter(|client| client.auth == Auth::Secret);
    Ok(client.filter(|_| proven))
}

/// Name and secret of `Authorization: Basic`, both percent-encoded within (RFC 6749 section 2.3.1).
fn basic(form: &Form) -> Result<Option<(String, String)>, Refused> {
    let Some(value) = form.headers.get(AUTHORIZATION) else { return Ok(None) };
    let unread = || Refused::Client { text: "the Authorization header is no Basic one".to_owned(), basic: true };
    let text = value.to_str().map_err(|_| unread())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(unread)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unread());
    }
    let decoded = BASE64.decode(rest.trim().as_bytes()).map_err(|_| unread())?;
    let decoded = String::from_utf8(decoded).map_err(|_| unread())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(unread)?;
    Ok(pairs::decode(id).zip(pairs::decode(secret)))
}
