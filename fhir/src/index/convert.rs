//! Datatypes to search values, by the tables of <https://hl7.org/fhir/R4/search.html#token> and its neighbours.
//! Called by `program` at each end of an expression. Numbers and quantities are in `convert/number.rs`, references in
//! `convert/refer.rs`.

mod number;
mod refer;

use super::program::{End, push};
use super::text::{self, exact, fold, key};
use super::{Entry, Value, narrative};
use crate::datetime;
use crate::json::Node;
use crate::params::SearchType;
use number::{number, quantity};
use refer::refer;

/// System of booleans as tokens.
const SPECIAL_VALUES: &str = "http://hl7.org/fhir/special-values";

/// Datatypes that become values; primitives written as a string are all `Text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datatype {
    Text,
    Canonical,
    Boolean,
    Number,
    Date,
    Instant,
    Coding,
    CodeableConcept,
    Identifier,
    ContactPoint,
    HumanName,
    Address,
    Annotation,
    Period,
    Timing,
    Quantity,
    Money,
    Range,
    SampledData,
    Reference,
    Resource,
    Narrative,
}

impl Datatype {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "string" | "markdown" | "code" | "id" | "uri" | "url" | "oid" | "uuid" => Self::Text,
            "canonical" => Self::Canonical,
            "boolean" => Self::Boolean,
            "integer" | "decimal" | "positiveInt" | "unsignedInt" => Self::Number,
            "date" | "dateTime" => Self::Date,
            "instant" => Self::Instant,
            "Coding" => Self::Coding,
            "CodeableConcept" => Self::CodeableConcept,
            "Identifier" => Self::Identifier,
            "ContactPoint" => Self::ContactPoint,
            "HumanName" => Self::HumanName,
            "Address" => Self::Address,
            "Annotation" => Self::Annotation,
            "Period" => Self::Period,
            "Timing" => Self::Timing,
            "Quantity" | "Age" | "Duration" | "Count" | "Distance" => Self::Quantity,
            "Money" => Self::Money,
            "Range" => Self::Range,
            "SampledData" => Self::SampledData,
            "Reference" => Self::Reference,
            "Resource" => Self::Resource,
            "xhtml" => Self::Narrative,
            _ => return None,
        })
    }
}

pub(super) fn value(end: &End, node: Node<'_>, entries: &mut Vec<Entry>) {
    match end.kind {
        SearchType::Token => token(end, node, entries),
        SearchType::String => strings(end, node, entries),
        SearchType::Date => push(entries, end, date(end.datatype, node)),
        SearchType::Number => push(entries, end, number(end.datatype, node)),
        SearchType::Quantity => push(entries, end, quantity(end.datatype, node)),
        SearchType::Reference => push(entries, end, refer(end.datatype, node)),
        SearchType::Uri => uris(end, node, entries),
        SearchType::Composite | SearchType::Special => {}
    }
}

pub(super) fn boolean(value: bool) -> Value {
    let code = if value { "true" } else { "false" };
    Value::Token { system: Some(SPECIAL_VALUES.to_owned()), code: Some(code.to_owned()), text: None }
}

fn token(end: &End, node: Node<'_>, entries: &mut Vec<Entry>) {
    match end.datatype {
        Datatype::Boolean => push(entries, end, node.boolean().map(boolean)),
        Datatype::Coding => push(entries, end, coding(end, node)),
        Datatype::CodeableConcept => {
            for one in node.get("coding").into_iter().flat_map(Node::items) {
                push(entries, end, coding(end, one));
            }
            let text = node.get("text").and_then(Node::text);
            push(entries, end, text.map(|text| Value::Token { system: None, code: None, text: Some(exact(text)) }));
        }
        Datatype::Identifier => {
            let text = node.get("type").and_then(|kind| member_exact(kind, "text"));
            let value = member_key(node, "value");
            if let (Some(param), Some(value)) = (end.of_type, &value) {
                let types = node.get("type").and_then(|kind| kind.get("coding"));
                for one in types.into_iter().flat_map(Node::items) {
                    let Some(code) = member_key(one, "code") else { continue };
                    let system = key(format!("{}|{code}", member_key(one, "system").unwrap_or_default()).into());
                    let value = Value::Token { system: Some(system), code: Some(value.clone()), text: None };
                    entries.push(Entry { param, group: 0, value });
                }
            }
            push(entries, end, code_of(member_key(node, "system"), value, text));
        }
        // The table of search.html#token gives it no system.
        Datatype::ContactPoint => {
            let value = member_key(node, "value").map(|value| text::code(None, value));
            push(entries, end, code_of(None, value, None));
        }
        Datatype::Text | Datatype::Canonical => {
            let code = node.text().map(key).filter(|code| !code.is_empty());
            let code =
                code.map(|code| if end.datatype == Datatype::Text { text::code(end.system, code) } else { code });
            let system = end.system.map(str::to_owned);
            push(entries, end, code.map(|code| Value::Token { system, code: Some(code), text: None }));
        }
        _ => {}
    }
}

