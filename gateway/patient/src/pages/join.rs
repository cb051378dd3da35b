//! `GET /devices/join`: where a new device takes the code of one that has the record; `POST` begins. `GET /devices/join/{id}`:
//! the six digits to compare, confirm or stop.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{self, Frame, Page, button};
use crate::pages::{done, meeting};
use crate::session::Session;
use crate::words;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use node::devices::{JoinState, JoinView};

/// `GET /devices/join`.
pub(crate) async fn begin(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    app.show(&session, form_page).await
}

/// `POST /devices/join`.
pub(crate) async fn take(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let none = "Paste the code of your other device into the field first. Nothing was changed.";
    let code = meeting::code(&form, none, "This is longer than any code. Copy only the code.")?;
    let id = app.node.join_device(&code).await?;
    Ok(done(&format!("/devices/join/{}", segment(&id))))
}

/// `GET /devices/join/{id}`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
) -> Result<Html, PageError> {
    let view = app.node.join(&id).await?.ok_or_else(PageError::no_page)?;
    app.show(&session, |frame| page(frame, &view)).await
}

/// `POST /devices/join/{id}/confirm`.
pub(crate) async fn confirm(State(app): State<App>, Path(id): Path<String>, form: Form) -> Result<Redirect, PageError> {
    let view = app.node.join(&id).await?.ok_or_else(PageError::no_page)?;
    meeting::are_same(&form, &view.digits)?;
    app.node.confirm_join(&id).await?;
    Ok(done(&format!("/devices/join/{}", segment(&id))))
}

/// `POST /devices/join/{id}/stop`.
pub(crate) async fn stop(State(app): State<App>, Path(id): Path<String>, _: Form) -> Result<Redirect, PageError> {
    app.node.stop_join(&id).await?;
    Ok(done(&format!("/devices/join/{}", segment(&id))))
}

fn state(state: JoinState) -> (&'static str, El) {
    match state {
        JoinState::Connecting => ("connecting", layout::state("wait", "Reaching your other device")),
        JoinState::Digits => ("digits", layout::state("act", "Compare the digits")),
        JoinState::WaitingForOther => ("waiting", layout::state("wait", "Confirm on your other device too")),
        JoinState::Done => ("done", layout::state("good", "Done")),
        JoinState::Ended => ("ended", layout::state("off", "Ended")),
    }
}

fn at(view: &JoinView) -> String {
    format!("/devices/join/{}", segment(&view.id))
}

/// One joining in a list.
pub(crate) fn line(view: &JoinView) -> El {
    meeting::line(state(view.state), at(view), words::name(&view.other, "Another device"), view.started_ms)
}

/// Where a code is pasted.
pub(crate) fn form_page(frame: &Frame) -> Page {
    let words = "On the device that has your record choose \"Your devices\" and \"Add a device\". It shows a code that begins with chartwell-device. Paste it here. If you have just recovered your record with your words, paste the address of the record here instead.";
    let form = meeting::code_form(frame, "/devices/join", "The code", "chartwell-device").id("join-form");
    let body = el("div").with((el("h1").with("Join"), el("section").class("card").with((el("p").with(words), form))));
    Page { menu: "/devices", title: "Join", waits: false, body: body.html() }
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &JoinView) -> Page {
    let other = words::name(&view.other, "your other device");
    let body = match view.state {
        JoinState::Connecting => el("div").with((
            el("p").class("lead").with("Your other device is being reached. This takes a few seconds."),
            stop_form(frame, view),
        )),
        JoinState::Digits => {
            let confirm = meeting::confirm_form(frame, &at(view), &view.digits);
            let confirm = confirm.with(button("The digits are the same: join", "main"));
            el("div").with((
                el("p").with(format!("{other} must show these six digits now:")),
                meeting::digits(&view.digits),
                confirm,
                el("p").class("hint").with("If the digits differ, somebody may be in between: stop."),
                stop_form(frame, view),
            ))
        }
        JoinState::WaitingForOther => el("div").with((
            el("p")
                .class("lead")
                .with(format!("Confirmed here. Now confirm on {other} that it shows the same digits.")),
            meeting::digits(&view.digits),
            stop_form(frame, view),
        )),
        JoinState::Done => {
            let lead = "This device may have your record. It comes by itself, which can take some minutes.";
            meeting::done(lead.to_owned(), "/", "To your record")
        }
        JoinState::Ended => {
            let lead = "This code has ended, and this device was not let in by it.";
            meeting::ended(lead, &view.message, "/devices/join", "Begin with another code")
        }
    };
    let card = meeting::card(state(view.state), body);
    let waits = matches!(view.state, JoinState::Connecting | JoinState::WaitingForOther);
    let body = el("div").with((el("h1").with("Join"), card));
    Page { menu: "/devices", title: "Join", waits, body: body.html() }
}

fn stop_form(frame: &Frame, view: &JoinView) -> El {
    meeting::stop_form(frame, &at(view), "Stop")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn each_state_offers_what_can_be_done_in_it() {
        let check = |state, key: &str, confirm: bool, stop: bool, digits: bool| {
            let html = samples::shown(&format!("join-{key}"), |frame| page(frame, &samples::join(state)));
            assert!(html.contains(&format!("data-state=\"{key}\"")), "{key}");
            assert_eq!(html.contains("id=\"confirm-form\""), confirm, "{key}");
            assert_eq!(html.contains("id=\"stop-form\""), stop, "{key}");
            assert_eq!(html.contains(">042917</p>"), digits, "{key}");
        };
        check(JoinState::Connecting, "connecting", false, true, false);
        check(JoinState::Digits, "digits", true, true, true);
        check(JoinState::WaitingForOther, "waiting", false, true, true);
        check(JoinState::Done, "done", false, false, false);
        check(JoinState::Ended, "ended", false, false, false);
        assert!(samples::shown("join", form_page).contains("id=\"join-form\""));
    }
}
