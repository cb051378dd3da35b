//! Base validation: a resource against the official definitions, all issues at once. Called by `server` and `node`
//! before a local write; only [`check`] makes a [`Valid`].
//!
//! Held: known elements, JSON shape, cardinality, one type per choice, primitive formats, `_element` siblings,
//! extension rules, contained resources, required bindings that can be enumerated. Not held here: FHIRPath
//! invariants, profiles, whether references resolve. Spec: <https://hl7.org/fhir/R4/validation.html>.

mod binding;
mod element;
mod place;

use crate::json::Doc;
use crate::outcome::{Code, Issue, Outcome};
use crate::parse::Parsed;
use crate::types::ResourceType;
pub(crate) use place::Place;

/// Most issues one outcome lists; the rest would only repeat them.
pub const ISSUES_MAX: usize = 100;

/// A resource that keeps the base rules of R4.
#[derive(Clone, Debug)]
pub struct Valid(Parsed);

impl Valid {
    /// The resource's type.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.0.kind()
    }

    /// The resource's id, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.0.id()
    }

    /// The index of the text.
    #[must_use]
    pub fn doc(&self) -> &Doc {
        self.0.doc()
    }

    /// The text as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// The text as it came, without the index.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// The same resource without the mark that it is valid.
    #[must_use]
    pub fn into_parsed(self) -> Parsed {
        self.0
    }
}

/// Holds a resource against the definitions.
///
/// # Errors
/// Every broken rule with its place, at most [`ISSUES_MAX`].
pub fn check(parsed: Parsed) -> Result<Valid, Outcome> {
    let mut issues = issues(&parsed);
    if issues.is_empty() {
        return Ok(Valid(parsed));
    }
    if issues.len() > ISSUES_MAX {
        issues.truncate(ISSUES_MAX);
        issues.push(Issue::information(Code::Informational, "further issues are not listed"));
    }
    Err(Outcome { issues })
}

/// Every broken rule of a resource that is kept even if it breaks some; empty if it is valid.
#[must_use]
pub fn issues(parsed: &Parsed) -> Vec<Issue> {
    let mut check = element::Check::default();
    check.resource(parsed.doc().root(), parsed.kind(), &Place::root(parsed.kind().name()), false);
    check.issues
}

#[cfg(test)]
mod tests;
