//! `GET /`: what needs an answer first, then the record with its address, who has access, and what happened last.

use crate::app::App;
use crate::error::PageError;
use crate::html::{El, Html, el, segment};
use crate::layout::{Frame, Page, empty};
use crate::pages::{invite, moments};
use crate::qr;
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::State;
use node::grants::{GrantState, GrantView, RecordView, RequestState, RequestView};
use node::pairing::{PairingState, PairingView};
use node::timeline::Moment;

/// How long an emergency stands on the first page: a month.
const EMERGENCY_MS: u64 = 30 * clock::DAY_MS;
/// Moments shown of each record.
const LATEST: usize = 5;

/// What the page shows.
pub(crate) struct View {
    pub(crate) records: Vec<(RecordView, Vec<Moment>)>,
    pub(crate) requests: Vec<RequestView>,
    pub(crate) pairings: Vec<PairingView>,
    pub(crate) grants: Vec<GrantView>,
    /// Who looked for an emergency not long ago, the latest first.
    pub(crate) emergencies: Vec<Moment>,
    /// The words still have to be written down.
    pub(crate) words: bool,
    /// How many entries were changed in several places at once.
    pub(crate) conflicts: u64,
}

/// `GET /`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let (mut records, mut emergencies) = (Vec::new(), Vec::new());
    for record in app.node.records().await? {
        emergencies.extend(app.node.emergencies(record.record, node::clock::now_ms() - EMERGENCY_MS).await?);
        let (latest, _) = app.node.timeline(record.record, None, LATEST).await?;
        records.push((record, latest));
    }
    let view = View {
        records,
        requests: app.node.requests().await?,
        pairings: app.node.pairings().await?,
        grants: app.node.grants().await?,
        emergencies,
        words: app.node.needs_words().await?,
        conflicts: app.node.conflict_count().await?,
    };
    app.show(&session, |frame| page(frame, &view)).await
}

/// The page.
pub(crate) fn page(frame: &Frame, view: &View) -> Page {
    let running =
        view.pairings.iter().filter(|pairing| !matches!(pairing.state, PairingState::Done | PairingState::Ended));
    let running = running.collect::<Vec<_>>();
    let waits = !running.is_empty();
    let open = view.requests.iter().filter(|request| request.state == RequestState::Open);
    let emergencies = view.emergencies.iter().map(|moment| emergency_line(frame, moment));
    let words = view.words.then(words_line);
    let conflicts = (view.conflicts > 0).then(|| conflicts_line(view.conflicts));
    let attention = emergencies
        .chain(words)
        .chain(conflicts)
        .chain(running.iter().map(|pairing| pairing_line(pairing)))
        .chain(open.map(request_line));
    let attention = attention.collect::<Vec<_>>();
    let attention = (!attention.is_empty()).then(|| {
        let heading = el("h2").id("attention-title").with("Waiting for you");
        el("section")
            .class("card attention")
            .id("attention")
            .attr("aria-labelledby", "attention-title")
            .with((heading, el("ul").class("plain").with(attention)))
    });
    let welcome = (view.records.is_empty()).then(|| {
        let heading = el("h2").with("You have no record here yet");
        let words = el("p").with("When a hospital offers you your record, it gives you an invite: a QR code and a text. Paste the text here to begin.");
        el("section").class("card").id("no-record").with((heading, words, running.is_empty().then(|| invite::form(frame))))
    });
    let records = view.records.iter().enumerate();
    let records = records.map(|(at, (record, latest))| self::record(frame, at, record, latest, &view.grants));
    let body = el("div").with((el("h1").with("Your health record"), attention, welcome, records.collect::<Vec<_>>()));
    Page { menu: "/", title: "Overview", waits, body: body.html() }
}

/// Nobody can open a record for an emergency without its patient being told.
fn emergency_line(frame: &Frame, moment: &Moment) -> El {
    let who = el("strong").with(words::name(&moment.who, "Somebody"));
    let when = clock::stamp(moment.at_ms, &clock::ago(moment.at_ms, frame.now_ms));
    let reason = match words::name(&moment.reason, "") {
        "" => el("span").with("no reason was given"),
        reason => el("q").with(reason),
    };
    let words = el("span").with((who, " opened your record for an emergency, ", when, ": ", reason));
    let link = el("a").class("button").href("/audit").with("See what was looked at");
    el("li").class("line").attr("data-kind", "emergency").with((words, link))
}

/// Until they are on paper, a lost device is a lost record.
fn words_line() -> El {
    let words = "Write down your 24 words: they alone give you your record back when all your devices are lost.";
    let link = el("a").class("button").href("/phrase").with("Show me the words");
    el("li").class("line").attr("data-kind", "words").with((el("span").with(words), link))
}

/// Several wrote the same at once: a person has to say which one it is.
fn conflicts_line(count: u64) -> El {
    let words = format!("{} changed in several places at once.", words::count(count, "entry was", "entries were"));
    let link = el("a").class("button").href("/conflicts").with("Look at them");
    el("li").class("line").attr("data-kind", "conflicts").with((el("span").with(words), link))
}

