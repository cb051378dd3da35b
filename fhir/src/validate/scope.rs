//! The resource a check is in: its contained resources, and the references within it. Called by `element`.
//!
//! Held at the end of a resource: `ref-1` (`#id` names a contained resource) and `dom-3` (every contained resource is
//! referred to, or refers to what contains it). Spec: <https://hl7.org/fhir/R4/references.html#contained>.

use super::place::Place;
use crate::fhirpath::{Context, Element};
use crate::json::Node;
use std::borrow::Cow;

/// Most `#id` references kept with their places; more are not held.
const FRAGMENTS_MAX: usize = 10_000;

/// One open resource.
pub struct Scope<'a> {
    root: Element<'a>,
    resource: Element<'a>,
    /// Ids of the contained resources, in order.
    ids: Vec<Cow<'a, str>>,
    /// Per contained resource, whether it is referred to or refers to the root.
    joined: Vec<bool>,
    /// Which contained resource is open, and how many were.
    inside: Option<usize>,
    entered: usize,
    /// Places of `#id` references that name nothing contained.
    lost: Vec<String>,
}

impl<'a> Scope<'a> {
    /// None for what is no resource.
    pub fn of(node: Node<'a>) -> Option<Self> {
        let root = Element::resource(node)?;
        let contained = node.get("contained").into_iter().flat_map(Node::items);
        let id = |resource: Node<'a>| resource.get("id").and_then(Node::text).unwrap_or_default();
        let ids: Vec<_> = contained.map(id).collect();
        let joined = vec![false; ids.len()];
        Some(Self { root, resource: root, ids, joined, inside: None, entered: 0, lost: Vec::new() })
    }

    /// What invariants may name.
    pub fn context(&self) -> Context<'a> {
        Context { resource: self.resource, root: self.root, now: None }
    }

    /// Opens a contained resource; what [`Self::leave`] takes.
    pub fn enter(&mut self, node: Node<'a>) -> Option<(Element<'a>, Option<usize>)> {
        let before = (self.resource, self.inside);
        // One that contains another is refused anyway; its own references count for the outer.
        if self.inside.is_none() {
            self.inside = Some(self.entered);
            self.entered += 1;
        }
        self.resource = Element::resource(node).unwrap_or(self.resource);
        Some(before)
    }

    /// Closes a contained resource.
    pub fn leave(&mut self, before: (Element<'a>, Option<usize>)) {
        (self.resource, self.inside) = before;
    }

    /// A `#id` was met; `place` if it was a Reference, which must resolve.
    pub fn names(&mut self, id: &str, place: Option<&Place<'_>>) {
        if id.is_empty() {
            if let Some(joined) = self.inside.and_then(|inside| self.joined.get_mut(inside)) {
                *joined = true;
            }
            return;
        }
        match self.ids.iter().position(|known| known == id) {
            Some(found) => self.joined[found] = true,
            None => self.lost.extend(place.filter(|_| self.lost.len() < FRAGMENTS_MAX).map(ToString::to_string)),
        }
    }

    /// Places and sentences of the broken rules.
    pub fn faults(&self, place: &Place<'_>) -> Vec<(String, &'static str)> {
        let lost = self.lost.iter();
        let mut faults: Vec<_> = lost
            .map(|place| (place.clone(), "a reference that begins with # must name a contained resource (ref-1)"))
            .collect();
        let member = Place::member(place, "contained");
        for (index, _) in self.joined.iter().enumerate().filter(|(_, joined)| !**joined) {
            // Without an id it cannot be referred to, which is an issue of its own.
            if self.ids[index].is_empty() {
                continue;
            }
            faults.push((
                member.item(index).to_string(),
                "a contained resource must be referred to from elsewhere in the resource, or refer to it (dom-3)",
            ));
        }
        faults
    }
}
