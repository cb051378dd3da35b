//! The values of a search parameter: lists, escapes, prefixes, implicit precision. Called by `query`.
//! Spec: <https://hl7.org/fhir/R4/search.html#escaping>, <https://hl7.org/fhir/R4/search.html#prefix>.

mod near;
mod number;
mod refer;

use super::{Modifier, VALUES_MAX};
use crate::datetime;
use crate::index::{
    self,
    place::Place,
    text::{exact, fold, key},
};
use crate::params::{Param, SearchType};
use crate::types::ResourceType;
use number::{number, quantity};
use refer::refer;

/// One value that is searched for, in the form its index entries have.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// `code`, `system|code`, `|code` or `system|`.
    Token {
        /// Which systems count.
        system: System,
        /// None for any code of the system.
        code: Option<String>,
        /// The code without case, where it is another and codes of systems that do not tell them apart count too; without a
        /// system, those of any.
        lower: Option<String>,
    },
    /// A string, or the text of `:text`.
    Text {
        /// Folded as the index is.
        normal: String,
        /// As written, for `:exact`.
        exact: String,
    },
    /// The range that the date means, both ends inside, in microseconds since 1970 UTC.
    Date {
        /// How it compares.
        prefix: Prefix,
        /// First microsecond.
        low: i64,
        /// Last microsecond.
        high: i64,
    },
    /// A number and the range its digits mean: `100` is from 99.5 to below 100.5. With `ap` the range is 10 % of the
    /// value to each side.
    Number {
        /// How it compares.
        prefix: Prefix,
        /// Least, inside.
        low: f64,
        /// Greatest, outside.
        high: f64,
        /// The number itself, for all prefixes but `eq`, `ne` and `ap`.
        value: f64,
    },
    /// A number with a unit; the range is as that of `Number`.
    Quantity {
        /// How it compares.
        prefix: Prefix,
        /// Least, inside.
        low: f64,
        /// Greatest, outside.
        high: f64,
        /// The number itself.
        value: f64,
        /// The same in base units, where the unit is one of UCUM's: then this is compared and nothing else.
        canonical: Option<Canonical>,
        /// System of the unit's code; none for any.
        system: Option<String>,
        /// The unit: its code, or without a system also its human form. None for any.
        code: Option<String>,
    },
    /// A URI, exactly.
    Uri(String),
    /// A reference: `id`, `Type/id` or a URL.
    Reference {
        /// The type; none if it was not said and the parameter allows several.
        kind: Option<ResourceType>,
        /// The id.
        id: Option<String>,
        /// The version; for a canonical what follows `|`.
        version: Option<String>,
        /// An absolute URL as written (a canonical without its version). Kind and id are filled too where it has the
        /// shape of one: the caller decides whether its base is an own one.
        url: Option<String>,
    },
    /// A place, and how far from it.
    Near {
        /// The place.
        place: Place,
        /// The longest chord, on the unit sphere.
        chord: f64,
    },
    /// Whether there shall be no value.
    Missing(bool),
    /// A value set, by its URL or as `ValueSet/id`.
    Set(String),
    /// One value for each component.
    Composite(Vec<Wanted>),
}

/// A wanted quantity in base units.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical {
    /// Least, inside.
    pub low: f64,
    /// Greatest, outside.
    pub high: f64,
    /// The number itself.
    pub value: f64,
    /// The base units.
    pub unit: String,
}

/// The system of a wanted token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// `code`: any system, or none.
    Any,
    /// `|code`: only codes without a system.
    None,
    /// `system|code`
    Is(String),
}

/// How ordered values compare: <https://hl7.org/fhir/R4/search.html#prefix>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// The wanted range contains the value's range.
    Equal,
    /// It does not.
    NotEqual,
    /// The value reaches above the wanted range.
    Greater,
    /// The value reaches below the wanted range.
    Less,
    /// `Greater` or `Equal`.
    GreaterEqual,
    /// `Less` or `Equal`.
    LessEqual,
    /// The value's range starts after the wanted range.
    StartsAfter,
    /// The value's range ends before the wanted range.
    EndsBefore,
    /// The ranges overlap. For dates the caller, who has a clock, may widen the range.
    Approximate,
    /// The ranges overlap as they are: `po` of `_filter`.
    Overlaps,
}

const PREFIXES: [(&str, Prefix); 9] = [
    ("eq", Prefix::Equal),
    ("ne", Prefix::NotEqual),
    ("gt", Prefix::Greater),
    ("lt", Prefix::Less),
    ("ge", Prefix::GreaterEqual),
    ("le", Prefix::LessEqual),
    ("sa", Prefix::StartsAfter),
    ("eb", Prefix::EndsBefore),
    ("ap", Prefix::Approximate),
];

/// The values between commas; an error is the end of a sentence.
pub(super) fn read(param: Param, modifier: Modifier, text: &str) -> Result<Vec<Wanted>, String> {
    let texts = split(text, ',');
    if texts.len() > VALUES_MAX {
        return Err(format!("it may have at most {VALUES_MAX} values"));
    }
    texts.iter().map(|text| one(param, modifier, text)).collect()
}

/// Splits at a character that no backslash escapes; the backslashes stay for the next split.
pub(super) fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        if character == at && !escaped {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        escaped = character == '\\' && !escaped;
        part.push(character);
    }
    parts.push(part);
    parts
}

