//! PATCH: a resource's JSON text changed by a JSON Patch, a FHIRPath Patch or an XML Patch. All or nothing; what a
//! patch does not touch keeps its bytes. The result is text, not yet checked: the next steps are [`crate::parse`] and
//! [`crate::validate`]. Whether a client may change the id is the caller's.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#patch>. Called by `server` and `node`.

pub(crate) mod equal;
mod fhirpath;
mod json;
mod text;
mod xml;

use crate::json::Doc;
use crate::outcome::{Code, Issue, Outcome};

pub use fhirpath::fhirpath;
pub use json::json;
pub use xml::xml;

/// Most operations of one patch; a form with every element changed has fewer.
pub const OPERATIONS_MAX: usize = 1_000;

/// Most bytes of resource text that one patch may make us read: each operation reads the text again. At the limit a
/// patch takes about a second.
pub const WORK_BYTES_MAX: usize = 256 << 20;

/// Why a patch changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The patch is no patch of its kind: 400.
    #[error("the patch cannot be read: {0}")]
    Document(Outcome),
    /// The patch cannot be applied to this resource: 422.
    #[error("the patch cannot be applied: {0}")]
    NotApplicable(Outcome),
}

impl Refused {
    /// The issues, of whichever kind.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Document(outcome) | Self::NotApplicable(outcome) => outcome,
        }
    }

    fn document(code: Code, place: &str, sentence: impl Into<String>) -> Self {
        Self::Document(Issue::error(code, sentence).at(place).into())
    }

    fn not_applicable(code: Code, place: &str, sentence: impl Into<String>) -> Self {
        Self::NotApplicable(Issue::error(code, sentence).at(place).into())
    }
}

/// A resource of the same type as before came out.
fn finish(before: &Doc, after: &Doc) -> Result<(), Refused> {
    let kind = |doc: &Doc| doc.root().get("resourceType").and_then(|kind| kind.text().map(|name| name.into_owned()));
    if kind(before) == kind(after) {
        return Ok(());
    }
    let place = kind(before).unwrap_or_default();
    Err(Refused::not_applicable(Code::BusinessRule, &place, "a patch may not change or remove the resourceType"))
}

#[cfg(test)]
mod tests;
