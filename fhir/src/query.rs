//! A search as its parameters say it. Called by `server` and `node` with decoded pairs; `store` turns a [`Query`] into a
//! statement.
//!
//! What is not understood or not supported goes to [`Query::unknown`] with a sentence, and the caller decides whether
//! that is an error; a value that is malformed and a modifier that is not supported are one always. How names become
//! conditions is `query/name.rs`, how values are read `query/value.rs`, `_filter` is `query/expression.rs`, how results
//! are shaped is `query/control.rs`. Spec: <https://hl7.org/fhir/R4/search.html>.

mod budget;
mod contained;
mod control;
mod expression;
mod matches;
mod name;
mod value;
mod words;

use crate::outcome::{Code, Issue, Outcome};
use crate::params::{Lookup, Param};
use crate::types::ResourceType;

use budget::{Budget, Fault};
pub use value::{Prefix, System, Wanted};

/// Most parameters of one search; each filter is a join.
pub const PARAMETERS_MAX: usize = 100;

/// Most values between commas in one parameter.
pub const VALUES_MAX: usize = 500;

/// Most values of all parameters of one search.
pub const VALUES_OF_ALL_MAX: usize = 5_000;

/// Most conditions of one search: each type that a chain may lead to is one of its own.
pub const CONDITIONS_MAX: usize = 600;

/// Most references a chain follows, in either direction.
pub const CHAIN_MAX: usize = 8;

/// Longest name or value of a parameter in bytes.
pub const PARAMETER_BYTES_MAX: usize = 64 * 1024;

/// A search within one resource type, or across several.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The types searched; at least one.
    pub kinds: Vec<ResourceType>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What the matches refer to and is wanted too.
    pub includes: Vec<Include>,
    /// What refers to the matches and is wanted too.
    pub revincludes: Vec<Include>,
    /// First the most important.
    pub sort: Vec<Sort>,
    /// Matches per page; none for the server's default. 0 means only the total.
    pub count: Option<u32>,
    /// `_summary`.
    pub summary: Option<Summary>,
    /// `_total`.
    pub total: Option<Total>,
    /// `_contained`.
    pub contained: Contained,
    /// `_containedType`: which entry a contained resource that matches is.
    pub contained_type: ContainedType,
    /// `_elements`.
    pub elements: Vec<String>,
    /// `_format`, as written.
    pub format: Option<String>,
    /// `_pretty`.
    pub pretty: bool,
    /// What had no effect, and why.
    pub unknown: Vec<Issue>,
}

/// What a search asks of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Something of its own.
    Is(Filter),
    /// It refers to a resource of one of these types that fulfils the condition beside it
    /// (search.html#chaining).
    Refers {
        /// The reference parameter.
        param: Param,
        /// Types of the target, each with what is asked of it.
        targets: Vec<(ResourceType, Condition)>,
    },
    /// A resource refers to it and fulfils a condition (search.html#has).
    Referred {
        /// The type of the resource that refers.
        source: ResourceType,
        /// Its reference parameter.
        param: Param,
        /// What is asked of it.
        condition: Box<Condition>,
    },
    /// All of them.
    All(Vec<Condition>),
    /// One of them.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

/// One parameter: any of its values must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The parameter; `_id` and `_lastUpdated` are told by [`Param::is_id`] and [`Param::is_last_updated`].
    pub param: Param,
    /// What follows its colon.
    pub modifier: Modifier,
    /// At least one.
    pub values: Vec<Wanted>,
}

/// How a parameter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// As its type does.
    None,
    /// Token: resources that have none of the values.
    Not,
    /// Token: by the folded start of its text. The value is [`Wanted::Text`].
    Text,
    /// String: exactly as written.
    Exact,
    /// String: anywhere in the folded text.
    Contains,
    /// String, in `_filter` alone: the whole folded text.
    Whole,
    /// String, in `_filter` alone: the end of the folded text.
    Ends,
    /// Whether there is a value at all. The value is [`Wanted::Missing`].
    Missing,
    /// Reference: to this type. It is in the values too.
    Type(ResourceType),
    /// Reference: by its identifier. The value is [`Wanted::Token`].
    Identifier,
    /// Token: the code or what subsumes it. Uri: a path that the value lies below. Reference: the resource or what it is part of.
    Above,
    /// Token: the code or what it subsumes. Uri: what lies below the path. Reference: the resource or a part of it, of any depth.
    Below,
    /// Token: in a value set. The value is [`Wanted::Set`].
    In,
    /// Token: with no code in a value set. The value is [`Wanted::Set`].
    NotIn,
    /// Identifier: with its type. The value is [`Wanted::Token`] as the rows of [`Param::of_type`] have it.
    OfType,
}

/// `_include` or `_revinclude`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Include {
    /// The type whose reference is followed; none for `_include=*`.
    pub source: Option<ResourceType>,
    /// The reference parameter; none for all of them.
    pub param: Option<Param>,
    /// Only references to this type.
    pub target: Option<ResourceType>,
    /// Also from what was included.
    pub iterate: bool,
}

/// One key of `_sort`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sort {
    /// The parameter; `_id` and `_lastUpdated` among them.
    pub param: Param,
    /// From the greatest on.
    pub descending: bool,
}

