//! From a filter of a query to the store's, in the form the rows of `index.rs` have. Called by `search` and `matching`.

use super::{CANONICAL, relative, table_of, versioned};
use crate::error::NodeError;
use crate::search::terms::Terms;
use fhir::params::{Param, SearchType};
use fhir::query::{Filter as Asked, Modifier, Prefix, System, Wanted};
use fhir::{Code, Issue, ResourceType};
use std::collections::BTreeSet;
use store::search::{Compare, Filter, Match, Near, ParamTable, Part};

/// What a filter is read with.
pub(crate) struct Reading<'r> {
    /// What this hospital's own absolute URLs begin with.
    pub(crate) base: &'r str,
    /// Microseconds since 1970, for `ap`.
    pub(crate) now_us: i64,
    /// Codes of value sets and hierarchies that the search names.
    pub(crate) terms: &'r Terms,
    /// Types that chains of the search lead to and that something here contains.
    pub(crate) contained: &'r BTreeSet<u16>,
}

impl Reading<'_> {
    /// The store's filter for one asked parameter.
    pub(crate) fn filter(&self, asked: &Asked) -> Result<Filter, NodeError> {
        let param = &asked.param;
        if param.is_id() {
            let ids = asked.values.iter().filter_map(|value| match value {
                Wanted::Token { code, .. } => code.clone(),
                Wanted::Reference { id, .. } => id.clone(),
                _ => None,
            });
            let ids = Filter::Ids(ids.collect());
            return Ok(if asked.modifier == Modifier::Not { Filter::Not(Box::new(ids)) } else { ids });
        }
        if param.is_last_updated() {
            let ranges = asked.values.iter().filter_map(|value| match value {
                Wanted::Date { prefix, low, high } => {
                    let (low, high) = self.around(*prefix, *low, *high);
                    Some((compare(*prefix), low, high))
                }
                _ => None,
            });
            return Ok(Filter::LastUpdated(ranges.collect()));
        }
        if !param.components.is_empty() {
            return self.together(asked);
        }
        let unsupported = || {
            let text = format!("the parameter {} is known but not supported", param.code);
            NodeError::Invalid(Issue::error(Code::NotSupported, text).into())
        };
        let mut table = match param.code {
            "near" => ParamTable::Number,
            "_content" => ParamTable::Content,
            _ => table_of(param.kind).ok_or_else(unsupported)?,
        };
        let mut number = param.id.0;
        match asked.modifier {
            Modifier::Missing => {
                let tables = match param.kind {
                    // A concept may have only text, a reference only an identifier.
                    SearchType::Token => vec![ParamTable::Token, ParamTable::Text],
                    SearchType::Reference => vec![ParamTable::Reference, ParamTable::Token],
                    _ => vec![table],
                };
                // true,false is anything at all.
                let has = |missing: bool| asked.values.contains(&Wanted::Missing(missing));
                return Ok(match (has(true), has(false)) {
                    (true, true) => Filter::All(Vec::new()),
                    (missing, _) => Filter::Missing { param: number, tables, missing },
                });
            }
            Modifier::None if param.code == "near" => {
                let any = asked.values.iter().filter_map(|value| match value {
                    Wanted::Near { place, chord } => Some(Near { x: place.x, y: place.y, z: place.z, chord: *chord }),
                    _ => None,
                });
                return Ok(Filter::Near { param: number, third: number | CANONICAL, any: any.collect() });
            }
            Modifier::Text => table = ParamTable::Text,
            Modifier::Identifier => table = ParamTable::Token,
            Modifier::OfType => number = param.of_type.ok_or_else(unsupported)?.0,
            _ => {}
        }
        let not = matches!(asked.modifier, Modifier::Not | Modifier::NotIn);
        let canonical = |value: &&Wanted| matches!(value, Wanted::Quantity { canonical: Some(_), .. });
        let (in_base, plain): (Vec<_>, Vec<_>) = asked.values.iter().partition(canonical);
        let mut found = Vec::new();
        for (number, values) in [(number, plain), (number | CANONICAL, in_base)] {
            if !values.is_empty() {
                found.push(Filter::Param { param: number, table, any: self.any(param, asked.modifier, values)?, not });
            }
        }
        Ok(match found.len() {
            1 => found.remove(0),
            _ => Filter::Any(found),
        })
    }

    /// Components that stand in one element.
    fn together(&self, asked: &Asked) -> Result<Filter, NodeError> {
        let mut alternatives = Vec::with_capacity(asked.values.len());
        for value in &asked.values {
            let Wanted::Composite(wanted) = value else { continue };
            let mut parts = Vec::with_capacity(wanted.len());
            for (component, wanted) in asked.param.components.iter().zip(wanted) {
                let table = table_of(component.kind).ok_or(NodeError::Internal("a component that has no table"))?;
                let in_base = matches!(wanted, Wanted::Quantity { canonical: Some(_), .. });
                let number = component.param.0 | if in_base { CANONICAL } else { 0 };
                let param = Param { kind: component.kind, targets: component.targets, ..asked.param };
                let any = self.any(&param, Modifier::None, vec![wanted])?;
                parts.push(Part { param: number, table, any });
            }
            alternatives.push(parts);
        }
        Ok(Filter::Together(alternatives))
    }

    fn any(&self, param: &Param, modifier: Modifier, values: Vec<&Wanted>) -> Result<Vec<Match>, NodeError> {
        let mut any = Vec::with_capacity(values.len());
        for value in values {
            any.push(self.matching(param, modifier, value)?);
            // Codes of systems that do not tell them apart by case have rows without case.
            if let (Some(Match::Token { system, .. }), Wanted::Token { lower: Some(lower), .. }) = (any.last(), value) {
                any.push(Match::Token { code: Some(lower.clone()), system: system.clone() });
            }
        }
        Ok(any)
    }

    fn matching(&self, param: &Param, modifier: Modifier, value: &Wanted) -> Result<Match, NodeError> {
        Ok(match value {
            // A mime type has no hierarchy but its parameters (search.html#mimetype).
            Wanted::Token { system: System::Any, code: Some(code), lower }
                if modifier == Modifier::Below && code.contains('/') =>
            {
                Match::MimeBelow(lower.as_ref().unwrap_or(code).clone())
            }
            Wanted::Token { system, code, .. } if matches!(modifier, Modifier::Above | Modifier::Below) => {
                Match::Codes(as_rows(self.terms.hierarchy(modifier, system, code.as_deref())?))
            }
            Wanted::Set(url) => Match::Codes(as_rows(self.terms.set(url)?)),
            Wanted::Token { system, code, .. } => {
                let system = match system {
                    System::Any => None,
                    System::None => Some(String::new()),
                    System::Is(system) => Some(system.clone()),
                };
                Match::Token { code: code.clone(), system }
            }
            Wanted::Text { normal, exact } => match modifier {
                Modifier::Exact => Match::TextExact { normal: normal.clone(), exact: exact.clone() },
                Modifier::Contains => Match::TextContains(normal.clone()),
                Modifier::Whole => Match::TextWhole(normal.clone()),
                Modifier::Ends => Match::TextEnds(normal.clone()),
                _ if param.code == "_content" => Match::WordStarts(normal.clone()),
                _ => Match::TextStarts(normal.clone()),
            },
            Wanted::Date { prefix, low, high } => {
                let (low, high) = self.around(*prefix, *low, *high);
                Match::Date(compare(*prefix), low, high)
            }
            Wanted::Number { prefix, low, high, value } => number(*prefix, (*low, *high, *value), None, None),
            Wanted::Quantity { prefix, canonical: Some(wanted), .. } => {
                number(*prefix, (wanted.low, wanted.high, wanted.value), None, Some(&wanted.unit))
            }
            Wanted::Quantity { prefix, low, high, value, system, code, .. } => {
                number(*prefix, (*low, *high, *value), system.as_ref(), code.as_ref())
            }
            Wanted::Uri(uri) => match modifier {
                Modifier::Below => Match::UriBelow(uri.clone()),
                Modifier::Above => Match::UriAbove(above(uri)),
                _ => Match::Token { code: Some(uri.clone()), system: None },
            },
            Wanted::Reference { kind: None, url: Some(url), version: Some(version), .. } => {
                Match::References(vec![versioned(url, version)])
            }
            Wanted::Reference { kind: Some(kind), id: Some(id), .. }
                if matches!(modifier, Modifier::Above | Modifier::Below) =>
            {
                Match::References(self.terms.resources(modifier, &format!("{kind}/{id}")))
            }
            Wanted::Reference { kind, id, url, .. } => Match::References(self.targets(param, modifier, *kind, id, url)),
            Wanted::Missing(_) | Wanted::Composite(_) | Wanted::Near { .. } => {
                return Err(NodeError::Internal("a value in a place where none of its kind is"));
            }
        })
    }

    /// `ap` is a tenth of the way from now (search.html#prefix).
    fn around(&self, prefix: Prefix, low: i64, high: i64) -> (i64, i64) {
        if prefix != Prefix::Approximate {
            return (low, high);
        }
        let middle = low / 2 + high / 2;
        let margin = (self.now_us.saturating_sub(middle)).saturating_abs() / 10;
        (low.saturating_sub(margin), high.saturating_add(margin))
    }

    fn targets(
        &self,
        param: &Param,
        modifier: Modifier,
        kind: Option<ResourceType>,
        id: &Option<String>,
        url: &Option<String>,
    ) -> Vec<String> {
        let kind = match modifier {
            Modifier::Type(kind) => Some(kind),
            _ => kind,
        };
        if let Some(url) = url {
            return vec![relative(url.clone(), self.base)];
        }
        match (kind, id) {
            (Some(kind), Some(id)) => vec![format!("{}/{id}", kind.name())],
            (None, Some(id)) => {
                let typed = param.targets.iter().map(|kind| format!("{}/{id}", kind.name()));
                std::iter::once(id.clone()).chain(typed).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Codes with their systems as the rows have them.
fn as_rows(codes: Vec<(String, String)>) -> Vec<(String, String)> {
    let row = |(system, code): (String, String)| {
        let code = fhir::index::code(Some(&system), code);
        (system, code)
    };
    codes.into_iter().map(row).collect()
}

/// The URI and every path above it: http://a/b/c, http://a/b, http://a.
fn above(uri: &str) -> Vec<String> {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let whole = uri.trim_end_matches('/');
    let cuts = whole.char_indices().filter(|(at, letter)| *letter == '/' && *at > start).map(|(at, _)| at);
    let mut found = cuts.map(|at| whole[..at].to_owned()).collect::<Vec<_>>();
    found.extend([whole.to_owned(), format!("{whole}/")]);
    found
}

fn number(
    prefix: Prefix,
    (low, high, value): (f64, f64, f64),
    system: Option<&String>,
    code: Option<&String>,
) -> Match {
    let (low, high) = match prefix {
        Prefix::Equal | Prefix::NotEqual | Prefix::Approximate | Prefix::Overlaps => (low, high),
        _ => (value, value),
    };
    Match::Number { how: compare(prefix), low, high, system: system.cloned(), code: code.cloned() }
}

fn compare(prefix: Prefix) -> Compare {
    match prefix {
        Prefix::Equal => Compare::Equal,
        Prefix::NotEqual => Compare::NotEqual,
        Prefix::Greater => Compare::Greater,
        Prefix::Less => Compare::Less,
        Prefix::GreaterEqual => Compare::GreaterOrEqual,
        Prefix::LessEqual => Compare::LessOrEqual,
        Prefix::StartsAfter => Compare::StartsAfter,
        Prefix::EndsBefore => Compare::EndsBefore,
        Prefix::Approximate | Prefix::Overlaps => Compare::Overlaps,
    }
}
