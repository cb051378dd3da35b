//! Numbers and quantities, and those in UCUM's units in base units too. Called by `convert`.
//! Spec: <https://hl7.org/fhir/R4/search.html#number>, <https://hl7.org/fhir/R4/search.html#quantity>.

use super::super::{Canonical, Value};
use super::{Datatype, member_key};
use crate::json::Node;
use crate::unit::{self, UCUM};

/// System of currencies.
const CURRENCY: &str = "urn:iso:std:iso:4217";

pub(super) fn number(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    let (low, high, value) = match datatype {
        Datatype::Number => point(node)?,
        Datatype::Range => range(node)?,
        _ => return None,
    };
    Some(Value::Number { low, high, value })
}

pub(super) fn quantity(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    let ends = match datatype {
        Datatype::Quantity | Datatype::Money => compared(node),
        Datatype::Range => range(node),
        Datatype::SampledData => sampled(node),
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
    let canonical = match (system.as_deref(), &code) {
        (Some(UCUM), Some(code)) => canonical(low, high, code),
        _ => None,
    };
    Some(Value::Quantity { low, high, value, system, code, unit: member_key(unit, "unit"), canonical })
}

fn canonical(low: f64, high: f64, code: &str) -> Option<Canonical> {
    let unit = unit::find(code)?;
    let end = |end: f64| if end.abs() == f64::MAX { Some(end) } else { unit.value(end) };
    let least = end(low)?;
    let greatest = if low == high { least } else { end(high)? };
    Some(Canonical { low: least, high: greatest, unit: unit.text.to_string() })
}

/// The bounds of sampled values (`value-quantity`: "just search on the bounds of the values in sampled data"); without
/// any, the limits of what could be measured.
fn sampled(node: Node<'_>) -> Option<(f64, f64, f64)> {
    let member = |name: &str| node.get(name).and_then(point).map(|point| point.0);
    let (lower, upper) = (member("lowerLimit"), member("upperLimit"));
    let origin = node.get("origin").and_then(|origin| origin.get("value")).and_then(point).map_or(0.0, |point| point.0);
    let factor = member("factor").unwrap_or(1.0);
    let data = node.get("data").and_then(Node::text).unwrap_or_default();
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    // Values beyond a limit that is not said.
    let (mut below, mut above) = (false, false);
    for text in data.split_ascii_whitespace() {
        let value = match text {
            "L" => lower,
            "U" => upper,
            _ => text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value * factor + origin),
        };
        if let Some(value) = value {
            (low, high) = (low.min(value), high.max(value));
        }
        below |= text == "L" && lower.is_none();
        above |= text == "U" && upper.is_none();
    }
    if low > high {
        return ends(lower, upper);
    }
    Some((if below { f64::MIN } else { low }, if above { f64::MAX } else { high }, low))
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
