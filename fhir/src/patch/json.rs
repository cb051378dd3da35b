//! JSON Patch: RFC 6902 with the pointers of RFC 6901. Called by `server` through [`super::json()`].
//!
//! Issues name the operation as `$[3]`. A list that loses its last item, and an object its last member, goes itself:
//! FHIR has no empty ones.

use super::equal::{Numbers, equal};
use super::text::{self, Edit, Subject};
use super::{OPERATIONS_MAX, Refused, finish};
use crate::json::{Doc, Node};
use crate::outcome::Code;

/// Applies a JSON Patch to a resource; the new text.
///
/// # Errors
/// [`Refused::Document`] for a text that is no JSON Patch, [`Refused::NotApplicable`] for operations on places that are
/// not there, tests that fail, and a changed resourceType.
pub fn json(doc: &Doc, patch: &[u8]) -> Result<Vec<u8>, Refused> {
    let patch = Doc::parse(patch.to_vec()).map_err(|issue| Refused::Document(issue.into()))?;
    let operations = read(&patch)?;
    let mut subject = Subject::new(doc);
    for (index, operation) in operations.iter().enumerate() {
        apply(&mut subject, operation, &format!("$[{index}]"))?;
    }
    // Empty values that were there, or that the patch brings, are left for validation to refuse.
    if !text::has_empty(doc.root()) && !operations.iter().any(|operation| operation.value.is_some_and(text::has_empty))
    {
        subject.prune("$")?;
    }
    finish(doc, &subject.doc)?;
    Ok(subject.doc.into_bytes())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

struct Operation<'a> {
    verb: Verb,
    path: Vec<String>,
    from: Vec<String>,
    value: Option<Node<'a>>,
}

fn read(patch: &Doc) -> Result<Vec<Operation<'_>>, Refused> {
    let root = patch.root();
    if !root.is_array() {
        return Err(Refused::document(Code::Structure, "$", "a JSON Patch must be an array of operations"));
    }
    let mut operations = Vec::new();
    for (index, node) in root.items().enumerate() {
        let place = format!("$[{index}]");
        if index >= OPERATIONS_MAX {
            return Err(Refused::document(Code::TooLong, &place, "a patch may have at most 1,000 operations"));
        }
        operations.push(operation(node, &place)?);
    }
    Ok(operations)
}

fn operation<'a>(node: Node<'a>, place: &str) -> Result<Operation<'a>, Refused> {
    let bad = |sentence: &str| Refused::document(Code::Structure, place, sentence);
    if !node.is_object() {
        return Err(bad("an operation must be an object"));
    }
    let verb = match node.get("op").and_then(Node::text).as_deref() {
        Some("add") => Verb::Add,
        Some("remove") => Verb::Remove,
        Some("replace") => Verb::Replace,
        Some("move") => Verb::Move,
        Some("copy") => Verb::Copy,
        Some("test") => Verb::Test,
        _ => return Err(bad("op must be one of add, remove, replace, move, copy and test")),
    };
    let pointer = |name: &str| {
        let text = node.get(name).and_then(Node::text).ok_or_else(|| bad(&format!("{name} must be a string")))?;
        pointer(&text).ok_or_else(|| bad(&format!("{name} must be a JSON Pointer: empty, or /, with ~0 and ~1 only")))
    };
    let path = pointer("path")?;
    let from = if matches!(verb, Verb::Move | Verb::Copy) { pointer("from")? } else { Vec::new() };
    let value = node.get("value");
    if value.is_none() && matches!(verb, Verb::Add | Verb::Replace | Verb::Test) {
        return Err(bad("this operation needs a value"));
    }
    if verb == Verb::Move && path.len() > from.len() && path.starts_with(&from) {
        return Err(bad("a value cannot be moved into itself"));
    }
    Ok(Operation { verb, path, from, value })
}

/// The tokens of a JSON Pointer, unescaped.
fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.strip_prefix('/')?.split('/').map(token).collect()
}

