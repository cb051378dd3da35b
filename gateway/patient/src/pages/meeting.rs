//! What the pages of codes have in common: the field a code is pasted into, the six digits, confirm and stop, how one ends, and
//! its line in a list. Called by `invite`, `pairing`, `offer` and `join`.

use crate::error::{PageError, sentence};
use crate::form::Form;
use crate::html::{El, el};
use crate::layout::{Frame, button};
use crate::words::clock;

/// Longest code that is taken; one with eight places is a quarter of it.
const CODE_BYTES_MAX: usize = 8 * 1024;

/// The code that was pasted; `none` and `long` say what to do instead.
pub(super) fn code(form: &Form, none: &str, long: &str) -> Result<String, PageError> {
    let code = form.one("code").split_whitespace().collect::<String>();
    match code.len() {
        0 => Err(PageError::typed(none)),
        1..=CODE_BYTES_MAX => Ok(code),
        _ => Err(PageError::typed(long)),
    }
}

/// The form that takes a code; `begin` is what the code begins with.
pub(super) fn code_form(frame: &Frame, to: &str, label: &str, begin: &str) -> El {
    let label = el("label").attr("for", "code").with(label);
    let input = el("input").id("code").attr("name", "code").attr("type", "text").flag("required", true);
    let input = input.attr("spellcheck", "false").attr("autocapitalize", "off");
    let input = input.attr("placeholder", format!("{begin}:…")).attr("maxlength", CODE_BYTES_MAX.to_string());
    frame.form(to).with((label, input, button("Begin", "main")))
}

/// What was shown is what is confirmed: digits that changed in between are not.
pub(super) fn are_same(form: &Form, digits: &str) -> Result<(), PageError> {
    if form.one("digits") == digits {
        return Ok(());
    }
    Err(PageError::typed("The digits have changed since you looked. Compare them again."))
}

/// The six digits.
pub(super) fn digits(digits: &str) -> El {
    let spoken = digits.chars().map(String::from).collect::<Vec<_>>().join(" ");
    el("p").id("digits").class("digits").attr("aria-label", spoken).with(digits)
}

/// The form that confirms, with the digits that were shown; what else it has comes behind.
pub(super) fn confirm_form(frame: &Frame, at: &str, digits: &str) -> El {
    let shown = el("input").attr("type", "hidden").attr("name", "digits").attr("value", digits);
    frame.form(format!("{at}/confirm")).id("confirm-form").with(shown)
}

/// The form that stops.
pub(super) fn stop_form(frame: &Frame, at: &str, words: &str) -> El {
    frame.form(format!("{at}/stop")).id("stop-form").with(button(words, "quiet"))
}

/// What there is to see and to do, under how it stands.
pub(super) fn card((key, look): (&'static str, El), body: El) -> El {
    el("section").class("card").id("pairing").attr("data-state", key).with((el("p").with(look), body))
}

/// It came to something.
pub(super) fn done(lead: String, to: &str, words: &str) -> El {
    el("div").with((el("p").class("lead").with(lead), onwards(to, words)))
}

/// It came to nothing, and why.
pub(super) fn ended(lead: &str, why: &str, to: &str, words: &str) -> El {
    let reason = el("p").id("reason").with(("Why: ", sentence(why)));
    el("div").with((el("p").class("lead").with(lead), reason, onwards(to, words)))
}

fn onwards(to: &str, words: &str) -> El {
    el("p").with(el("a").class("button").href(to).with(words))
}

/// One in a list.
pub(super) fn line((key, look): (&'static str, El), at: String, name: &str, started_ms: u64) -> El {
    let name = el("a").href(at).with(name);
    let when = clock::stamp(started_ms, &clock::moment(started_ms));
    el("li").class("line").attr("data-state", key).with((el("span").with((name, ", ", when)), look))
}
