//! `POST /devices/add` makes a code for a further device; `GET /devices/add/{id}` shows it, then the six digits to compare, and
//! confirms or stops.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{self, Frame, Page, button};
use crate::pages::{done, meeting};
use crate::qr;
use crate::session::Session;
use crate::words;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use node::devices::{OfferState, OfferView};

/// `POST /devices/add`.
pub(crate) async fn add(State(app): State<App>, _: Form) -> Result<Redirect, PageError> {
    let id = app.node.offer_device().await?;
    Ok(done(&format!("/devices/add/{}", segment(&id))))
}

/// `GET /devices/add/{id}`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
) -> Result<Html, PageError> {
    let view = app.node.offer(&id).await?.ok_or_else(PageError::no_page)?;
    app.show(&session, |frame| page(frame, &view)).await
}

/// `POST /devices/add/{id}/confirm`.
pub(crate) async fn confirm(State(app): State<App>, Path(id): Path<String>, form: Form) -> Result<Redirect, PageError> {
    // The node holds what was shown against what is now: other digits end it.
    app.node.confirm_offer(&id, form.one("digits"), form.one("name")).await?;
    Ok(done(&format!("/devices/add/{}", segment(&id))))
}

/// `POST /devices/add/{id}/stop`.
pub(crate) async fn stop(State(app): State<App>, Path(id): Path<String>, _: Form) -> Result<Redirect, PageError> {
    app.node.stop_offer(&id).await?;
    Ok(done(&format!("/devices/add/{}", segment(&id))))
}

fn state(state: OfferState) -> (&'static str, El) {
    match state {
        OfferState::Waiting => ("connecting", layout::state("wait", "Waiting for the new device")),
        OfferState::Digits => ("digits", layout::state("act", "Compare the digits")),
        OfferState::WaitingForDevice => ("waiting", layout::state("wait", "Confirm on the new device too")),
        OfferState::Done => ("done", layout::state("good", "Done")),
        OfferState::Ended => ("ended", layout::state("off", "Ended")),
    }
}

fn at(view: &OfferView) -> String {
    format!("/devices/add/{}", segment(&view.id))
}

/// One offer in a list.
pub(crate) fn line(view: &OfferView) -> El {
    meeting::line(state(view.state), at(view), words::name(&view.device, "A code"), view.started_ms)
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &OfferView) -> Page {
    let device = words::name(&view.device, "the new device");
    let body = match view.state {
        OfferState::Waiting => el("div").with((code(view), stop_form(frame, view))),
        OfferState::Digits => compare(frame, view, device),
        OfferState::WaitingForDevice => el("div").with((
            el("p")
                .class("lead")
                .with(format!("Confirmed here. Now confirm on {device} that it shows the same digits.")),
            meeting::digits(&view.digits),
            stop_form(frame, view),
        )),
        OfferState::Done => {
            let lead = format!("{device} is in. Your record is on its way to it.");
            meeting::done(lead, "/devices", "To your devices")
        }
        OfferState::Ended => {
            let lead = "This code is of no use any more, and no device was let in by it.";
            meeting::ended(lead, &view.message, "/devices", "To your devices")
        }
    };
    let card = meeting::card(state(view.state), body);
    let waits = matches!(view.state, OfferState::Waiting | OfferState::WaitingForDevice);
    let body = el("div").with((el("h1").with("Add a device"), card));
    Page { menu: "/devices", title: "Add a device", waits, body: body.html() }
}

fn code(view: &OfferView) -> El {
    let words = "On the new device choose \"Your devices\" and then \"Join\", and paste this code or scan it. It works once, and for ten minutes. Give it to nobody.";
    let code = (!view.code.is_empty()).then(|| {
        let picture =
            qr::svg(&view.code, "The code for the new device").map(|code| el("div").class("qr-frame").with(code));
        let copy = el("button").attr("type", "button").class("quiet").attr("data-copy", "device-code");
        let copy = copy.flag("hidden", true).with("Copy the code");
        el("div").with((picture, el("code").class("address").id("device-code").with(&view.code), el("p").with(copy)))
    });
    let coming = view.code.is_empty().then(|| el("p").with("The new device is connecting."));
    el("div").with((el("p").class("lead").with(words), code, coming))
}

fn compare(frame: &Frame, view: &OfferView, device: &str) -> El {
    let ask = format!("{device} has taken the code. It must show these six digits now:");
    let label = el("label").attr("for", "name").with("What you call this device");
    let name = el("input").id("name").attr("name", "name").attr("type", "text").attr("maxlength", "60");
    let name = name.attr("value", words::name(&view.device, ""));
    let yes = button("The digits are the same: let it in", "main");
    let confirm = meeting::confirm_form(frame, &at(view), &view.digits).with((label, name, yes));
    let warning = el("p").class("hint").with("It will have your whole record and can decide as you do. If the digits differ, somebody else has the code: stop.");
    el("div").with((el("p").with(ask), meeting::digits(&view.digits), confirm, warning, stop_form(frame, view)))
}

fn stop_form(frame: &Frame, view: &OfferView) -> El {
    meeting::stop_form(frame, &at(view), "Stop, let nobody in")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn each_state_offers_what_can_be_done_in_it() {
        let check = |state, key: &str, code: bool, confirm: bool, stop: bool, digits: bool| {
            let html = samples::shown(&format!("offer-{key}"), |frame| page(frame, &samples::offer(state)));
            assert!(html.contains(&format!("data-state=\"{key}\"")), "{key}");
            assert_eq!(html.contains("id=\"device-code\""), code, "{key}");
            assert_eq!(html.contains("id=\"confirm-form\""), confirm, "{key}");
            assert_eq!(html.contains("id=\"stop-form\""), stop, "{key}");
            assert_eq!(html.contains(">042917</p>"), digits, "{key}");
        };
        check(OfferState::Waiting, "connecting", true, false, true, false);
        check(OfferState::Digits, "digits", false, true, true, true);
        check(OfferState::WaitingForDevice, "waiting", false, false, true, true);
        check(OfferState::Done, "done", false, false, false, false);
        check(OfferState::Ended, "ended", false, false, false, false);
    }
}
