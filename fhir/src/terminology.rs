//! Code systems and value sets: which codes are in a set, and which are below or above another. The official ones of R4
//! come from a table of their own, so that whoever asks nothing of them reads nothing; those that were stored as
//! resources are read from their JSON. Pure: who has stored ones passes a way to find them.
//!
//! Called by `query` and `node` for `:in`, `:not-in`, `:below` and `:above`. Required bindings are `validate`'s and use the
//! sets of `table`. Spec: <https://hl7.org/fhir/R4/search.html#token>, <https://hl7.org/fhir/R4/valueset.html#compositions>.

mod code_system;
mod concepts;
mod expand;
mod official;
mod value_set;

pub use code_system::{CONCEPTS_MAX, CodeSystem};
pub use expand::{EXPANSION_MAX, VALUE_SET_DEPTH_MAX};
pub use official::{above, below, codes_in, is_cased};
pub use value_set::ValueSet;

use crate::json::Node;
use crate::outcome::{Code, Issue, Outcome};

/// A stored resource that a value set may refer to.
#[derive(Clone, Debug)]
pub enum Known {
    /// It includes another set.
    ValueSet(ValueSet),
    /// It includes codes of a system.
    CodeSystem(CodeSystem),
}

/// Checks that a document is the resource that is wanted, and gives its canonical url.
fn url_of(root: Node<'_>, kind: &'static str) -> Result<String, Outcome> {
    if text(root, "resourceType").as_deref() != Some(kind) {
        return Err(Issue::error(Code::Structure, format!("it is no {kind}")).at("resourceType").into());
    }
    text(root, "url").filter(|url| !url.is_empty()).ok_or_else(|| {
        Issue::error(Code::Required, format!("a {kind} without url cannot be referred to"))
            .at(format!("{kind}.url"))
            .into()
    })
}

fn text(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(Node::text).map(std::borrow::Cow::into_owned)
}

/// A canonical url and its version.
fn split(url: &str) -> (&str, Option<&str>) {
    url.split_once('|').map_or((url, None), |(url, version)| (url, Some(version)))
}

#[cfg(test)]
mod tests;
