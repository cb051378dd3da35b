//! ValueSet resources that were stored: what they include and exclude. Expanding them is `expand`.
//! Spec: <https://hl7.org/fhir/R4/valueset.html>.

use super::{text, url_of};
use crate::json::{Doc, Node};
use crate::outcome::{Code, Issue, Outcome};

/// A stored value set.
#[derive(Clone, Debug)]
pub struct ValueSet {
    url: String,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Codes by rules.
    Compose { include: Vec<Part>, exclude: Vec<Part> },
    /// Codes that another server found; whether they are all of them.
    Expansion { codes: Vec<(String, String)>, whole: bool },
}

/// Codes of one system that are in all of some value sets.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub system: Option<String>,
    /// If there are none, all codes of the system that fulfil the filters.
    pub codes: Vec<String>,
    pub filters: Vec<Filter>,
    pub value_sets: Vec<String>,
}

/// A condition on the codes of a system.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub property: String,
    pub op: String,
    pub value: String,
}

impl ValueSet {
    /// Reads a ValueSet resource.
    ///
    /// # Errors
    /// It is no ValueSet, has no url, or says of no code that it is in it.
    pub fn read(doc: &Doc) -> Result<Self, Outcome> {
        let root = doc.root();
        let url = url_of(root, "ValueSet")?;
        let content = match (root.get("compose"), root.get("expansion")) {
            (Some(compose), _) => {
                Content::Compose { include: parts(compose, "include"), exclude: parts(compose, "exclude") }
            }
            (None, Some(expansion)) => contained(expansion),
            (None, None) => {
                let reason = "a ValueSet without compose and expansion has no codes";
                return Err(Issue::error(Code::Required, reason).at("ValueSet.compose").into());
            }
        };
        Ok(Self { url, content })
    }

    /// Its canonical url, without version.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Canonical urls of the value sets and code systems whose content decides on its own, as written: a value set's may
    /// carry `|version`. Official ones are among them.
    #[must_use]
    pub fn needs(&self) -> Vec<&str> {
        let Content::Compose { include, exclude } = &self.content else { return Vec::new() };
        let mut found: Vec<&str> = Vec::new();
        for part in include.iter().chain(exclude) {
            let system = part.system.as_deref().filter(|_| part.codes.is_empty());
            for url in system.into_iter().chain(part.value_sets.iter().map(String::as_str)) {
                if !found.contains(&url) {
                    found.push(url);
                }
            }
        }
        found
    }
}

fn parts(compose: Node<'_>, name: &str) -> Vec<Part> {
    let items = |node: Node<'_>, name: &str| -> Vec<String> {
        let items = node.get(name).into_iter().flat_map(Node::items);
        items.filter_map(Node::text).map(std::borrow::Cow::into_owned).collect()
    };
    let part = |node: Node<'_>| Part {
        system: text(node, "system"),
        codes: node.get("concept").into_iter().flat_map(Node::items).filter_map(|one| text(one, "code")).collect(),
        filters: node.get("filter").into_iter().flat_map(Node::items).map(filter).collect(),
        value_sets: items(node, "valueSet"),
    };
    compose.get(name).into_iter().flat_map(Node::items).map(part).collect()
}

fn filter(node: Node<'_>) -> Filter {
    let member = |name: &str| text(node, name).unwrap_or_default();
    Filter { property: member("property"), op: member("op"), value: member("value") }
}

/// The codes of an expansion, nested ones too; headings (`abstract`) are no codes to choose.
fn contained(expansion: Node<'_>) -> Content {
    let (mut codes, mut entries) = (Vec::new(), 0_usize);
    let mut open: Vec<Node<'_>> = expansion.get("contains").into_iter().flat_map(Node::items).collect();
    open.reverse();
    while let Some(one) = open.pop() {
        entries += 1;
        let heading = one.get("abstract").and_then(Node::boolean).unwrap_or(false);
        if let (Some(code), false) = (text(one, "code"), heading) {
            codes.push((text(one, "system").unwrap_or_default(), code));
        }
        let nested: Vec<_> = one.get("contains").into_iter().flat_map(Node::items).collect();
        open.extend(nested.into_iter().rev());
    }
    let total = expansion.get("total").and_then(Node::number).and_then(|total| total.parse::<usize>().ok());
    Content::Expansion { codes, whole: total.is_none_or(|total| total <= entries) }
}
