//! References and canonicals by what they name. Called by `convert`.
//! Spec: <https://hl7.org/fhir/R4/search.html#reference>.

use super::super::Value;
use super::super::program::refers_to;
use super::super::text::key;
use super::{Datatype, member_key};
use crate::json::Node;
use crate::reference::{self, Parts};
use crate::types::ResourceType;

pub(super) fn refer(datatype: Datatype, node: Node<'_>) -> Option<Value> {
    match datatype {
        Datatype::Reference => reference_value(node),
        Datatype::Resource => {
            let kind = node.get("resourceType").and_then(Node::text).and_then(|name| ResourceType::parse(&name));
            let id = member_key(node, "id")?;
            Some(Value::Reference { kind, id: Some(id), version: None, url: None, identifier: None })
        }
        Datatype::Text | Datatype::Canonical => canonical_value(node),
        _ => None,
    }
}

fn reference_value(node: Node<'_>) -> Option<Value> {
    let identifier = node
        .get("identifier")
        .and_then(|identifier| member_key(identifier, "value").map(|value| (member_key(identifier, "system"), value)));
    let text = node.get("reference").and_then(Node::text);
    let own = |text: &str| key(text.into());
    let (mut kind, mut id, mut version, mut url) = (refers_to(node), None, None, None);
    match text.as_deref().map(reference::parse) {
        Some(Parts::Relative { kind: named, id: name, version: number }) => {
            (kind, id, version) = (Some(named), Some(own(name)), number.map(own));
        }
        Some(Parts::Absolute { kind: named, id: name, version: number, .. }) => {
            (kind, id, version) = (Some(named), Some(own(name)), number.map(own));
            url = text.as_deref().map(own);
        }
        Some(Parts::Url(_) | Parts::Urn(_)) => url = text.as_deref().map(own),
        Some(Parts::Fragment(_)) => (kind, url) = (None, text.as_deref().map(own)),
        Some(Parts::Conditional { .. } | Parts::Other(_)) | None => {}
    }
    let empty = id.is_none() && url.is_none() && identifier.is_none();
    (!empty).then_some(Value::Reference { kind, id, version, url, identifier })
}

/// A canonical or URI as a reference: `url|version`, or `Type/id` where someone wrote that.
fn canonical_value(node: Node<'_>) -> Option<Value> {
    let text = node.text()?;
    if text.starts_with('#') {
        return None;
    }
    let (url, version) = match text.split_once('|') {
        Some((url, version)) => (url, Some(key(version.into()))),
        None => (&*text, None),
    };
    let (kind, id, url) = match reference::parse(url) {
        Parts::Relative { kind, id, .. } => (Some(kind), Some(key(id.into())), None),
        Parts::Absolute { kind, id, .. } => (Some(kind), Some(key(id.into())), Some(key(url.into()))),
        _ => (None, None, Some(key(url.into()))),
    };
    Some(Value::Reference { kind, id, version, url, identifier: None })
}
