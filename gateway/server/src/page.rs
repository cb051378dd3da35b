//! Paging without state: the `_page` token of a `next` link says where the next page begins, sealed so that nobody else
//! can make or change one, and bound to its client and its search. Called by `interaction::search` and `history`.
//! Spec: <https://hl7.org/fhir/R4/http.html#paging>.

use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use fhir::Code;
use jsonwebtoken::{Algorithm, EncodingKey};
use node::Caller;
use node::search::Page;

/// The parameter that carries it.
pub(crate) const PARAMETER: &str = "_page";

/// Bytes of the token that bind it; a guess hits with one in 2^96.
const BINDING_BYTES: usize = 16;

/// Whether there is a position to page before.
const FLAGS: [u8; 2] = [0, 1];

/// The token for a page of `search`, which is a path and a query without [`PARAMETER`].
pub(crate) fn seal(app: &App, caller: &Caller, search: &str, page: &Page) -> String {
    let mut bytes = Vec::with_capacity(25 + BINDING_BYTES);
    bytes.extend_from_slice(&page.snapshot.to_le_bytes());
    bytes.push(FLAGS[usize::from(page.before.is_some())]);
    bytes.extend_from_slice(&page.before.unwrap_or_default().to_le_bytes());
    bytes.extend_from_slice(&page.skip.to_le_bytes());
    bytes.extend_from_slice(&binding(app, caller, search));
    app.node.seal_page(&bytes)
}

/// The page that a token names.
///
/// # Errors
/// 400 for a token that was not made here or was changed, 403 for one of another client or search.
pub(crate) fn open(app: &App, caller: &Caller, search: &str, token: &str) -> Result<Page, ApiError> {
    let broken =
        || ApiError::bad(Code::Value, "the paging link was changed or was not made by this server", "http._page");
    let bytes = app.node.open_page(token).ok_or_else(broken)?;
    let (place, bound) = bytes.split_at_checked(25).ok_or_else(broken)?;
    if bound != binding(app, caller, search) {
        let text = "the paging link belongs to another client or another search";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text));
    }
    let number = |at: usize| place[at..at + 8].try_into().map(i64::from_le_bytes).map_err(|_| broken());
    let before = if place[8] == FLAGS[1] { Some(number(9)?) } else { None };
    Ok(Page { snapshot: number(0)?, before, skip: number(17)? })
}

fn binding(app: &App, caller: &Caller, search: &str) -> Vec<u8> {
    let text = format!("page\0{}\0{search}", caller.client);
    let key = EncodingKey::from_secret(&app.node.token_key());
    let mac = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).expect("any 32 bytes are a key");
    mac.into_bytes().into_iter().take(BINDING_BYTES).collect()
}
