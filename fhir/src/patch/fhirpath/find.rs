//! Where a path leads: the element found, as a place that stays when the text is read again. Called by `change`.

use super::change::rows;
use super::operation::Operation;
use crate::fhirpath::{Element, Expression};
use crate::json::{Doc, Node};
use crate::outcome::Code;
use crate::patch::Refused;
use crate::patch::text::Subject;
use crate::table::{Key, TABLE, Type, TypeKind};
use crate::types::ResourceType;

/// The members and items from the root to a value: what stays when the text is read again.
pub(super) type Trail = Vec<Step>;

pub(super) enum Step {
    Member(String),
    Item(usize),
}

/// An element of an object, by its JSON member.
pub(super) struct Slot {
    pub object: Trail,
    pub owner: &'static Type,
    pub key: &'static Key,
    pub index: Option<usize>,
}

/// What a path found.
pub(super) struct Found {
    pub kind: &'static Type,
    pub primitive: bool,
}

/// The one element of a path, or none; with its place.
pub(super) fn one(doc: &Doc, operation: &Operation<'_>) -> Result<(Trail, Option<Found>), Refused> {
    let found = elements(doc, &operation.path, &operation.place)?;
    match found[..] {
        [] => Ok((Vec::new(), None)),
        [element] => {
            let trail = trail_of(doc, element);
            let kind = TABLE.types.iter().find(|kind| kind.name == element.kind()).expect("an element has a type");
            Ok((trail, Some(Found { kind, primitive: element.is_primitive() })))
        }
        _ => {
            let text = "the path finds several elements where it must find one";
            Err(Refused::not_applicable(Code::MultipleMatches, &operation.place, text))
        }
    }
}

fn elements<'a>(doc: &'a Doc, path: &'a Expression, place: &str) -> Result<Vec<Element<'a>>, Refused> {
    let fault = |sentence: String| Refused::not_applicable(Code::Processing, place, sentence);
    let found = path.of_resource(doc.root()).map_err(|error| fault(error.to_string()))?;
    let count = found.len();
    let elements: Vec<_> = found.into_iter().filter_map(|item| item.element()).collect();
    if elements.len() < count {
        return Err(fault("the path computes a value instead of finding an element".to_owned()));
    }
    Ok(elements)
}

/// The list of a path, and how many items it has; an empty one is found by its parent.
pub(super) fn list(subject: &Subject, operation: &Operation<'_>) -> Result<(Slot, usize), Refused> {
    let fault = |sentence: &str| Refused::not_applicable(Code::Processing, &operation.place, sentence);
    let doc = &subject.doc;
    let found = elements(doc, &operation.path, &operation.place)?;
    let slot = match found.first() {
        Some(first) => {
            let parent = |element: &Element<'_>| element.location().map(|at| (at.parent.range().start, at.member));
            if found.iter().any(|element| parent(element) != parent(first)) {
                return Err(fault("the path finds elements of several lists"));
            }
            slot(doc, trail_of(doc, *first)).ok_or_else(|| fault("the path finds no list"))?
        }
        None => {
            let (parent, name) = operation.text.rsplit_once('.').ok_or_else(|| fault("the path finds no list"))?;
            let parent = Expression::parse(parent).map_err(|_| fault("the path finds no list"))?;
            let parents = elements(doc, &parent, &operation.place)?;
            let [parent] = parents[..] else { return Err(fault("the path finds no list")) };
            let object = trail_of(doc, parent);
            let owner = TABLE.types.iter().find(|kind| kind.name == parent.kind()).expect("an element has a type");
            let key = owner.key(name.trim()).filter(|_| !parent.is_primitive());
            let key = key.ok_or_else(|| fault("the path finds no list"))?;
            Slot { object, owner, key, index: None }
        }
    };
    if !slot.key.list {
        return Err(fault("the element is no list"));
    }
    let object = follow(doc, &slot.object).ok_or_else(|| fault("the path finds no list"))?;
    let count = rows(object, slot.key).len();
    // Of a list of which the path finds a part, an index would mean another place than the list's.
    if !found.is_empty() && found.len() != count {
        return Err(fault("the path must find the whole list"));
    }
    Ok((slot, count))
}

/// The place of an element as its object, its type there, and its member; none for the resource itself.
pub(super) fn slot(doc: &Doc, mut trail: Trail) -> Option<Slot> {
    let index = match trail.last()? {
        Step::Item(index) => {
            let index = *index;
            trail.pop();
            Some(index)
        }
        Step::Member(_) => None,
    };
    let Some(Step::Member(name)) = trail.pop() else { return None };
    let owner = type_at(doc, &trail)?;
    Some(Slot { key: owner.key(&name)?, object: trail, owner, index })
}

/// The type of the object at a place.
fn type_at(doc: &Doc, trail: &[Step]) -> Option<&'static Type> {
    let mut node = doc.root();
    let resource = |node: Node<'_>| {
        let name = node.get("resourceType").and_then(Node::text)?;
        ResourceType::parse(&name).map(ResourceType::definition)
    };
    let mut kind = resource(node)?;
    for step in trail {
        match step {
            Step::Item(index) => node = node.items().nth(*index)?,
            Step::Member(name) => {
                kind = match (kind.key(name), name.strip_prefix('_')) {
                    (Some(key), _) => TABLE.kind(key.kind),
                    (None, Some(_)) => TABLE.kind(TABLE.element),
                    (None, None) => return None,
                };
                node = node.get(name)?;
            }
        }
        if kind.kind == TypeKind::AnyResource && node.is_object() {
            kind = resource(node)?;
        }
    }
    Some(kind)
}

/// The place of an element; of the resource itself, empty.
fn trail_of(doc: &Doc, element: Element<'_>) -> Trail {
    let Some(location) = element.location() else { return Vec::new() };
    let mut trail = Vec::new();
    let target = location.parent.range();
    let mut node = doc.root();
    while node.range() != target {
        let inside = |node: Node<'_>| node.range().start <= target.start && target.end <= node.range().end;
        if let Some((key, value)) = node.members().find(|(_, value)| inside(*value)) {
            trail.push(Step::Member(key.into_owned()));
            node = value;
        } else if let Some((index, item)) = node.items().enumerate().find(|(_, item)| inside(*item)) {
            trail.push(Step::Item(index));
            node = item;
        } else {
            break;
        }
    }
    trail.push(Step::Member(location.member.to_owned()));
    trail.extend(location.index.map(Step::Item));
    trail
}

pub(super) fn follow<'a>(doc: &'a Doc, trail: &[Step]) -> Option<Node<'a>> {
    trail.iter().try_fold(doc.root(), |node, step| match step {
        Step::Member(name) => node.get(name),
        Step::Item(index) => node.items().nth(*index),
    })
}
