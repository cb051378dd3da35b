//! A search as its parameters say it. Called by `server` and `node` with decoded pairs; `store` turns a [`Query`] into a
//! statement.
//!
//! What is not understood or not supported goes to [`Query::unknown`] with a sentence, and the caller decides whether
//! that is an error; a value that is malformed is one always. How values are read is `query/value.rs`, how results
//! are shaped is `query/control.rs`. Spec: <https://hl7.org/fhir/R4/search.html>.

mod control;
mod matches;
mod value;

use crate::outcome::{Code, Issue, Outcome};
use crate::params::{self, Param, ParamId, SearchType};
use crate::types::ResourceType;

pub use value::{Prefix, System, Wanted};

/// Most parameters of one search; each filter is a join.
pub const PARAMETERS_MAX: usize = 100;

/// Most values between commas in one parameter.
pub const VALUES_MAX: usize = 500;

/// Longest name or value of a parameter in bytes.
pub const PARAMETER_BYTES_MAX: usize = 64 * 1024;

/// A search within one resource type.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The type searched.
    pub kind: ResourceType,
    /// All of them must hold.
    pub filters: Vec<Filter>,
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
    /// `_elements`.
    pub elements: Vec<String>,
    /// `_format`, as written.
    pub format: Option<String>,
    /// `_pretty`.
    pub pretty: bool,
    /// What had no effect, and why.
    pub unknown: Vec<Issue>,
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
    /// Whether there is a value at all. The value is [`Wanted::Missing`].
    Missing,
    /// Reference: to this type. It is in the values too.
    Type(ResourceType),
    /// Reference: by its identifier. The value is [`Wanted::Token`].
    Identifier,
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

impl Query {
    /// Whether only the number of matches is wanted: `_summary=count` or `_count=0`.
    #[must_use]
    pub fn count_only(&self) -> bool {
        self.summary == Some(Summary::Count) || self.count == Some(0)
    }

    /// The filters of a parameter by its number.
    pub fn filters_of(&self, param: ParamId) -> impl Iterator<Item = &Filter> {
        self.filters.iter().filter(move |filter| filter.param.id == param)
    }
}

/// Reads the parameters of a search, percent-decoded, in the order of the URL.
///
/// # Errors
/// Every malformed value of a known parameter, located as `http.` and the parameter's name; or a limit.
pub fn parse(kind: ResourceType, pairs: &[(String, String)]) -> Result<Query, Outcome> {
    if pairs.len() > PARAMETERS_MAX {
        let sentence = format!("a search may have at most {PARAMETERS_MAX} parameters");
        return Err(Issue::error(Code::TooCostly, sentence).into());
    }
    let mut query = Query {
        kind,
        filters: Vec::new(),
        includes: Vec::new(),
        revincludes: Vec::new(),
        sort: Vec::new(),
        count: None,
        summary: None,
        total: None,
        elements: Vec::new(),
        format: None,
        pretty: false,
        unknown: Vec::new(),
    };
    let mut outcome = Outcome::default();
    for (name, value) in pairs {
        if name.len() > PARAMETER_BYTES_MAX || value.len() > PARAMETER_BYTES_MAX {
            outcome.issues.push(Issue::error(Code::TooLong, "a search parameter is too long"));
            continue;
        }
        let read = match control::read(&mut query, name, value) {
            Some(read) => read,
            None => filter(&mut query, name, value),
        };
        if let Err(fault) = read {
            let issue = Issue::error(Code::Value, format!("search parameter {}: {fault}", shown(name)));
            outcome.issues.push(issue.at(format!("http.{}", shown(name))));
        }
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

fn filter(query: &mut Query, name: &str, text: &str) -> Result<(), String> {
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    if code == "_has" {
        query.ignore(Code::NotSupported, name, "reverse chaining is not supported yet");
        return Ok(());
    }
    if code.contains('.') || modifier.is_some_and(|modifier| modifier.contains('.')) {
        query.ignore(Code::NotSupported, name, "chained parameters are not supported yet");
        return Ok(());
    }
    let Some(param) = params::find(query.kind, code) else {
        let sentence = match code {
            "_list" | "_filter" | "_type" | "_contained" | "_containedType" => "it is not supported yet".to_owned(),
            _ => format!("{} has no such parameter", query.kind),
        };
        query.ignore(Code::NotSupported, name, &sentence);
        return Ok(());
    };
    if !param.supported {
        let sentence = match param.kind {
            SearchType::Composite => "composite parameters are not supported yet",
            _ => "it is not supported yet",
        };
        query.ignore(Code::NotSupported, name, sentence);
        return Ok(());
    }
    let Some(modifier) = modifier_of(param, modifier) else {
        query.ignore(Code::NotSupported, name, &format!("its modifier is not supported for a {}", param.kind.name()));
        return Ok(());
    };
    if text.is_empty() {
        query.ignore(Code::Value, name, "it has no value");
        return Ok(());
    }
    let values = value::read(param, modifier, text)?;
    query.filters.push(Filter { param, modifier, values });
    Ok(())
}

fn modifier_of(param: Param, text: Option<&str>) -> Option<Modifier> {
    let Some(text) = text else { return Some(Modifier::None) };
    let own = param.is_id() || param.is_last_updated();
    match (text, param.kind) {
        // Every resource has both, and the index holds neither.
        ("missing" | "text", _) if own => None,
        ("missing", _) => Some(Modifier::Missing),
        ("not", SearchType::Token) => Some(Modifier::Not),
        ("text", SearchType::Token) => Some(Modifier::Text),
        ("exact", SearchType::String) => Some(Modifier::Exact),
        ("contains", SearchType::String) => Some(Modifier::Contains),
        ("identifier", SearchType::Reference) => Some(Modifier::Identifier),
        (name, SearchType::Reference) => ResourceType::parse(name).map(Modifier::Type),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
