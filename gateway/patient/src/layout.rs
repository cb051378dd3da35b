//! The frame around every page: head, menu, main region, foot. Called by `pages` and `error`.

use crate::form::CSRF;
use crate::html::{Content, El, Html, el};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// How often a page that waits for something asks again, where there is no script to do it: seconds.
const REFRESH_S: &str = "5";

/// The pages of the menu: where they are, what they are called.
const MENU: [(&str, &str); 8] = [
    ("/", "Overview"),
    ("/requests", "Requests"),
    ("/access", "Who has access"),
    ("/timeline", "Timeline"),
    ("/audit", "Who looked"),
    ("/network", "Connections"),
    ("/devices", "Your devices"),
    ("/invite", "Add a record"),
];

/// What every page needs besides its own content.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The time the page is made at.
    pub(crate) now_ms: u64,
    /// The session's token for forms.
    pub(crate) csrf: String,
    /// Requests that wait for an answer.
    pub(crate) waiting: usize,
    /// This device was suspended or removed: it shows what it has and changes nothing.
    pub(crate) stopped: bool,
}

/// One page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Its place in the menu.
    pub(crate) menu: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// Whether it waits for something that happens by itself.
    pub(crate) waits: bool,
    /// Its content.
    pub(crate) body: Html,
}

impl Frame {
    /// A form that carries the session's token.
    pub(crate) fn form(&self, path: impl AsRef<str>) -> El {
        let token = el("input").attr("type", "hidden").attr("name", CSRF).attr("value", &self.csrf);
        el("form").post_to(path).attr("autocomplete", "off").with(token)
    }

    /// The whole page.
    pub(crate) fn page(&self, page: Page) -> Html {
        let refresh = page
            .waits
            .then(|| el("noscript").with(el("meta").attr("http-equiv", "refresh").attr("content", REFRESH_S)));
        let live = el("script").src("/static/live.js").flag("defer", true);
        let note = el("p").id("live-note").class("notice").attr("role", "status").flag("hidden", true);
        let note = note.with((
            "Something on this page has changed meanwhile. ",
            el("a").href("#").id("live-reload").with("Show it now"),
        ));
        let stopped = self.stopped.then(|| {
            let words = "This device was suspended. It shows what it had until then, gets nothing new, and changes nothing. Only your words let it back in: recover your record with them on a new device, or here.";
            el("p").id("stopped").class("notice").attr("role", "status").with(words)
        });
        let out = self.form("/logout").id("logout-form").with(button("Log out", "quiet"));
        let foot = el("footer").with((
            el("p").with("All times are in UTC. This page lives on your own device and loads nothing from elsewhere."),
            out,
        ));
        let body = (
            el("a").class("skip").href("#main").with("To the content"),
            el("header").with((brand(), self.menu(page.menu))),
            note,
            el("main").id("main").attr("tabindex", "-1").with((stopped, page.body)),
            foot,
        );
        document(page.title, (refresh, live), body)
    }

    fn menu(&self, here: &str) -> El {
        let item = |(path, name): &(&'static str, &'static str)| {
            let link = el("a").href(path).with(*name);
            let link = if *path == here { link.attr("aria-current", "page") } else { link };
            let waiting = *path == "/requests" && self.waiting > 0;
            let badge = waiting.then(|| {
                let spoken = el("span").class("unseen").with(" waiting for your answer");
                el("span").class("badge").with((self.waiting.to_string(), spoken))
            });
            el("li").with(link.with(badge))
        };
        let items = MENU.iter().map(item).collect::<Vec<_>>();
        el("nav").attr("aria-label", "Pages").id("menu").with(el("ul").with(items))
    }
}

/// A page without a menu, for what stands outside a session.
pub(crate) fn bare(title: &str, body: Html) -> Html {
    document(title, (), (el("header").with(brand()), el("main").id("main").class("narrow").with(body)))
}

/// A page without a menu that leads on by itself.
pub(crate) fn leads_on(title: &str, body: Html) -> Html {
    let refresh = el("meta").attr("http-equiv", "refresh").attr("content", "0; url=/");
    document(title, refresh, (el("header").with(brand()), el("main").id("main").class("narrow").with(body)))
}

/// A button that sends its form.
pub(crate) fn button(words: &str, look: &'static str) -> El {
    el("button").attr("type", "submit").class(look).with(words)
}

/// A pill that says in a word how something stands.
pub(crate) fn state(look: &'static str, words: &str) -> El {
    el("span").class("state").attr("data-look", look).with(words)
}

/// Pairs of what something is called and what it is.
pub(crate) fn facts<T: Content, const N: usize>(pairs: [(&'static str, T); N]) -> El {
    let row = |(name, value)| el("div").with((el("dt").with(name), el("dd").with(value)));
    el("dl").class("facts").with(pairs.map(row).into_iter().collect::<Vec<_>>())
}

/// What a page says while there is nothing on it.
pub(crate) fn empty(words: &str) -> El {
    el("p").class("empty").with(words)
}

fn brand() -> El {
    let mark = el("span").class("mark").attr("aria-hidden", "true");
    el("a").class("brand").href("/").with((mark, "Your health record"))
}

fn document(title: &str, head: impl Content, body: impl Content) -> Html {
    let title = format!("{title} – Your health record");
    let head = (
        el("meta").attr("charset", "utf-8"),
        el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"),
        el("meta").attr("name", "color-scheme").attr("content", "light dark"),
        el("title").with(title),
        el("link").attr("rel", "icon").href("/static/icon.svg"),
        el("link").attr("rel", "stylesheet").href("/static/style.css"),
        head,
    );
    el("html").attr("lang", "en").with((el("head").with(head), el("body").with(body))).html()
}

impl Content for () {
    fn write(self, _: &mut String) {}
}

impl IntoResponse for Html {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "text/html; charset=utf-8")], self.document()).into_response()
    }
}
