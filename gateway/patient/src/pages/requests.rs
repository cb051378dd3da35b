//! `GET /requests`: who asks for what, why and until when. `POST /requests/approve` narrows and lets in, `POST
//! /requests/refuse` does not.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el};
use crate::layout::{self, Frame, Page, button, empty, facts};
use crate::pages::done;
use crate::session::Session;
use crate::words::{self, clock};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::grants::{Approval, RequestState, RequestView, ScopeLine};

/// Decided requests that are shown; those before stand in the timeline.
const DECIDED_MAX: usize = 50;

/// `GET /requests`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let requests = app.node.requests().await?;
    app.show(&session, |frame| page(frame, &requests)).await
}

/// `POST /requests/approve`.
pub(crate) async fn approve(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let id = form.one("request");
    let requests = app.node.requests().await?;
    let asked = requests.iter().find(|request| request.id == id).ok_or_else(PageError::no_page)?;
    let scopes = chosen(&form);
    if scopes.is_empty() {
        return Err(PageError::typed(
            "Nothing was ticked, so nothing was allowed. Tick at least one thing, or refuse the request.",
        ));
    }
    let end_ms = end_of(form.one("until"), asked.end_ms, node::clock::now_ms())?;
    let sensitive = form.all("class").map(str::to_owned).collect();
    let (witness, shared) = (form.one("witness") == "yes", form.one("shared") == "yes");
    app.node.approve(id, Approval { scopes, end_ms, sensitive, witness, shared }).await?;
    Ok(done("/access"))
}

/// `POST /requests/refuse`.
pub(crate) async fn refuse(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    app.node.refuse(form.one("request")).await?;
    Ok(done("/requests"))
}

/// The scopes that were ticked, each narrowed to the category that was chosen for it.
pub(super) fn chosen(form: &Form) -> Vec<String> {
    narrowed(form.all("scope"), &form.all("only").collect::<Vec<_>>())
}

fn narrowed<'a>(scopes: impl Iterator<Item = &'a str>, only: &[&str]) -> Vec<String> {
    let one = |scope: &str| {
        let of = |only: &&&str| only.strip_prefix(scope).is_some_and(|rest| rest.starts_with('?'));
        only.iter().find(of).copied().unwrap_or(scope).to_owned()
    };
    scopes.map(one).collect()
}

/// Until when access is given: the end of the day that was chosen, never later than asked.
pub(super) fn end_of(field: &str, asked_ms: u64, now_ms: u64) -> Result<u64, PageError> {
    if field.is_empty() {
        return Ok(asked_ms);
    }
    let Some(end) = clock::end_of_day(field) else {
        return Err(PageError::typed(
            "The date was not understood. It is written as year, month and day, such as 2026-12-31.",
        ));
    };
    if end <= now_ms {
        return Err(PageError::typed(
            "The date lies in the past, so nothing was allowed. Choose today or a later day.",
        ));
    }
    Ok(if asked_ms == 0 { end } else { end.min(asked_ms) })
}

/// The page.
pub(crate) fn page(frame: &Frame, requests: &[RequestView]) -> Page {
    // The oldest first: one that comes in while somebody reads moves nothing away from under her finger.
    let open = requests.iter().filter(|request| request.state == RequestState::Open).rev();
    let open = open.map(|request| ask(frame, request)).collect::<Vec<_>>();
    let open = if open.is_empty() { vec![empty("Nobody is waiting for an answer.").id("no-requests")] } else { open };
    let decided = requests.iter().filter(|request| request.state != RequestState::Open).take(DECIDED_MAX);
    let decided = decided.map(|request| decided_row(frame, request)).collect::<Vec<_>>();
    let decided = (!decided.is_empty())
        .then(|| el("section").class("card").with((el("h2").with("Decided"), el("ul").class("plain").with(decided))));
    let lead = el("p").class("lead").with("Nobody sees anything before you allow it. You can allow less than was asked for, and take it back at any time.");
    let body = el("div").with((el("h1").with("Requests"), lead, open, decided));
    Page { menu: "/requests", title: "Requests", waits: false, body: body.html() }
}

fn id_of(request: &RequestView) -> String {
    format!("request-{}", request.id)
}

