//! Where a resource may link to another one outside of references: elements of type uri, url, oid and uuid, and the links
//! of its narrative. Called by `node`, which resolves the names of a transaction there.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use crate::edit;
use crate::json::{Doc, Node};
use crate::primitive::Primitive;
use crate::table::{TABLE, Type, TypeKind};
use crate::types::ResourceType;
use std::ops::Range;

/// Attributes of a narrative that link.
const ATTRIBUTES: [&str; 2] = ["href", "src"];

/// The edits that put `named` in the place of every link it knows; canonicals and what is in the resources of a Bundle
/// stay as they are.
///
/// Each edit is a range of the text and what takes its place, in the order of the text.
pub fn replaced(doc: &Doc, named: impl Fn(&str) -> Option<String>) -> Vec<(Range<usize>, Vec<u8>)> {
    let mut walk = Walk { named, edits: Vec::new() };
    if let Some(kind) = type_of(doc.root()) {
        walk.object(doc.root(), kind.definition());
    }
    walk.edits
}

fn type_of(node: Node<'_>) -> Option<ResourceType> {
    ResourceType::parse(&node.get("resourceType")?.text()?)
}

struct Walk<F> {
    named: F,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl<F: Fn(&str) -> Option<String>> Walk<F> {
    /// As deep as the document, which has a limit.
    fn object(&mut self, node: Node<'_>, kind: &'static Type) {
        for (name, value) in node.members() {
            let target = match kind.key(&name) {
                Some(key) => TABLE.kind(key.kind),
                None => match name.strip_prefix('_').and_then(|name| kind.key(name)) {
                    Some(_) => TABLE.kind(TABLE.element),
                    None => continue,
                },
            };
            for item in value.each() {
                match target.kind {
                    TypeKind::Primitive(Primitive::Uri | Primitive::Url | Primitive::Oid | Primitive::Uuid) => {
                        self.link(item)
                    }
                    TypeKind::Primitive(Primitive::Xhtml) => self.narrative(item),
                    TypeKind::Primitive(_) => {}
                    // A stored Bundle is a document: what is in it stays as it is.
                    TypeKind::AnyResource if kind.name.starts_with("Bundle.") => {}
                    TypeKind::AnyResource => {
                        if let Some(kind) = type_of(item) {
                            self.object(item, kind.definition());
                        }
                    }
                    _ if item.is_object() => self.object(item, target),
                    _ => {}
                }
            }
        }
    }

    fn link(&mut self, value: Node<'_>) {
        if let Some(name) = value.text().and_then(|text| (self.named)(&text)) {
            self.edits.push((value.range(), edit::string(&name)));
        }
    }

    fn narrative(&mut self, value: Node<'_>) {
        let Some(text) = value.text() else { return };
        let (mut rest, mut whole, mut changed) = (&*text, String::new(), false);
        // Values of attributes stand between quotes of either kind; what is no link is copied as it is.
        while let Some((at, quote)) = next_link(rest) {
            let (head, tail) = rest.split_at(at);
            whole.push_str(head);
            let end = tail.find(quote).unwrap_or(tail.len());
            match (self.named)(&tail[..end]) {
                Some(name) => {
                    whole.push_str(&name);
                    changed = true;
                }
                None => whole.push_str(&tail[..end]),
            }
            rest = &tail[end..];
        }
        if changed {
            whole.push_str(rest);
            self.edits.push((value.range(), edit::string(&whole)));
        }
    }
}

/// Where the value of the next attribute that links begins, and the quote it ends with.
fn next_link(text: &str) -> Option<(usize, char)> {
    let found = ATTRIBUTES.iter().filter_map(|name| {
        text.match_indices(name).find_map(|(at, _)| {
            let before = text[..at].chars().next_back().is_some_and(|letter| letter.is_ascii_whitespace());
            let after = &text[at + name.len()..];
            let value = after.trim_start().strip_prefix('=')?.trim_start();
            let quote = value.chars().next().filter(|letter| before && matches!(letter, '"' | '\''))?;
            Some((text.len() - value.len() + 1, quote))
        })
    });
    found.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "urn:uuid:1";

    #[test]
    fn links_are_replaced_in_uris_and_narratives_and_nowhere_else() {
        let div = r#"<div xmlns=\"http://www.w3.org/1999/xhtml\">"#;
        for (text, wanted) in [
            (
                r#"{"resourceType":"Task","instantiatesUri":"urn:uuid:1","code":{"text":"urn:uuid:1"}}"#.to_owned(),
                r#"{"resourceType":"Task","instantiatesUri":"Patient/p","code":{"text":"urn:uuid:1"}}"#.to_owned(),
            ),
            (
                r#"{"resourceType":"Communication","instantiatesUri":["urn:uuid:2","urn:uuid:1"],"instantiatesCanonical":["urn:uuid:1"]}"#.to_owned(),
                r#"{"resourceType":"Communication","instantiatesUri":["urn:uuid:2","Patient/p"],"instantiatesCanonical":["urn:uuid:1"]}"#.to_owned(),
            ),
            (
                format!(r#"{{"resourceType":"Patient","text":{{"status":"generated","div":"{div}<a href=\"urn:uuid:1\">urn:uuid:1</a> <img alt='' src='urn:uuid:1'/><a xhref=\"urn:uuid:1\" href=\"urn:uuid:2\">x</a></div>"}}}}"#),
                format!(r#"{{"resourceType":"Patient","text":{{"status":"generated","div":"{div}<a href=\"Patient/p\">urn:uuid:1</a> <img alt='' src='Patient/p'/><a xhref=\"urn:uuid:1\" href=\"urn:uuid:2\">x</a></div>"}}}}"#),
            ),
            (
                r#"{"resourceType":"Basic","extension":[{"url":"http://e.org","valueUrl":"urn:uuid:1"}],"contained":[{"resourceType":"Task","instantiatesUri":"urn:uuid:1"}]}"#.to_owned(),
                r#"{"resourceType":"Basic","extension":[{"url":"http://e.org","valueUrl":"Patient/p"}],"contained":[{"resourceType":"Task","instantiatesUri":"Patient/p"}]}"#.to_owned(),
            ),
            (
                r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Task","instantiatesUri":"urn:uuid:1"}}]}"#.to_owned(),
                r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Task","instantiatesUri":"urn:uuid:1"}}]}"#.to_owned(),
            ),
        ] {
            let doc = Doc::parse(text.clone().into_bytes()).unwrap();
            let edits = replaced(&doc, |link| (link == NAME).then(|| "Patient/p".to_owned()));
            let found = String::from_utf8(edit::replace(doc.bytes(), &edits)).unwrap();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
