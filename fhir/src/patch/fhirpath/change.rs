//! One operation on the text: the element found, the change made at its place. Called by [`super::fhirpath()`].

use super::find::{Step, Trail, follow, list, one, slot};
use super::operation::{Operation, Verb};
use super::value::{self, Row, written};
use crate::json::{Doc, Node};
use crate::outcome::Code;
use crate::patch::Refused;
use crate::patch::text::{self, Subject};
use crate::table::{Key, TABLE, TypeKind};

/// What a path counts as, in bytes that are read, if it may take all the steps it is given (a tenth of a second): a
/// patch has at most 15 of them.
const COSTLY_BYTES: usize = 16 << 20;

/// Functions that look at each element of the path once.
const CHEAP: [&str; 8] = ["where", "first", "last", "single", "ofType", "as", "extension", "exists"];

pub(super) fn apply(subject: &mut Subject, operation: &Operation<'_>) -> Result<(), Refused> {
    let fault = |code: Code, sentence: &str| Refused::not_applicable(code, &operation.place, sentence);
    let refuse = |sentence: &str| fault(Code::Processing, sentence);
    subject.spend(cost(&operation.text, subject.doc.bytes().len()), &operation.place)?;
    match &operation.verb {
        Verb::Add(name, part) => {
            let (trail, element) = one(&subject.doc, operation)?;
            let element = element.ok_or_else(|| fault(Code::NotFound, "the path finds nothing to add to"))?;
            if element.primitive {
                return add_beside(subject, operation, trail, name, *part);
            }
            let (key, row) = value::of(*part, element.kind, name).map_err(refuse)?;
            let object = follow(&subject.doc, &trail).ok_or_else(|| refuse("the path finds no object"))?;
            let taken = element.kind.keys.iter().filter(|known| known.element == key.element);
            let taken = taken.filter(|known| has(object, known.name)).count();
            if taken > 0 && !key.list {
                return Err(fault(Code::Conflict, "the element is there already and may be given once only"));
            }
            let mut rows = rows(object, key);
            rows.push(row);
            put(subject, operation, &trail, key, rows, Some(Change::Insert))
        }
        Verb::Insert(index, part) => {
            let (slot, count) = list(subject, operation)?;
            let element = slot.owner.elements[usize::from(slot.key.element)].name;
            let (key, row) = value::of(*part, slot.owner, element).map_err(refuse)?;
            let object = follow(&subject.doc, &slot.object).ok_or_else(|| refuse("the path finds no object"))?;
            if *index > count {
                return Err(fault(Code::Processing, "the index lies beyond the end of the list"));
            }
            let mut rows = rows(object, key);
            rows.insert(*index, row);
            put(subject, operation, &slot.object, key, rows, (*index == count).then_some(Change::Insert))
        }
        Verb::Delete => {
            let (trail, element) = one(&subject.doc, operation)?;
            if element.is_none() {
                return Ok(());
            }
            let slot = slot(&subject.doc, trail).ok_or_else(|| refuse("a patch may not remove the resource"))?;
            let object = follow(&subject.doc, &slot.object).ok_or_else(|| refuse("the path finds no object"))?;
            let mut rows = rows(object, slot.key);
            let index = slot.index.unwrap_or(0);
            if index < rows.len() {
                rows.remove(index);
            }
            put(subject, operation, &slot.object, slot.key, rows, Some(Change::Remove(index)))
        }
        Verb::Replace(part) => {
            let (trail, element) = one(&subject.doc, operation)?;
            if element.is_none() {
                return Err(fault(Code::NotFound, "the path finds nothing to replace"));
            }
            let slot = slot(&subject.doc, trail).ok_or_else(|| refuse("a patch may not replace the resource"))?;
            let element = slot.owner.elements[usize::from(slot.key.element)].name;
            let (key, row) = value::of(*part, slot.owner, element).map_err(refuse)?;
            if !std::ptr::eq(key, slot.key) {
                put(subject, operation, &slot.object, slot.key, Vec::new(), None)?;
                return put(subject, operation, &slot.object, key, vec![row], None);
            }
            let object = follow(&subject.doc, &slot.object).ok_or_else(|| refuse("the path finds no object"))?;
            let mut rows = rows(object, key);
            let index = slot.index.unwrap_or(0);
            match rows.get_mut(index) {
                Some(old) => *old = row,
                None => return Err(refuse("the path finds nothing to replace")),
            }
            put(subject, operation, &slot.object, key, rows, Some(Change::Replace(index)))
        }
        Verb::Move(source, destination) => {
            let (slot, count) = list(subject, operation)?;
            if *source >= count || *destination >= count {
                return Err(fault(Code::Processing, "source or destination lies beyond the end of the list"));
            }
            let object = follow(&subject.doc, &slot.object).ok_or_else(|| refuse("the path finds no object"))?;
            let mut rows = rows(object, slot.key);
            let row = rows.remove(*source);
            rows.insert(*destination, row);
            put(subject, operation, &slot.object, slot.key, rows, None)
        }
    }
}

