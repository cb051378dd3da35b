//! `GET /phrase`: the 24 words, numbered, until they are written down. `POST /phrase/noted`: three of them typed back, and they
//! are wiped from this device.

use crate::app::App;
use crate::error::PageError;
use crate::form::Form;
use crate::html::{El, Html, el};
use crate::layout::{Frame, Page, button};
use crate::pages::done;
use crate::session::Session;
use crate::words::clock;
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use node::phrase::{ASKED, PhraseView};
use zeroize::Zeroizing;

/// What there is to know beside the words.
#[derive(Default)]
pub(crate) struct Beside {
    /// All records here were taken over on another device.
    elsewhere: bool,
    /// What names the records that the words recover.
    addresses: Vec<String>,
}

/// `GET /phrase`.
pub(crate) async fn get(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Html, PageError> {
    let phrase = app.node.phrase().await?;
    let addresses = app.node.recovery_addresses().await?;
    let elsewhere = !app.node.has_claimed().await? && !app.node.records().await?.is_empty();
    let asked = match &phrase {
        PhraseView::Here(words) => pick(words.len()),
        _ => [0; ASKED],
    };
    app.show(&session, |frame| page(frame, &phrase, asked, &Beside { elsewhere, addresses })).await
}

/// `POST /phrase/noted`.
pub(crate) async fn noted(State(app): State<App>, form: Form) -> Result<Redirect, PageError> {
    let places = form.all("place").map(|place| place.parse().unwrap_or(0));
    let typed = form.all("word").map(|word| Zeroizing::new(word.trim().to_owned()));
    app.node.note_phrase(&places.zip(typed).take(ASKED + 1).collect::<Vec<_>>()).await?;
    Ok(done("/phrase"))
}

/// Three places of the words, others at each look.
fn pick(words: usize) -> [usize; ASKED] {
    let mut places = (1..=words).collect::<Vec<_>>();
    let mut asked = std::array::from_fn(|_| {
        let drawn = u64::from_le_bytes(node::clock::random::<8>()) as usize;
        places.swap_remove(drawn % places.len().max(1))
    });
    asked.sort_unstable();
    asked
}

/// The page.
pub(crate) fn page(frame: &Frame, phrase: &PhraseView, asked: [usize; ASKED], beside: &Beside) -> Page {
    let body = match phrase {
        PhraseView::None => el("section").class("card").id("no-words").with((
            el("p").with("This device was set up before there were words to write down. Nothing can be recovered with words here, and none can be made for it later."),
            el("p").with("Set up a new device and let it in: a record that you take over there has words."),
        )),
        PhraseView::Noted(at_ms) => el("section").class("card").id("words-noted").with((
            el("p").with(("You noted your words on ", clock::stamp(*at_ms, &clock::day(*at_ms)), ". They are not on this device any more: only your paper has them.")),
            el("p").with("If you lose all your devices, start the program on a new one and recover your record with your words. If you lose the paper, set up a new device."),
        )),
        PhraseView::Here(words) => here(frame, words, asked),
    };
    let elsewhere = beside.elsewhere.then(|| {
        el("p").class("notice").id("words-elsewhere").with("The records on this device were taken over on another device of yours: the words of that one recover them. The words here are only for records that you take over on this device.")
    });
    let body = el("div").with((el("h1").with("Your words"), elsewhere, body, addresses(&beside.addresses)));
    Page { menu: "/devices", title: "Your words", waits: false, body: body.html() }
}

/// The addresses that belong beside the words.
fn addresses(addresses: &[String]) -> Option<El> {
    let list = addresses.iter().map(|address| el("li").with(el("code").class("address").with(address)));
    let words = "This says which record the words are of and who holds it. Keep it with them, and look again when another hospital has access. It is no secret.";
    (!addresses.is_empty()).then(|| {
        let list = el("ul").class("plain").id("recovery-addresses").with(list.collect::<Vec<_>>());
        el("section").class("card").with((el("h2").with("Keep this beside them"), el("p").with(words), list))
    })
}

fn here(frame: &Frame, words: &[Zeroizing<String>], asked: [usize; ASKED]) -> El {
    let lead = el("p").class("lead").with("Write these 24 words down on paper, in this order, and keep it where you keep what matters most. Whoever has them has your record; without them nobody can give it back to you when all your devices are lost.");
    let list = el("ol")
        .id("words")
        .class("words")
        .with(words.iter().map(|word| el("li").with(word.as_str())).collect::<Vec<_>>());
    let never = el("p").class("hint").with("Take no picture of them and type them nowhere but here and where you recover your record. No hospital and nobody who helps you needs them.");
    let fields = asked.iter().enumerate().map(|(at, place)| {
        let id = format!("word-{at}");
        let hidden = el("input").attr("type", "hidden").attr("name", "place").attr("value", place.to_string());
        let label = el("label").attr("for", &id).with(format!("Word number {place}"));
        let input = el("input").id(&id).attr("name", "word").attr("type", "text").flag("required", true);
        let input = input.attr("spellcheck", "false").attr("autocapitalize", "off").attr("autocomplete", "off");
        el("p").with((hidden, label, input))
    });
    let fields = fields.collect::<Vec<_>>();
    let form = frame.form("/phrase/noted").id("words-form");
    let form = form.with((fields, button("I have written them down", "main")));
    let check =
        el("p").with("Then type three of them from your paper. They are wiped from this device when they are right.");
    let first = el("section").class("card").with((lead, list, never));
    el("div").with((first, el("section").class("card").with((el("h2").with("Is it all on paper?"), check, form))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn the_words_are_shown_in_order_until_they_are_noted() {
        let beside = Beside { addresses: vec![samples::record().address], ..Beside::default() };
        let html = samples::shown("phrase", |frame| page(frame, &samples::phrase(), [2, 11, 24], &beside));
        assert_eq!(html.matches("<li>word").count(), 24);
        assert!(html.contains("id=\"recovery-addresses\"") && html.contains("chartwell:"));
        assert!(html.contains("Word number 11") && html.contains("id=\"words-form\""));
        let html = samples::shown("phrase-noted", |frame| {
            page(frame, &PhraseView::Noted(samples::NOW), [0; 3], &Beside::default())
        });
        assert!(html.contains("21 November 2026") && !html.contains("id=\"words\""));
        let html = samples::shown("phrase-none", |frame| {
            page(frame, &PhraseView::None, [0; 3], &Beside { elsewhere: true, ..Beside::default() })
        });
        assert!(html.contains("id=\"no-words\"") && !html.contains("<form method=\"post\" action=\"/phrase"));
        assert!(html.contains("id=\"words-elsewhere\""));
    }

    #[test]
    fn three_different_places_are_asked_for() {
        for _ in 0..100 {
            let [a, b, c] = pick(24);
            assert!(1 <= a && a < b && b < c && c <= 24, "{a} {b} {c}");
        }
    }
}