fn ask(frame: &Frame, request: &RequestView) -> El {
    let who = words::name(&request.name, "Somebody without a name");
    let until = match request.end_ms {
        0 => "without an end".to_owned(),
        end => clock::day(end),
    };
    let reason = match words::name(&request.reason, "") {
        "" => el("span").with("no reason was given"),
        reason => el("q").with(reason),
    };
    let known = facts([
        ("In its own words", reason),
        ("To use it for", el("span").with(words::purposes::words(&request.purpose))),
        ("Until", el("span").with(until)),
        ("Asked", clock::stamp(request.asked_ms, &clock::ago(request.asked_ms, frame.now_ms))),
    ]);
    let later = (request.start_ms > frame.now_ms + clock::DAY_MS)
        .then(|| el("p").class("hint").with(format!("Access would begin on {}.", clock::day(request.start_ms))));
    let check = el("p").class("hint").with((
        "Anybody can call itself by any name. If you did not expect this request, ask the hospital whether it made it. The fingerprint of its identity is ",
        el("code").with(&request.origin),
        ".",
    ));
    let look = layout::state("act", "Waiting for you");
    let heading = el("h2").with((el("span").class("who").with(who), " asks for access"));
    el("article").class("card").id(id_of(request)).attr("data-state", "open").attr("data-name", &request.name).with((
        look,
        heading,
        known,
        later,
        approve_form(frame, request),
        refuse_form(frame, request),
        check,
    ))
}

fn approve_form(frame: &Frame, request: &RequestView) -> El {
    let hint = "Untick whatever you do not want to allow.";
    let what = ticks(&request.id, &request.lines, hint);
    let sensitive = protected(&request.id, &words::classes::all().collect::<Vec<_>>(), false);
    let until = until_field(frame, &request.id, request.end_ms);
    let witness = node::purpose::is_emergency(&request.purpose).then(|| witness(request));
    let shared = words::changes(&request.lines).then(|| shared(&request.id, &request.name, false));
    let form = frame.form("/requests/approve").class("request-approve").with(hidden(request));
    form.with((what, sensitive, shared, until, witness, button("Allow what is ticked", "main")))
}

/// Whether the asker is to be a witness: it may open the record for others when there is an emergency.
fn witness(request: &RequestView) -> El {
    let id = format!("witness-{}", request.id);
    let name = words::name(&request.name, "Whoever asks");
    let input = el("input").id(&id).attr("type", "checkbox").attr("name", "witness").attr("value", "yes");
    let text = format!("{name} may also open your record for others who treat you in an emergency");
    let hint = "For a day each time, with the reason they give. Every time stands on your first page.";
    let legend = el("legend").with("If you cannot be asked");
    let label = el("label").class("tick").attr("for", &id).with((input, el("span").class("tick-text").with(text)));
    el("fieldset").with((legend, el("p").class("hint").with(hint), label))
}

/// Whether what it may change is what others wrote too: a care plan that several keep.
pub(super) fn shared(of: &str, name: &str, ticked: bool) -> El {
    let id = format!("shared-{of}");
    let name = words::name(name, "Whoever asks");
    let input = el("input").id(&id).attr("type", "checkbox").attr("name", "shared").attr("value", "yes");
    let text = format!("{name} may also change and delete what others have added, as far as the boxes above say");
    let hint =
        "For a care plan, say, that several keep together. Every version stays in your record, with who wrote it.";
    let legend = el("legend").with("What others wrote");
    let text = el("span").class("tick-text").with(text);
    let label = el("label").class("tick").attr("for", &id).with((input.flag("checked", ticked), text));
    el("fieldset").with((legend, el("p").class("hint").with(hint), label))
}

/// One box per thing that may be done.
pub(super) fn ticks(id: &str, lines: &[ScopeLine], hint: &str) -> El {
    let boxes = lines.iter().enumerate().map(|(at, line)| tick(id, at, line)).collect::<Vec<_>>();
    let legend = el("legend").with("What it may do");
    el("fieldset").with((legend, el("p").class("hint").with(hint), boxes))
}

