//! A resource as a client wants to see it: whole or in part, in one line or laid out. Works on the text and its index,
//! so that no digit changes; what is left out is told by the tag SUBSETTED. Called by `server` for each resource of an
//! answer; `_summary=count` and how Bundles are put together are its affair.
//! Spec: <https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>.

use crate::edit;
use crate::json::{Doc, Node};
use crate::table::{Role, TABLE, Type, TypeKind};
use crate::types::ResourceType;

/// Which elements of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subset {
    /// All: `_summary=false`, or nothing asked.
    #[default]
    Whole,
    /// `_summary=true`: those that the definitions mark, in every type inside too.
    Summary,
    /// `_summary=text`: the narrative and what must be there.
    Text,
    /// `_summary=data`: all but the narrative.
    Data,
    /// `_elements`: these of the outermost level and what must be there; a choice by its name without the type.
    Elements(Vec<String>),
}

/// What every part has: who it is, and what changes the meaning of the rest.
const ALWAYS: [&str; 5] = ["resourceType", "id", "meta", "implicitRules", "modifierExtension"];

/// Most levels that a layout shows by blanks: deeper than any resource, they would only let a few bytes grow into many.
pub(crate) const INDENT_MAX: usize = 32;

const SUBSETTED: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

/// Of a list of `_elements`, the names of elements of the outermost level: `Observation.code`, `code.coding` and
/// `code` all ask for `code`.
#[must_use]
pub fn elements(list: &str) -> Subset {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| {
        let typed = name.split_once('.').filter(|(kind, _)| ResourceType::parse(kind).is_some());
        let name = typed.map_or(name, |(_, rest)| rest);
        name.split('.').next().unwrap_or_default().trim_end_matches("[x]").to_owned()
    });
    Subset::Elements(names.collect())
}

/// The part of a resource; the whole if it is no resource of a known type.
///
/// Required elements are always kept, at each level that is cut.
#[must_use]
pub fn subset(doc: &Doc, subset: &Subset) -> Vec<u8> {
    let root = doc.root();
    let kind = root.get("resourceType").and_then(Node::text).and_then(|name| ResourceType::parse(&name));
    let (Some(kind), true) = (kind, *subset != Subset::Whole) else { return doc.bytes().to_vec() };
    let mut out = Vec::with_capacity(doc.bytes().len() + SUBSETTED.len());
    object(root, kind.definition(), subset, &mut out);
    mark(&out)
}

/// Writes the kept members; each keeps its own text.
fn object(node: Node<'_>, kind: &'static Type, subset: &Subset, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (name, value) in node.members() {
        let key = kind.key(&name).or_else(|| name.strip_prefix('_').and_then(|name| kind.key(name)));
        let element = key.map(|key| &kind.elements[usize::from(key.element)]);
        let keep = match (element, subset) {
            (Some(element), Subset::Summary) => element.summary || element.min > 0 || ALWAYS.contains(&element.name),
            (Some(element), Subset::Data) => element.name != "text",
            (Some(element), Subset::Text) => {
                element.name == "text" || element.min > 0 || ALWAYS.contains(&element.name)
            }
            (Some(element), Subset::Elements(names)) => {
                let named = names.iter().any(|wanted| wanted == element.name || *wanted == name);
                named || element.min > 0 || ALWAYS.contains(&element.name)
            }
            (_, Subset::Whole) => true,
            // What the definitions do not know can only be kept or lost whole; it is no part that was asked for.
            (None, Subset::Data) => true,
            (None, _) => name == "resourceType",
        };
        if !keep {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&edit::string(&name));
        out.push(b':');
        match key.filter(|key| *subset == Subset::Summary && key.name == name) {
            Some(key) => inner(value, TABLE.kind(key.kind), out),
            None => out.extend_from_slice(value.raw()),
        }
    }
    out.push(b'}');
}

/// The summary of a value or of each of a list.
fn inner(value: Node<'_>, kind: &'static Type, out: &mut Vec<u8>) {
    // An extension is whole or not there; so is a resource inside another, and a type of which no element is marked.
    let cut = kind.kind == TypeKind::Complex
        && kind.role != Role::Extension
        && kind.elements.iter().any(|element| element.summary);
    if !cut {
        return out.extend_from_slice(value.raw());
    }
    if value.is_object() {
        let start = out.len();
        object(value, kind, &Subset::Summary, out);
        // Nothing of it is marked: shown whole, since an empty object would be no FHIR.
        if out.len() == start + 2 {
            out.truncate(start);
            out.extend_from_slice(value.raw());
        }
        return;
    }
    if !value.is_array() {
        return out.extend_from_slice(value.raw());
    }
    out.push(b'[');
    for (index, item) in value.items().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if item.is_object() {
            inner(item, kind, out);
        } else {
            out.extend_from_slice(item.raw());
        }
    }
    out.push(b']');
}

