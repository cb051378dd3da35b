//! What contained resources can be found by. They are no resources of their own: a search finds them only where it asks for
//! them, a chain where a fragment leads to them. Called by `node`.
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use super::text::key;
use super::{Entry, Value, distinct, program};
use crate::json::{Doc, Node};
use crate::types::ResourceType;

/// Most contained resources of one that have entries, those that stand first; more would make its rows the index.
pub const CONTAINED_MAX: usize = 256;

/// A contained resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Contained {
    /// Its type.
    pub kind: ResourceType,
    /// Its place in the list, counted from 1.
    pub place: u16,
    /// Its id, which fragments name.
    pub id: String,
    /// Values that stand alone: no elements of composites, no words and no places.
    pub entries: Vec<Entry>,
}

/// The resources that this one contains, at most [`CONTAINED_MAX`]; none without a type and an id.
#[must_use]
pub fn contained(doc: &Doc) -> Vec<Contained> {
    let list = doc.root().get("contained").into_iter().flat_map(Node::items);
    list.take(CONTAINED_MAX).zip(1..).filter_map(|(node, place)| read(doc, node, place)).collect()
}

fn read(doc: &Doc, node: Node<'_>, place: u16) -> Option<Contained> {
    let kind = ResourceType::parse(&node.get("resourceType")?.text()?)?;
    let id = key(node.get("id")?.text()?);
    let mut entries = program::run(node, doc.root(), kind);
    entries.retain(|entry| entry.group == 0 && !matches!(entry.value, Value::Words(_) | Value::Place(_)));
    Some(Contained { kind, place, id, entries: distinct(entries) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contained_resource_has_entries_of_its_own() {
        let text = r##"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m",
            "code":{"coding":[{"code":"abc"}]},"manufacturer":{"reference":"#o"}},{"id":"typeless"},
            {"resourceType":"Organization","name":"without id"},{"resourceType":"Organization","id":"o","name":"Bayer"}],
            "medicationReference":{"reference":"#m"}}"##;
        let doc = Doc::parse(text.as_bytes().to_vec()).unwrap();
        let found = contained(&doc);
        let short = found.iter().map(|one| (one.kind.name(), one.place, one.id.as_str())).collect::<Vec<_>>();
        assert_eq!(short, [("Medication", 1, "m"), ("Organization", 4, "o")]);
        let has = |at: usize, code: &str| {
            let param = crate::params::find(found[at].kind, code).unwrap();
            let values = found[at].entries.iter().filter(|entry| entry.param == param.id);
            values.map(|entry| entry.value.clone()).collect::<Vec<_>>()
        };
        assert_eq!(has(0, "code"), [Value::Token { system: None, code: Some("abc".into()), text: None }]);
        let url = Some("#o".to_owned());
        let fragment = Value::Reference { kind: None, id: None, version: None, url, identifier: None };
        assert_eq!(has(0, "manufacturer"), [fragment]);
        assert_eq!(has(1, "name"), [Value::Text { normal: "bayer".into(), exact: "Bayer".into() }]);
    }

    #[test]
    fn contained_resources_have_an_end() {
        let list = vec![r#"{"resourceType":"Basic","id":"b"}"#; CONTAINED_MAX + 9].join(",");
        let doc = Doc::parse(format!(r#"{{"resourceType":"Basic","contained":[{list}]}}"#).into_bytes()).unwrap();
        assert_eq!(contained(&doc).len(), CONTAINED_MAX);
    }
}
