//! Datatypes to search values, by the tables of <https://hl7.org/fhir/R4/search.html#token> and its neighbours.
//! Called by `program` at each end of an expression.

use super::program::{End, push, refers_to};
use super::text::{exact, fold, key};
use super::{Entry, Value};
use crate::datetime;
use crate::json::Node;
use crate::params::SearchType;
use crate::reference::{self, Parts};
use crate::types::ResourceType;

/// System of booleans as tokens.
const SPECIAL_VALUES: &str = "http://hl7.org/fhir/special-values";
/// System of currencies.
const CURRENCY: &str = "urn:iso:std:iso:4217";

/// Datatypes that become values; primitives written as a string are all `Text`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Text,
    Boolean,
    Number,
    Date,
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
}

impl Datatype {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "string" | "markdown" | "code" | "id" | "uri" | "url" | "canonical" | "oid" | "uuid" => Self::Text,
            "boolean" => Self::Boolean,
            "integer" | "decimal" | "positiveInt" | "unsignedInt" => Self::Number,
            "date" | "dateTime" | "instant" => Self::Date,
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
        SearchType::Uri => push(entries, end, node.text().map(|text| Value::Uri(key(text)))),
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
        Datatype::Coding => push(entries, end, coding(node)),
        Datatype::CodeableConcept => {
            for one in node.get("coding").into_iter().flat_map(Node::items) {
                push(entries, end, coding(one));
            }
            let text = node.get("text").and_then(Node::text);
            push(entries, end, text.map(|text| Value::Token { system: None, code: None, text: Some(exact(text)) }));
        }
        Datatype::Identifier => {
            let text = node.get("type").and_then(|kind| member_exact(kind, "text"));
            push(entries, end, code_of(member_key(node, "system"), member_key(node, "value"), text));
        }
        Datatype::ContactPoint => push(entries, end, code_of(None, member_key(node, "value"), None)),
        Datatype::Text => {
            let system = end.system.map(str::to_owned);
            push(entries, end, code_of(system, node.text().map(key), None));
        }
        _ => {}
    }
}

fn coding(node: Node<'_>) -> Option<Value> {
    code_of(member_key(node, "system"), member_key(node, "code"), member_exact(node, "display"))
}

fn code_of(system: Option<String>, code: Option<String>, text: Option<String>) -> Option<Value> {
    (code.is_some() || text.is_some()).then_some(Value::Token { system, code, text })
}

fn strings(end: &End, node: Node<'_>, entries: &mut Vec<Entry>) {
    let names: &[&str] = match end.datatype {
        Datatype::Text => {
            push(entries, end, node.text().map(text_value));
            return;
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

fn number(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    let (low, high, value) = match datatype {
        Datatype::Number => point(node)?,
        Datatype::Range => range(node)?,
        _ => return None,
    };
    Some(Value::Number { low, high, value })
}

fn quantity(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    let ends = match datatype {
        Datatype::Quantity | Datatype::Money => compared(node),
        Datatype::Range => range(node),
        Datatype::SampledData => {
            let limit = |name: &str| node.get(name).and_then(point).map(|point| point.0);
            ends(limit("lowerLimit"), limit("upperLimit"))
        }
        _ => None,
    };
    let (low, high, value) = ends?;
    let unit = match datatype {
        Datatype::Range => node.get("low").or_else(|| node.get("high"))?,
        Datatype::SampledData => node.get("origin")?,
        _ => node,
    };
    let (system, code) = match datatype {
        Datatype::Money => (Some(CURRENCY.to_owned()), member_key(unit, "currency")),
        _ => (member_key(unit, "system"), member_key(unit, "code")),
    };
    Some(Value::Quantity { low, high, value, system, code, unit: member_key(unit, "unit") })
}

/// A Quantity with its comparator: `<5` reaches from the least number to 5.
fn compared(node: Node<'_>) -> Option<(f64, f64, f64)> {
    let (low, high, value) = node.get("value").and_then(point)?;
    let comparator = node.get("comparator").and_then(Node::text);
    Some(match comparator.as_deref() {
        Some("<" | "<=") => (f64::MIN, high, value),
        Some(">" | ">=") => (low, f64::MAX, value),
        _ => (low, high, value),
    })
}

fn point(node: Node<'_>) -> Option<(f64, f64, f64)> {
    let value = node.number()?.parse::<f64>().ok()?.clamp(f64::MIN, f64::MAX);
    Some((value, value, value))
}

fn range(node: Node<'_>) -> Option<(f64, f64, f64)> {
    let end = |name: &str| node.get(name).and_then(|end| end.get("value")).and_then(point).map(|point| point.0);
    ends(end("low"), end("high"))
}

fn ends(low: Option<f64>, high: Option<f64>) -> Option<(f64, f64, f64)> {
    let value = low.or(high)?;
    Some((low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX), value))
}

fn refer(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    match datatype {
        Datatype::Reference => reference_value(node),
        Datatype::Resource => {
            let kind = node.get("resourceType").and_then(Node::text).and_then(|name| ResourceType::parse(&name));
            let id = member_key(node, "id")?;
            Some(Value::Reference { kind, id: Some(id), version: None, url: None, identifier: None })
        }
        Datatype::Text => canonical(node),
        _ => None,
    }
}

fn reference_value(node: Node<'_>) -> Option<Value> {
    let identifier = node
        .get("identifier")
        .and_then(|identifier| member_key(identifier, "value").map(|value| (member_key(identifier, "system"), value)));
    let text = node.get("reference").and_then(Node::text);
    let own = |text: &str| key(text.into());
    let (mut kind, mut id, mut version, mut url) = (refers_to(node), None, None, None);
    match text.as_deref().map(reference::parse) {
        Some(Parts::Relative { kind: named, id: name, version: number }) => {
            (kind, id, version) = (Some(named), Some(own(name)), number.map(own));
        }
        Some(Parts::Absolute { kind: named, id: name, version: number, .. }) => {
            (kind, id, version) = (Some(named), Some(own(name)), number.map(own));
            url = text.as_deref().map(own);
        }
        Some(Parts::Url(_) | Parts::Urn(_)) => url = text.as_deref().map(own),
        Some(Parts::Fragment(_) | Parts::Conditional { .. } | Parts::Other(_)) | None => {}
    }
    let empty = id.is_none() && url.is_none() && identifier.is_none();
    (!empty).then_some(Value::Reference { kind, id, version, url, identifier })
}

/// A canonical or URI as a reference: `url|version`, or `Type/id` where someone wrote that.
fn canonical(node: Node<'_>) -> Option<Value> {
    let text = node.text()?;
    if text.starts_with('#') {
        return None;
    }
    let (url, version) = match text.split_once('|') {
        Some((url, version)) => (url, Some(key(version.into()))),
        None => (&*text, None),
    };
    let (kind, id, url) = match reference::parse(url) {
        Parts::Relative { kind, id, .. } => (Some(kind), Some(key(id.into())), None),
        Parts::Absolute { kind, id, .. } => (Some(kind), Some(key(id.into())), Some(key(url.into()))),
        _ => (None, None, Some(key(url.into()))),
    };
    Some(Value::Reference { kind, id, version, url, identifier: None })
}

fn member_key(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(key).filter(|text| !text.is_empty())
}

fn member_exact(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(exact).filter(|text| !text.is_empty())
}
