//! Searches: one statement per page, narrowed by what may be seen before it runs. Names and values come translated
//! from `node`; every value is bound, no text of a caller enters a statement. Called by `node`.
//!
//! Here is what is asked; `search/filter.rs` makes SQL of one filter, `search/plan.rs` decides where a statement begins,
//! `search/page.rs` reads a page, `search/count.rs` counts.

mod contained;
mod count;
mod filter;
mod named;
mod page;
mod plan;
mod sql;

use crate::db::{Reader, StoreError, Value};
use crate::reach::Sight;
use crate::versions::{CONTAINED, StoredVersion};
pub use plan::Plan;
use std::collections::BTreeSet;

/// One alternative of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// A code, a system, or both; an empty system means that there must be none.
    Token {
        /// Code.
        code: Option<String>,
        /// System.
        system: Option<String>,
    },
    /// One of these codes, as (system, code); an empty system means any.
    Codes(Vec<(String, String)>),
    /// The URI or what lies below it.
    UriBelow(String),
    /// The mime type, with or without parameters.
    MimeBelow(String),
    /// One of these URIs.
    UriAbove(Vec<String>),
    /// Folded text begins with this.
    TextStarts(String),
    /// Text is this, as written.
    TextExact {
        /// Folded.
        normal: String,
        /// As written.
        exact: String,
    },
    /// Folded text is this.
    TextWhole(String),
    /// Folded text contains this.
    TextContains(String),
    /// One of the words begins with this.
    WordStarts(String),
    /// Folded text ends with this.
    TextEnds(String),
    /// A range of time, compared as `Compare` says; microseconds, both ends inside.
    Date(Compare, i64, i64),
    /// A range of numbers, its high end outside where ranges are compared.
    Number {
        /// How it is compared.
        how: Compare,
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
        /// System of the unit; none for any.
        system: Option<String>,
        /// The unit; none for any.
        code: Option<String>,
    },
    /// One of these targets, exactly.
    References(Vec<String>),
}

/// How a range of the query is compared with a range of the resource (search.html#prefix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The query's range contains the resource's.
    Equal,
    /// It does not.
    NotEqual,
    /// Something of the resource's lies above.
    Greater,
    /// Something lies below.
    Less,
    /// Above, or equal.
    GreaterOrEqual,
    /// Below, or equal.
    LessOrEqual,
    /// All of the resource's lies above.
    StartsAfter,
    /// All lies below.
    EndsBefore,
    /// They overlap.
    Overlaps,
}

/// What must hold for a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// On an indexed parameter.
    Param {
        /// The parameter's number.
        param: u16,
        /// Its table.
        table: ParamTable,
        /// Alternatives of which one must hold.
        any: Vec<Match>,
        /// None of the alternatives must hold, instead of one.
        not: bool,
    },
    /// The parameter has no value at all, or some value.
    Missing {
        /// The parameter's number.
        param: u16,
        /// Where its values are.
        tables: Vec<ParamTable>,
        /// It has none.
        missing: bool,
    },
    /// One of these combinations stands together in one element.
    Together(Vec<Vec<Part>>),
    /// It is at a place near one of these.
    Near {
        /// The number under which rows have the first two coordinates.
        param: u16,
        /// That of the third one.
        third: u16,
        /// Alternatives of which one must hold.
        any: Vec<Near>,
    },
    /// The resource has one of these ids.
    Ids(Vec<String>),
    /// It is one's own, or of none of these types.
    OwnOf(Vec<u16>),
    /// lastUpdated, microseconds, one of these ranges.
    LastUpdated(Vec<(Compare, i64, i64)>),
    /// It refers to something.
    Refers {
        /// The reference parameter.
        param: u16,
        /// What it may refer to.
        targets: Vec<Target>,
        /// What it may contain and name by a fragment.
        within: Vec<Contained>,
    },
    /// Something refers to it.
    Referred {
        /// The reference parameter.
        param: u16,
        /// What must refer to it.
        from: Target,
    },
    /// It contains such a resource.
    Contained(Contained),
    /// It is of one of these types, and all of these hold.
    Of {
        /// The types' numbers.
        kinds: Vec<u16>,
        /// All must hold.
        filters: Vec<Filter>,
    },
    /// One of these holds.
    Any(Vec<Filter>),
    /// All of these hold.
    All(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
}

/// A point of the unit sphere and the longest chord from it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "coordinates are known by their letters")]
pub struct Near {
    pub x: f64,
    pub y: f64,
    pub z: f64,
    pub chord: f64,
}

/// One component of a combination.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The component's number.
    pub param: u16,
    /// Its table.
    pub table: ParamTable,
    /// Alternatives of which one must hold.
    pub any: Vec<Match>,
}

/// A resource at the other end of a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its types.
    pub kinds: Vec<u16>,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// Only what this node's identity wrote.
    pub own_only: bool,
}

