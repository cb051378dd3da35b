//! `GET /invite`: where an invite's code is pasted, and every invite so far. `POST /invite`: begins with one.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{Frame, Page, empty};
use crate::pages::{done, meeting, pairing};
use crate::session::Session;
use crate::words;
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::pairing::{PairingState, PairingView};

/// `GET /invite`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let pairings = app.node.pairings().await?;
    app.show(&session, |frame| page(frame, &pairings)).await
}

/// `POST /invite`.
pub(crate) async fn accept(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let none = "Paste the text of the invite into the field first. Nothing was changed.";
    let long = "This is longer than any invite. Copy only the text of the invite.";
    let code = meeting::code(&form, none, long)?;
    let id = app.node.accept_invite(&code).await?;
    Ok(done(&format!("/invite/{}", segment(&id))))
}

/// The page.
pub(crate) fn page(frame: &Frame, pairings: &[PairingView]) -> Page {
    let words = "A hospital that keeps a record about you can hand it over to you. It gives you an invite: a QR code and a text that begins with chartwell-invite. Paste the text here. Nothing is handed over before you and the hospital have compared six digits.";
    let begin =
        el("section").class("card").with((el("h2").with("Begin with an invite"), el("p").with(words), form(frame)));
    let past = match pairings.is_empty() {
        true => empty("None so far."),
        false => el("ul").class("plain").with(pairings.iter().map(line).collect::<Vec<_>>()),
    };
    let past = el("section").class("card").with((el("h2").with("Your invites"), past));
    let body = el("div").with((el("h1").with("Add a record"), begin, past));
    Page { menu: "/invite", title: "Add a record", waits: false, body: body.html() }
}

/// The form that takes a code.
pub(crate) fn form(frame: &Frame) -> El {
    meeting::code_form(frame, "/invite", "The text of the invite", "chartwell-invite").id("invite-form")
}

fn line(view: &PairingView) -> El {
    let nameless = match view.state {
        PairingState::Ended => "A code that no hospital took",
        _ => "A hospital that has not answered yet",
    };
    let hospital = words::name(&view.hospital, nameless);
    meeting::line(pairing::state(view.state), pairing::at(view), hospital, view.started_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn the_page_takes_a_code_and_lists_what_came_of_others() {
        let html =
            samples::shown("invite", |frame| page(frame, &[samples::pairing(node::pairing::PairingState::Ended)]));
        assert!(html.contains("id=\"invite-form\"") && html.contains("name=\"code\""));
        assert!(html.contains("data-state=\"ended\"") && html.contains("/invite/pair1"));
    }
}
