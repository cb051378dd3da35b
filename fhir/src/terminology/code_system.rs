//! CodeSystem resources that were stored. Spec: <https://hl7.org/fhir/R4/codesystem.html>.

use super::concepts::Concepts;
use super::{text, url_of};
use crate::json::{Doc, Node};
use crate::outcome::{Code, Issue, Outcome};
use std::collections::BTreeMap;

/// Most concepts of one code system that are read; keeps what is held of it below 50 MB. Larger ones need a terminology
/// server.
pub const CONCEPTS_MAX: usize = 100_000;

/// A stored code system: its codes, their hierarchy and their properties.
#[derive(Clone, Debug)]
pub struct CodeSystem {
    url: String,
    complete: bool,
    concepts: Concepts<String>,
    /// (property, value as text), by place of the code.
    properties: Vec<Vec<(String, String)>>,
}

#[derive(Default)]
struct Row {
    parents: Vec<String>,
    properties: Vec<(String, String)>,
}

impl CodeSystem {
    /// Reads a CodeSystem resource.
    ///
    /// # Errors
    /// It is no CodeSystem, has no url, or more than [`CONCEPTS_MAX`] concepts.
    pub fn read(doc: &Doc) -> Result<Self, Outcome> {
        let root = doc.root();
        let url = url_of(root, "CodeSystem")?;
        let complete = text(root, "content").as_deref() == Some("complete");
        let meaning = text(root, "hierarchyMeaning");
        // A hierarchy of parts or groups is none of subsumption.
        let subsumes = meaning.as_deref().is_none_or(|meaning| meaning == "is-a");
        let names = Names::read(root);
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        let mut links: Vec<(String, String)> = Vec::new();
        let mut open: Vec<(Node<'_>, Option<String>)> = concepts_of(root).map(|concept| (concept, None)).collect();
        while let Some((concept, parent)) = open.pop() {
            let Some(code) = text(concept, "code") else { continue };
            if rows.len() >= CONCEPTS_MAX {
                let reason = format!("a code system of more than {CONCEPTS_MAX} concepts is not read");
                return Err(Issue::error(Code::TooCostly, reason).at("CodeSystem.concept").into());
            }
            let row = rows.entry(code.clone()).or_default();
            row.parents.extend(parent);
            for property in concept.get("property").into_iter().flat_map(Node::items) {
                let Some(name) = text(property, "code") else { continue };
                let Some(value) = value_of(property) else { continue };
                if names.parent.contains(&name) {
                    row.parents.push(value.clone());
                } else if names.child.contains(&name) {
                    links.push((value.clone(), code.clone()));
                }
                row.properties.push((name, value));
            }
            open.extend(concepts_of(concept).map(|child| (child, Some(code.clone()))));
        }
        for (child, parent) in links {
            if let Some(row) = rows.get_mut(&child) {
                row.parents.push(parent);
            }
        }
        Ok(Self::of(url, complete, subsumes, rows))
    }

    fn of(url: String, complete: bool, subsumes: bool, rows: BTreeMap<String, Row>) -> Self {
        let (mut codes, mut above, mut properties) = (Vec::new(), Vec::new(), Vec::new());
        for (code, row) in rows {
            codes.push(code);
            above.push(row.parents);
            properties.push(row.properties);
        }
        let places = |parents: Vec<String>| -> Vec<u32> {
            let found = parents.iter().filter(|_| subsumes).filter_map(|parent| codes.binary_search(parent).ok());
            let mut found: Vec<u32> = found.filter_map(|place| u32::try_from(place).ok()).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let parents = above.into_iter().map(places).collect();
        Self { url, complete, concepts: Concepts::new(codes, parents), properties }
    }

    /// Its canonical url, without version.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A code and all codes below it; nothing if the system does not have it.
    #[must_use]
    pub fn below(&self, code: &str) -> Vec<String> {
        self.named(self.concepts.below(code))
    }

    /// A code and all codes above it; nothing if the system does not have it.
    #[must_use]
    pub fn above(&self, code: &str) -> Vec<String> {
        self.named(self.concepts.above(code))
    }

    /// Whether all its codes are in the resource.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn concepts(&self) -> &Concepts<String> {
        &self.concepts
    }

    /// The values of a property of the code at a place.
    pub(super) fn property<'a>(&'a self, place: usize, name: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.properties.get(place).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether any code has the property.
    pub(super) fn has_property(&self, name: &str) -> bool {
        self.properties.iter().flatten().any(|(known, _)| known == name)
    }

    fn named(&self, places: Vec<usize>) -> Vec<String> {
        places.into_iter().filter_map(|place| self.concepts.codes().get(place).cloned()).collect()
    }
}

/// Codes of the properties that name parents and children, by <https://hl7.org/fhir/R4/codesystem.html#defined-props>.
struct Names {
    parent: Vec<String>,
    child: Vec<String>,
}

impl Names {
    fn read(root: Node<'_>) -> Self {
        let mut names =
            Self { parent: vec!["parent".to_owned(), "subsumedBy".to_owned()], child: vec!["child".to_owned()] };
        for property in root.get("property").into_iter().flat_map(Node::items) {
            let Some(code) = text(property, "code") else { continue };
            match text(property, "uri").as_deref() {
                Some("http://hl7.org/fhir/concept-properties#parent") => names.parent.push(code),
                Some("http://hl7.org/fhir/concept-properties#child") => names.child.push(code),
                _ => {}
            }
        }
        names
    }
}

fn concepts_of(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.get("concept").into_iter().flat_map(Node::items)
}

/// `value[x]` as text; of a Coding its code.
fn value_of(property: Node<'_>) -> Option<String> {
    let (_, value) = property.members().find(|(name, _)| name.starts_with("value"))?;
    if value.is_object() {
        return text(value, "code");
    }
    let boolean = value.boolean().map(|value| value.to_string());
    value.text().map(std::borrow::Cow::into_owned).or_else(|| value.number().map(str::to_owned)).or(boolean)
}