/// A resource that another one contains.
#[derive(Clone, Debug, PartialEq)]
pub struct Contained {
    /// Its type.
    pub kind: u16,
    /// The number of `_id`, of which each contained resource has one row.
    pub id: u16,
    /// All must hold for it: filters on parameters and on `lastUpdated`, which is that of the whole, and what puts such
    /// together.
    pub filters: Vec<Filter>,
}

/// Which index table holds a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamTable {
    /// Tokens and uris.
    Token,
    /// Strings.
    Text,
    /// Dates.
    Date,
    /// References.
    Reference,
    /// Numbers and quantities.
    Number,
    /// Words of whole resources; no index leads there, each version is looked at.
    Content,
}

/// What rows are ordered by. Equal ones stand in the order they were written in, in the direction of the first key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// lastUpdated.
    LastUpdated,
    /// The id.
    Id,
    /// A parameter; resources without a value stand last.
    Param(u16, ParamTable),
}

/// A search of one type, or across several.
#[derive(Clone, Debug)]
pub struct Search {
    /// The types' numbers.
    pub kinds: Vec<u16>,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// Only what this node's identity wrote (conditional interactions).
    pub own_only: bool,
    /// By whose eyes.
    pub sight: Sight,
    /// Orders with their direction (`true` descending), first first; none means newest first.
    pub order: Vec<(Order, bool)>,
    /// What was current at this position, so that pages belong together; none for what is current now.
    pub snapshot: Option<i64>,
    /// Where the page begins.
    pub from: From,
    /// Where it begins, as [`Reader::planned`] found it; none to find it anew. A test may want any plan: every one finds
    /// the same.
    pub plan: Option<Plan>,
}

/// Where a page begins: at the beginning, unless a field says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// Behind the version at this position, in the order of the search.
    pub beyond: Option<i64>,
    /// Behind as many matches.
    pub skip: i64,
    /// Among what has no value to sort by.
    pub valueless: bool,
}

/// How many match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// This many.
    Exactly(i64),
    /// There are more to look at than may be looked at.
    TooMany,
}

impl Search {
    /// Every current resource of a type that the filters hold for and that may be seen, newest first.
    #[must_use]
    pub fn all(kind: u16, filters: Vec<Filter>, sight: Sight) -> Self {
        Self {
            kinds: vec![kind],
            filters,
            own_only: false,
            sight,
            order: Vec::new(),
            snapshot: None,
            from: From::default(),
            plan: None,
        }
    }

    /// Those of one's own alone, whoever looks.
    #[must_use]
    pub fn own(kind: u16, filters: Vec<Filter>) -> Self {
        Self { own_only: true, ..Self::all(kind, filters, Sight::default()) }
    }
}

impl Compare {
    /// Compares an instant, both ends of the range inside.
    fn instant(self, at: &str, low: &str, high: &str) -> String {
        match self {
            Compare::Equal | Compare::Overlaps => format!("({at} >= {low} AND {at} <= {high})"),
            Compare::NotEqual => format!("({at} < {low} OR {at} > {high})"),
            Compare::Greater | Compare::StartsAfter => format!("({at} > {high} AND {low} <= {high})"),
            Compare::Less | Compare::EndsBefore => format!("({at} < {low} AND {low} <= {high})"),
            Compare::GreaterOrEqual => format!("({at} >= {low} AND {low} <= {high})"),
            Compare::LessOrEqual => format!("({at} <= {high} AND {low} <= {high})"),
        }
    }
}

/// Positions one statement follows references from.
const POSITIONS_MAX: usize = 500;

impl Reader<'_> {
    /// The targets of references of the versions at `positions`, of one parameter or of all, each once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn targets(&mut self, positions: &[i64], param: Option<u16>) -> Result<Vec<String>, StoreError> {
        let mut found = BTreeSet::new();
        for chunk in positions.chunks(POSITIONS_MAX) {
            let args = chunk.iter().map(|position| (*position).into()).collect::<Vec<Value>>();
            let holes = (1..=chunk.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
            let of = param.map(|param| format!(" AND param = {param}")).unwrap_or_default();
            // What a contained resource refers to is not what the version does.
            let sql = format!(
                "SELECT DISTINCT target FROM cache_reference WHERE position IN ({holes}) AND +type < {CONTAINED}{of}"
            );
            found.extend(self.fetch(sql, &args).await?.iter_mut().map(|row| row.text(0)));
        }
        Ok(found.into_iter().collect())
    }

    /// Current versions by `(type, id)` that may be seen, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn visible(&mut self, kind: u16, ids: &[String], sight: Sight) -> Result<Vec<StoredVersion>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(POSITIONS_MAX) {
            let search = Search::all(kind, vec![Filter::Ids(chunk.to_vec())], sight);
            found.append(&mut self.search(&search, chunk.len()).await?.0);
        }
        Ok(found)
    }
}
