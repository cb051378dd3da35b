//! `GET /held-back`: what somebody wrote that does not count, and why. `POST /held-back/take-in`: takes it into the record,
//! each entry in its old place. Reached from the page of access.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el};
use crate::layout::{self, Frame, Page, button, empty, facts};
use crate::pages::done;
use crate::session::Session;
use crate::words::{self, clock, types};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::quarantine::HeldBack;
use record::state::Quarantine;

/// `GET /held-back`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let (held, more) = app.node.held_back().await?;
    app.show(&session, |frame| page(frame, &held, more)).await
}

/// `POST /held-back/take-in`: what was shown, and nothing that came since.
pub(crate) async fn take_in(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let (held, _) = app.node.held_back().await?;
    let named = |group: &&HeldBack| {
        group.record.to_string() == form.one("record")
            && group.origin == form.one("origin")
            && key(group.reason) == form.one("reason")
    };
    let group = held.iter().find(named).ok_or_else(PageError::no_page)?;
    let last = group.ops.iter().position(|op| op.to_string() == form.one("last")).ok_or_else(PageError::no_page)?;
    app.node.take_in(group.record, group.ops[..=last].to_vec()).await?;
    Ok(done("/held-back"))
}

/// The page.
pub(crate) fn page(frame: &Frame, held: &[HeldBack], more: u64) -> Page {
    let groups = held.iter().map(|group| card(frame, group)).collect::<Vec<_>>();
    let groups = if groups.is_empty() { vec![empty("Nothing is kept apart.").id("nothing-held")] } else { groups };
    let lead = el("p").class("lead").with(
        "These entries were written without your permission, or after it had ended. Nothing of them was thrown away, and nothing of them counts, here or at anybody else, until you take it in.",
    );
    let more = (more > 0).then(|| {
        let entries = words::count(more, "more is", "more are");
        el("p").class("hint").with(format!("{entries} kept apart; they appear here once those above are taken in."))
    });
    let back = el("p").with(el("a").href("/access").with("Back to who has access"));
    let body = el("div").with((el("h1").with("Kept apart"), lead, groups, more, back));
    Page { menu: "/access", title: "Kept apart", waits: false, body: body.html() }
}

fn key(reason: Quarantine) -> &'static str {
    match reason {
        Quarantine::BeyondTheLine => "ended",
        Quarantine::NoAuthority => "no-access",
        Quarantine::NotCovered => "not-covered",
    }
}

fn why(name: &str, reason: Quarantine) -> String {
    match reason {
        Quarantine::BeyondTheLine => {
            format!("{name} wrote this after its access had ended, or before that reached your device.")
        }
        Quarantine::NoAuthority => format!("{name} had no access when it wrote this."),
        Quarantine::NotCovered => format!("{name} had access, but not to entries of this kind."),
    }
}

fn card(frame: &Frame, group: &HeldBack) -> El {
    let name = words::name(&group.name, "Somebody without a name");
    let counts = group.counts.iter().map(|(kind, number)| {
        el("li").with(if *number == 1 { types::one(kind) } else { format!("{number} {}", types::many(kind)) })
    });
    let counts = el("ul").class("scopes").with(counts.collect::<Vec<_>>());
    let known = facts([
        ("The first", clock::stamp(group.from_ms, &clock::moment(group.from_ms))),
        ("The last", clock::stamp(group.to_ms, &clock::moment(group.to_ms))),
    ]);
    let hint = el("p").class("hint").with(
        "The times are what its writer says. If you do not know what this is, ask the hospital before you take it in.",
    );
    let hidden =
        |name: &'static str, value: String| el("input").attr("type", "hidden").attr("name", name).attr("value", value);
    let last = group.ops.last().map(ToString::to_string).unwrap_or_default();
    let form = frame.form("/held-back/take-in").class("take-in").with((
        hidden("record", group.record.to_string()),
        hidden("origin", group.origin.clone()),
        hidden("reason", key(group.reason).to_owned()),
        hidden("last", last),
        button("Take all of this into my record", "main"),
    ));
    el("article").class("card").attr("data-state", key(group.reason)).attr("data-name", &group.name).with((
        layout::state("act", "Kept apart"),
        el("h2").class("who").with(name),
        el("p").with(why(name, group.reason)),
        counts,
        known,
        hint,
        form,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn what_is_kept_apart_is_told_with_its_reason() {
        let check = |reason, expected: &str| {
            let held = [HeldBack { reason, ..samples::held_back() }];
            let html = samples::shown("held-back", |frame| page(frame, &held, 0));
            assert_eq!(html.matches("class=\"take-in\"").count(), 1);
            assert!(html.contains(expected), "{expected}");
            assert!(!html.contains("more are"));
        };
        check(Quarantine::BeyondTheLine, "after its access had ended");
        check(Quarantine::NoAuthority, "had no access when");
        check(Quarantine::NotCovered, "not to entries of this kind");
        let html = samples::shown("held-back-none", |frame| page(frame, &[], 0));
        assert!(html.contains("Nothing is kept apart") && !html.contains("take-in"));
        let html = samples::shown("held-back-more", |frame| page(frame, &[samples::held_back()], 1200));
        assert!(html.contains("1,200 more are kept apart"));
    }
}
