//! Changes of a JSON text at the place of a value: each is one edit, after which the text is read again, so that the
//! next operation sees what the one before it left. Called by the patches.

use super::{Refused, WORK_BYTES_MAX};
use crate::edit;
use crate::json::{Doc, Node};
use crate::outcome::Code;
use std::ops::Range;

/// One change of a text.
pub(super) type Edit = (Range<usize>, Vec<u8>);

/// The text that is being patched.
pub(super) struct Subject {
    pub doc: Doc,
    work: usize,
}

impl Subject {
    pub(super) fn new(doc: &Doc) -> Self {
        Self { doc: doc.clone(), work: 0 }
    }

    /// Makes edits of one operation, which `place` names.
    pub(super) fn edit(&mut self, edits: &[Edit], place: &str) -> Result<(), Refused> {
        let text = edit::replace(self.doc.bytes(), edits);
        self.spend(text.len(), place)?;
        self.doc = Doc::parse(text).map_err(|issue| Refused::not_applicable(issue.code, place, issue.diagnostics))?;
        Ok(())
    }

    /// Counts bytes that an operation reads.
    pub(super) fn spend(&mut self, bytes: usize, place: &str) -> Result<(), Refused> {
        self.work += bytes;
        if self.work > WORK_BYTES_MAX {
            let text = "the patch has too many operations for a resource of this size";
            return Err(Refused::not_applicable(Code::TooCostly, place, text));
        }
        Ok(())
    }

    /// Takes out objects and arrays that are empty: what a removal left of a list is no list in FHIR.
    pub(super) fn prune(&mut self, place: &str) -> Result<(), Refused> {
        while let Some(edit) = first_empty(self.doc.root()) {
            self.edit(&[edit], place)?;
        }
        Ok(())
    }
}

/// The value put in the place of another.
pub(super) fn replace(node: Node<'_>, json: &[u8]) -> Edit {
    (node.range(), json.to_vec())
}

/// A member taken out; none if there is none of this key.
pub(super) fn remove_member(object: Node<'_>, key: &str) -> Option<Edit> {
    let mut before: Option<Node<'_>> = None;
    let mut pairs = object.pairs();
    while let Some((name, value)) = pairs.next() {
        if name.text().is_some_and(|name| name == key) {
            let next = pairs.next().map(|(name, _)| name);
            return Some((without(name.range().start..value.range().end, before, next), Vec::new()));
        }
        before = Some(value);
    }
    None
}

/// An item taken out; none if there is none.
pub(super) fn remove_item(array: Node<'_>, index: usize) -> Option<Edit> {
    let mut items = array.items();
    let before = index.checked_sub(1).and_then(|before| items.nth(before));
    let item = items.next()?;
    Some((without(item.range(), before, items.next()), Vec::new()))
}

/// The range with the one comma that goes with it.
fn without(range: Range<usize>, before: Option<Node<'_>>, next: Option<Node<'_>>) -> Range<usize> {
    match (before, next) {
        (_, Some(next)) => range.start..next.range().start,
        (Some(before), None) => before.range().end..range.end,
        (None, None) => range,
    }
}

/// A member set: in place if it is there, else after the last.
pub(super) fn set_member(object: Node<'_>, key: &str, json: &[u8]) -> Edit {
    if let Some(value) = object.get(key) {
        return replace(value, json);
    }
    let mut new = Vec::with_capacity(key.len() + json.len() + 4);
    let at = match object.pairs().last() {
        Some((_, value)) => {
            new.push(b',');
            value.range().end
        }
        None => object.range().start + 1,
    };
    new.extend_from_slice(&edit::string(key));
    new.push(b':');
    new.extend_from_slice(json);
    (at..at, new)
}

/// An item put before the one of this index, or at the end; none if the array is shorter.
pub(super) fn insert_item(array: Node<'_>, index: usize, json: &[u8]) -> Option<Edit> {
    let count = array.items().count();
    let mut new = Vec::with_capacity(json.len() + 1);
    let at = if index < count {
        new.extend_from_slice(json);
        new.push(b',');
        array.items().nth(index)?.range().start
    } else if index == count {
        if count > 0 {
            new.push(b',');
        }
        new.extend_from_slice(json);
        array.items().last().map_or(array.range().start + 1, |last| last.range().end)
    } else {
        return None;
    };
    Some((at..at, new))
}

/// Whether an object or array with nothing in it is anywhere inside.
pub(super) fn has_empty(node: Node<'_>) -> bool {
    is_empty(node) || node.members().any(|(_, value)| has_empty(value)) || node.items().any(has_empty)
}

fn is_empty(node: Node<'_>) -> bool {
    node.is_object() && node.members().next().is_none() || node.is_array() && node.items().next().is_none()
}

fn first_empty(node: Node<'_>) -> Option<Edit> {
    for (key, value) in node.members() {
        // Of the siblings of a list of primitives, each keeps its place.
        let siblings = key.starts_with('_') && value.is_array();
        if is_empty(value) || siblings && value.items().all(Node::is_null) {
            return remove_member(node, &key);
        }
        if siblings && let Some(empty) = value.items().find(|item| is_empty(*item)) {
            return Some(replace(empty, b"null"));
        }
        if let Some(found) = first_empty(value) {
            return Some(found);
        }
    }
    for (index, item) in node.items().enumerate() {
        if is_empty(item) {
            return remove_item(node, index);
        }
        if let Some(found) = first_empty(item) {
            return Some(found);
        }
    }
    None
}
