//! The pages of a login, as HTML: log in, choose a patient, allow an app, and what went wrong. No script. Called by
//! `authorize`.

use crate::smart::authorize::patients::{Found, Wanted};
use crate::smart::html::{El, el};
use crate::smart::words;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use node::people::Person;
use record::scope::Scopes;

const STYLE: &str = include_str!("style.css");

/// What every form carries.
pub(crate) struct Frame {
    /// What the app asked, sealed.
    pub(crate) request: String,
    /// The token of the browser.
    pub(crate) csrf: String,
    /// The app's name.
    pub(crate) app: String,
}

impl Frame {
    fn form(&self, action: &'static str) -> El {
        let hidden = |name, value: &str| el("input").attr("type", "hidden").attr("name", name).attr("value", value);
        let form = el("form").attr("method", "post").attr("action", action).attr("autocomplete", "off");
        form.with(hidden("token", &self.csrf)).with(hidden("request", &self.request))
    }
}

/// `GET /auth/style.css`.
pub(crate) async fn style() -> Response {
    let mut response = STYLE.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response
}

/// Log in: here, or where `provider` says.
pub(crate) fn login(frame: &Frame, fault: Option<&str>, provider: Option<&str>) -> String {
    let alert = fault.map(|fault| el("p").attr("class", "bad").attr("role", "alert").text(fault));
    let form = match provider {
        None => password_form(frame),
        Some(provider) => {
            let host = provider.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
            frame.form("/auth/provider").with(button("go", "yes", "main", &format!("Log in at {host}")))
        }
    };
    let why =
        el("p").text("The app ").with(el("strong").text(&frame.app)).text(" asks to be let in to health records here.");
    page("Log in", el("main").with(el("h1").text("Log in")).with(why).all(alert).with(form))
}

fn password_form(frame: &Frame) -> El {
    let field = |label: &str, kind, name, complete| {
        let input = el("input").attr("type", kind).attr("name", name).attr("autocomplete", complete).flag("required");
        el("label").text(label).with(input)
    };
    frame
        .form("/auth/login")
        .with(field("Name", "text", "name", "username"))
        .with(field("Password", "password", "password", "current-password"))
        .with(button("login", "yes", "main", "Log in"))
}

/// Choose a patient.
pub(crate) fn patients(frame: &Frame, wanted: Option<&Wanted<'_>>, found: &[Found]) -> String {
    let value = |of: fn(&Wanted<'_>) -> String| wanted.map(of).unwrap_or_default();
    let field = |label: &str, kind, name, value: String| {
        el("label").text(label).with(el("input").attr("type", kind).attr("name", name).attr("value", value))
    };
    let search = frame
        .form("/auth/patient")
        .with(field("Name", "text", "name", value(|wanted| wanted.name.to_owned())))
        .with(field("Identifier", "text", "identifier", value(|wanted| wanted.identifier.to_owned())))
        .with(field("Birth date", "date", "birthdate", value(|wanted| wanted.birth_date.to_owned())))
        .with(button("search", "yes", "main", "Search"));
    let row = |found: &Found| {
        let facts = el("p")
            .with(el("strong").text(&found.name))
            .text(" ")
            .with(el("span").attr("class", "hint").text(&found.facts));
        el("div").with(facts).with(button("pick", &found.id, "quiet", &format!("Choose {}", found.name)))
    };
    let list = frame.form("/auth/patient").all(found.iter().map(row));
    let nobody = (wanted.is_some() && found.is_empty()).then(|| el("p").text("Nobody was found."));
    let why = el("p").with(el("strong").text(&frame.app)).text(" is opened for one patient. Whose record may it see?");
    let main = el("main").with(el("h1").text("Choose a patient")).with(why).with(search).all(nobody).with(list);
    page("Choose a patient", main.with(denial(frame)))
}

/// Say what an app may.
pub(crate) fn consent(frame: &Frame, person: &Person, patient: Option<&Found>, scopes: &Scopes) -> String {
    let tick = |value: String, words: String| {
        let input = el("input").attr("type", "checkbox").attr("name", "scope").attr("value", value).flag("checked");
        el("label").attr("class", "tick").with(input).with(el("span").text(words))
    };
    let own = person.is_patient().is_some();
    let known = scopes.known.iter().map(|scope| tick(scope.to_string(), words::of_scope(scope, own)));
    let others = scopes.other.iter().filter_map(|word| Some(tick(word.clone(), words::of_word(word)?.to_owned())));
    let ticks = known.chain(others).collect::<Vec<_>>();
    let about = patient.map(|patient| {
        let facts = el("span").attr("class", "hint").text(format!(" {}", patient.facts));
        el("p").text("Patient: ").with(el("strong").text(&patient.name)).with(facts)
    });
    let form = frame
        .form("/auth/consent")
        .all(ticks)
        .with(el("p").attr("class", "hint").text("Take the tick away from what it may not."))
        .with(button("allow", "yes", "main", "Allow"))
        .with(button("deny", "yes", "quiet", "Do not allow"));
    let who = el("p").attr("class", "hint").text(format!("You are logged in as {}.", person.title));
    let out = frame.form("/auth/logout").with(button("logout", "yes", "quiet", "Log in as somebody else"));
    let title = format!("May {} do this?", frame.app);
    let main = el("main").with(el("h1").text(&title)).all(about).with(form).with(who).with(out);
    page(&title, main)
}

/// What went wrong, where no app can be told.
pub(crate) fn fault(text: &str) -> String {
    page("This does not work", el("main").with(el("h1").text("This does not work")).with(el("p").text(text)))
}

fn denial(frame: &Frame) -> El {
    frame.form("/auth/consent").with(button("deny", "yes", "quiet", "Do not open the app"))
}

fn button(name: &'static str, value: &str, look: &'static str, words: &str) -> El {
    let button = el("button").attr("type", "submit").attr("class", look);
    button.attr("name", name).attr("value", value).text(words)
}

fn page(title: &str, main: El) -> String {
    let head = el("head")
        .with(el("meta").attr("charset", "utf-8"))
        .with(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .with(el("title").text(title))
        .with(el("link").attr("rel", "stylesheet").attr("href", "/auth/style.css"));
    el("html").attr("lang", "en").with(head).with(el("body").with(main)).document()
}
