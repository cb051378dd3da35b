//! `GET /conflicts`: entries that were edited in several places at once, with what stands beside each other. `POST /conflicts/keep`:
//! one of them is kept, for everybody. Reached from the overview.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el};
use crate::layout::{self, Frame, Page, button, empty};
use crate::pages::done;
use crate::session::Session;
use crate::words::{self, clock, types};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::conflicts::{Conflict, Side};

/// `GET /conflicts`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let conflicts = app.node.conflicts().await?;
    app.show(&session, |frame| page(frame, &conflicts)).await
}

/// `POST /conflicts/keep`.
pub(crate) async fn keep(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    app.node.keep(form.one("type"), form.one("id"), form.one("shown"), form.one("version")).await?;
    Ok(done("/conflicts"))
}

/// The page.
pub(crate) fn page(frame: &Frame, conflicts: &[Conflict]) -> Page {
    let cards = conflicts.iter().enumerate().map(|(at, conflict)| card(frame, at, conflict)).collect::<Vec<_>>();
    let cards = if cards.is_empty() { vec![empty("Nothing waits for you here.").id("no-conflicts")] } else { cards };
    let lead = "Several places changed these entries without knowing of each other. Everybody sees the last one, with a mark on it. If you know which one is right, keep it; otherwise ask one of those who wrote them. Nothing is lost: every version stays in your record.";
    let back = el("p").with(el("a").href("/").with("Back to the overview"));
    let body = el("div").with((el("h1").with("Changed in two places"), el("p").class("lead").with(lead), cards, back));
    Page { menu: "/", title: "Changed in two places", waits: false, body: body.html() }
}

fn card(frame: &Frame, at: usize, conflict: &Conflict) -> El {
    let last = conflict.sides.len().saturating_sub(1);
    let sides = conflict.sides.iter().enumerate();
    let sides = sides.map(|(place, side)| self::side(frame, (at, place), conflict, side, place == last));
    el("article").class("card").attr("data-type", &conflict.resource_type).with((
        layout::state("act", "Two versions"),
        el("h2").with(crate::error::sentence(&types::one(&conflict.resource_type)).trim_end_matches('.')),
        sides.collect::<Vec<_>>(),
    ))
}

fn side(frame: &Frame, (at, place): (usize, usize), conflict: &Conflict, side: &Side, last: bool) -> El {
    let who = el("strong").with(words::name(&side.name, "Somebody without a name"));
    let when = clock::stamp(side.at_ms, &clock::ago(side.at_ms, frame.now_ms));
    let seen = last.then(|| el("span").with(" Everybody sees this one now."));
    let what = match &side.text {
        Some(text) => el("details").with((
            el("summary").with("Read it"),
            el("pre").id(format!("side-{at}-{place}")).attr("tabindex", "0").with(text),
        )),
        None if side.deleted => el("p").with("It deletes the entry."),
        None => el("p").class("hint").with("It does not open on this device."),
    };
    let hidden =
        |name: &'static str, value: &str| el("input").attr("type", "hidden").attr("name", name).attr("value", value);
    let opens = side.deleted || side.text.is_some();
    let form = opens.then(|| {
        frame.form("/conflicts/keep").class("keep").with((
            hidden("type", &conflict.resource_type),
            hidden("id", &conflict.id),
            hidden("shown", &conflict.version),
            hidden("version", &side.version),
            button(if side.deleted { "Keep it deleted" } else { "Keep this version" }, "quiet"),
        ))
    });
    el("section").attr("data-side", &side.origin).with((el("p").with((who, ", ", when, ".", seen)), what, form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn each_side_is_told_and_can_be_kept_if_it_opens() {
        let mut conflict = samples::conflict();
        let shown =
            |conflict: &Conflict| samples::shown("conflicts", |frame| page(frame, std::slice::from_ref(conflict)));
        let html = shown(&conflict);
        assert_eq!(html.matches("class=\"keep\"").count(), 2);
        assert!(html.contains("Keep this version") && html.contains("Keep it deleted"));
        assert_eq!(html.matches("Everybody sees this one now").count(), 1);
        (conflict.sides[0].text, conflict.sides[1].deleted) = (None, true);
        assert_eq!(shown(&conflict).matches("class=\"keep\"").count(), 1, "what does not open is not kept");
        let html = samples::shown("no-conflicts", |frame| page(frame, &[]));
        assert!(html.contains("id=\"no-conflicts\"") && !html.contains("class=\"keep\""));
    }
}