/// What a path counts as on a text of so many bytes: names, indices and conditions on them read it a few times, while
/// functions inside others, and those that look at whole trees, may read it again for each element.
fn cost(path: &str, bytes: usize) -> usize {
    let mut depth = 0_usize;
    let mut costly = false;
    for (at, character) in path.char_indices() {
        match character {
            '(' => {
                let before = path[..at].trim_end();
                let name = before.rsplit(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
                costly |= depth > 0 || !CHEAP.contains(&name);
                depth += 1;
            }
            ')' => depth = depth.saturating_sub(1),
            '%' => costly = true,
            _ => {}
        }
    }
    if costly { bytes + COSTLY_BYTES } else { bytes.saturating_mul(2) }
}

/// An id or extension put beside a primitive.
fn add_beside(
    subject: &mut Subject,
    operation: &Operation<'_>,
    trail: Trail,
    name: &str,
    part: Node<'_>,
) -> Result<(), Refused> {
    let refuse = |sentence: &str| Refused::not_applicable(Code::Processing, &operation.place, sentence);
    let slot = slot(&subject.doc, trail).ok_or_else(|| refuse("the path finds no element"))?;
    let object = follow(&subject.doc, &slot.object).ok_or_else(|| refuse("the path finds no object"))?;
    let element = TABLE.kind(TABLE.element);
    let (key, row) = value::of(part, element, name).map_err(refuse)?;
    let mut all = rows(object, slot.key);
    let index = slot.index.unwrap_or(0);
    let old = all.get_mut(index).ok_or_else(|| refuse("the path finds no element"))?;
    let sibling = Doc::parse(old.sibling.clone().unwrap_or_else(|| b"{}".to_vec()));
    let mut inner = Subject::new(&sibling.map_err(|_| refuse("the element cannot be changed"))?);
    let mut inside = rows(inner.doc.root(), key);
    if !inside.is_empty() && !key.list {
        return Err(refuse("the element is there already and may be given once only"));
    }
    inside.push(row);
    put(&mut inner, operation, &[], key, inside, None)?;
    old.sibling = Some(inner.doc.into_bytes());
    put(subject, operation, &slot.object, slot.key, all, None)
}

/// A change of one item, so that its neighbours' layout can stay.
enum Change {
    /// At the end.
    Insert,
    Remove(usize),
    Replace(usize),
}

/// Writes an element's values into its object.
fn put(
    subject: &mut Subject,
    operation: &Operation<'_>,
    object: &[Step],
    key: &'static Key,
    rows: Vec<Row>,
    change: Option<Change>,
) -> Result<(), Refused> {
    let gone = || Refused::not_applicable(Code::Processing, &operation.place, "the path finds no object");
    let node = follow(&subject.doc, object).ok_or_else(gone)?;
    // A list of values alone changes in one item; else both of its members are written.
    let plain = !has(node, &format!("_{}", key.name)) && rows.iter().all(|row| row.sibling.is_none());
    if let Some(array) = node.get(key.name).filter(|array| plain && key.list && array.is_array()) {
        let new = |index: usize| rows.get(index).and_then(|row| row.value.as_deref());
        let edit = match change {
            Some(Change::Insert) => {
                let last = rows.len().saturating_sub(1);
                new(last).and_then(|json| text::insert_item(array, last, json))
            }
            Some(Change::Remove(index)) => text::remove_item(array, index),
            Some(Change::Replace(index)) => {
                array.items().nth(index).zip(new(index)).map(|(item, json)| text::replace(item, json))
            }
            None => None,
        };
        if let Some(edit) = edit {
            return subject.edit(&[edit], &operation.place);
        }
    }
    for (name, json) in written(key, &rows) {
        let node = follow(&subject.doc, object).ok_or_else(gone)?;
        let edit = match json {
            Some(json) => Some(text::set_member(node, &name, &json)),
            None => text::remove_member(node, &name),
        };
        if let Some(edit) = edit {
            subject.edit(&[edit], &operation.place)?;
        }
    }
    Ok(())
}

fn has(object: Node<'_>, name: &str) -> bool {
    object.get(name).is_some() || object.get(&format!("_{name}")).is_some()
}

/// What an element has in its object, place by place.
pub(super) fn rows(object: Node<'_>, key: &'static Key) -> Vec<Row> {
    let row = |value: Option<Node<'_>>, sibling: Option<Node<'_>>| {
        let raw = |node: Option<Node<'_>>| node.filter(|node| !node.is_null()).map(|node| node.raw().to_vec());
        Row { value: raw(value), sibling: raw(sibling) }
    };
    let primitive = matches!(TABLE.kind(key.kind).kind, TypeKind::Primitive(_));
    let value = object.get(key.name);
    let sibling = if primitive { object.get(&format!("_{}", key.name)) } else { None };
    if !key.list {
        return if value.is_some() || sibling.is_some() { vec![row(value, sibling)] } else { Vec::new() };
    }
    let mut values = value.into_iter().flat_map(Node::items);
    let mut siblings = sibling.into_iter().flat_map(Node::items);
    let mut rows = Vec::new();
    loop {
        match (values.next(), siblings.next()) {
            (None, None) => return rows,
            (value, sibling) => rows.push(row(value, sibling)),
        }
    }
}
