//! `GET /devices`: the patient's devices, and how to add one. `GET` and `POST /devices/{id}/suspend`: stops one that was lost.
//! A device that comes is `offer` here and `join` on its own page.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{self, Frame, Page, button};
use crate::pages::{done, join, offer};
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use node::devices::{DeviceState, DeviceView, JoinView, OfferView};

/// What the page shows.
pub(crate) struct View {
    pub(crate) devices: Vec<DeviceView>,
    pub(crate) offers: Vec<OfferView>,
    pub(crate) joins: Vec<JoinView>,
    /// The words still have to be written down.
    pub(crate) words: bool,
}

/// `GET /devices`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let view = View {
        devices: app.node.devices().await?,
        offers: app.node.offers().await?,
        joins: app.node.joins().await?,
        words: app.node.needs_words().await?,
    };
    app.show(&session, |frame| page(frame, &view)).await
}

/// `GET /devices/{id}/suspend`: says what it does first.
pub(crate) async fn ask(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
) -> Result<Html, PageError> {
    let devices = app.node.devices().await?;
    let device = devices.into_iter().find(|device| device.id == id).ok_or_else(PageError::no_page)?;
    app.show(&session, |frame| confirmation(frame, &device)).await
}

/// `POST /devices/{id}/suspend`.
pub(crate) async fn suspend(State(app): State<App>, Path(id): Path<String>, _: Form) -> Result<Redirect, PageError> {
    app.node.suspend(&id).await?;
    Ok(done("/devices"))
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &View) -> Page {
    let lead = el("p").class("lead").with("Each of your devices has your whole record, and what you decide on one holds for all. If you lose one, suspend it on another.");
    let devices = view.devices.iter().map(device).collect::<Vec<_>>();
    let list = el("section").class("card").with(el("ul").class("plain").id("devices").with(devices));
    let past = view.offers.iter().take(5).map(offer::line).collect::<Vec<_>>();
    let past = (!past.is_empty()).then(|| el("ul").class("plain").with(past));
    let words = "The new device needs this program too. Start it there, open its page, and choose \"Your devices\" and then \"Join\". Here you get a code for it, which works once and for ten minutes.";
    let add = frame.form("/devices/add").id("add-form").with(button("Add a device", "main"));
    let add = el("section").class("card").with((el("h2").with("Add a device"), el("p").with(words), add, past));
    let joins = view.joins.iter().take(5).map(join::line).collect::<Vec<_>>();
    let joins = (!joins.is_empty()).then(|| el("ul").class("plain").with(joins));
    let link = el("p").with(el("a").class("button").href("/devices/join").with("Join"));
    let words = "Is this the new device? Then join the one that has your record already.";
    let joining = el("section").class("card").with((el("h2").with("Join"), el("p").with(words), link, joins));
    let words = match view.words {
        true => "Your 24 words are not written down yet.",
        false => "The 24 words that give you your record back when all your devices are lost.",
    };
    let phrase = el("p").with(el("a").href("/phrase").with("Your words"));
    let phrase = el("section").class("card").with((el("h2").with("Your words"), el("p").with(words), phrase));
    let body = el("div").with((el("h1").with("Your devices"), lead, list, add, joining, phrase));
    Page { menu: "/devices", title: "Your devices", waits: false, body: body.html() }
}

fn state(device: &DeviceView) -> (&'static str, El) {
    match (device.state, device.this) {
        (DeviceState::In, true) => ("this", layout::state("good", "This one")),
        (DeviceState::In, false) => ("in", layout::state("good", "In")),
        (DeviceState::Suspended, _) => ("suspended", layout::state("off", "Suspended")),
        (DeviceState::Removed, _) => ("removed", layout::state("off", "Removed")),
    }
}

fn device(device: &DeviceView) -> El {
    let (key, look) = state(device);
    let since = (device.since_ms > 0).then(|| {
        el("span").class("hint").with((" since ", clock::stamp(device.since_ms, &clock::day(device.since_ms))))
    });
    let name = el("strong").with(words::name(&device.name, "Without a name"));
    let fingerprint = el("code").with(&device.origin);
    let lost = (device.state == DeviceState::In && !device.this).then(|| {
        el("a").class("button").href(format!("/devices/{}/suspend", segment(&device.id))).with("It was lost…")
    });
    let what = el("span").with((name, since, " ", fingerprint));
    el("li").class("line").attr("data-state", key).attr("data-name", &device.name).with((what, look, lost))
}

/// What suspending does, before it is done.
pub(crate) fn confirmation(frame: &Frame, device: &DeviceView) -> Page {
    let name = words::name(&device.name, "the device");
    let heading = el("h1").with(format!("Suspend {name}?"));
    let back = el("p").with(el("a").href("/devices").with("Back to your devices"));
    let card = match (device.this, device.state) {
        (true, _) => el("p").id("not-itself").with("This is the device you are looking at. A device does not suspend itself: open this page on another one of yours."),
        (false, DeviceState::In) => {
            let does = el("ul").with((
                el("li").with("It gets nothing more of your record, and what is written from now on it cannot read."),
                el("li").with("What it had until now stays on it: nobody can take that back from afar."),
                el("li").with("What it has written until now stays, as far as it has come here. What it writes from now on does not count."),
                el("li").with("Only your 24 words let it back in. It can still suspend this device as long as it has not heard of it; then your words decide."),
            ));
            let form = frame.form(format!("/devices/{}/suspend", segment(&device.id))).id("suspend-form");
            el("div").with((does, form.with(button(&format!("Yes, suspend {name}"), "danger"))))
        }
        (false, _) => el("p").with("It is not in any more."),
    };
    let body = el("div").with((heading, el("section").class("card").with(card), back));
    Page { menu: "/devices", title: "Suspend a device", waits: false, body: body.html() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn every_device_says_how_it_stands_and_only_others_that_are_in_can_be_lost() {
        let html = samples::shown("devices", |frame| page(frame, &samples::devices()));
        for key in ["this", "in", "suspended", "removed"] {
            assert!(html.contains(&format!("data-state=\"{key}\"")), "{key}");
        }
        assert_eq!(html.matches("/suspend\"").count(), 1);
        assert!(html.contains("id=\"add-form\"") && html.contains("/devices/join") && html.contains("/phrase"));
    }

    #[test]
    fn a_device_is_suspended_only_after_it_was_said_what_that_does() {
        let devices = samples::devices().devices;
        let shown = |at: usize| samples::shown("suspend", |frame| confirmation(frame, &devices[at]));
        assert!(shown(0).contains("id=\"not-itself\"") && !shown(0).contains("id=\"suspend-form\""));
        assert!(shown(1).contains("id=\"suspend-form\"") && shown(1).contains("Only your 24 words"));
        assert!(!shown(2).contains("id=\"suspend-form\""));
    }
}
