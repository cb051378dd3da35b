//! What fuzzers and property tests drive: every reader of outside bytes, which may refuse but never panic.

use crate::json::Doc;
use crate::terminology::{self, CodeSystem, Known, ValueSet};
use crate::types::ResourceType;
use crate::{
    bundle, class, diff, fhirpath, home, index, params, parse, patch, query, reference, served, summary, unit,
    validate, xml,
};
use std::sync::Arc;

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

/// The XML reader: what it takes is JSON, and comes back from XML.
pub fn xml(bytes: &[u8]) {
    let Ok(json) = xml::read(bytes) else { return };
    let doc = Doc::parse(json).expect("the reader writes JSON");
    let Ok(again) = xml::write(&doc, false) else { return };
    let json = xml::read(&again).expect("the writer writes XML that can be read");
    assert_eq!(json, doc.bytes(), "nothing is lost");
}

/// The XML writer: any resource is written or refused, and what is written can be read.
pub fn xml_write(bytes: &[u8]) {
    let Ok(doc) = Doc::parse(bytes.to_vec()) else { return };
    let (Ok(plain), Ok(pretty)) = (xml::write(&doc, false), xml::write(&doc, true)) else { return };
    assert_eq!(xml::read(&plain).is_ok(), xml::read(&pretty).is_ok(), "layout means nothing");
}

/// The parts of a resource, and its layout.
pub fn subset(bytes: &[u8]) {
    let _ = summary::pretty(bytes);
    let Ok(doc) = Doc::parse(bytes.to_vec()) else { return };
    let elements = summary::elements("name,Observation.value[x],code.coding");
    for part in [summary::Subset::Summary, summary::Subset::Text, summary::Subset::Data, elements] {
        assert!(Doc::parse(summary::subset(&doc, &part)).is_ok(), "a part is JSON");
    }
}

/// A JSON Patch on a resource.
pub fn json_patch(bytes: &[u8]) {
    patched(patch::json, bytes);
}

/// A FHIRPath Patch on a resource.
pub fn fhirpath_patch(bytes: &[u8]) {
    patched(patch::fhirpath, bytes);
}

/// An XML Patch on a resource.
pub fn xml_patch(bytes: &[u8]) {
    patched(patch::xml, bytes);
}

/// Two versions of a resource, parted by a zero byte: the diff is refused or leads from one to the other.
pub fn diff(bytes: &[u8]) {
    let Some(zero) = bytes.iter().position(|byte| *byte == 0) else { return };
    let (Ok(a), Ok(b)) = (Doc::parse(bytes[..zero].to_vec()), Doc::parse(bytes[zero + 1..].to_vec())) else { return };
    let Ok(operations) = diff::diff(&a, &b) else { return };
    let _ = patch::fhirpath(&a, &operations);
}

/// What patches are applied to: a primitive with siblings, lists, a choice, a contained resource, a narrative.
const PATCHED: &[u8] = br#"{"resourceType":"Observation","id":"a","text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">t</div>"},"contained":[{"resourceType":"Patient","id":"p","name":[{"given":["a",null],"_given":[null,{"id":"g"}]}]}],"status":"final","code":{"coding":[{"code":"c"},{"code":"d"}]},"valueQuantity":{"value":1.00}}"#;

fn patched(apply: fn(&Doc, &[u8]) -> Result<Vec<u8>, patch::Refused>, bytes: &[u8]) {
    let doc = Doc::parse(PATCHED.to_vec()).expect("it is JSON");
    if let Ok(json) = apply(&doc, bytes) {
        assert!(Doc::parse(json).is_ok(), "a patched resource is JSON");
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
    let _ = query::parse(kind, &pairs, &params::Lookup::default());
}

/// A SearchParameter: read, and evaluated on a small resource of each of its bases.
pub fn search_parameter(bytes: &[u8]) {
    let Ok(doc) = Doc::parse(bytes.to_vec()) else { return };
    let Ok(custom) = index::custom::Custom::read(&doc) else { return };
    let resource = Doc::parse(PATCHED.to_vec()).expect("it is JSON");
    for base in custom.bases() {
        assert!(
            custom.values(&resource, *base).unwrap_or_default().len() <= index::custom::VALUES_MAX,
            "values are bounded"
        );
    }
}

/// A CodeSystem: read, and every code asked for what is below and above it.
pub fn code_system(bytes: &[u8]) {
    let Ok(doc) = Doc::parse(bytes.to_vec()) else { return };
    let Ok(system) = CodeSystem::read(&doc) else { return };
    for code in ["a", "b", "c", "d", ""] {
        let (below, above) = (system.below(code), system.above(code));
        assert_eq!(below.first(), above.first(), "a code is below and above itself");
    }
}

/// A ValueSet: read and expanded, with itself as every set it names.
pub fn value_set(bytes: &[u8]) {
    let Ok(doc) = Doc::parse(bytes.to_vec()) else { return };
    let Ok(set) = ValueSet::read(&doc) else { return };
    let known = Arc::new(Known::ValueSet(set.clone()));
    let _ = set.needs();
    for find in [&(|_: &str| None) as &dyn Fn(&str) -> Option<Arc<Known>>, &|_| Some(Arc::clone(&known))] {
        if let Ok(codes) = set.expand(find) {
            assert!(codes.len() <= terminology::EXPANSION_MAX, "expansions are bounded");
        }
    }
}

/// A unit's text: what is canonical once is canonical again, to the same value.
pub fn unit(bytes: &[u8]) {
    let Ok(code) = std::str::from_utf8(bytes) else { return };
    let Some((value, base)) = unit::canonical(2.5, code) else { return };
    assert_eq!(unit::canonical(2.5, code), Some((value, base.clone())), "the second look is like the first");
    assert_eq!(unit::canonical(value, &base), Some((value, base)), "base units are their own base units");
}

/// A FHIRPath text: read and evaluated on a small resource, in bounded time.
pub fn fhirpath(bytes: &[u8]) {
    const PATIENT: &[u8] = br##"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1980-01-02","name":[
        {"family":"a","given":["b","c"],"_given":[null,{"id":"d"}]}],"contained":[{"resourceType":"Basic","id":"e"}],
        "generalPractitioner":[{"reference":"#e"}],"extension":[{"url":"u","valueQuantity":{"value":1.50,"code":"kg"}}]}"##;
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(expression) = fhirpath::Expression::parse(text) else { return };
    let doc = Doc::parse(PATIENT.to_vec()).expect("a constant that is JSON");
    for item in expression.of_resource(doc.root()).unwrap_or_default() {
        let _ = item.value().map(|value| value.to_text().len());
    }
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
