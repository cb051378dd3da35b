//! The functions of texts. Called by `functions`. Spec: <http://hl7.org/fhirpath/N1/#string-manipulation>.
//!
//! Places and lengths count characters. Regular expressions are those of `regex-lite`, which takes linear time.

use super::evaluate::{Evaluator, Scope, one, operand, single, truth};
use super::syntax::{Call, Function as F};
use super::value::Value;
use super::{Collection, Error, Item, STRING_BYTES_MAX};
use regex_lite::{Regex, RegexBuilder};
use std::borrow::Cow;

/// Memory that a pattern may take, in bytes; the least it fits in says how long a match takes.
const PATTERN_BYTES: [usize; 3] = [4 << 10, 32 << 10, 256 << 10];

/// Bytes of memory of a pattern that cost one step per byte of text: each state may be looked at for each byte.
const BYTES_A_STEP: usize = 1024;

/// A regular expression and how much a match costs.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// Steps per byte of text.
    cost: usize,
}

/// Reads a pattern, where `.` also matches line ends.
pub(super) fn pattern(text: &str, full: bool) -> Result<Pattern, Error> {
    let text = if full { Cow::Owned(format!("^(?:{text})$")) } else { Cow::Borrowed(text) };
    let mut builder = RegexBuilder::new(&text);
    builder.dot_matches_new_line(true);
    for bytes in PATTERN_BYTES {
        if let Ok(regex) = builder.size_limit(bytes).build() {
            return Ok(Pattern { regex, cost: bytes / BYTES_A_STEP });
        }
    }
    operand("matches", "needs a regular expression that can be read")
}

impl<'a> Evaluator<'a, '_> {
    /// A text that was made, unless it is too long.
    pub fn text(&mut self, text: String) -> Result<Collection<'a>, Error> {
        if text.len() > STRING_BYTES_MAX {
            return operand("a function of texts", "makes a text that is too long");
        }
        Ok(one(Value::String(text.into())))
    }

    pub fn strings(
        &mut self,
        call: &'a Call,
        input: &[Item<'a>],
        scope: Scope<'_, 'a>,
    ) -> Result<Collection<'a>, Error> {
        let name = call.function.name();
        if call.function == F::Join {
            return self.join(call, input, scope);
        }
        let text = match single(input, name)? {
            None if input.iter().any(|item| item.element().is_some_and(|element| !element.is_primitive())) => {
                return operand(name, "needs a text");
            }
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => text,
            // Dates and numbers of a resource are texts where a text is asked for.
            Some(value) if matches!(input, [Item::Element(_)]) => value.to_text(),
            Some(_) => return operand(name, "needs a text"),
        };
        self.charge(text.len() / 64)?;
        match call.function {
            F::Length => Ok(number(text.chars().count())),
            F::Upper => self.text(text.to_uppercase()),
            F::Lower => self.text(text.to_lowercase()),
            F::Trim => self.text(text.trim().to_owned()),
            F::ToChars => {
                self.charge(text.len())?;
                Ok(text.chars().map(|one| Item::Value(Value::String(one.to_string().into()))).collect())
            }
            F::Substring => self.substring(call, text, scope),
            _ => self.with_argument(call, &text, scope),
        }
    }

    fn with_argument(&mut self, call: &'a Call, text: &str, scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        let Some(argument) = self.string(call, 0, scope)? else { return Ok(Vec::new()) };
        let argument = argument.as_ref();
        let place = |found: Option<usize>| match found {
            Some(at) => number(text[..at].chars().count()),
            None => one(Value::Integer(-1)),
        };
        match call.function {
            F::IndexOf => Ok(place(text.find(argument))),
            F::LastIndexOf => Ok(place(text.rfind(argument))),
            F::StartsWith => Ok(truth(text.starts_with(argument))),
            F::EndsWith => Ok(truth(text.ends_with(argument))),
            F::Contains => Ok(truth(text.contains(argument))),
            F::Split => {
                self.charge(text.len())?;
                Ok(text.split(argument).map(|part| Item::Value(Value::String(part.to_owned().into()))).collect())
            }
            F::Replace => {
                let Some(with) = self.string(call, 1, scope)? else { return Ok(Vec::new()) };
                self.bounded(text.matches(argument).count(), &with, text)?;
                self.text(text.replace(argument, &with))
            }
            _ => {
                let made;
                let pattern = match &call.pattern {
                    Some(pattern) => pattern,
                    None => {
                        made = pattern(argument, call.function == F::MatchesFull)?;
                        self.charge(PATTERN_BYTES[0] / 64)?;
                        &made
                    }
                };
                self.charge(text.len().saturating_mul(pattern.cost))?;
                let regex = &pattern.regex;
                if call.function != F::ReplaceMatches {
                    return Ok(truth(regex.is_match(text)));
                }
                let Some(with) = self.string(call, 1, scope)? else { return Ok(Vec::new()) };
                // A group may stand for the whole text in each match.
                self.charge(text.len().saturating_mul(pattern.cost))?;
                let matches = regex.find_iter(text).count();
                self.bounded(matches.saturating_mul(1 + with.matches('$').count()), &with, text)?;
                self.text(regex.replace_all(text, braced(&with).as_str()).into_owned())
            }
        }
    }

    /// Refuses replacements that would make too long a text, before they do.
    fn bounded(&mut self, count: usize, with: &str, text: &str) -> Result<(), Error> {
        let groups = if with.contains('$') { text.len() } else { 0 };
        let length = count.saturating_mul(with.len() + groups).saturating_add(text.len());
        self.charge(length / 64)?;
        if length > 16 * STRING_BYTES_MAX { operand("replace", "makes a text that is too long") } else { Ok(()) }
    }

    fn substring(&mut self, call: &'a Call, text: Cow<'a, str>, scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        let Some(start) = self.integer(call, 0, scope)? else { return Ok(Vec::new()) };
        let length = if call.arguments.len() > 1 { self.integer(call, 1, scope)? } else { None };
        let Ok(start) = usize::try_from(start) else { return Ok(Vec::new()) };
        let Some((from, _)) = text.char_indices().nth(start) else { return Ok(Vec::new()) };
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        let to = text[from..].char_indices().nth(length).map_or(text.len(), |(at, _)| from + at);
        let part = match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
            Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
        };
        Ok(one(Value::String(part)))
    }

    fn join(&mut self, call: &'a Call, input: &[Item<'a>], scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        let between = if call.arguments.is_empty() { None } else { self.string(call, 0, scope)? };
        let between = between.unwrap_or(Cow::Borrowed(""));
        let mut joined = String::new();
        for (place, item) in input.iter().enumerate() {
            let Some(Value::String(text)) = item.value() else { return operand("join", "needs texts") };
            if place > 0 {
                joined.push_str(&between);
            }
            joined.push_str(&text);
            if joined.len() > STRING_BYTES_MAX {
                break;
            }
        }
        if input.is_empty() {
            return Ok(Vec::new());
        }
        self.text(joined)
    }
}

fn number<'a>(count: usize) -> Collection<'a> {
    one(Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// `$1x` means group 1 before an x, not a group named `1x`.
fn braced(with: &str) -> String {
    let mut made = String::with_capacity(with.len() + 8);
    let mut characters = with.chars().peekable();
    while let Some(character) = characters.next() {
        made.push(character);
        if character != '$' || !characters.peek().is_some_and(char::is_ascii_digit) {
            continue;
        }
        made.push('{');
        while let Some(digit) = characters.next_if(char::is_ascii_digit) {
            made.push(digit);
        }
        made.push('}');
    }
    made
}
