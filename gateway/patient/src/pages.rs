//! One page per file: what it shows as a pure function of what `node` says, and the handlers that ask and act.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod conflicts;
pub(crate) mod devices;
pub(crate) mod entry;
pub(crate) mod held_back;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod login;
mod meeting;
pub(crate) mod moments;
pub(crate) mod network;
pub(crate) mod offer;
pub(crate) mod overview;
pub(crate) mod pairing;
pub(crate) mod phrase;
pub(crate) mod requests;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod timeline;

use axum::response::Redirect;

/// Where a form leads when it was done.
pub(crate) fn done(path: &str) -> Redirect {
    Redirect::to(path)
}