/// `_summary`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the value of its name")]
pub enum Summary {
    True,
    Text,
    Data,
    Count,
    False,
}

/// `_total`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the value of its name")]
pub enum Total {
    None,
    Estimate,
    Accurate,
}

/// `_contained`: whether contained resources are searched, alone or beside the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the value of its name")]
pub enum Contained {
    #[default]
    False,
    True,
    Both,
}

/// `_containedType`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the value of its name")]
pub enum ContainedType {
    #[default]
    Container,
    Contained,
}

impl Query {
    /// Whether only the number of matches is wanted: `_summary=count` or `_count=0`.
    #[must_use]
    pub fn count_only(&self) -> bool {
        self.summary == Some(Summary::Count) || self.count == Some(0)
    }
}

impl Condition {
    /// Every filter in it, those of other resources included.
    pub fn filters(&self) -> Vec<&Filter> {
        let mut found = Vec::new();
        self.gather(&mut found);
        found
    }

    /// As deep as [`CHAIN_MAX`] and the nesting of `_filter` allow.
    fn gather<'c>(&'c self, found: &mut Vec<&'c Filter>) {
        match self {
            Condition::Is(filter) => found.push(filter),
            Condition::Refers { targets, .. } => targets.iter().for_each(|(_, inner)| inner.gather(found)),
            Condition::Referred { condition, .. } | Condition::Not(condition) => condition.gather(found),
            Condition::All(inner) | Condition::Any(inner) => inner.iter().for_each(|inner| inner.gather(found)),
        }
    }
}

/// Reads the parameters of a search within one type, percent-decoded, in the order of the URL. They may name what
/// `lookup` finds.
///
/// # Errors
/// Every malformed value of a known parameter, located as `http.` and the parameter's name; or a limit.
pub fn parse(kind: ResourceType, pairs: &[(String, String)], lookup: &Lookup) -> Result<Query, Outcome> {
    read(vec![kind], false, pairs, lookup)
}

/// Reads the parameters of a search across types: those that `_type` names, or else all of them. A parameter counts if
/// every one of the types has it.
///
/// # Errors
/// As [`parse`]; a name in `_type` that is none.
pub fn parse_across(pairs: &[(String, String)], lookup: &Lookup) -> Result<Query, Outcome> {
    let mut kinds = Vec::new();
    for (_, names) in pairs.iter().filter(|(name, _)| name == "_type") {
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let Some(kind) = ResourceType::parse(name) else {
                let issue = Issue::error(Code::Value, "search parameter _type: a value is no resource type of R4");
                return Err(issue.at("http._type").into());
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    if kinds.is_empty() {
        kinds.extend(ResourceType::all());
    }
    read(kinds, true, pairs, lookup)
}

fn read(kinds: Vec<ResourceType>, across: bool, pairs: &[(String, String)], lookup: &Lookup) -> Result<Query, Outcome> {
    if pairs.len() > PARAMETERS_MAX {
        let sentence = format!("a search may have at most {PARAMETERS_MAX} parameters");
        return Err(Issue::error(Code::TooCostly, sentence).into());
    }
    let mut query = Query {
        kinds,
        conditions: Vec::new(),
        includes: Vec::new(),
        revincludes: Vec::new(),
        sort: Vec::new(),
        count: None,
        summary: None,
        total: None,
        contained: Contained::default(),
        contained_type: ContainedType::default(),
        elements: Vec::new(),
        format: None,
        pretty: false,
        unknown: Vec::new(),
    };
    let mut outcome = Outcome::default();
    // One budget for the whole search, so that many parameters cannot each use one up.
    let mut budget = Budget::new(lookup);
    for (name, value) in pairs.iter().filter(|(name, _)| !across || name != "_type") {
        if name.len() > PARAMETER_BYTES_MAX || value.len() > PARAMETER_BYTES_MAX {
            outcome.issues.push(Issue::error(Code::TooLong, "a search parameter is too long"));
            continue;
        }
        let read = match control::read(&mut query, name, value, &budget) {
            Some(read) => read,
            None => name::condition(&query.kinds, name, value, &mut budget).map(|found| query.conditions.push(found)),
        };
        match read {
            Ok(()) => {}
            Err(Fault::Ignored(code, why)) => query.ignore(code, name, &why),
            Err(Fault::Wrong(code, fault)) => {
                let issue = Issue::error(code, format!("search parameter {}: {fault}", shown(name)));
                outcome.issues.push(issue.at(format!("http.{}", shown(name))));
            }
        }
    }
    if query.contained != Contained::False {
        outcome.issues.extend(contained::check(&mut query, across).err());
    }
    if outcome.issues.is_empty() { Ok(query) } else { Err(outcome) }
}

/// A parameter's name as far as it fits into a sentence.
fn shown(name: &str) -> String {
    name.chars().take(64).map(|character| if character.is_control() { '?' } else { character }).collect()
}

impl Query {
    fn ignore(&mut self, code: Code, name: &str, why: &str) {
        let name = shown(name);
        let issue = Issue::warning(code, format!("search parameter {name} was ignored: {why}"));
        self.unknown.push(issue.at(format!("http.{name}")));
    }
}

#[cfg(test)]
mod tests;
