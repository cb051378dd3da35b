//! `GET /login/{secret}`: opens a session with a one-time link. `POST /logout`: ends it.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::el;
use crate::layout;
use crate::session::Session;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use std::time::Instant;

/// `GET /login/{secret}`.
pub(crate) async fn get(State(app): State<App>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    let said = |name: &str, word: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(word))
    };
    // A browser that looks ahead must not use the link up before the person has followed it.
    if said("sec-purpose", "prefetch") || said("purpose", "prefetch") {
        return StatusCode::NO_CONTENT.into_response();
    }
    if !app.login.take(&secret, Instant::now()) {
        return PageError::used_link().into_response();
    }
    let session = app.sessions.begin(Instant::now());
    let cookie = AppendHeaders([(SET_COOKIE, app.place.set_cookie(Some(&session.token)))]);
    if said("sec-fetch-site", "cross-site") || said("sec-fetch-site", "same-site") {
        // A strict cookie does not go along on a redirect that began elsewhere, but does on a step of this page's own.
        let body = el("section").class("card").with((
            el("h1").with("Your page is open"),
            el("p").with(el("a").class("button").href("/").with("Go to your page")),
        ));
        return (cookie, layout::leads_on("Your page is open", body.html())).into_response();
    }
    (cookie, Redirect::to("/")).into_response()
}

/// `POST /logout`.
pub(crate) async fn logout(State(app): State<App>, Extension(session): Extension<Session>, _: Form) -> Response {
    app.sessions.end(&session.token);
    let body = el("section").class("card").with((
        el("h1").with("You are logged out"),
        el("p").with("To come back, use a fresh login link: one stands in the file ready.json in the data folder of the program that runs your page."),
    ));
    let cookie = AppendHeaders([(SET_COOKIE, app.place.set_cookie(None))]);
    (cookie, layout::bare("You are logged out", body.html())).into_response()
}
