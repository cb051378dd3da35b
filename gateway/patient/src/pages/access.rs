//! `GET /access`: who may do what until when, and who could. `POST /access/revoke` takes a grant back, `POST /access/narrow`
//! leaves less of it.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el};
use crate::layout::{self, Frame, Page, button, empty, facts};
use crate::pages::{done, requests};
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::grants::{Approval, GrantState, GrantView};
use node::quarantine::ForkView;

/// Grants of the past that are shown; those before stand in the timeline.
const PAST_MAX: usize = 100;

/// `GET /access`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let notes = Notes { held: app.node.held_back_count().await?, forks: app.node.forks().await? };
    let grants = app.node.grants().await?;
    app.show(&session, |frame| page(frame, &grants, &notes)).await
}

/// What else there is to know about those who have access, or had it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// How many ops are kept apart.
    pub(crate) held: u64,
    /// Who signed two histories.
    pub(crate) forks: Vec<ForkView>,
}

/// `POST /access/revoke`.
pub(crate) async fn revoke(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    app.node.revoke(form.one("grant")).await?;
    Ok(done("/access"))
}

/// `POST /access/narrow`.
pub(crate) async fn narrow(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let id = form.one("grant");
    let grants = app.node.grants().await?;
    let given = grants.iter().find(|grant| grant.id == id).ok_or_else(PageError::no_page)?;
    let scopes = requests::chosen(&form);
    if scopes.is_empty() {
        return Err(PageError::typed("Nothing was left ticked. To allow nothing at all, take the access back."));
    }
    let end_ms = requests::end_of(form.one("until"), given.end_ms, node::clock::now_ms())?;
    let sensitive = form.all("class").map(str::to_owned).collect();
    let shared = form.one("shared") == "yes";
    app.node.narrow(id, Approval { scopes, end_ms, sensitive, shared, ..Approval::default() }).await?;
    Ok(done("/access"))
}

/// The page.
pub(crate) fn page(frame: &Frame, grants: &[GrantView], notes: &Notes) -> Page {
    let (open, past) = grants.iter().partition::<Vec<_>, _>(|grant| grant.state == GrantState::Open);
    let waits = grants.iter().any(|grant| grant.state == GrantState::Revoked && !grant.delivered);
    let open = open.into_iter().map(|grant| self::open(frame, grant, grants)).collect::<Vec<_>>();
    let open = if open.is_empty() { vec![empty("Nobody but you.").id("no-access")] } else { open };
    let past = past.into_iter().take(PAST_MAX).map(|grant| self::past(frame, grant)).collect::<Vec<_>>();
    let past = (!past.is_empty())
        .then(|| el("section").class("card").with((el("h2").with("Over"), el("ul").class("plain").with(past))));
    let lead = el("p").class("lead").with("Everybody who may see or add something in your record. What each of them did stands under Timeline and Who looked.");
    // Not asked for by itself: that would fold away what somebody is just reading.
    let again = waits
        .then(|| el("noscript").with(el("p").with(el("a").href("/access").with("Look again whether it was received"))));
    let notes = (held(notes), notes.forks.iter().map(forked).collect::<Vec<_>>());
    let body = el("div").with((el("h1").with("Who has access"), lead, notes, open, past, again));
    Page { menu: "/access", title: "Who has access", waits: false, body: body.html() }
}

fn held(notes: &Notes) -> Option<El> {
    let many = words::count(notes.held, "entry was", "entries were");
    let words = format!("{many} written without your permission, or after it had ended. ");
    let link = el("a").href("/held-back").with("Look at what is kept apart");
    (notes.held > 0).then(|| el("p").class("notice").id("held-note").with((words, link)))
}

/// Two different histories of one author: nobody does that by accident, and everybody can check it.
fn forked(fork: &ForkView) -> El {
    let name = words::name(&fork.name, "Somebody without a name");
    let words = format!(
        "{name} has signed two different histories of what it wrote. Nothing is lost: both are kept, as proof. Somebody may be using its keys. Take its access back until it has explained this; the fingerprint of its identity is "
    );
    el("p").class("notice").attr("data-forked", &fork.origin).with((words, el("code").with(&fork.origin), "."))
}

fn id_of(grant: &GrantView) -> String {
    format!("grant-{}", grant.id)
}

/// What a grant's state is called: for tests, and for people.
fn state(grant: &GrantView) -> (&'static str, El) {
    let name = words::name(&grant.name, "the other side");
    match grant.state {
        GrantState::Open => ("open", layout::state("good", "Has access")),
        GrantState::Ended => ("ended", layout::state("off", "Its time is over")),
        GrantState::Replaced => ("replaced", layout::state("off", "Replaced by another")),
        GrantState::Revoked if grant.delivered => {
            ("received", layout::state("off", &format!("Taken back: {name} has received it")))
        }
        GrantState::Revoked => {
            ("revoked", layout::state("wait", &format!("Taken back: {name} has not yet received it")))
        }
    }
}

