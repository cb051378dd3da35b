//! `GET` and `POST /auth/authorize`: an app asks for a person's leave. What it asks is read in `authorize::asked`, the pages
//! a person goes through are in `authorize::steps`, the tokens that come of it in `app_tokens`. Called by the router in `app`.
//! Spec: <https://hl7.org/fhir/smart-app-launch/app-launch.html>, RFC 6749 section 4.1, RFC 7636, RFC 9207, RFC 9700.

pub(crate) mod asked;
pub(crate) mod patients;
pub(crate) mod provider;
pub(crate) mod steps;

use crate::app::App;
use crate::smart::browser::Browser;
use crate::smart::form::Form;
use crate::smart::pages;
use asked::{Asked, Fault};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

/// Begins with what stands in the address.
pub(crate) async fn get(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let browser = Browser::of(&app, &parts.headers);
    match Form::of(parts.headers, &query) {
        Ok(form) => begin(&app, &browser, &form).await,
        Err(_) => unread(&app, &browser),
    }
}

/// Begins with a form, which may come from any page of an app's.
pub(crate) async fn post(State(app): State<App>, request: Request) -> Response {
    let browser = Browser::of(&app, request.headers());
    match Form::read(&app, request).await {
        Ok(form) => begin(&app, &browser, &form).await,
        Err(_) => unread(&app, &browser),
    }
}

async fn begin(app: &App, browser: &Browser, form: &Form) -> Response {
    match asked::read(app, form).await {
        Ok(asked) => steps::next(app, browser, asked).await,
        Err(fault) => answer(app, browser, fault),
    }
}

/// Tells a fault: to the app where it is known where that is, else to the person.
pub(crate) fn answer(app: &App, browser: &Browser, fault: Fault) -> Response {
    match fault {
        Fault::Page(text) => browser.page(app, StatusCode::BAD_REQUEST, pages::fault(text), &[]),
        Fault::Back { redirect, state, code, text } => {
            tracing::info!(error = code, "an app was refused: {text}");
            let pairs = [("error", code), ("error_description", text)];
            browser.sent_to(app, &address(app, &redirect, &pairs, state.as_deref()))
        }
        Fault::Node(error) => {
            tracing::error!(error = %crate::error::chain(&error), "a login could not go on");
            let text = "The server cannot go on now. Try again in a few seconds.";
            browser.page(app, StatusCode::SERVICE_UNAVAILABLE, pages::fault(text), &[])
        }
    }
}

/// Where an app is sent its answer. It says who answers, so that an app that knows several servers takes none for another.
pub(crate) fn address(app: &App, redirect: &str, pairs: &[(&str, &str)], state: Option<&str>) -> String {
    let issuer = app.settings.base_url.as_str();
    let pairs = pairs.iter().copied().chain(state.map(|state| ("state", state))).chain([("iss", issuer)]);
    let mut url = redirect.to_owned();
    for (at, (name, value)) in pairs.enumerate() {
        url.push(if at == 0 && !redirect.contains('?') { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&crate::pairs::encode(value));
    }
    url
}

fn unread(app: &App, browser: &Browser) -> Response {
    answer(app, browser, Fault::Page("What the app sent cannot be read."))
}

/// What an app asked, as the forms of the pages carry it along.
pub(crate) fn sealed(app: &App, asked: &Asked) -> String {
    let json = serde_json::to_vec(asked).unwrap_or_default();
    app.node.seal_form(asked::PURPOSE, &json)
}
