//! From bytes to a resource of a known type, not yet checked. Called by `server` for what clients send and by `node`
//! for what other nodes sent; the next step is `validate`.

use crate::json::{Doc, Kind};
use crate::outcome::{Code, Issue, Outcome};
use crate::primitive::is_id;
use crate::types::ResourceType;

/// A JSON object with a known `resourceType`; nothing else about it was checked.
#[derive(Clone, Debug)]
pub struct Parsed {
    doc: Doc,
    kind: ResourceType,
    id: Option<String>,
}

impl Parsed {
    /// The resource's type.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// The resource's id, if it has one of the right format.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The index of the text.
    #[must_use]
    pub fn doc(&self) -> &Doc {
        &self.doc
    }

    /// The text as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.doc.bytes()
    }

    /// The text as it came, without the index.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.doc.into_bytes()
    }

    /// The index with its text.
    #[must_use]
    pub fn into_doc(self) -> Doc {
        self.doc
    }
}

/// Reads a resource of any type.
///
/// # Errors
/// The text is no JSON, no object, or its type is none of R4's.
pub fn resource(bytes: impl Into<Vec<u8>>) -> Result<Parsed, Outcome> {
    document(Doc::parse(bytes.into())?)
}

/// Takes a document that was read already, such as an entry of a Bundle.
///
/// # Errors
/// It is no object, or its type is none of R4's.
pub fn document(doc: Doc) -> Result<Parsed, Outcome> {
    let root = doc.root();
    if !root.is_object() {
        return Err(Issue::fatal(Code::Structure, "a resource must be a JSON object").into());
    }
    let Some(kind) = root.get("resourceType") else {
        return Err(Issue::fatal(Code::Required, "a resource needs a resourceType").into());
    };
    if kind.kind() != Kind::String {
        return Err(Issue::fatal(Code::Structure, "resourceType must be a string").at("resourceType").into());
    }
    let Some(kind) = kind.text().and_then(|name| ResourceType::parse(&name)) else {
        return Err(Issue::fatal(Code::NotSupported, "resourceType is no resource type of FHIR R4")
            .at("resourceType")
            .into());
    };
    let id = root.get("id").and_then(|id| id.text()).filter(|id| is_id(id)).map(|id| id.into_owned());
    Ok(Parsed { kind, id, doc })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_a_known_type() {
        check(r#"{"resourceType":"Patient","id":"a"}"#, Ok(("Patient", Some("a"))));
        check(r#"{"id":"\u0061","resourceType":"Patient"}"#, Ok(("Patient", Some("a"))));
        check(r#"{"resourceType":"Patient","id":"not an id"}"#, Ok(("Patient", None)));
        check("[]", Err("must be a JSON object"));
        check("{}", Err("needs a resourceType"));
        check(r#"{"resourceType":1}"#, Err("must be a string"));
        check(r#"{"resourceType":"patient"}"#, Err("no resource type"));
        check(r#"{"resourceType":"DomainResource"}"#, Err("no resource type"));
        check("{", Err("JSON line 1"));
    }

    fn check(text: &str, wanted: Result<(&str, Option<&str>), &str>) {
        match (resource(text), wanted) {
            (Ok(parsed), Ok((kind, id))) => {
                assert_eq!((parsed.kind().name(), parsed.id()), (kind, id));
                assert_eq!(parsed.bytes(), text.as_bytes());
            }
            (Err(outcome), Err(rule)) => assert!(outcome.issues[0].diagnostics.contains(rule), "{text}: {outcome}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}