fn scopes(grant: &GrantView) -> El {
    el("ul").class("scopes").with(grant.lines.iter().map(|line| el("li").with(words::scope(line))).collect::<Vec<_>>())
}

fn open(frame: &Frame, grant: &GrantView, all: &[GrantView]) -> El {
    let (key, look) = state(grant);
    let name = words::name(&grant.name, "Somebody without a name");
    let until = match grant.end_ms {
        0 => el("span").with("no end"),
        end => clock::stamp(end, &clock::moment(end)),
    };
    let heard = if grant.delivered { "yes, it has received it" } else { "it has not yet received it" };
    let known = facts([
        ("To use it for", el("span").with(words::purposes::words(&grant.purpose))),
        ("Until", until),
        ("Allowed", clock::stamp(grant.given_ms, &clock::ago(grant.given_ms, frame.now_ms))),
        ("Knows of this", el("span").with(heard)),
    ]);
    let emergency = grant.emergency.as_ref().map(|address| emergency(name, address));
    let through = (!grant.through.is_empty())
        .then(|| el("p").class("hint").with(format!("{} opened your record for it in an emergency.", grant.through)));
    let shared = (grant.shared && words::changes(&grant.lines))
        .then(|| el("p").class("hint").attr("data-shared", "yes").with("It may also change what others have added."));
    let begins = (grant.start_ms > frame.now_ms)
        .then(|| el("p").class("hint").with(format!("This begins on {}.", clock::moment(grant.start_ms))));
    let sensitive =
        words::sees(&grant.lines).then(|| el("p").class("hint").with(words::classes::words(&grant.classes)));
    el("article")
        .class("card")
        .id(id_of(grant))
        .attr("data-state", key)
        .attr("data-name", &grant.name)
        .attr("data-delivered", if grant.delivered { "yes" } else { "no" })
        .with((
            look,
            el("h2").class("who").with(name),
            scopes(grant),
            (sensitive, shared, through, emergency),
            begins,
            known,
            less(frame, grant),
            take_back(frame, grant, all),
        ))
}

/// What a patient carries along, so that others can have the record opened.
fn emergency(name: &str, address: &str) -> El {
    let words = format!(
        "{name} may open your record for others who treat you in an emergency. Carry this along: whoever helps you asks with it."
    );
    let code = el("pre").class("address").attr("data-emergency", address).attr("tabindex", "0").with(address);
    el("div").with((el("p").with(words), code))
}

/// The form that leaves less of a grant.
fn less(frame: &Frame, grant: &GrantView) -> El {
    let hidden = el("input").attr("type", "hidden").attr("name", "grant").attr("value", &grant.id);
    let what = requests::ticks(&grant.id, &grant.lines, "Untick whatever it shall no longer do. What it wrote stays.");
    let until = requests::until_field(frame, &grant.id, grant.end_ms);
    let open = words::classes::all().filter(|(name, _)| grant.classes.iter().any(|class| class == name));
    let open = open.collect::<Vec<_>>();
    let protected = (!open.is_empty()).then(|| requests::protected(&grant.id, &open, true));
    let shared = grant.shared.then(|| requests::shared(&grant.id, &grant.name, true));
    let form = frame.form("/access/narrow").class("grant-narrow");
    let form = form.with((hidden, what, protected, shared, until, button("Leave only what is ticked", "main")));
    let id = format!("less-{}", grant.id);
    el("details").class("take-back").id(id).with((el("summary").with("Allow less…"), form))
}

/// What taking a grant back does and does not do, and the form that does it.
fn take_back(frame: &Frame, grant: &GrantView, all: &[GrantView]) -> El {
    let name = words::name(&grant.name, "the other side");
    let keeps = all.iter().any(|other| {
        other.id != grant.id
            && other.origin == grant.origin
            && other.record == grant.record
            && other.state == GrantState::Open
    });
    let item = |words: String| el("li").with(words);
    let sees = words::sees(&grant.lines)
        .then(|| item(format!("What is written from now on is locked for {name}: your record changes its keys.")));
    let writes = words::writes(&grant.lines)
        .then(|| item(format!("What {name} writes from now on no longer goes into your record.")));
    let keeps = keeps.then(|| {
        item(format!(
            "{name} has other access as well, which stands on this page too and stays until you take it back."
        ))
    });
    let does = el("ul").with((
        sees,
        writes,
        keeps,
        item(format!("What {name} has written until now stays in your record.")),
        item(format!("What {name} has already seen or copied, nobody can take out of its memory or its own files.")),
    ));
    let later = el("p").with(format!(
        "If {name} cannot be reached now, it learns of this the next time it can. This page says when it has."
    ));
    let hidden = el("input").attr("type", "hidden").attr("name", "grant").attr("value", &grant.id);
    let form = frame.form("/access/revoke").class("grant-revoke").with((hidden, button("Yes, take it back", "danger")));
    let id = format!("take-back-{}", grant.id);
    el("details").class("take-back").id(id).with((el("summary").with("Take this access back…"), does, later, form))
}

