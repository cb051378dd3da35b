//! The rules of the walk beyond shape: invariants, narratives, contained resources, extensions. Called by the walk.

use super::super::place::Place;
use super::super::{Extent, ISSUES_MAX, invariant, narrative};
use super::Check;
use crate::json::Node;
use crate::outcome::{Code, Issue, Severity};
use crate::primitive::Primitive;
use crate::table::{Element, Key, Type};

impl<'a> Check<'a> {
    /// What contained resources must and may not have.
    pub(super) fn contained(&mut self, node: Node<'a>, place: &Place<'_>) {
        if node.get("id").is_none() {
            self.issue(Code::Required, &Place::member(place, "id"), "a contained resource needs an id");
        }
        if node.get("contained").is_some() {
            let place = Place::member(place, "contained");
            self.issue(Code::Invariant, &place, "a contained resource may not contain another (dom-2)");
        }
        let Some(meta) = node.get("meta") else { return };
        let meta_place = Place::member(place, "meta");
        for (member, sentence) in [
            ("versionId", "a contained resource has no version of its own (dom-4)"),
            ("lastUpdated", "a contained resource has no version of its own (dom-4)"),
            ("security", "a contained resource has no security labels of its own (dom-5)"),
        ] {
            if meta.get(member).is_some() {
                self.issue(Code::Invariant, &Place::member(&meta_place, member), sentence);
            }
        }
    }

    /// The invariants of an object's type. `before` counts the issues there were before the object.
    pub(super) fn rules(&mut self, node: Node<'a>, kind: u16, base: usize, before: usize, place: &Place<'_>) {
        let rules = invariant::of_type(kind);
        if rules.has_none() {
            return;
        }
        let Some(scope) = &self.scope else { return };
        let (shaped, warnings) = (self.issues.len() == before, self.extent == Extent::Everything);
        let issues = &mut self.issues;
        rules.object(node, kind, &self.counts[base..], &scope.context(), warnings, |finding| {
            if let Some(issue) = finding.issue(shaped).filter(|issue| has_room(issues, issue)) {
                issues.push(issue.at(place.to_string()));
            }
        });
    }

    /// The invariants of the element a value stands in.
    pub(super) fn element_rules(&mut self, node: Node<'a>, owner: u16, key: &Key, place: &Place<'_>) {
        let rules = invariant::of_type(owner);
        if !rules.has_element(key.element) {
            return;
        }
        let Some(scope) = &self.scope else { return };
        let warnings = self.extent == Extent::Everything;
        let issues = &mut self.issues;
        rules.value(node, key, &scope.context(), warnings, |finding| {
            if let Some(issue) = finding.issue(true).filter(|issue| has_room(issues, issue)) {
                issues.push(issue.at(place.to_string()));
            }
        });
    }

    /// References within the resource, and narratives.
    pub(super) fn text_rules(
        &mut self,
        value: Node<'a>,
        primitive: Primitive,
        element: &'static Element,
        place: &Place<'_>,
    ) {
        match primitive {
            Primitive::Xhtml => {
                let Some(text) = value.text() else { return };
                for (key, fault) in narrative::faults(&text) {
                    let sentence = format!("{fault} ({key})");
                    match key {
                        // An empty narrative harms nobody, official examples have them, and refusing it loses a write.
                        "txt-2" => self.warning(Code::Invariant, place, sentence),
                        _ => self.issue(Code::Invariant, place, sentence),
                    }
                }
            }
            Primitive::Uri | Primitive::Canonical | Primitive::Url | Primitive::String
                if value.raw().starts_with(b"\"#") =>
            {
                let reference = primitive == Primitive::String && element.name == "reference";
                if let (Some(scope), Some(text)) = (&mut self.scope, value.text())
                    && (reference || primitive != Primitive::String)
                {
                    scope.names(&text[1..], reference.then_some(place));
                }
            }
            _ => {}
        }
    }

    /// Either a value or extensions, not both (ext-1).
    pub(super) fn extension(&mut self, node: Node<'a>, base: usize, kind: &'static Type, place: &Place<'_>) {
        let place_of = |name: &str| kind.elements.iter().position(|element| element.name == name);
        let valued = place_of("value").is_some_and(|value| self.counts[base + value].0 > 0);
        let nested = node.get("extension").is_some();
        if valued && nested {
            self.issue(Code::Invariant, place, "an extension has either a value or extensions, not both (ext-1)");
        } else if !valued && !nested {
            self.issue(Code::Invariant, place, "an extension needs a value or extensions (ext-1)");
        }
    }
}

/// Whether one more issue is listed: warnings leave half of the list to errors.
fn has_room(issues: &[Issue], issue: &Issue) -> bool {
    let most = if issue.severity == Severity::Warning { ISSUES_MAX / 2 } else { ISSUES_MAX };
    issues.len() <= most
}
