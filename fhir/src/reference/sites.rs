//! Where the references of a resource are in its text, by the definitions of its elements. Called by `node` and
//! `server`, which rewrite exactly these places.

use crate::json::{Doc, Node};
use crate::table::{Role, TABLE, Type, TypeKind};
use crate::types::ResourceType;
use crate::validate::Place;
use std::ops::Range;

/// One `Reference.reference` in a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The JSON string with its quotes, in bytes of the text.
    pub range: Range<usize>,
    /// The reference, unescaped.
    pub text: String,
    /// FHIRPath of the Reference element, such as `Observation.performer[0]`.
    pub path: String,
    /// Whether it is in a contained resource.
    pub contained: bool,
}

/// All references of a resource in the order of the text.
///
/// In elements of type Reference only, extensions and contained resources included; never in narrative, in uri or
/// canonical elements, in elements that are not in the definitions, or inside the resources of a Bundle.
#[must_use]
pub fn sites(doc: &Doc) -> Vec<Site> {
    let mut walk = Walk { sites: Vec::new(), contained: false };
    if let Some(kind) = type_of(doc.root()) {
        walk.object(doc.root(), kind.definition(), &Place::root(kind.name()));
    }
    walk.sites
}

fn type_of(node: Node<'_>) -> Option<ResourceType> {
    ResourceType::parse(&node.get("resourceType")?.text()?)
}

struct Walk {
    sites: Vec<Site>,
    contained: bool,
}

impl Walk {
    /// As deep as the document, which has a limit.
    fn object(&mut self, node: Node<'_>, kind: &'static Type, place: &Place<'_>) {
        for (name, value) in node.members() {
            if kind.role == Role::Reference && name == "reference" {
                self.site(value, place);
                continue;
            }
            let (target, key) = match kind.key(&name) {
                Some(key) => (TABLE.kind(key.kind), key),
                None => match name.strip_prefix('_').and_then(|name| kind.key(name)) {
                    Some(key) => (TABLE.kind(TABLE.element), key),
                    None => continue,
                },
            };
            if matches!(target.kind, TypeKind::Primitive(_)) {
                continue;
            }
            let place = Place::member(place, key.name);
            for (index, item) in value.each().enumerate().filter(|(_, item)| item.is_object()) {
                let place = if key.list { place.item(index) } else { place };
                self.member(item, kind, target, name == "contained", &place);
            }
        }
    }

    fn member(&mut self, node: Node<'_>, owner: &Type, kind: &'static Type, contained: bool, place: &Place<'_>) {
        if kind.kind != TypeKind::AnyResource {
            return self.object(node, kind, place);
        }
        // A stored Bundle is a document: what is in it stays as it is.
        if owner.name.starts_with("Bundle.") {
            return;
        }
        let Some(kind) = type_of(node) else { return };
        let outer = self.contained;
        self.contained |= contained;
        self.object(node, kind.definition(), place);
        self.contained = outer;
    }

    fn site(&mut self, value: Node<'_>, place: &Place<'_>) {
        let Some(text) = value.text() else { return };
        self.sites.push(Site {
            range: value.range(),
            text: text.into_owned(),
            path: place.to_string(),
            contained: self.contained,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_where_the_definitions_have_them() {
        check(
            r##"{"resourceType":"Observation","subject":{"reference":"Patient/1","display":"x"},
            "performer":[{"reference":"Practitioner/2"},{"reference":"#c"}],
            "extension":[{"url":"u","valueReference":{"reference":"Organization\/3"}},{"url":"u","valueUri":"Patient/9"}],
            "_status":{"extension":[{"url":"u","valueReference":{"reference":"Device/7"}}]},
            "text":{"status":"generated","div":"<div>{\"reference\":\"Patient/9\"}</div>"},
            "contained":[{"resourceType":"Practitioner","id":"c","extension":[{"url":"u","valueReference":{"reference":"X/4"}}]}],
            "unknown":{"reference":"Patient/9"},"component":[{"valueString":"Patient/9"}]}"##,
            &[
                ("Observation.subject", "Patient/1", false),
                ("Observation.performer[0]", "Practitioner/2", false),
                ("Observation.performer[1]", "#c", false),
                ("Observation.extension[0].valueReference", "Organization/3", false),
                ("Observation.status.extension[0].valueReference", "Device/7", false),
                ("Observation.contained[0].extension[0].valueReference", "X/4", true),
            ],
        );
        check(
            r#"{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"urn:uuid:1",
            "resource":{"resourceType":"Observation","subject":{"reference":"Patient/1"}}}]}"#,
            &[],
        );
        check(
            r#"{"resourceType":"QuestionnaireResponse","questionnaire":"Questionnaire/1",
            "item":[{"item":[{"answer":[{"valueReference":{"reference":"Patient/1"}}]}]}]}"#,
            &[("QuestionnaireResponse.item[0].item[0].answer[0].valueReference", "Patient/1", false)],
        );
        check("[]", &[]);
    }

    fn check(text: &str, wanted: &[(&str, &str, bool)]) {
        let doc = Doc::parse(text.as_bytes().to_vec()).unwrap();
        let found = sites(&doc);
        let rows: Vec<_> = found.iter().map(|site| (&*site.path, &*site.text, site.contained)).collect();
        assert_eq!(rows, wanted);
        for site in found {
            let token: String = serde_json::from_str(&text[site.range]).unwrap();
            assert_eq!(token, site.text);
        }
    }
}