fn past(frame: &Frame, grant: &GrantView) -> El {
    let (key, look) = state(grant);
    let when = clock::stamp(grant.given_ms, &clock::ago(grant.given_ms, frame.now_ms));
    let who = el("strong").with(words::name(&grant.name, "Somebody without a name"));
    let top = el("div").class("line").with((el("span").with((who, ", allowed ", when)), look));
    el("li").id(id_of(grant)).attr("data-state", key).attr("data-name", &grant.name).with((top, scopes(grant)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn only_open_access_can_be_taken_back() {
        let html = samples::shown("access", |frame| page(frame, &samples::grants(), &Notes::default()));
        assert_eq!(html.matches("class=\"grant-revoke\"").count(), 2);
        assert!(html.contains("Hospital B has not yet received it") && html.contains("Hospital B has received it"));
    }

    #[test]
    fn what_taking_back_does_is_said_of_this_very_grant() {
        let check = |scope: &str, others: usize, locks: bool, writes: bool, keeps: bool| {
            let mut grants = vec![samples::grants().remove(0); 1 + others];
            for (at, grant) in grants.iter_mut().enumerate() {
                (grant.id, grant.lines) = (format!("g{at}"), node::grants::scope_lines(scope));
            }
            let page = samples::shown("access-back", |frame| page(frame, &grants, &Notes::default()));
            let said =
                [page.contains("is locked for"), page.contains("no longer goes into"), page.contains("other access")];
            assert_eq!(said, [locks, writes, keeps], "{scope} {others}");
        };
        check("patient/Observation.rs", 0, true, false, false);
        check("patient/Observation.cu", 0, false, true, false);
        check("patient/Observation.cruds", 0, true, true, false);
        check("patient/Observation.rs", 1, true, false, true);
    }

    #[test]
    fn what_is_kept_apart_and_who_forked_is_told() {
        let fork = ForkView {
            record: record::RecordId([7; 32]),
            name: "Hospital B".to_owned(),
            origin: "mfzwizltoq4dqmzu".to_owned(),
            places: 1,
        };
        let notes = Notes { held: 2, forks: vec![fork] };
        let html = samples::shown("access-notes", |frame| page(frame, &samples::grants(), &notes));
        assert!(html.contains("2 entries were written without") && html.contains("href=\"/held-back\""));
        assert!(html.contains("data-forked=\"mfzwizltoq4dqmzu\""));
        assert_eq!(html.matches("class=\"grant-narrow\"").count(), 2);
        let html = samples::shown("access", |frame| page(frame, &samples::grants(), &Notes::default()));
        assert!(!html.contains("held-note") && !html.contains("data-forked"));
    }

    #[test]
    fn a_witness_and_what_it_opened_is_told() {
        let mut grants = samples::grants();
        grants[0].emergency = Some("chartwell:abc?at=/ip4/1.2.3.4/tcp/1".to_owned());
        grants[1].through = "Hospital B".to_owned();
        let html = samples::shown("access-witness", |frame| page(frame, &grants, &Notes::default()));
        assert!(html.contains("data-emergency=\"chartwell:abc?at=/ip4/1.2.3.4/tcp/1\""));
        assert!(html.contains("Hospital B opened your record for it in an emergency."));
        let html = samples::shown("access", |frame| page(frame, &samples::grants(), &Notes::default()));
        assert!(!html.contains("data-emergency") && !html.contains("opened your record for it"));
    }

    #[test]
    fn who_may_change_what_others_wrote_is_told_and_can_be_ended() {
        let mut grants = samples::grants();
        (grants[1].shared, grants[0].shared) = (true, false);
        let html = samples::shown("access-shared", |frame| page(frame, &grants, &Notes::default()));
        assert_eq!(html.matches("data-shared=\"yes\"").count(), 1);
        assert_eq!(html.matches("name=\"shared\" value=\"yes\" checked").count(), 1);
    }

    #[test]
    fn every_state_is_told() {
        let check = |state, delivered, key: &str| {
            let mut grant = samples::grants().remove(0);
            (grant.state, grant.delivered) = (state, delivered);
            let page = samples::shown("access-one", |frame| page(frame, &[grant.clone()], &Notes::default()));
            assert!(page.contains(&format!("data-state=\"{key}\"")), "{key}");
        };
        check(GrantState::Open, false, "open");
        check(GrantState::Open, true, "open");
        check(GrantState::Ended, true, "ended");
        check(GrantState::Replaced, true, "replaced");
        check(GrantState::Revoked, false, "revoked");
        check(GrantState::Revoked, true, "received");
    }
}
