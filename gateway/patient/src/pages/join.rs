//! `GET /devices/join`: where a new device takes the code of one that has the record; `POST` begins. `GET /devices/join/{id}`:
//! the six digits to compare, confirm or stop.

use crate::app::App;
use crate::error::{PageError, sentence};
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{self, Frame, Page, button};
use crate::pages::{done, offer};
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use node::devices::{JoinState, JoinView};

/// Longest code that is taken; one with eight places is a quarter of it.
const CODE_BYTES_MAX: usize = 8 * 1024;

/// `GET /devices/join`.
pub(crate) async fn begin(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    app.show(&session, form_page).await
}

/// `POST /devices/join`.
pub(crate) async fn take(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let code = form.one("code").split_whitespace().collect::<String>();
    if code.is_empty() {
        return Err(PageError::typed("Paste the code of your other device into the field first. Nothing was changed."));
    }
    if code.len() > CODE_BYTES_MAX {
        return Err(PageError::typed("This is longer than any code. Copy only the code."));
    }
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
    // What was shown is what is confirmed: digits that changed in between are not.
    if form.one("digits") != view.digits {
        return Err(PageError::typed("The digits have changed since you looked. Compare them again."));
    }
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

/// One joining in a list.
pub(crate) fn line(view: &JoinView) -> El {
    let (key, look) = state(view.state);
    let name =
        el("a").href(format!("/devices/join/{}", segment(&view.id))).with(words::name(&view.other, "Another device"));
    let when = clock::stamp(view.started_ms, &clock::moment(view.started_ms));
    el("li").class("line").attr("data-state", key).with((el("span").with((name, ", ", when)), look))
}

/// Where a code is pasted.
pub(crate) fn form_page(frame: &Frame) -> Page {
    let words = "On the device that has your record choose \"Your devices\" and \"Add a device\". It shows a code that begins with chartwell-device. Paste it here. If you have just recovered your record with your words, paste the address of the record here instead.";
    let label = el("label").attr("for", "code").with("The code");
    let input = el("input").id("code").attr("name", "code").attr("type", "text").flag("required", true);
    let input = input.attr("spellcheck", "false").attr("autocapitalize", "off");
    let input = input.attr("placeholder", "chartwell-device:…").attr("maxlength", CODE_BYTES_MAX.to_string());
    let form = frame.form("/devices/join").id("join-form").with((label, input, button("Begin", "main")));
    let body = el("div").with((el("h1").with("Join"), el("section").class("card").with((el("p").with(words), form))));
    Page { menu: "/devices", title: "Join", waits: false, body: body.html() }
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &JoinView) -> Page {
    let (key, look) = state(view.state);
    let other = words::name(&view.other, "your other device");
    let body = match view.state {
        JoinState::Connecting => el("div").with((
            el("p").class("lead").with("Your other device is being reached. This takes a few seconds."),
            stop_form(frame, view),
        )),
        JoinState::Digits => {
            let shown = el("input").attr("type", "hidden").attr("name", "digits").attr("value", &view.digits);
            let confirm = frame.form(format!("/devices/join/{}/confirm", segment(&view.id))).id("confirm-form");
            let confirm = confirm.with((shown, button("The digits are the same: join", "main")));
            el("div").with((
                el("p").with(format!("{other} must show these six digits now:")),
                offer::digits(&view.digits),
                confirm,
                el("p").class("hint").with("If the digits differ, somebody may be in between: stop."),
                stop_form(frame, view),
            ))
        }
        JoinState::WaitingForOther => el("div").with((
            el("p")
                .class("lead")
                .with(format!("Confirmed here. Now confirm on {other} that it shows the same digits.")),
            offer::digits(&view.digits),
            stop_form(frame, view),
        )),
        JoinState::Done => el("div").with((
            el("p")
                .class("lead")
                .with("This device may have your record. It comes by itself, which can take some minutes."),
            el("p").with(el("a").class("button").href("/").with("To your record")),
        )),
        JoinState::Ended => el("div").with((
            el("p").class("lead").with("This code has ended, and this device was not let in by it."),
            el("p").id("reason").with(("Why: ", sentence(&view.message))),
            el("p").with(el("a").class("button").href("/devices/join").with("Begin with another code")),
        )),
    };
    let card = el("section").class("card").id("pairing").attr("data-state", key).with((el("p").with(look), body));
    let waits = matches!(view.state, JoinState::Connecting | JoinState::WaitingForOther);
    let body = el("div").with((el("h1").with("Join"), card));
    Page { menu: "/devices", title: "Join", waits, body: body.html() }
}

fn stop_form(frame: &Frame, view: &JoinView) -> El {
    let form = frame.form(format!("/devices/join/{}/stop", segment(&view.id))).id("stop-form");
    form.with(button("Stop", "quiet"))
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
