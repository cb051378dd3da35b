//! `GET /invite`: where an invite's code is pasted, and every invite so far. `POST /invite`: begins with one.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{Frame, Page, button, empty};
use crate::pages::{done, pairing};
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::pairing::{PairingState, PairingView};

/// Longest code that is taken; an address with eight places is a quarter of it.
const CODE_BYTES_MAX: usize = 8 * 1024;

/// `GET /invite`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let pairings = app.node.pairings().await?;
    app.show(&session, |frame| page(frame, &pairings)).await
}

/// `POST /invite`.
pub(crate) async fn accept(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let code = form.one("code").split_whitespace().collect::<String>();
    if code.is_empty() {
        return Err(PageError::typed("Paste the text of the invite into the field first. Nothing was changed."));
    }
    if code.len() > CODE_BYTES_MAX {
        return Err(PageError::typed("This is longer than any invite. Copy only the text of the invite."));
    }
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
    let label = el("label").attr("for", "code").with("The text of the invite");
    let input = el("input")
        .id("code")
        .attr("name", "code")
        .attr("type", "text")
        .flag("required", true)
        .attr("spellcheck", "false");
    let input = input
        .attr("autocapitalize", "off")
        .attr("placeholder", "chartwell-invite:…")
        .attr("maxlength", CODE_BYTES_MAX.to_string());
    frame.form("/invite").id("invite-form").with((label, input, button("Begin", "main")))
}

fn line(view: &PairingView) -> El {
    let (key, look) = pairing::state(view.state);
    let nameless = match view.state {
        PairingState::Ended => "A code that no hospital took",
        _ => "A hospital that has not answered yet",
    };
    let hospital = el("a").href(format!("/invite/{}", segment(&view.id))).with(words::name(&view.hospital, nameless));
    let when = clock::stamp(view.started_ms, &clock::moment(view.started_ms));
    el("li").class("line").attr("data-state", key).with((el("span").with((hospital, ", ", when)), look))
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
