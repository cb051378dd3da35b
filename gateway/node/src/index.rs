//! From what `fhir` finds in a resource to the rows `store` keeps. The other direction of the mapping, from a filter of a query
//! to the store's, is `index/asked.rs`: what one changes the other must follow. Called by `prepare`, `apply`, `derived` and
//! `verify`.

mod asked;
pub(crate) mod contained;

pub(crate) use asked::Reading;

use crate::parameters::Registry;
use fhir::ResourceType;
use fhir::index::{Entry, Value};
use fhir::json::Doc;
use fhir::params::SearchType;
use fhir::reference::Parts;
use store::search::ParamTable;
use store::versions::{Index, IndexRow};

/// What the rows are made like. A node that opens a database of another number fills its index anew.
pub(crate) const FORMAT: u32 = 7;

/// Rows of quantities in base units stand under the parameter's number and this bit, apart from what was written; of places
/// that of the third coordinate does.
pub(crate) const CANONICAL: u16 = 0x8000;

/// The target of a reference that leads to nothing here.
const NOWHERE: &str = "#";

/// The rows of a resource, by R4's own parameters and those that were stored here, and of what it contains. `base` is what
/// this hospital's own absolute URLs begin with, empty where it has none.
pub(crate) fn rows(doc: &Doc, kind: ResourceType, base: &str, registry: &Registry) -> Vec<IndexRow> {
    let mut rows = made(fhir::index::values(doc, kind).into_iter().chain(registry.entries(doc, kind)), base);
    crate::conflict::strip(&mut rows);
    rows.extend(contained::rows(doc, base));
    rows
}

/// The rows of another hospital's resource as it is shown here. What it contains names that hospital's resources by their ids
/// there, so those references are there and lead nowhere.
pub(crate) fn rows_of_others(doc: &Doc, kind: ResourceType, base: &str, registry: &Registry) -> Vec<IndexRow> {
    let mut rows = rows(doc, kind, base, registry);
    for row in rows.iter_mut().filter(|row| row.contained.is_some() && contained::leads(row)) {
        row.value = Index::Reference { target: NOWHERE.to_owned(), kind: 0 };
    }
    rows
}

/// The rows of some entries.
pub(crate) fn made(entries: impl IntoIterator<Item = Entry>, base: &str) -> Vec<IndexRow> {
    let mut rows = Vec::new();
    for entry in entries {
        push(&mut rows, entry, base);
    }
    rows
}

fn push(rows: &mut Vec<IndexRow>, Entry { param, group, value }: Entry, base: &str) {
    let text = |value: Option<String>| value.unwrap_or_default();
    let mut row = |param: u16, value: Index| rows.push(IndexRow { param, group, contained: None, value });
    let param = param.0;
    match value {
        Value::Token { system, code, text: display } => {
            if let Some(display) = display {
                row(param, Index::Text { normal: fhir::index::fold(&display), exact: display });
            }
            if code.is_some() || system.is_some() {
                row(param, Index::Token { code: text(code), system: text(system) });
            }
        }
        Value::Text { normal, exact } => row(param, Index::Text { normal, exact }),
        Value::Date { low, high } => row(param, Index::Date { low, high }),
        Value::Number { low, high, .. } => {
            row(param, Index::Number { low, high, system: String::new(), code: String::new() });
        }
        Value::Quantity { low, high, system, code, unit, canonical, .. } => {
            // Without a system a unit is found by its human form too.
            if let Some(unit) = unit.filter(|unit| code.as_ref() != Some(unit)) {
                row(param, Index::Number { low, high, system: String::new(), code: unit });
            }
            if let Some(canonical) = canonical {
                let (low, high, code) = (canonical.low, canonical.high, canonical.unit);
                row(param | CANONICAL, Index::Number { low, high, system: String::new(), code });
            }
            row(param, Index::Number { low, high, system: text(system), code: text(code) });
        }
        Value::Words(normal) => row(param, Index::Content { normal }),
        Value::Place(place) => {
            let number = |low, high| Index::Number { low, high, system: String::new(), code: String::new() };
            row(param, number(place.x, place.y));
            row(param | CANONICAL, number(place.z, place.z));
        }
        Value::Uri(uri) => row(param, Index::Token { code: uri, system: String::new() }),
        Value::Reference { kind, id, url, identifier, version } => {
            let number = kind.map_or(0, |kind| kind.number() + 1);
            let target = match (&url, kind, id) {
                (Some(url), _, _) => Some(relative(url.clone(), base)),
                (None, Some(kind), Some(id)) => Some(format!("{}/{id}", kind.name())),
                (None, None, Some(id)) => Some(id),
                _ => None,
            };
            if let (Some(url), Some(version)) = (&url, version) {
                row(param, Index::Reference { target: versioned(url, &version), kind: number });
            }
            if let Some(target) = target {
                row(param, Index::Reference { target, kind: number });
            }
            if let Some((system, value)) = identifier {
                row(param, Index::Token { code: value, system: text(system) });
            }
        }
    }
}

/// A canonical with its version, as those that ask for one find it.
fn versioned(url: &str, version: &str) -> String {
    format!("{url}|{version}")
}

/// A URL of this hospital's own as `Type/id`; any other as it is.
fn relative(url: String, base: &str) -> String {
    match fhir::reference::parse(&url) {
        Parts::Absolute { base: own, kind, id, .. } if own == base => format!("{}/{id}", kind.name()),
        _ => url,
    }
}

/// The table that holds a parameter's values, for sorting; `None` where they cannot be sorted by.
pub(crate) fn table_of(kind: SearchType) -> Option<ParamTable> {
    match kind {
        SearchType::Token | SearchType::Uri => Some(ParamTable::Token),
        SearchType::String => Some(ParamTable::Text),
        SearchType::Date => Some(ParamTable::Date),
        SearchType::Reference => Some(ParamTable::Reference),
        SearchType::Number | SearchType::Quantity => Some(ParamTable::Number),
        SearchType::Composite | SearchType::Special => None,
    }
}
