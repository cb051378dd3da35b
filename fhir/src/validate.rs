//! Base validation: a resource against the official definitions, all issues at once. Called by `server` and `node`
//! before a local write; only [`check`] and [`admit`] make a [`Valid`].
//!
//! Held: known elements, JSON shape, cardinality, one type per choice, primitive formats, `_element` siblings,
//! extension rules, contained resources, required bindings that can be enumerated, narratives, and the FHIRPath
//! invariants of the base definitions. Not held here: profiles, whether references to other resources resolve.
//! Spec: <https://hl7.org/fhir/R4/validation.html>.

mod binding;
mod element;
mod invariant;
mod narrative;
mod place;
mod scope;

use crate::json::Doc;
use crate::outcome::{Code, Issue, Outcome, Severity};
use crate::parse::Parsed;
use crate::types::ResourceType;
pub(crate) use place::Place;

/// Most issues one outcome lists; the rest would only repeat them.
pub const ISSUES_MAX: usize = 100;

/// A resource that keeps the base rules of R4, or was taken in a mode that does not ask for them.
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

/// What happens to a resource that breaks rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is kept, and the answer lists the issues.
    Warn,
    /// It is kept, and no rule is held.
    Off,
}

/// How much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Elements, shapes and types.
    Structure,
    /// Bindings and invariants too.
    Errors,
    /// And the invariants whose breaking is no error.
    Everything,
}

/// Holds a resource against the definitions.
///
/// # Errors
/// Every broken rule with its place, at most [`ISSUES_MAX`].
pub fn check(parsed: Parsed) -> Result<Valid, Outcome> {
    let issues = issues(&parsed);
    if issues.is_empty() { Ok(Valid(parsed)) } else { Err(Outcome { issues: limited(issues) }) }
}

/// Takes a resource as the mode says: with the issues that the answer should list.
///
/// In [`Mode::Warn`] they keep their severity, though the resource is kept.
///
/// # Errors
/// In [`Mode::Enforce`], those of [`check`]; in the others none, because what was parsed can be kept.
pub fn admit(parsed: Parsed, mode: Mode) -> Result<(Valid, Vec<Issue>), Outcome> {
    match mode {
        Mode::Off => Ok((Valid(parsed), Vec::new())),
        Mode::Warn => {
            let issues = report(&parsed);
            Ok((Valid(parsed), issues))
        }
        Mode::Enforce => {
            let issues = report(&parsed);
            if issues.iter().any(is_error) {
                return Err(Outcome { issues });
            }
            Ok((Valid(parsed), issues))
        }
    }
}

/// Every broken rule of a resource, warnings too: what `$validate` answers.
#[must_use]
pub fn report(parsed: &Parsed) -> Vec<Issue> {
    limited(find(parsed, Extent::Everything))
}

/// Every broken rule of a resource that is kept even if it breaks some; empty if it is valid.
#[must_use]
pub fn issues(parsed: &Parsed) -> Vec<Issue> {
    find(parsed, Extent::Errors)
}

/// The issues of elements, shapes and types alone: what the benchmark takes apart from bindings and invariants.
#[doc(hidden)]
#[must_use]
pub fn structure(parsed: &Parsed) -> Vec<Issue> {
    find(parsed, Extent::Structure)
}

fn find(parsed: &Parsed, extent: Extent) -> Vec<Issue> {
    let mut check = element::Check::new(extent);
    check.resource(parsed.doc().root(), parsed.kind(), &Place::root(parsed.kind().name()), false);
    check.issues
}

fn is_error(issue: &Issue) -> bool {
    matches!(issue.severity, Severity::Error | Severity::Fatal)
}

fn limited(mut issues: Vec<Issue>) -> Vec<Issue> {
    if issues.len() > ISSUES_MAX {
        issues.truncate(ISSUES_MAX);
        issues.push(Issue::information(Code::Informational, "further issues are not listed"));
    }
    issues
}

/// Whether a code, Coding or CodeableConcept is in a set of the table.
pub(crate) fn is_member(value: crate::json::Node<'_>, set: u16) -> bool {
    binding::fault(value, set).is_none()
}

/// What is wrong with the XHTML of a narrative: the key of the invariant and the rest of a sentence.
pub(crate) fn narrative_faults(text: &str) -> Vec<(&'static str, &'static str)> {
    narrative::faults(text)
}

#[cfg(test)]
mod tests;
