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

/// Four numbers and the flags.
const PAGE_BYTES: usize = 33;

/// There is a position to page beyond.
const BEYOND: u8 = 1;
/// Among what has no value to sort by.
const VALUELESS: u8 = 2;

/// The token for a page of `search`, which is a path and a query without [`PARAMETER`].
pub(crate) fn seal(app: &App, caller: &Caller, search: &str, page: &Page) -> String {
    let mut bytes = Vec::with_capacity(PAGE_BYTES + BINDING_BYTES);
    bytes.push(u8::from(page.before.is_some()) * BEYOND + u8::from(page.valueless) * VALUELESS);
    for number in [page.snapshot, page.before.unwrap_or_default(), page.skip, page.made_s as i64] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
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
    let (place, bound) = bytes.split_at_checked(PAGE_BYTES).ok_or_else(broken)?;
    if bound != binding(app, caller, search) {
        let text = "the paging link belongs to another client or another search";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text));
    }
    let mut numbers = place[1..].chunks_exact(8).map(|bytes| bytes.try_into().map(i64::from_le_bytes));
    let mut number = || numbers.next().and_then(Result::ok).ok_or_else(broken);
    let (snapshot, before, skip, made) = (number()?, number()?, number()?, number()?);
    Ok(Page {
        snapshot,
        before: (place[0] & BEYOND != 0).then_some(before),
        skip,
        valueless: place[0] & VALUELESS != 0,
        made_s: made as u64,
    })
}

fn binding(app: &App, caller: &Caller, search: &str) -> Vec<u8> {
    let text = format!("page\0{}\0{search}", caller.client);
    let key = EncodingKey::from_secret(&app.node.page_key());
    let mac = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).expect("any 32 bytes are a key");
    mac.into_bytes().into_iter().take(BINDING_BYTES).collect()
}
