//! Values of a search compared with elements, by the tables of the search page: prefixes, precision, units, systems.
//! <https://hl7.org/fhir/R4/search.html#prefix>

use super::elements::{FAR, Span, date, decimal, numbers, power, text};
use serde_json::Value;

/// Splits at a letter that no backslash escapes. <https://hl7.org/fhir/R4/search.html#escaping>
pub fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut rest) = (vec![String::new()], text.chars());
    while let Some(letter) = rest.next() {
        let last = parts.last_mut().unwrap();
        match letter {
            '\\' => last.extend(['\\'].into_iter().chain(rest.next())),
            letter if letter == at => parts.push(String::new()),
            letter => last.push(letter),
        }
    }
    parts
}

pub fn unescape(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text.chars());
    while let Some(letter) = rest.next() {
        plain.push(if letter == '\\' { rest.next().unwrap() } else { letter });
    }
    plain
}

/// The prefix and what it stands before.
pub fn prefix(text: &str) -> (&str, &str) {
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) { text.split_at(2) } else { ("eq", text) }
}

/// <https://hl7.org/fhir/R4/search.html#date>
pub fn is_date(wanted: &str, own: Span, now: i64) -> bool {
    let (prefix, written) = prefix(wanted);
    let wanted = date(written);
    let equal = own.low >= wanted.low && own.high <= wanted.high;
    match prefix {
        "eq" => equal,
        "ne" => !equal,
        "gt" => own.high > wanted.high,
        "lt" => own.low < wanted.low,
        "ge" => own.high > wanted.high || equal,
        "le" => own.low < wanted.low || equal,
        "sa" => own.low >= wanted.high,
        "eb" => own.high <= wanted.low,
        "po" => own.low < wanted.high && own.high > wanted.low,
        "ap" => {
            let margin = (now - (wanted.low + wanted.high) / 2).abs() / 10;
            own.low < wanted.high + margin && own.high > wanted.low - margin
        }
        other => panic!("no prefix: {other}"),
    }
}

/// Least, greatest (outside) and the number itself, by its digits. <https://hl7.org/fhir/R4/search.html#number>
fn meant(written: &str) -> (i128, i128, i128) {
    let (mantissa, exponent) = written.split_once('e').map_or((written, 0), |(m, e)| (m, e.parse::<i32>().unwrap()));
    // The page says that 1e2 is from 95 to below 105.
    let whole = i32::from(exponent > 0);
    let places = mantissa.split_once('.').map_or(whole, |(_, part)| part.len() as i32);
    let (value, half) = (decimal(written), 5 * power(exponent - places - 1));
    (value - half, value + half, value)
}

/// `factor` brings what was asked to the unit of what is there.
pub fn is_number(wanted: &str, factor: i128, (least, most): (i128, i128)) -> bool {
    let (prefix, written) = prefix(wanted);
    let (low, high, value) = meant(written);
    let (low, high, value) = (low * factor, high * factor, value * factor);
    let equal = least >= low && most < high;
    match prefix {
        "eq" => equal,
        "ne" => !equal,
        "gt" => most > value,
        "lt" => least < value,
        "ge" => most >= value,
        "le" => least <= value,
        "sa" => least > value,
        "eb" => most < value,
        "ap" => least <= value + value.abs() / 10 && most >= value - value.abs() / 10,
        other => panic!("no prefix: {other}"),
    }
}

/// How many of the least unit of its dimension; the dimension.
fn unit(code: &str) -> (i128, &str) {
    match code {
        "ug" => (1, "mass"),
        "mg" => (1000, "mass"),
        "g" => (1_000_000, "mass"),
        other => (1, other),
    }
}

const UCUM: &str = "http://unitsofmeasure.org";

/// <https://hl7.org/fhir/R4/search.html#quantity>
pub fn is_quantity(wanted: &str, own: &Value) -> bool {
    let Some(range) = numbers(own, "Quantity") else { return false };
    let parts = split(wanted, '|').iter().map(|part| unescape(part)).collect::<Vec<_>>();
    let (own_system, own_code, own_unit) = (text(own, "system"), text(own, "code"), text(own, "unit"));
    let [number, system, code] = &parts[..] else { return is_number(&parts[0], 1, range) };
    if system == UCUM && !code.is_empty() {
        let own_code = own_code.filter(|_| own_system.as_deref() == Some(UCUM)).unwrap_or_default();
        let ((factor, dimension), (own_factor, own_dimension)) = (unit(code), unit(&own_code));
        let scaled = |end: i128| if end.abs() == FAR { end } else { end * own_factor };
        return dimension == own_dimension && is_number(number, factor, (scaled(range.0), scaled(range.1)));
    }
    let systems = system.is_empty() || own_system.as_ref() == Some(system);
    let units =
        code.is_empty() || own_code.as_ref() == Some(code) || (system.is_empty() && own_unit.as_ref() == Some(code));
    systems && units && is_number(number, 1, range)
}

/// `code`, `system|code`, `|code`, `system|`. <https://hl7.org/fhir/R4/search.html#token>
pub fn is_token(wanted: &str, (system, code): &(Option<String>, Option<String>), datatype: &str) -> bool {
    let parts = split(wanted, '|').iter().map(|part| unescape(part)).collect::<Vec<_>>();
    let is_code = |wanted: &String| {
        code.as_ref().is_some_and(|code| match datatype {
            // "Both system and value are always case sensitive": https://hl7.org/fhir/R4/datatypes.html#Identifier
            "Identifier" | "as written" => code == wanted,
            _ => code.to_lowercase() == wanted.to_lowercase(),
        })
    };
    match &parts[..] {
        [wanted] => is_code(wanted),
        [of, wanted] => {
            let systems = if of.is_empty() { system.is_none() } else { system.as_ref() == Some(of) };
            systems && (wanted.is_empty() || is_code(wanted))
        }
        _ => panic!("no token: {wanted}"),
    }
}

/// Whether a uri lies below another. <https://hl7.org/fhir/R4/search.html#uri>
pub fn lies_below(inner: &str, outer: &str) -> bool {
    let outer = outer.trim_end_matches('/');
    inner == outer || inner.starts_with(&format!("{outer}/"))
}
