//! The three files of the page: style, the one script, the icon. They hold nothing of anybody's and need no session.
//! Called by `app`.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("../static/style.css");
const LIVE: &str = include_str!("../static/live.js");
const ICON: &str = include_str!("../static/icon.svg");

/// The style sheet.
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// The script that keeps an open page up to date.
pub(crate) async fn live() -> Response {
    file("text/javascript; charset=utf-8", LIVE)
}

/// The icon.
pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    // Asked for anew after an upgrade, whatever the browser kept.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}