/// One box for each kind of especially protected entries, which stay closed where it is not ticked.
pub(super) fn protected(of: &str, classes: &[(&str, &str)], ticked: bool) -> El {
    let one = |(name, words): &(&str, &str)| {
        let id = format!("class-{of}-{name}");
        let input = el("input").id(&id).attr("type", "checkbox").attr("name", "class").attr("value", *name);
        let input = input.flag("checked", ticked);
        el("label").class("tick").attr("for", &id).with((input, el("span").class("tick-text").with(*words)))
    };
    let legend = el("legend").with("Especially protected entries");
    let hint = "They stay closed unless you tick them here, even to those who may see everything else.";
    let boxes = classes.iter().map(one).collect::<Vec<_>>();
    el("fieldset").class("protected").with((legend, el("p").class("hint").with(hint), boxes))
}

/// The day access ends, no later than `end_ms`; zero for no end.
pub(super) fn until_field(frame: &Frame, id: &str, end_ms: u64) -> El {
    let id = format!("until-{id}");
    let input =
        el("input").id(&id).attr("type", "date").attr("name", "until").attr("min", clock::date_field(frame.now_ms));
    let input = match end_ms {
        0 => input,
        end => input.attr("value", clock::date_field(end)).attr("max", clock::date_field(end)),
    };
    let words = if end_ms == 0 {
        "Until the end of which day? Leave it empty for no end."
    } else {
        "Until the end of which day? You can choose an earlier one."
    };
    el("div").class("field").with((el("label").attr("for", &id).with(words), input))
}

fn tick(of: &str, at: usize, line: &ScopeLine) -> El {
    let id = format!("scope-{of}-{at}");
    let input = el("input")
        .id(&id)
        .attr("type", "checkbox")
        .attr("name", "scope")
        .attr("value", &line.scope)
        .flag("checked", true);
    let label = el("label").class("tick").attr("for", &id);
    el("div").with((label.with((input, el("span").class("tick-text").with(words::scope(line)))), only(&id, line)))
}

/// The categories that what is seen can be narrowed to, where a type has any; what is written has none.
fn only(of: &str, line: &ScopeLine) -> Option<El> {
    let id = format!("only-{of}");
    let kind = line.resource_type.as_deref()?;
    let option = |value: String, words: &str| el("option").attr("value", value).with(words.to_owned());
    let mut options = vec![option(String::new(), "all of them")];
    let one = |(code, words): (&str, &str)| option(format!("{}?category={code}", line.scope), &format!("only {words}"));
    options.extend(words::categories::of(kind).map(one));
    let plain = !line.scope.contains('?') && !words::writes(std::slice::from_ref(line)) && options.len() > 1;
    let select = el("select").id(&id).attr("name", "only").with(options);
    plain.then(|| el("div").class("field").with((el("label").attr("for", &id).with("Which of these?"), select)))
}

fn refuse_form(frame: &Frame, request: &RequestView) -> El {
    frame.form("/requests/refuse").class("request-refuse").with((hidden(request), button("Refuse everything", "quiet")))
}

fn hidden(request: &RequestView) -> El {
    el("input").attr("type", "hidden").attr("name", "request").attr("value", &request.id)
}

