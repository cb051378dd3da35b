//! `GET /invite/{id}`: one invite on its way: the six digits, what continues, confirm or stop.

use crate::app::App;
use crate::error::{PageError, sentence};
use crate::form::Form;
use crate::html::{El, Html, el, segment};
use crate::layout::{Frame, Page, button, facts};
use crate::pages::{done, meeting};
use crate::session::Session;
use crate::{layout, words};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use node::grants::scope_lines;
use node::pairing::{GrantLine, PairingState, PairingView};

/// `GET /invite/{id}`.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path(id): Path<String>,
) -> Result<Html, PageError> {
    let view = app.node.pairing(&id).await?.ok_or_else(PageError::no_page)?;
    app.show(&session, |frame| page(frame, &view)).await
}

/// `POST /invite/{id}/confirm`.
pub(crate) async fn confirm(State(app): State<App>, Path(id): Path<String>, form: Form) -> Result<Redirect, PageError> {
    let view = app.node.pairing(&id).await?.ok_or_else(PageError::no_page)?;
    meeting::are_same(&form, &view.digits)?;
    let kept = (0..view.grants.len()).map(|at| form.all("keep").any(|kept| kept == at.to_string()));
    app.node.confirm_pairing(&id, &kept.collect::<Vec<_>>()).await?;
    Ok(done(&format!("/invite/{}", segment(&id))))
}

/// `POST /invite/{id}/stop`.
pub(crate) async fn stop(State(app): State<App>, Path(id): Path<String>, _: Form) -> Result<Redirect, PageError> {
    app.node.abort_pairing(&id).await?;
    Ok(done(&format!("/invite/{}", segment(&id))))
}

/// Where one is shown.
pub(crate) fn at(view: &PairingView) -> String {
    format!("/invite/{}", segment(&view.id))
}

/// What a state is called: for tests, and for people.
pub(crate) fn state(state: PairingState) -> (&'static str, El) {
    match state {
        PairingState::Connecting => ("connecting", layout::state("wait", "Reaching the hospital")),
        PairingState::Digits => ("digits", layout::state("act", "Compare the digits")),
        PairingState::WaitingForHospital => ("waiting", layout::state("wait", "Waiting for the hospital")),
        PairingState::Done => ("done", layout::state("good", "Done")),
        PairingState::Ended => ("ended", layout::state("off", "Ended")),
    }
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &PairingView) -> Page {
    let hospital = words::name(&view.hospital, "the hospital");
    let body = match view.state {
        PairingState::Connecting => el("div").with((
            el("p").class("lead").with("The hospital is being reached. This takes a few seconds."),
            stop_form(frame, view),
        )),
        PairingState::Digits => compare(frame, view),
        PairingState::WaitingForHospital => el("div").with((
            el("p")
                .class("lead")
                .with(format!("You have confirmed. Now {hospital} types the six digits in on its side.")),
            meeting::digits(&view.digits),
            stop_form(frame, view),
        )),
        PairingState::Done => {
            let lead = "The record is yours. ".to_owned()
                + &format!("{hospital} goes on as you have said, and you can change that at any time.");
            meeting::done(lead, "/", "To your record")
        }
        PairingState::Ended => {
            let lead = "This invite has ended, and nothing was handed over.";
            meeting::ended(lead, &view.message, "/invite", "Begin with another invite")
        }
    };
    let heading = el("h1").with(if view.hospital.is_empty() {
        "An invite".to_owned()
    } else {
        format!("An invite from {hospital}")
    });
    let card = meeting::card(state(view.state), body);
    let waits = matches!(view.state, PairingState::Connecting | PairingState::WaitingForHospital);
    Page { menu: "/invite", title: "An invite", waits, body: el("div").with((heading, card)).html() }
}

fn compare(frame: &Frame, view: &PairingView) -> El {
    let hospital = words::name(&view.hospital, "the hospital");
    let known = facts([
        ("The hospital calls itself", words::name(&view.hospital, "(it gives no name)")),
        ("It knows you as", words::name(&view.patient_name, "(it gives no name)")),
    ]);
    let ask = format!(
        "Ask {hospital} to read you the six digits it sees now, by telephone or face to face. They must be these:"
    );
    let continues = match view.grants.is_empty() {
        true => el("p").with(format!("{hospital} has not asked to keep any access.")),
        false => {
            let boxes = view.grants.iter().enumerate().map(|(at, line)| tick(at, line)).collect::<Vec<_>>();
            let legend = el("legend").with("What continues once the record is yours");
            let hint = el("p").class("hint").with("Untick whatever shall end. You can also take it back later.");
            el("fieldset").with((legend, hint, boxes))
        }
    };
    let yes = button("The digits are the same: confirm", "main");
    let confirm = meeting::confirm_form(frame, &at(view), &view.digits).with((continues, yes));
    let warning =
        el("p").class("hint").with("If the digits differ, somebody may be in between. Stop, and tell the hospital.");
    el("div").with((known, el("p").with(ask), meeting::digits(&view.digits), confirm, warning, stop_form(frame, view)))
}

fn tick(at: usize, line: &GrantLine) -> El {
    let id = format!("keep-{at}");
    let input = el("input")
        .id(&id)
        .attr("type", "checkbox")
        .attr("name", "keep")
        .attr("value", at.to_string())
        .flag("checked", true);
    let lines = scope_lines(&line.scope);
    let scopes = lines.iter().map(words::scope).collect::<Vec<_>>();
    let sensitive = words::sees(&lines).then(|| format!(" {}", words::classes::words(&line.classes)));
    let what = if scopes.is_empty() { sentence(&line.words) } else { format!("{}.", scopes.join("; ")) };
    let purpose = format!("To use it for {}.", words::purposes::words(&line.purpose));
    let text = (
        el("strong").with(words::name(&line.name, "The hospital").to_owned()),
        el("span").with(what),
        el("span").class("hint").with((purpose, sensitive)),
    );
    el("label").class("tick").attr("for", &id).with((input, el("span").class("tick-text").with(text)))
}

fn stop_form(frame: &Frame, view: &PairingView) -> El {
    meeting::stop_form(frame, &at(view), "Stop, hand nothing over")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn shown(state: PairingState) -> String {
        samples::shown(&format!("pairing-{}", super::state(state).0), |frame| page(frame, &samples::pairing(state)))
    }

    #[test]
    fn each_state_offers_what_can_be_done_in_it() {
        let check = |state, key: &str, confirm: bool, stop: bool, digits: bool| {
            let html = shown(state);
            assert!(html.contains(&format!("data-state=\"{key}\"")), "{key}");
            assert_eq!(html.contains("id=\"confirm-form\""), confirm, "{key}");
            assert_eq!(html.contains("id=\"stop-form\""), stop, "{key}");
            assert_eq!(html.contains(">042917</p>"), digits, "{key}");
        };
        check(PairingState::Connecting, "connecting", false, true, false);
        check(PairingState::Digits, "digits", true, true, true);
        check(PairingState::WaitingForHospital, "waiting", false, true, true);
        check(PairingState::Done, "done", false, false, false);
        check(PairingState::Ended, "ended", false, false, false);
    }

    #[test]
    fn everything_that_continues_can_be_unticked() {
        let html = shown(PairingState::Digits);
        assert_eq!(html.matches("name=\"keep\"").count(), 2);
        assert_eq!(html.matches(" checked").count(), 2);
    }

    #[test]
    fn an_invite_that_ended_says_why() {
        assert!(shown(PairingState::Ended).contains("Nothing happened for ten minutes; ask for a new invite."));
    }
}
