//! FHIRPath Patch: a Parameters resource with operations on elements, found by FHIRPath. Called by `server` through
//! [`super::fhirpath()`], and by the tests of `diff`, which writes such patches.
//!
//! Held: add, insert, delete, replace and move; values of any datatype as `value[x]`, of elements without a datatype
//! as parts, contained resources as `resource`. A choice is named without its type; the value decides. What loses its
//! last value goes itself. Issues name the operation as `Parameters.parameter[2]`.
//! Spec: <https://hl7.org/fhir/R4/fhirpatch.html>.

mod change;
mod find;
mod operation;
mod value;

use super::text::{self, Subject};
use super::{Refused, finish};
use crate::json::Doc;

/// Applies a FHIRPath Patch to a resource; the new text.
///
/// # Errors
/// [`Refused::Document`] for a text that is no Parameters resource of operations, [`Refused::NotApplicable`] for paths
/// that do not find the one element they must, and values that the element cannot have.
pub fn fhirpath(doc: &Doc, parameters: &[u8]) -> Result<Vec<u8>, Refused> {
    let parameters = Doc::parse(parameters.to_vec()).map_err(|issue| Refused::Document(issue.into()))?;
    let operations = operation::read(&parameters)?;
    let mut subject = Subject::new(doc);
    for operation in &operations {
        change::apply(&mut subject, operation)?;
    }
    if !text::has_empty(doc.root()) && !text::has_empty(parameters.root()) {
        subject.prune("Parameters")?;
    }
    finish(doc, &subject.doc)?;
    Ok(subject.doc.into_bytes())
}
