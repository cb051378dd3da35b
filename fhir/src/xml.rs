//! FHIR XML to our JSON text and back, by the definitions and without loss: digits, order of lists, extensions of
//! primitives and narratives stay. What is signed and stored is always JSON, so `server` and `patch` call this at the
//! edges. No DTD, no entities but XML's five: what such a text means would not be in the text.
//!
//! Spec: <https://hl7.org/fhir/R4/xml.html>, <https://hl7.org/fhir/R4/json.html>. Tokens come from quick-xml; a tree is
//! only built where a patch needs one (`patch/xml`).

pub(crate) mod div;
mod entities;
pub(crate) mod names;
mod read;
mod write;

use crate::json::Doc;
use crate::outcome::Outcome;

pub(crate) use entities::character;
pub(crate) use names::escape;

/// The namespace of every FHIR element.
pub const FHIR: &str = "http://hl7.org/fhir";

/// The namespace of the narrative.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Deepest nesting of elements; R4 resources stay below 20, and their JSON below [`crate::json::DEPTH_MAX`].
pub const DEPTH_MAX: usize = 48;

/// Most elements of one text; their JSON stays below [`crate::json::NODES_MAX`].
pub const ELEMENTS_MAX: usize = 1_000_000;

/// Most attributes of one element; names are compared with each other. FHIR's elements have at most two and a few
/// namespaces; narratives have more.
pub const ATTRIBUTES_MAX: usize = 64;

/// Most namespaces declared at one place of the text; each prefix is looked for among them.
pub const NAMESPACES_MAX: usize = 64;

/// The JSON of a resource in XML; the next step is [`crate::parse::resource`].
///
/// Lists, choices and numbers become what the definitions say; formats of values and required elements are left to
/// `validate`.
///
/// # Errors
/// Text that is no XML (the first fault), and elements, attributes and text that FHIR does not have there, in another
/// order or more often than it has them (all of them), each with its line and, inside a resource, its FHIRPath.
pub fn read(bytes: &[u8]) -> Result<Vec<u8>, Outcome> {
    read::read(bytes)
}

/// The XML of a resource, elements in the order of the definitions; `pretty` puts each on a line of its own.
///
/// # Errors
/// What XML cannot say: members that the definitions do not know, another JSON kind than theirs, a narrative that is
/// no XHTML, characters that XML does not have. A [`crate::Valid`] resource can only fail by its narrative; HTML's
/// named characters in it are written as themselves.
pub fn write(doc: &Doc, pretty: bool) -> Result<Vec<u8>, Outcome> {
    write::write(doc, pretty)
}

#[cfg(test)]
mod tests;
