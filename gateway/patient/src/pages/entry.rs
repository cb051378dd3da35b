//! `GET /entry/{kind}/{id}`: one entry of the record as it is kept, readable JSON.

use crate::app::App;
use crate::error::PageError;
use crate::html::{Html, el};
use crate::layout::{Frame, Page};
use crate::session::Session;
use crate::words::types;
use axum::Extension;
use axum::extract::{Path, State};

/// `GET /entry/{kind}/{id}`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Html, PageError> {
    let json = app.node.resource(&kind, &id).await?.ok_or_else(PageError::no_page)?;
    app.show(&session, |frame| page(frame, &kind, &json)).await
}

/// The page.
pub(crate) fn page(_: &Frame, kind: &str, json: &str) -> Page {
    let words = types::one(kind);
    let title = words
        .chars()
        .next()
        .map_or(String::new(), |first| format!("{}{}", first.to_uppercase(), &words[first.len_utf8()..]));
    let lead = "This is the whole entry, in the form in which hospitals exchange it.";
    let text = el("pre").id("entry").attr("tabindex", "0").with(json);
    let back = el("p").with(el("a").href("/timeline").with("To the timeline"));
    let body = el("div").with((
        el("h1").with(title),
        el("p").class("lead").with(lead),
        el("section").class("card").with(text),
        back,
    ));
    Page { menu: "/timeline", title: "One entry", waits: false, body: body.html() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn an_entry_is_shown_as_it_is() {
        let json = "{\n  \"resourceType\": \"Observation\",\n  \"valueQuantity\": { \"value\": 1.00 }\n}";
        let html = samples::shown("entry", |frame| page(frame, "Observation", json));
        assert!(html.contains("A measurement or test result") && html.contains("1.00"));
    }
}
