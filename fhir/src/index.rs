//! What a search can find a resource by: the values of its search parameters. Called by `node` before a resource is
//! stored and by `reindex`; the store writes one row per [`Entry`].
//!
//! Which values are there is the compiled form of the official expressions (`index/program.rs`); how a datatype
//! becomes a value is `index/convert.rs`. Parameters that were stored as resources are evaluated as FHIRPath
//! (`index/custom.rs`). `_id` and `_lastUpdated` are not among them: the store knows both.
//! Spec: <https://hl7.org/fhir/R4/search.html>.

mod contained;
mod content;
mod convert;
pub mod custom;
mod narrative;
pub mod place;
mod program;
pub(crate) mod text;

use crate::json::Doc;
use crate::params::ParamId;
use crate::types::ResourceType;

pub use contained::{CONTAINED_MAX, Contained, contained};
pub use content::CONTENT_BYTES_MAX;
pub use narrative::{WORDS_MAX, words_of};
pub use text::{KEY_BYTES_MAX, TEXT_BYTES_MAX, code, fold};

/// One value of one search parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which parameter; of a composite, which of its components.
    pub param: ParamId,
    /// 0 for a value that stands alone. The values of one element of a composite parameter share a group, counted from 1
    /// per composite and resource; an element that lacks a component has no entries.
    pub group: u16,
    /// What it can be found by.
    pub value: Value,
}

/// A value as a search compares it. No text in it holds a NUL, and none is longer than its named limit; a query's
/// values are cut alike.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A code.
    Token {
        /// Its system; none if it has none.
        system: Option<String>,
        /// The code; none if there is only text.
        code: Option<String>,
        /// Display or text, as written, for `:text`.
        text: Option<String>,
    },
    /// A text.
    Text {
        /// Without case, accents and repeated white space: [`fold`].
        normal: String,
        /// As written.
        exact: String,
    },
    /// A range of time in microseconds since 1970 UTC, both ends inside; open ends are `i64::MIN` and `i64::MAX`.
    Date {
        /// First microsecond.
        low: i64,
        /// Last microsecond.
        high: i64,
    },
    /// A number, or a range of numbers with both ends inside; open ends are `f64::MIN` and `f64::MAX`.
    Number {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
        /// The number itself; for a range its known end.
        value: f64,
    },
    /// A number with a unit; the ends are as those of `Number`.
    Quantity {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
        /// The number itself; for a range its known end.
        value: f64,
        /// System of the unit's code.
        system: Option<String>,
        /// The unit's code.
        code: Option<String>,
        /// The unit as people write it.
        unit: Option<String>,
        /// The same in base units, if the unit is one of UCUM's.
        canonical: Option<Canonical>,
    },
    /// A URI as written.
    Uri(String),
    /// Every word of the resource, between spaces.
    Words(String),
    /// Where a Location is.
    Place(place::Place),
    /// A reference. One to a contained resource has its fragment (`#x`) as its url and nothing else.
    Reference {
        /// The type it names, by its text or else by `Reference.type`.
        kind: Option<ResourceType>,
        /// The id it names.
        id: Option<String>,
        /// The version it names; for a canonical what follows `|`.
        version: Option<String>,
        /// An absolute URL as written (a canonical without its version); none for `Type/id`.
        url: Option<String>,
        /// System and value of `Reference.identifier`.
        identifier: Option<(Option<String>, String)>,
    },
}

/// A quantity in base units: values of one `unit` compare with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical {
    /// Least; `f64::MIN` for an open end.
    pub low: f64,
    /// Greatest; `f64::MAX` for an open end.
    pub high: f64,
    /// The base units, such as `g.m-3`: what [`crate::unit::canonical`] gives.
    pub unit: String,
}

/// All values of a resource, each once, in no order that means anything.
#[must_use]
pub fn values(doc: &Doc, kind: ResourceType) -> Vec<Entry> {
    let mut entries = program::run(doc.root(), doc.root(), kind);
    entries.extend(place::entry(doc.root(), kind));
    entries.extend(content::entry(doc.root(), kind));
    distinct(entries)
}

fn distinct(mut entries: Vec<Entry>) -> Vec<Entry> {
    // Two expressions of a union often reach the same value; the lists are short.
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    entries.sort_by_key(|entry| entry.param);
    for entry in entries {
        let same = kept
            .iter()
            .rev()
            .take_while(|other| (other.param, other.group) == (entry.param, entry.group))
            .take(DEDUP_MAX);
        if !same.into_iter().any(|other| *other == entry) {
            kept.push(entry);
        }
    }
    kept
}

/// How many neighbours an entry is compared with; a resource with more values of one parameter may repeat one.
const DEDUP_MAX: usize = 64;

#[cfg(test)]
mod tests;
