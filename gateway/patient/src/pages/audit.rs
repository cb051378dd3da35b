//! `GET /audit`: who looked at what, when and why, newest first, page by page.

use crate::app::App;
use crate::error::PageError;
use crate::html::{Html, el};
use crate::layout::{Frame, Page};
use crate::pages::moments::{self, Asked, PAGE_MOMENTS, View};
use crate::session::Session;
use axum::Extension;
use axum::extract::{Query, State};

/// `GET /audit?record=…&before=…`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html, PageError> {
    let (asked, records) = (Asked::parse(&pairs), app.node.records().await?);
    let record = asked.record(&records)?.map(|record| record.record);
    let (moments, next) = match record {
        Some(record) => app.node.accesses(record, asked.before, PAGE_MOMENTS).await?,
        None => (Vec::new(), None),
    };
    let view = View { records, record, moments, later: asked.before.is_some(), next };
    app.show(&session, |frame| page(frame, &view)).await
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &View) -> Page {
    let lead = "Everybody who looked at your record, what they were shown, and what they said it was for. Several looks of one person within a short time stand as one.";
    let list = moments::list(frame, view, "/audit", "Nobody has looked yet.");
    let body = el("div").with((el("h1").with("Who looked"), el("p").class("lead").with(lead), list));
    Page { menu: "/audit", title: "Who looked", waits: false, body: body.html() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn a_look_says_who_what_and_why() {
        let html = samples::shown("audit", |frame| page(frame, &samples::looks()));
        assert!(html.contains("Hospital B (Dr. Weiss)"));
        assert!(html.contains("searched and was shown 12 measurements and test results"));
        assert!(html.contains("Why: treating you"));
    }
}