/// Takes away the backslashes before `,`, `|`, `$` and `\`.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next @ (',' | '|' | '$' | '\\')) if character == '\\' => {
                plain.push(*next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}

fn one(param: Param, modifier: Modifier, text: &str) -> Result<Wanted, String> {
    if text.is_empty() {
        return Err("a value between commas is empty".to_owned());
    }
    match modifier {
        Modifier::Missing => match text {
            "true" => return Ok(Wanted::Missing(true)),
            "false" => return Ok(Wanted::Missing(false)),
            _ => return Err("the value of :missing must be true or false".to_owned()),
        },
        Modifier::Text => return Ok(string(text)),
        Modifier::Identifier => return token(text, false),
        Modifier::In | Modifier::NotIn => return Ok(Wanted::Set(unescape(text))),
        Modifier::OfType => return of_type(text),
        _ => {}
    }
    match param.kind {
        // Above and below a code stand what the hierarchy has there, as it writes it.
        SearchType::Token => token(text, !param.is_cased() && !matches!(modifier, Modifier::Above)),
        // Words are cut one by one: a text that is cut would be another question.
        SearchType::String if param.is_of_words() && modifier == Modifier::None => {
            Ok(Wanted::Text { normal: String::new(), exact: unescape(text) })
        }
        SearchType::String => Ok(string(text)),
        SearchType::Uri => Ok(Wanted::Uri(key(unescape(text).into()))),
        SearchType::Date => date(text),
        SearchType::Number => {
            let (prefix, low, high, value) = number(&unescape(text))?;
            Ok(Wanted::Number { prefix, low, high, value })
        }
        SearchType::Quantity => quantity(text),
        SearchType::Reference => refer(param, modifier, &unescape(text)),
        SearchType::Composite => composite(param, text),
        SearchType::Special if param.code == "near" => near::read(text),
        SearchType::Special => Err("it is not supported".to_owned()),
    }
}

/// `folds`: the values are no identifiers, so that the case of a code counts only in systems that tell codes apart by it.
fn token(text: &str, folds: bool) -> Result<Wanted, String> {
    let parts = split(text, '|');
    let plain = |text: &String| key(unescape(text).into());
    let code = |text: &String| Some(plain(text)).filter(|code| !code.is_empty());
    let (system, code) = match &parts[..] {
        [only] => (System::Any, code(only)),
        [system, value] if system.is_empty() => (System::None, code(value)),
        [system, value] => (System::Is(plain(system)), code(value)),
        _ => return Err("a value has more than one | that is not escaped".to_owned()),
    };
    if system == System::None && code.is_none() {
        return Err("a value has neither system nor code".to_owned());
    }
    let of = match &system {
        System::Is(system) => Some(system.as_str()),
        System::Any | System::None => None,
    };
    let lower =
        code.clone().filter(|_| folds).map(|code| index::code(of, code)).filter(|lower| code.as_ref() != Some(lower));
    Ok(Wanted::Token { system, code, lower })
}

/// `type system|type code|value`, in the form of its rows.
fn of_type(text: &str) -> Result<Wanted, String> {
    let parts = split(text, '|').iter().map(|part| unescape(part)).collect::<Vec<_>>();
    match &parts[..] {
        [system, code, value] if !code.is_empty() && !value.is_empty() => Ok(Wanted::Token {
            system: System::Is(key(format!("{system}|{code}").into())),
            code: Some(key(value.as_str().into())),
            lower: None,
        }),
        _ => Err("a value of :of-type is written system|code|value".to_owned()),
    }
}

/// `value$value`, one for each component.
fn composite(param: Param, text: &str) -> Result<Wanted, String> {
    let parts = split(text, '$');
    if parts.len() != param.components.len() {
        return Err(format!("a value has {} parts between dollar signs", param.components.len()));
    }
    let parts = parts.iter().zip(param.components);
    let parts = parts.map(|(text, component)| {
        let param = Param { kind: component.kind, targets: component.targets, components: &[], ..param };
        one(param, Modifier::None, text)
    });
    Ok(Wanted::Composite(parts.collect::<Result<_, _>>()?))
}

fn string(text: &str) -> Wanted {
    let text = unescape(text);
    Wanted::Text { normal: fold(&text), exact: exact(text.into()) }
}

/// The prefix, if two letters stand before what looks like a value.
fn prefix(text: &str) -> Result<(Prefix, &str), String> {
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Ok((Prefix::Equal, text));
    }
    let found = PREFIXES.iter().find_map(|(name, prefix)| Some((*prefix, text.strip_prefix(name)?)));
    found.ok_or_else(|| "a value starts with no prefix that FHIR knows".to_owned())
}

fn date(text: &str) -> Result<Wanted, String> {
    let (prefix, text) = prefix(text)?;
    // In a URL that was not encoded properly, the plus of a time zone arrives as a space.
    let text = unescape(text).replace(' ', "+");
    match datetime::range(&text) {
        Some(range) => Ok(Wanted::Date { prefix, low: range.low, high: range.high }),
        None => Err("a value is no date: YYYY, YYYY-MM, YYYY-MM-DD or with Thh:mm[:ss] and time zone".to_owned()),
    }
}
