//! What fuzzers and property tests drive: every reader of outside bytes, which may refuse but never panic.

use crate::json::Doc;
use crate::types::ResourceType;
use crate::{bundle, class, home, index, parse, query, reference, served, validate};

/// The JSON reader, and that it takes nothing that it cannot give back.
pub fn json(bytes: &[u8]) {
    if let Ok(doc) = Doc::parse(bytes.to_vec()) {
        assert_eq!(doc.bytes(), bytes, "the text stays as it came");
        walk(doc.root());
    }
}

/// Everything that happens to a resource, received or sent.
pub fn resource(bytes: &[u8]) {
    let _ = served::splice(bytes, "a", "v", "2026-01-02T03:04:05.678Z");
    let Ok(parsed) = parse::resource(bytes) else { return };
    let (doc, kind) = (parsed.doc(), parsed.kind());
    let _ = (index::values(doc, kind), home::main(doc, kind), class::of(doc, kind), reference::sites(doc));
    let _ = validate::check(parsed);
}

/// A Bundle and its resources.
pub fn bundle(bytes: &[u8]) {
    if let Ok(bundle) = bundle::read(bytes) {
        let _ = bundle.resources();
    }
}

/// A query: `name=value` pairs joined by `&`, not percent-encoded, for a type by the first byte.
pub fn query(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Some(kind) = ResourceType::from_number(u16::from(*first)) else { return };
    let text = String::from_utf8_lossy(rest);
    let pairs: Vec<_> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let _ = query::parse(kind, &pairs);
}

fn walk(node: crate::json::Node<'_>) {
    let _ = (node.text(), node.number(), node.boolean());
    for (key, value) in node.members() {
        assert!(node.get(&key).is_some(), "a key that is listed is found");
        walk(value);
    }
    for item in node.items() {
        walk(item);
    }
}