/// The resource with the tag in its `meta`.
fn mark(json: &[u8]) -> Vec<u8> {
    let Ok(doc) = Doc::parse(json.to_vec()) else { return json.to_vec() };
    let root = doc.root();
    let (at, new) = match root.get("meta").filter(|meta| meta.is_object()) {
        Some(meta) => match meta.get("tag").filter(|tag| tag.is_array()) {
            Some(tags) if tags.items().any(is_subsetted) => return json.to_vec(),
            Some(tags) => (tags.range().end - 1, format!("{}{SUBSETTED}", comma(tags.items().next().is_some()))),
            None => {
                let new = format!(r#"{}"tag":[{SUBSETTED}]"#, comma(meta.members().next().is_some()));
                (meta.range().end - 1, new)
            }
        },
        None => {
            let after = root.get("id").or_else(|| root.get("resourceType")).map(|node| node.range().end);
            let Some(after) = after else { return json.to_vec() };
            (after, format!(r#","meta":{{"tag":[{SUBSETTED}]}}"#))
        }
    };
    edit::replace(json, &[(at..at, new.into_bytes())])
}

fn is_subsetted(tag: Node<'_>) -> bool {
    tag.get("code").and_then(Node::text).is_some_and(|code| code == "SUBSETTED")
}

fn comma(after_another: bool) -> &'static str {
    if after_another { "," } else { "" }
}

/// The same JSON with a line per value and two blanks per level; bytes that are no JSON come back in some layout.
#[must_use]
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth.min(INDENT_MAX), b' ');
    };
    for &byte in json {
        if text {
            out.push(byte);
            text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                while out.last().is_some_and(u8::is_ascii_whitespace) {
                    out.pop();
                }
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b'"' => {
                text = true;
                out.push(byte);
            }
            other => out.push(other),
        }
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_changes_blanks_only() {
        for (json, wanted) in [
            (r#"{"a":[],"b":{}}"#, "{\n  \"a\": [],\n  \"b\": {}\n}\n"),
            (r#"{"a": [1.00, "x\"}, \\"]}"#, "{\n  \"a\": [\n    1.00,\n    \"x\\\"}, \\\\\"\n  ]\n}\n"),
        ] {
            assert_eq!(String::from_utf8(pretty(json.as_bytes())).unwrap(), wanted);
        }
    }

    #[test]
    fn a_part_keeps_what_was_asked_for_and_what_must_be_there() {
        let text = r#""text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#;
        let rest = r#""contained":[{"resourceType":"Patient","id":"p"}],"status":"final","code":{"text":"c"},"valueQuantity":{"value":1.00},"note":[{"text":"n"}]"#;
        let whole = format!(r#"{{"resourceType":"Observation","id":"1","meta":{{"versionId":"1"}},{text},{rest}}}"#);
        let head = |rest: &str| {
            format!(
                r#"{{"resourceType":"Observation","id":"1","meta":{{"versionId":"1","tag":[{SUBSETTED}]}},{rest}}}"#
            )
        };
        let required = r#""status":"final","code":{"text":"c"}"#;
        let valued = format!(r#"{required},"valueQuantity":{{"value":1.00}}"#);
        check(&whole, &Subset::Whole, &whole);
        check(&whole, &Subset::Summary, &head(&valued));
        check(&whole, &Subset::Text, &head(&format!("{text},{required}")));
        check(&whole, &Subset::Data, &head(rest));
        check(&whole, &elements("value"), &head(&valued));
        check(&whole, &elements("Observation.value[x],code.coding"), &head(&valued));
        check(&whole, &elements(""), &head(required));
        check(
            r#"{"resourceType":"Patient","active":true,"_birthDate":{"id":"b"},"photo":[{"data":"AAAA"}]}"#,
            &elements("birthDate"),
            &format!(r#"{{"resourceType":"Patient","meta":{{"tag":[{SUBSETTED}]}},"_birthDate":{{"id":"b"}}}}"#),
        );
    }

    #[test]
    fn a_summary_leaves_out_unmarked_elements_at_every_level() {
        check(
            r#"{"resourceType":"DocumentReference","id":"d","meta":{"tag":[{"code":"a"}]},"status":"current","docStatus":"final","content":[{"attachment":{"contentType":"a/b","data":"AAAA","size":3}}],"context":{"event":[{"text":"e"}]}}"#,
            &Subset::Summary,
            &format!(
                r#"{{"resourceType":"DocumentReference","id":"d","meta":{{"tag":[{{"code":"a"}},{SUBSETTED}]}},"status":"current","docStatus":"final","content":[{{"attachment":{{"contentType":"a/b","size":3}}}}],"context":{{"event":[{{"text":"e"}}]}}}}"#
            ),
        );
    }

    fn check(json: &str, wanted: &Subset, part: &str) {
        let doc = Doc::parse(json.as_bytes().to_vec()).unwrap();
        assert_eq!(String::from_utf8(subset(&doc, wanted)).unwrap(), part);
    }
}