fn decided_row(frame: &Frame, request: &RequestView) -> El {
    let (key, look) = match request.state {
        RequestState::Approved => ("approved", layout::state("good", "Allowed")),
        _ => ("refused", layout::state("off", "Refused")),
    };
    let who = el("strong").with(words::name(&request.name, "Somebody without a name"));
    let when = clock::stamp(request.asked_ms, &clock::ago(request.asked_ms, frame.now_ms));
    let what = request.lines.iter().map(|line| el("li").with(words::scope(line))).collect::<Vec<_>>();
    let top = el("div").class("line").with((el("span").with((who, " asked ", when)), look));
    el("li")
        .id(id_of(request))
        .attr("data-state", key)
        .attr("data-name", &request.name)
        .with((top, el("ul").class("scopes").with(what)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn a_request_can_be_narrowed_or_refused() {
        let html = samples::shown("requests", |frame| page(frame, &samples::requests()));
        assert_eq!(html.matches("class=\"request-approve\"").count(), 1);
        assert_eq!(html.matches("class=\"request-refuse\"").count(), 1);
        assert_eq!(html.matches("name=\"scope\"").count(), 2);
        assert_eq!(html.matches("name=\"class\"").count(), 7);
        assert_eq!(html.matches("checked").count(), 2, "what is especially protected is closed unless ticked");
        assert!(html.contains("value=\"patient/Condition.rs\""));
        assert!(html.contains("See diagnoses and health problems"));
        assert!(html.contains("name=\"until\" min=\"2026-11-21\" value=\"2026-12-21\" max=\"2026-12-21\""));
        assert!(html.contains("treating you"));
        ["open", "approved", "refused"]
            .iter()
            .for_each(|state| assert!(html.contains(&format!("data-state=\"{state}\"")), "{state}"));
    }

    #[test]
    fn what_is_seen_can_be_narrowed_to_a_category() {
        let shown = |scope: &str| {
            let mut request = samples::requests().remove(0);
            (request.state, request.lines) = (RequestState::Open, node::grants::scope_lines(scope));
            samples::shown("requests-only", |frame| page(frame, &[request]))
        };
        assert!(shown("patient/Observation.rs").contains("value=\"patient/Observation.rs?category=laboratory\""));
        for scope in
            ["patient/Observation.cruds", "patient/*.rs", "patient/Encounter.rs", "patient/Observation.rs?category=x"]
        {
            assert!(!shown(scope).contains("name=\"only\""), "{scope}");
        }
        let lab = "patient/Observation.rs?category=laboratory";
        let scopes = ["patient/Observation.rs", "patient/Observation.r", "patient/Condition.rs"];
        let chosen = narrowed(scopes.into_iter(), &["", lab, "patient/Encounter.rs?category=x"]);
        assert_eq!(chosen, [lab, "patient/Observation.r", "patient/Condition.rs"]);
    }

    #[test]
    fn what_others_wrote_stays_theirs_unless_ticked() {
        let shown = |scope: &str| {
            let mut request = samples::requests().remove(0);
            (request.state, request.lines) = (RequestState::Open, node::grants::scope_lines(scope));
            samples::shown("requests-shared", |frame| page(frame, &[request]))
        };
        for (scope, asked) in
            [("patient/CarePlan.rus", true), ("patient/CarePlan.d", true), ("patient/CarePlan.crs", false)]
        {
            let page = shown(scope);
            assert_eq!(page.contains("name=\"shared\""), asked, "{scope}");
            assert!(!page.contains("value=\"yes\" checked"), "{scope}");
        }
    }

    #[test]
    fn only_who_asks_for_emergencies_can_be_a_witness() {
        let shown = |purpose: &str| {
            let mut request = samples::requests().remove(0);
            (request.state, request.purpose) = (RequestState::Open, purpose.to_owned());
            samples::shown("requests-witness", |frame| page(frame, &[request]))
        };
        assert!(shown("ETREAT").contains("name=\"witness\"") && !shown("ETREAT").contains("value=\"yes\" checked"));
        assert!(!shown("TREAT").contains("name=\"witness\""));
    }

    #[test]
    fn the_end_is_never_later_than_asked() {
        let now = samples::NOW;
        let asked = now + 30 * clock::DAY_MS;
        let check = |field: &str, asked: u64, expected: Option<&str>| {
            let end = end_of(field, asked, now).ok();
            assert_eq!(
                end.map(|end| if end == 0 { "none".to_owned() } else { clock::exact(end) }).as_deref(),
                expected,
                "{field}"
            );
        };
        check("", asked, Some("2026-12-21T00:33:28Z"));
        check("", 0, Some("none"));
        check("2026-12-21", asked, Some("2026-12-21T00:33:28Z"));
        check("2027-12-21", asked, Some("2026-12-21T00:33:28Z"));
        check("2026-12-01", asked, Some("2026-12-01T23:59:59Z"));
        check("2026-11-21", asked, Some("2026-11-21T23:59:59Z"));
        check("2030-01-01", 0, Some("2030-01-01T23:59:59Z"));
        check("2026-11-20", asked, None);
        check("tomorrow", asked, None);
    }
}
