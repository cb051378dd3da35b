//! `GET /timeline`: what was done in a record, newest first, page by page.

use crate::app::App;
use crate::error::PageError;
use crate::html::{Html, el};
use crate::layout::{Frame, Page};
use crate::pages::moments::{self, Asked, PAGE_MOMENTS, View};
use crate::session::Session;
use axum::Extension;
use axum::extract::{Query, State};

/// `GET /timeline?record=…&before=…`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html, PageError> {
    let (asked, records) = (Asked::parse(&pairs), app.node.records().await?);
    let record = asked.record(&records)?.map(|record| record.record);
    let (moments, next) = match record {
        Some(record) => app.node.timeline(record, asked.before, PAGE_MOMENTS).await?,
        None => (Vec::new(), None),
    };
    let view = View { records, record, moments, later: asked.before.is_some(), next };
    app.show(&session, |frame| page(frame, &view)).await
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &View) -> Page {
    let lead =
        "Everything that was written in your record or decided about it, by whom and why. The newest comes first.";
    let list = moments::list(frame, view, "/timeline", "Nothing has happened yet.");
    let body = el("div").with((el("h1").with("Timeline"), el("p").class("lead").with(lead), list));
    Page { menu: "/timeline", title: "Timeline", waits: false, body: body.html() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn moments_read_in_plain_words_by_day() {
        let html = samples::shown("timeline", |frame| page(frame, &samples::moments()));
        assert_eq!(html.matches("class=\"moment\"").count(), samples::moments().moments.len());
        assert!(html.contains("wrote a measurement or test result: Body Weight"));
        assert!(html.contains("/entry/Observation/o.1"));
        assert!(html.contains("120 measurements and test results"));
        assert!(html.contains("before=17") && html.contains("<h2>21 November 2026</h2>"));
        assert!(!html.contains("patient/Observation"));
    }
}