fn coding(end: &End, node: Node<'_>) -> Option<Value> {
    let (system, mut code) = (member_key(node, "system"), member_key(node, "code"));
    if !end.as_written {
        code = code.map(|code| text::code(system.as_deref(), code));
    }
    code_of(system, code, member_exact(node, "display"))
}

fn code_of(system: Option<String>, code: Option<String>, text: Option<String>) -> Option<Value> {
    // A system alone is found by `system|`.
    let empty = system.is_none() && code.is_none() && text.is_none();
    (!empty).then_some(Value::Token { system, code, text })
}

fn strings(end: &End, node: Node<'_>, entries: &mut Vec<Entry>) {
    let names: &[&str] = match end.datatype {
        Datatype::Text => {
            push(entries, end, node.text().map(text_value));
            return;
        }
        Datatype::Narrative => {
            let words = node.text().map(|div| narrative::words(&div)).unwrap_or_default();
            let values = words.into_iter().map(|word| Value::Text { normal: word.clone(), exact: word });
            return values.for_each(|value| push(entries, end, Some(value)));
        }
        Datatype::HumanName => &["family", "given", "prefix", "suffix", "text"],
        Datatype::Address => &["text", "line", "city", "district", "state", "postalCode", "country"],
        Datatype::Annotation | Datatype::CodeableConcept => &["text"],
        Datatype::ContactPoint => &["value"],
        _ => &[],
    };
    for name in names {
        for part in node.get(name).into_iter().flat_map(Node::each) {
            push(entries, end, part.text().map(text_value));
        }
    }
}

fn text_value(text: std::borrow::Cow<'_, str>) -> Value {
    Value::Text { normal: fold(&text), exact: exact(text) }
}

fn date(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    let range = |node: Node<'_>| node.text().and_then(|text| datetime::range(&text));
    match datatype {
        Datatype::Date => range(node).map(|range| Value::Date { low: range.low, high: range.high }),
        // A point in time, however many digits it has.
        Datatype::Instant => range(node).map(|range| Value::Date { low: range.low, high: range.low }),
        Datatype::Period => {
            let (start, end) = (node.get("start").and_then(range), node.get("end").and_then(range));
            if start.is_none() && end.is_none() {
                return None;
            }
            let (low, high) = (start.map_or(i64::MIN, |start| start.low), end.map_or(i64::MAX, |end| end.high));
            Some(Value::Date { low, high })
        }
        Datatype::Timing => {
            // Only the outer limits count, not the schedule between.
            let events = node.get("event").into_iter().flat_map(Node::items).filter_map(range);
            let events = events.map(|range| (range.low, range.high));
            let bounds = node.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
            let bounds = bounds.and_then(|period| match date(Datatype::Period, period) {
                Some(Value::Date { low, high }) => Some((low, high)),
                _ => None,
            });
            let outer = events.chain(bounds).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            outer.map(|(low, high)| Value::Date { low, high })
        }
        _ => None,
    }
}

/// A canonical with a version is found with and without it.
fn uris(end: &End, node: Node<'_>, entries: &mut Vec<Entry>) {
    let Some(text) = node.text() else { return };
    if end.datatype == Datatype::Canonical
        && let Some((url, _)) = text.split_once('|')
    {
        push(entries, end, Some(Value::Uri(key(url.into()))));
    }
    push(entries, end, Some(Value::Uri(key(text))));
}

fn member_key(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(key).filter(|text| !text.is_empty())
}

fn member_exact(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(exact).filter(|text| !text.is_empty())
}