fn pairing_line(pairing: &PairingView) -> El {
    let hospital = words::name(&pairing.hospital, "a hospital");
    let words = match pairing.state {
        PairingState::Digits => {
            format!("Compare six digits with {hospital}, then confirm that your record becomes yours.")
        }
        PairingState::WaitingForHospital => format!("{hospital} still has to confirm that your record becomes yours."),
        _ => "A hospital you have an invite from is being reached.".to_owned(),
    };
    let link = el("a").class("button").href(format!("/invite/{}", segment(&pairing.id))).with("Look at it");
    el("li").class("line").attr("data-kind", "pairing").with((el("span").with(words), link))
}

fn request_line(request: &RequestView) -> El {
    let asks = el("span").with((
        el("strong").with(words::name(&request.name, "Somebody")),
        " asks for access to your record, for ",
        words::purposes::words(&request.purpose),
        ".",
    ));
    let link =
        el("a").class("button").href(format!("/requests#request-{}", segment(&request.id))).with("Look and decide");
    el("li").class("line").attr("data-kind", "request").with((asks, link))
}

fn record(frame: &Frame, at: usize, record: &RecordView, latest: &[Moment], grants: &[GrantView]) -> El {
    let name = record.record.to_string();
    let kept = el("p").class("lead").with(match words::name(&record.custodian, "") {
        "" => words::count(record.resources, "entry", "entries"),
        custodian => format!(
            "{}. The record was begun by {custodian} and is now yours.",
            words::count(record.resources, "entry", "entries")
        ),
    });
    let heading = el("h2").with(words::name(&record.title, "Your record"));
    let top = el("section").class("card").with((heading, kept));
    let mine = grants.iter().filter(|grant| grant.record == record.record && grant.state == GrantState::Open);
    let mine = mine.map(grant_line).collect::<Vec<_>>();
    let access = match mine.is_empty() {
        true => empty("Nobody but you. Give a hospital the address of your record, and it can ask you."),
        false => el("ul").class("plain").with(mine),
    };
    let access = el("section").class("card").with((
        el("h3").with("Who has access"),
        access,
        el("p").with(el("a").href("/access").with("Everything about access, and how to take it back")),
    ));
    let happened = match latest.is_empty() {
        true => empty("Nothing yet."),
        false => {
            el("ol").class("moments").with(latest.iter().map(|moment| moments::item(frame, moment)).collect::<Vec<_>>())
        }
    };
    let more = el("a").href(format!("/timeline?record={}", segment(&name))).with("The whole timeline");
    let happened =
        el("section").class("card").with((el("h3").with("What happened last"), happened, el("p").with(more)));
    let columns = el("div").class("columns").with((el("div").with((access, happened)), address(at, record)));
    el("article").class("record").attr("data-record", &name).with((top, columns))
}

fn grant_line(grant: &GrantView) -> El {
    let who = el("strong").with(words::name(&grant.name, "Without a name"));
    let until = match grant.end_ms {
        0 => el("span").class("until").with("no end"),
        end => el("span").class("until").with(("until ", clock::stamp(end, &clock::day(end)))),
    };
    let what = grant.lines.iter().map(|line| el("li").with(words::scope(line))).collect::<Vec<_>>();
    el("li")
        .attr("data-state", "open")
        .with((el("div").class("line").with((who, until)), el("ul").class("scopes").with(what)))
}

fn address(at: usize, record: &RecordView) -> El {
    let id = if at == 0 { "address".to_owned() } else { format!("address-{}", at + 1) };
    let words = "Give this to a hospital that wants to ask you for access: read it out, send it, or let it scan the picture. It is no secret. Nobody can see anything with it; they can only ask, and you decide.";
    let copy = el("button")
        .attr("type", "button")
        .class("quiet")
        .attr("data-copy", &id)
        .flag("hidden", true)
        .with("Copy the address");
    let code = qr::svg(&record.address, "The address of your record as a QR code")
        .map(|code| el("div").class("qr-frame").with(code));
    el("section").class("card").with((
        el("h3").with("The address of your record"),
        el("p").with(words),
        code,
        el("code").class("address").id(&id).with(&record.address),
        el("p").with(copy),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn shown(name: &str, view: &View) -> String {
        samples::shown(name, |frame| page(frame, view))
    }

    #[test]
    fn what_waits_comes_first() {
        let html = shown("overview", &samples::overview());
        let place = |text: &str| html.find(text).expect(text);
        assert!(place("id=\"attention\"") < place("<h3>Who has access</h3>"));
        assert!(place("Compare six digits") < place("asks for access"));
        assert!(place("opened your record for an emergency") < place("Compare six digits"));
        assert!(html.contains("<q>found unconscious</q>") && html.contains("data-kind=\"emergency\""));
        assert!(html.contains("chartwell:") && html.contains("<svg"));
        assert!(html.contains("data-state=\"open\""));
        assert!(html.contains("data-kind=\"words\"") && html.contains("href=\"/phrase\""));
        assert!(html.contains("2 entries were changed in several places") && html.contains("href=\"/conflicts\""));
    }

    #[test]
    fn without_a_record_the_page_says_how_to_get_one() {
        let view = View {
            records: vec![],
            requests: vec![],
            pairings: vec![],
            grants: vec![],
            emergencies: vec![],
            words: false,
            conflicts: 0,
        };
        let html = shown("welcome", &view);
        assert!(html.contains("id=\"invite-form\"") && html.contains("id=\"no-record\""));
        assert!(!html.contains("id=\"attention\""));
    }
}
