//! The words of a whole resource, for `_content`: those of its narrative, its texts, displays, codes and numbers. URIs are not
//! among them, they would put the words of a few systems into every resource. Called by `index`.
//! Spec: <https://hl7.org/fhir/R4/search.html#content>.

use super::narrative::words_of;
use super::{Entry, Value, narrative};
use crate::json::Node;
use crate::params;
use crate::types::ResourceType;
use std::borrow::Cow;
use std::collections::HashSet;

/// Longest list of distinct words in bytes that one resource is found by, those that stand first in it.
pub const CONTENT_BYTES_MAX: usize = 16 * 1024;

/// The resource's words, each between spaces.
pub(super) fn entry(root: Node<'_>, kind: ResourceType) -> Option<Entry> {
    let param = params::find(kind, "_content")?.id;
    let mut found = Words { text: " ".to_owned(), known: HashSet::new(), narratives: Vec::new() };
    found.add_members(root);
    let narratives = std::mem::take(&mut found.narratives);
    narratives.iter().flat_map(|div| narrative::words(div)).for_each(|word| found.add(word));
    (found.text.len() > 1).then_some(Entry { param, group: 0, value: Value::Words(found.text) })
}

struct Words<'n> {
    text: String,
    known: HashSet<String>,
    /// They say the rest in words and stand first in a resource; they come last, lest they leave no room for it.
    narratives: Vec<Cow<'n, str>>,
}

impl<'n> Words<'n> {
    /// As deep as a text may nest: [`crate::json::DEPTH_MAX`].
    fn add_members(&mut self, node: Node<'n>) {
        for (key, value) in node.members() {
            match value.text() {
                Some(div) if key == "div" => self.narratives.push(div),
                _ => value.each().for_each(|value| self.add_value(value)),
            }
        }
    }

    fn add_value(&mut self, value: Node<'n>) {
        if value.is_object() {
            self.add_members(value);
        } else if let Some(number) = value.number() {
            self.add(number.to_owned());
        } else if let Some(text) = value.text().filter(|text| !text.contains("://") && !text.starts_with("urn:")) {
            words_of(&text).for_each(|word| self.add(word));
        }
    }

    fn add(&mut self, word: String) {
        if self.text.len() + word.len() < CONTENT_BYTES_MAX && !self.known.contains(&word) {
            self.text.push_str(&word);
            self.text.push(' ');
            self.known.insert(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Doc;

    #[test]
    fn content_is_every_word_once_without_uris() {
        let text = r#"{"resourceType":"Observation","text":{"div":"<div>Body <b>Height</b> is tall</div>"},"status":"final",
            "code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}]},
            "subject":{"reference":"urn:uuid:1"},"note":[{"text":"Größe\u0000 des   KINDES"}],"valueQuantity":{"value":1.50}}"#;
        let doc = Doc::parse(text.as_bytes().to_vec()).unwrap();
        let found = entry(doc.root(), ResourceType::parse("Observation").unwrap()).unwrap();
        let Value::Words(words) = found.value else { panic!() };
        assert_eq!(words, " observation final 8302-2 body height große des kindes 1.50 is tall ");
    }

    #[test]
    fn content_has_an_end() {
        let texts = (0..10_000).map(|number| format!(r#"{{"text":"word{number}"}}"#)).collect::<Vec<_>>().join(",");
        let doc = Doc::parse(format!(r#"{{"resourceType":"Basic","note":[{texts}]}}"#).into_bytes()).unwrap();
        let Value::Words(words) = entry(doc.root(), ResourceType::parse("Basic").unwrap()).unwrap().value else {
            panic!()
        };
        assert!(words.len() <= CONTENT_BYTES_MAX && words.starts_with(" basic word0 word1 "));
    }
}
