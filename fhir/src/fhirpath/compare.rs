//! Equality, equivalence and what rests on them: `distinct`, `in`, set functions. Called by `evaluate`, `functions`.

use super::evaluate::Evaluator;
use super::value::{Order, Value, order, singular};
use super::{Collection, Error, Item};
use crate::json::{Kind, Node};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Up to here two collections are compared item by item; more are hashed.
const PAIRS_MAX: usize = 16;

impl<'a> Evaluator<'a, '_> {
    /// None where a comparison has no answer.
    pub fn equal(&mut self, a: &Item<'a>, b: &Item<'a>) -> Result<Option<bool>, Error> {
        self.charge(1)?;
        match (a.value(), b.value()) {
            (Some(Value::String(a)), Some(Value::String(b))) => {
                self.charge(a.len().min(b.len()) / 64)?;
                Ok(Some(a == b))
            }
            (Some(a), Some(b)) => match order(&a, &b) {
                Order::Is(order) => Ok(Some(order.is_eq())),
                Order::Unknown => {
                    self.indeterminate = true;
                    Ok(None)
                }
                Order::Unlike => Ok(Some(false)),
            },
            (None, None) => Ok(Some(self.key(a)? == self.key(b)?)),
            _ => Ok(Some(false)),
        }
    }

    /// `=` of collections: none if one is empty.
    pub fn all_equal(&mut self, a: &[Item<'a>], b: &[Item<'a>]) -> Result<Option<bool>, Error> {
        if a.is_empty() || b.is_empty() {
            return Ok(None);
        }
        if a.len() != b.len() {
            return Ok(Some(false));
        }
        let mut all = Some(true);
        for (a, b) in a.iter().zip(b) {
            match self.equal(a, b)? {
                Some(false) => return Ok(Some(false)),
                Some(true) => {}
                None => all = None,
            }
        }
        Ok(all)
    }

    /// `~` of collections, in any order.
    pub fn all_equivalent(&mut self, a: &[Item<'a>], b: &[Item<'a>]) -> Result<bool, Error> {
        if a.len() != b.len() {
            return Ok(false);
        }
        self.charge(a.len().saturating_mul(b.len()))?;
        let mut left: Vec<&Item<'a>> = b.iter().collect();
        for a in a {
            let mut found = None;
            for (place, b) in left.iter().enumerate() {
                if self.equivalent(a, b)? {
                    found = Some(place);
                    break;
                }
            }
            match found {
                Some(place) => left.swap_remove(place),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    fn equivalent(&mut self, a: &Item<'a>, b: &Item<'a>) -> Result<bool, Error> {
        let (Some(left), Some(right)) = (a.value(), b.value()) else {
            return Ok(a.value().is_none() && b.value().is_none() && self.key(a)? == self.key(b)?);
        };
        Ok(match (&left, &right) {
            (Value::String(a), Value::String(b)) => folded(a) == folded(b),
            (Value::Quantity(a), Value::Quantity(b)) if singular(&a.unit) == singular(&b.unit) => {
                let scale = a.value.scale().min(b.value.scale());
                a.value.round(scale) == b.value.round(scale)
            }
            (Value::Date(a) | Value::DateTime(a), Value::Date(b) | Value::DateTime(b))
            | (Value::Time(a), Value::Time(b)) => a.as_precise_as(b) && a.order(b).is_some_and(|order| order.is_eq()),
            _ => match (left.number(), right.number()) {
                (Some(a), Some(b)) => {
                    let scale = a.scale().min(b.scale());
                    a.round(scale) == b.round(scale)
                }
                _ => order(&left, &right) == Order::Is(std::cmp::Ordering::Equal),
            },
        })
    }

    /// Whether an item is among others.
    pub fn has(&mut self, items: &[Item<'a>], wanted: &Item<'a>) -> Result<bool, Error> {
        for item in items {
            if self.equal(item, wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first of each item.
    pub fn distinct(&mut self, items: Collection<'a>) -> Result<Collection<'a>, Error> {
        let mut kept: Collection<'a> = Vec::with_capacity(items.len());
        if items.len() <= PAIRS_MAX {
            for item in items {
                if !self.has(&kept, &item)? {
                    kept.push(item);
                }
            }
            return Ok(kept);
        }
        let mut known = HashSet::new();
        for item in items {
            if known.insert(self.key(&item)?) {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// For each item of `items` whether it is among `others`.
    pub fn among(&mut self, items: &[Item<'a>], others: &[Item<'a>]) -> Result<Vec<bool>, Error> {
        if items.len() <= PAIRS_MAX && others.len() <= PAIRS_MAX {
            return items.iter().map(|item| self.has(others, item)).collect();
        }
        let mut known = HashSet::new();
        for other in others {
            known.insert(self.key(other)?);
        }
        items.iter().map(|item| Ok(known.contains(&self.key(item)?))).collect()
    }

    /// A text that is the same for equal items.
    pub fn key(&mut self, item: &Item<'a>) -> Result<String, Error> {
        let mut key = String::new();
        match item.value() {
            Some(value) => value_key(&value, &mut key),
            None => {
                if let Item::Element(element) = item {
                    match element.node() {
                        Some(node) => node_key(node, &mut key),
                        None => key.push_str(element.kind()),
                    }
                }
            }
        }
        self.charge(4 + key.len() / 16)?;
        Ok(key)
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn value_key(value: &Value<'_>, key: &mut String) {
    if let Some(number) = value.number() {
        let _ = write!(key, "n{}", number.shortest());
        return;
    }
    let _ = match value {
        Value::String(text) => write!(key, "s{text}"),
        Value::Quantity(quantity) => write!(key, "q{} {}", quantity.value.shortest(), singular(&quantity.unit)),
        other => write!(key, "{}{}", other.kind(), other.to_text()),
    };
}

/// As deep as the document, which the reader limits.
fn node_key(node: Node<'_>, key: &mut String) {
    match node.kind() {
        Kind::Object => {
            let mut members: Vec<_> = node.members().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            key.push('{');
            for (name, value) in members {
                let _ = write!(key, "{name}:");
                node_key(value, key);
                key.push(',');
            }
            key.push('}');
        }
        Kind::Array => {
            key.push('[');
            for item in node.items() {
                node_key(item, key);
                key.push(',');
            }
            key.push(']');
        }
        Kind::Number => match node.number().and_then(super::Decimal::parse) {
            Some(number) => {
                let _ = write!(key, "{}", number.shortest());
            }
            None => key.push_str(&String::from_utf8_lossy(node.raw())),
        },
        _ => match node.text() {
            Some(text) => {
                let _ = write!(key, "{text:?}");
            }
            None => key.push_str(&String::from_utf8_lossy(node.raw())),
        },
    }
}
