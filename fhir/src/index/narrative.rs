//! The words of a narrative, for `_text`, and of plain text. Called by `convert`, `content` and `query`.
//!
//! Words are what stands between markup, white space and punctuation, folded as strings are; a hyphen, apostrophe or dot
//! within a word stays (`x-ray`, `5.4`). Spec: <https://hl7.org/fhir/R4/search.html#content>.

use super::text::fold;
use crate::xml::character;
use std::borrow::Cow;
use std::collections::HashSet;

/// Most distinct words of one resource that `_text` finds it by; narratives of generated lists have thousands, and each
/// is an index row.
pub const WORDS_MAX: usize = 400;

/// Most bytes of a narrative that are read for words; a longer one has its words at the start or none people look for.
const DIV_BYTES_MAX: usize = 256 * 1024;

/// The distinct words of an XHTML div in the order of their first occurrence.
pub(super) fn words(div: &str) -> Vec<String> {
    let div = &div[..div.floor_char_boundary(DIV_BYTES_MAX)];
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    for text in Texts(div) {
        for word in words_of(&plain(text)) {
            if known.insert(word.clone()) {
                found.push(word);
                if found.len() == WORDS_MAX {
                    return found;
                }
            }
        }
    }
    found
}

/// The words of a plain text, folded.
pub fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|character: char| !is_inner(character));
    let words = words.map(|word| fold(word.trim_matches(|character: char| !character.is_alphanumeric())));
    words.filter(|word| !word.is_empty())
}

/// Whether a character may stand within a word.
fn is_inner(character: char) -> bool {
    character.is_alphanumeric()
        || unicode_normalization::char::is_combining_mark(character)
        || matches!(character, '-' | '\'' | '\u{2019}' | '.')
}

/// Text with its character references as characters.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        rest = after;
        // The longest name has eight letters.
        let end = after.bytes().take(10).position(|byte| byte == b';');
        let named = end.and_then(|end| Some((referred(after.get(..end)?)?, after.get(end + 1..)?)));
        match named {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn referred(name: &str) -> Option<char> {
    match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
        None if name == "apos" => Some('\''),
        // None of these is part of a word.
        None if matches!(name, "amp" | "lt" | "gt" | "quot") => Some(' '),
        None => character(name),
    }
}

/// The texts between tags and comments.
struct Texts<'a>(&'a str);

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.0.is_empty() {
            let (text, rest) = self.0.split_once('<').unwrap_or((self.0, ""));
            self.0 = if let Some(comment) = rest.strip_prefix("!--") {
                comment.split_once("-->").map_or("", |(_, after)| after)
            } else {
                after_tag(rest)
            };
            if !text.is_empty() {
                return Some(text);
            }
        }
        None
    }
}

/// What follows a tag; a `>` in an attribute's value does not end it.
fn after_tag(tag: &str) -> &str {
    let mut quote = None;
    for (place, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return &tag[place + 1..],
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_markup_and_punctuation() {
        for (div, wanted) in [
            ("<div>Heart failure</div>", &["heart", "failure"][..]),
            ("<div><b>Heart</b>beat <i>heart</i></div>", &["heart", "beat"]),
            ("<div title=\"a > b\">x<!-- not <b> this --> y</div>", &["x", "y"]),
            ("<div>M&uuml;ller &amp; &#233;t&#xe9;</div>", &["muller", "ete"]),
            ("<div>(x-ray), 5.4 mg; O'Neill. </div>", &["x-ray", "5.4", "mg", "o'neill"]),
            ("<div>- . '</div>", &[]),
            ("<div", &[]),
            ("<div>cut <b", &["cut"]),
            ("", &[]),
        ] {
            assert_eq!(words(div), wanted, "{div}");
        }
    }

    #[test]
    fn a_long_narrative_ends_at_the_limit() {
        let long: String = (0..5000).map(|number| format!("<p>w{number}</p>")).collect();
        assert_eq!(words(&long).len(), WORDS_MAX);
        assert!(words(&"\u{e9}".repeat(DIV_BYTES_MAX)).len() <= 1);
    }
}