fn token(text: &str) -> Option<String> {
    let mut parts = text.split('~');
    let mut token = parts.next()?.to_owned();
    for part in parts {
        let rest = part.strip_prefix('0').map(|rest| ('~', rest));
        let (character, rest) = rest.or_else(|| part.strip_prefix('1').map(|rest| ('/', rest)))?;
        token.push(character);
        token.push_str(rest);
    }
    Some(token)
}

fn apply(subject: &mut Subject, operation: &Operation<'_>, place: &str) -> Result<(), Refused> {
    let path = &operation.path;
    match operation.verb {
        Verb::Add => add(subject, path, operation.value.map(Node::raw).unwrap_or_default(), place),
        Verb::Remove => {
            let edit = removal(find_parent(&subject.doc, path, place)?, path, place)?;
            subject.edit(&[edit], place)
        }
        Verb::Replace => {
            let node = find(&subject.doc, path, place)?;
            let edit = text::replace(node, operation.value.map(Node::raw).unwrap_or_default());
            subject.edit(&[edit], place)
        }
        Verb::Move => {
            let value = find(&subject.doc, &operation.from, place)?.raw().to_vec();
            if operation.from == *path {
                return Ok(());
            }
            let edit = removal(find_parent(&subject.doc, &operation.from, place)?, &operation.from, place)?;
            subject.edit(&[edit], place)?;
            add(subject, path, &value, place)
        }
        Verb::Copy => {
            let value = find(&subject.doc, &operation.from, place)?.raw().to_vec();
            add(subject, path, &value, place)
        }
        Verb::Test => {
            let node = find(&subject.doc, path, place)?;
            if !operation.value.is_some_and(|value| equal(node, value, Numbers::Value)) {
                let text = "the test failed: the value is another one";
                return Err(Refused::not_applicable(Code::Conflict, place, text));
            }
            let bytes = node.raw().len();
            subject.spend(bytes, place)
        }
    }
}

fn add(subject: &mut Subject, path: &[String], json: &[u8], place: &str) -> Result<(), Refused> {
    let Some(last) = path.last() else {
        let edit = text::replace(subject.doc.root(), json);
        return subject.edit(&[edit], place);
    };
    let parent = find_parent(&subject.doc, path, place)?;
    let edit = if parent.is_object() {
        text::set_member(parent, last, json)
    } else if parent.is_array() {
        let index = if last == "-" { Some(parent.items().count()) } else { index(last) };
        let edit = index.and_then(|index| text::insert_item(parent, index, json));
        edit.ok_or_else(|| missing(place, "path names no place in this list"))?
    } else {
        return Err(missing(place, "path goes into a value that is no object or list"));
    };
    subject.edit(&[edit], place)
}

fn removal(parent: Node<'_>, path: &[String], place: &str) -> Result<Edit, Refused> {
    let Some(last) = path.last() else {
        return Err(Refused::not_applicable(Code::BusinessRule, place, "a patch may not remove the resource"));
    };
    let edit = if parent.is_array() {
        index(last).and_then(|index| text::remove_item(parent, index))
    } else {
        text::remove_member(parent, last)
    };
    edit.ok_or_else(|| missing(place, "there is nothing at this place"))
}

fn find<'a>(doc: &'a Doc, path: &[String], place: &str) -> Result<Node<'a>, Refused> {
    let mut node = doc.root();
    for token in path {
        let next =
            if node.is_array() { index(token).and_then(|index| node.items().nth(index)) } else { node.get(token) };
        node = next.ok_or_else(|| missing(place, "there is nothing at this place"))?;
    }
    Ok(node)
}

fn find_parent<'a>(doc: &'a Doc, path: &[String], place: &str) -> Result<Node<'a>, Refused> {
    find(doc, path.split_last().map_or(&[][..], |(_, parents)| parents), place)
}

/// An index as RFC 6901 writes it: no sign, no leading zero.
fn index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit()) && (token.len() == 1 || !token.starts_with('0'));
    if digits { token.parse().ok() } else { None }
}

fn missing(place: &str, sentence: &str) -> Refused {
    Refused::not_applicable(Code::NotFound, place, sentence)
}
