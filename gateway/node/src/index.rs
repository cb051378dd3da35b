//! From what `fhir` finds in a resource to the rows `store` keeps, and from a FHIR query to the store's filters: both
//! directions of one mapping, side by side. Called by `prepare`, `apply` and `search`.

use crate::error::NodeError;
use fhir::index::Value;
use fhir::params::{Param, SearchType};
use fhir::query::{Filter as Asked, Modifier, Prefix, System, Wanted};
use fhir::{Code, Issue, ResourceType};
use store::search::{Compare, Filter, Match, ParamTable};
use store::versions::Index;

/// The rows of a resource.
pub(crate) fn rows(doc: &fhir::json::Doc, kind: ResourceType) -> Vec<(u16, Index)> {
    let mut rows = Vec::new();
    for entry in fhir::index::values(doc, kind) {
        push(&mut rows, entry.param.0, entry.value);
    }
    rows
}

fn push(rows: &mut Vec<(u16, Index)>, param: u16, value: Value) {
    let text = |value: Option<String>| value.unwrap_or_default();
    match value {
        Value::Token { system, code, text: display } => {
            if let Some(display) = display {
                rows.push((param, Index::Text { normal: fhir::index::fold(&display), exact: display }));
            }
            if code.is_some() || system.is_some() {
                rows.push((param, Index::Token { code: text(code), system: text(system) }));
            }
        }
        Value::Text { normal, exact } => rows.push((param, Index::Text { normal, exact })),
        Value::Date { low, high } => rows.push((param, Index::Date { low, high })),
        Value::Number { low, high, .. } => {
            rows.push((param, Index::Number { low, high, system: String::new(), code: String::new() }));
        }
        Value::Quantity { low, high, system, code, unit, .. } => {
            let code = code.or(unit);
            rows.push((param, Index::Number { low, high, system: text(system), code: text(code) }));
        }
        Value::Uri(uri) => rows.push((param, Index::Token { code: uri, system: String::new() })),
        Value::Reference { kind, id, url, identifier, .. } => {
            let number = kind.map_or(0, |kind| kind.number() + 1);
            let target = match (url, kind, id) {
                (Some(url), _, _) => Some(url),
                (None, Some(kind), Some(id)) => Some(format!("{}/{id}", kind.name())),
                (None, None, Some(id)) => Some(id),
                _ => None,
            };
            if let Some(target) = target {
                rows.push((param, Index::Reference { target, kind: number }));
            }
            if let Some((system, value)) = identifier {
                rows.push((param, Index::Token { code: value, system: text(system) }));
            }
        }
    }
}

/// The table that holds a parameter's values, for sorting; `None` where they cannot be sorted by.
pub(crate) fn table_of(param: &Param) -> Option<ParamTable> {
    match param.kind {
        SearchType::Token | SearchType::Uri => Some(ParamTable::Token),
        SearchType::String => Some(ParamTable::Text),
        SearchType::Date => Some(ParamTable::Date),
        SearchType::Reference => Some(ParamTable::Reference),
        SearchType::Number | SearchType::Quantity => Some(ParamTable::Number),
        SearchType::Composite | SearchType::Special => None,
    }
}

/// The store's filter for one asked parameter.
pub(crate) fn filter(asked: &Asked) -> Result<Filter, NodeError> {
    let param = &asked.param;
    if param.is_id() {
        let ids = asked.values.iter().filter_map(|value| match value {
            Wanted::Token { code, .. } => code.clone(),
            Wanted::Reference { id, .. } => id.clone(),
            _ => None,
        });
        return Ok(Filter::Ids(ids.collect()));
    }
    if param.is_last_updated() {
        let ranges = asked.values.iter().filter_map(|value| match value {
            Wanted::Date { prefix, low, high } => Some((compare(*prefix), *low, *high)),
            _ => None,
        });
        return Ok(Filter::LastUpdated(ranges.collect()));
    }
    let Some(mut table) = table_of(param) else {
        let text = format!("the parameter {} is known but not supported", param.code);
        return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).into()));
    };
    match asked.modifier {
        Modifier::Text => table = ParamTable::Text,
        Modifier::Identifier => table = ParamTable::Token,
        _ => {}
    }
    let any = asked.values.iter().map(|value| matching(param, &asked.modifier, value)).collect();
    Ok(Filter::Param { param: param.id.0, table, any, not: asked.modifier == Modifier::Not })
}

fn matching(param: &Param, modifier: &Modifier, value: &Wanted) -> Match {
    match value {
        Wanted::Missing(missing) => Match::Missing(*missing),
        Wanted::Token { system, code } => {
            let system = match system {
                System::Any => None,
                System::None => Some(String::new()),
                System::Is(system) => Some(system.clone()),
            };
            Match::Token { code: code.clone(), system }
        }
        Wanted::Text { normal, exact } => match modifier {
            Modifier::Exact => Match::TextExact(exact.clone()),
            Modifier::Contains => Match::TextContains(normal.clone()),
            _ => Match::TextStarts(normal.clone()),
        },
        Wanted::Date { prefix, low, high } => Match::Date(compare(*prefix), *low, *high),
        Wanted::Number { prefix, low, high, value } => number(*prefix, (*low, *high, *value), None, None),
        Wanted::Quantity { prefix, low, high, value, system, code } => {
            number(*prefix, (*low, *high, *value), system.as_ref(), code.as_ref())
        }
        Wanted::Uri(uri) => Match::Token { code: Some(uri.clone()), system: None },
        Wanted::Reference { kind, id, url, .. } => Match::References(targets(param, modifier, *kind, id, url)),
    }
}

fn number(
    prefix: Prefix,
    (low, high, value): (f64, f64, f64),
    system: Option<&String>,
    code: Option<&String>,
) -> Match {
    let (low, high) = match prefix {
        Prefix::Equal | Prefix::NotEqual | Prefix::Approximate => (low, high),
        _ => (value, value),
    };
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    Match::Number(compare(prefix), low, high, text(system), text(code))
}

fn targets(
    param: &Param,
    modifier: &Modifier,
    kind: Option<ResourceType>,
    id: &Option<String>,
    url: &Option<String>,
) -> Vec<String> {
    let kind = match modifier {
        Modifier::Type(kind) => Some(*kind),
        _ => kind,
    };
    let mut targets = url.iter().cloned().collect::<Vec<_>>();
    match (kind, id) {
        (Some(kind), Some(id)) => targets.push(format!("{}/{id}", kind.name())),
        (None, Some(id)) => {
            targets.push(id.clone());
            targets.extend(param.targets.iter().map(|kind| format!("{}/{id}", kind.name())));
        }
        _ => {}
    }
    targets
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
        Prefix::Approximate => Compare::Overlaps,
    }
}
