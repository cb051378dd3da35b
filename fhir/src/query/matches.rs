//! Whether a resource's index entries fulfil a filter: what a search means, without a database. Called by `node` where it
//! decides on single resources (a scope's `?category=laboratory`, a conditional inside a transaction); the store's
//! statements must give the same answers.

use super::{Condition, Filter, Modifier, Prefix, System, Wanted};
use crate::index::{Entry, Value, fold};
use crate::params::{ParamId, SearchType};

impl Condition {
    /// Whether a resource with these entries fulfils it; none where that needs other resources or terminology.
    ///
    /// `id` and `last_updated` are as in [`Filter::holds`].
    #[must_use]
    pub fn holds(&self, entries: &[Entry], id: &str, last_updated: i64) -> Option<bool> {
        let holds = |condition: &Condition| condition.holds(entries, id, last_updated);
        match self {
            Condition::Is(filter) => filter.holds(entries, id, last_updated),
            Condition::Refers { .. } | Condition::Referred { .. } => None,
            Condition::Not(condition) => holds(condition).map(|holds| !holds),
            Condition::All(inner) => decided(inner.iter().map(holds), false),
            Condition::Any(inner) => decided(inner.iter().map(holds), true),
        }
    }
}

/// `end` as soon as one is that; none if one is open; else the other.
fn decided(found: impl Iterator<Item = Option<bool>>, end: bool) -> Option<bool> {
    let mut open = false;
    for one in found {
        match one {
            Some(one) if one == end => return Some(end),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!end)
}

impl Filter {
    /// Whether a resource with these entries matches.
    ///
    /// `id` and `last_updated` (microseconds) are the resource's own, which no entry holds. An absolute URL matches only
    /// the same URL: whoever knows its own base makes both sides relative first. None where it needs terminology or
    /// other resources.
    #[must_use]
    pub fn holds(&self, entries: &[Entry], id: &str, last_updated: i64) -> Option<bool> {
        let subsumes = matches!(self.modifier, Modifier::Above | Modifier::Below) && self.param.kind != SearchType::Uri;
        if subsumes || matches!(self.modifier, Modifier::In | Modifier::NotIn) {
            return None;
        }
        Some(self.is_fulfilled(entries, id, last_updated))
    }

    fn is_fulfilled(&self, entries: &[Entry], id: &str, last_updated: i64) -> bool {
        let own;
        let entries = if self.param.is_id() {
            own = [Entry {
                param: self.param.id,
                group: 0,
                value: Value::Token { system: None, code: Some(id.to_owned()), text: None },
            }];
            &own[..]
        } else if self.param.is_last_updated() {
            let value = Value::Date { low: last_updated, high: last_updated };
            own = [Entry { param: self.param.id, group: 0, value }];
            &own[..]
        } else {
            entries
        };
        if !self.param.components.is_empty() {
            return self.values.iter().any(|wanted| self.has_composite(entries, wanted));
        }
        let rows = match (self.modifier, self.param.of_type) {
            (Modifier::OfType, Some(rows)) => rows,
            _ => self.param.id,
        };
        let mut found = values(entries, rows, None);
        match self.modifier {
            Modifier::Missing => {
                let missing = found.next().is_none();
                self.values.contains(&Wanted::Missing(missing))
            }
            Modifier::Not => !found.any(|value| self.any(value)),
            _ => found.any(|value| self.any(value)),
        }
    }

    /// Whether the components stand together in one element.
    fn has_composite(&self, entries: &[Entry], wanted: &Wanted) -> bool {
        let (Wanted::Composite(wanted), [first, ..]) = (wanted, self.param.components) else { return false };
        let mut groups = entries.iter().filter(|entry| entry.param == first.param).map(|entry| entry.group);
        groups.any(|group| {
            self.param.components.iter().zip(wanted).all(|(component, wanted)| {
                values(entries, component.param, Some(group)).any(|value| fulfils(value, wanted, Modifier::None))
            })
        })
    }

    fn any(&self, value: &Value) -> bool {
        self.values.iter().any(|wanted| fulfils(value, wanted, self.modifier))
    }
}

/// The values of a parameter, all of them or those of one group.
fn values(entries: &[Entry], param: ParamId, group: Option<u16>) -> impl Iterator<Item = &Value> {
    let mine = move |entry: &&Entry| entry.param == param && group.is_none_or(|group| group == entry.group);
    entries.iter().filter(mine).map(|entry| &entry.value)
}

/// Whether `inner` is `outer` or lies below it: http://a/b/c below http://a/b.
fn lies_below(inner: &str, outer: &str) -> bool {
    let rest = inner.strip_prefix(outer.trim_end_matches('/'));
    inner == outer || rest.is_some_and(|rest| rest.starts_with('/'))
}

fn fulfils(value: &Value, wanted: &Wanted, modifier: Modifier) -> bool {
    match (wanted, value) {
        (Wanted::Token { system, code, lower }, Value::Token { system: own, code: own_code, .. }) => {
            let is = |code: &Option<String>| is_code(system, code.as_deref(), own.as_deref(), own_code.as_deref());
            is(code) || lower.is_some() && is(lower)
        }
        (Wanted::Token { system, code, .. }, Value::Reference { identifier: Some((own, own_code)), .. }) => {
            is_code(system, code.as_deref(), own.as_deref(), Some(own_code))
        }
        (Wanted::Text { normal, .. }, Value::Token { text: Some(text), .. }) => fold(text).starts_with(normal),
        (Wanted::Text { normal, exact }, Value::Text { normal: own, exact: own_exact }) => match modifier {
            Modifier::Exact => own_exact == exact,
            Modifier::Contains => own.contains(normal),
            Modifier::Whole => own == normal,
            Modifier::Ends => own.ends_with(normal),
            _ => own.starts_with(normal),
        },
        (Wanted::Date { prefix, low, high }, Value::Date { low: from, high: to }) => {
            let equal = from >= low && to <= high;
            match prefix {
                Prefix::Equal => equal,
                Prefix::NotEqual => !equal,
                Prefix::Greater => to > high,
                Prefix::Less => from < low,
                Prefix::GreaterEqual => to > high || equal,
                Prefix::LessEqual => from < low || equal,
                Prefix::StartsAfter => from > high,
                Prefix::EndsBefore => to < low,
                Prefix::Approximate | Prefix::Overlaps => from <= high && to >= low,
            }
        }
        (Wanted::Number { prefix, low, high, value }, Value::Number { low: from, high: to, .. }) => {
            is_number(*prefix, (*low, *high, *value), (*from, *to))
        }
        (Wanted::Quantity { prefix, canonical: Some(wanted), .. }, Value::Quantity { canonical: own, .. }) => {
            own.as_ref().is_some_and(|own| {
                own.unit == wanted.unit
                    && is_number(*prefix, (wanted.low, wanted.high, wanted.value), (own.low, own.high))
            })
        }
        (
            Wanted::Quantity { prefix, low, high, value, system, code, .. },
            Value::Quantity { low: from, high: to, system: own, code: own_code, unit, .. },
        ) => {
            let systems = system.is_none() || system == own;
            let units = code.is_none() || code == own_code || system.is_none() && code == unit;
            systems && units && is_number(*prefix, (*low, *high, *value), (*from, *to))
        }
        (Wanted::Text { normal, .. }, Value::Words(words)) => words.contains(&format!(" {normal}")),
        (Wanted::Near { place, chord }, Value::Place(own)) => own.chord_squared(place) <= chord * chord,
        (Wanted::Uri(uri), Value::Uri(own)) => match modifier {
            Modifier::Below => lies_below(own, uri),
            Modifier::Above => lies_below(uri, own),
            _ => uri == own,
        },
        (
            Wanted::Reference { kind, id, version, url },
            Value::Reference { kind: own, id: own_id, version: own_version, url: own_url, .. },
        ) => {
            let versions = version.is_none() || version == own_version;
            let named = match url {
                Some(_) => url == own_url,
                None => own_url.is_none() && id == own_id && (kind.is_none() || kind == own),
            };
            versions && named
        }
        _ => false,
    }
}

fn is_code(system: &System, code: Option<&str>, own: Option<&str>, own_code: Option<&str>) -> bool {
    let systems = match system {
        System::Any => true,
        System::None => own.is_none(),
        System::Is(system) => own == Some(system),
    };
    systems && (code.is_none() || code == own_code)
}

/// The wanted range has its high end outside; the value's ends are both inside.
fn is_number(prefix: Prefix, (low, high, value): (f64, f64, f64), (from, to): (f64, f64)) -> bool {
    let equal = from >= low && to < high;
    match prefix {
        Prefix::Equal => equal,
        Prefix::NotEqual => !equal,
        Prefix::Greater => to > value,
        Prefix::Less => from < value,
        Prefix::GreaterEqual => to >= value,
        Prefix::LessEqual => from <= value,
        Prefix::StartsAfter => from > value,
        Prefix::EndsBefore => to < value,
        Prefix::Approximate | Prefix::Overlaps => from <= high && to >= low,
    }
}

#[cfg(test)]
mod tests {
    use crate::params::Lookup;
    use crate::types::ResourceType;
    use crate::{index, parse, query};

    #[test]
    fn a_filter_holds_as_the_search_page_says() {
        let patient =
            r#""name":[{"family":"Müller","given":["Eva"]}],"gender":"female","birthDate":"1980-02","active":true"#;
        for (pair, wanted) in [
            ("family=mul", true),
            ("family=eva", false),
            ("name=eva", true),
            ("family:exact=Müller", true),
            ("family:exact=Muller", false),
            ("family:contains=LLE", true),
            ("gender=female", true),
            ("gender=male,female", true),
            ("gender:not=male", true),
            ("gender:not=female", false),
            ("gender=http://hl7.org/fhir/administrative-gender|female", true),
            ("gender=urn:x|female", false),
            ("gender=|female", false),
            ("active=true", true),
            ("birthdate=1980", true),
            ("birthdate=1980-02", true),
            ("birthdate=1980-02-01", false),
            ("birthdate=ge1980-02", true),
            ("birthdate=gt1980-02", false),
            ("birthdate=gt1980-02-10", true),
            ("birthdate=lt1980-02-10", true),
            ("birthdate=sa1980-01", true),
            ("birthdate=eb1980-02", false),
            ("birthdate=ap1980-02-10", true),
            ("birthdate=ne1981", true),
            ("birthdate:missing=false", true),
            ("birthdate:missing=true", false),
            ("email:missing=true", true),
            ("_id=p1", true),
            ("_id=p2", false),
            ("_lastUpdated=ge2026", true),
            ("_lastUpdated=lt2026", false),
        ] {
            check("Patient", patient, pair, wanted);
        }
        let observation = r#""subject":{"reference":"Patient/1"},"valueQuantity":{"value":5.4,"unit":"mg","system":"u","code":"m"},
            "code":{"coding":[{"system":"l","code":"1","display":"Blood Pressure"}]},
            "performer":[{"reference":"http://a/fhir/Practitioner/2"},{"identifier":{"system":"s","value":"v"}}]"#;
        for (pair, wanted) in [
            ("patient=1", true),
            ("subject=Patient/1", true),
            ("subject:Group=1", false),
            ("subject=Group/1", false),
            ("performer=Practitioner/2", false),
            ("performer=http://a/fhir/Practitioner/2", true),
            ("performer:identifier=s|v", true),
            ("performer:identifier=s|w", false),
            ("code=l|1", true),
            ("code=l|", true),
            ("code:text=blood", true),
            ("code:text=pressure", false),
            ("value-quantity=5.4", true),
            ("value-quantity=5", true),
            ("value-quantity=5.40", true),
            ("value-quantity=5.5", false),
            ("value-quantity=gt5.4", false),
            ("value-quantity=ge5.4|u|m", true),
            ("value-quantity=5.4||mg", true),
            ("value-quantity=5.4|u|kg", false),
            ("value-quantity=ap5", true),
        ] {
            check("Observation", observation, pair, wanted);
        }
    }

    fn check(kind: &str, members: &str, pair: &str, wanted: bool) {
        let parsed = parse::resource(format!(r#"{{"resourceType":"{kind}",{members}}}"#)).unwrap();
        let entries = index::values(parsed.doc(), parsed.kind());
        let (name, value) = pair.split_once('=').unwrap();
        let query =
            query::parse(ResourceType::parse(kind).unwrap(), &[(name.into(), value.into())], &Lookup::default())
                .unwrap();
        let updated = crate::datetime::parse_instant("2026-06-01T00:00:00Z").unwrap();
        assert_eq!(query.conditions[0].holds(&entries, "p1", updated), Some(wanted), "{pair}");
    }
}
