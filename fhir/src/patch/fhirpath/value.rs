//! The value of an operation's part as the JSON of the element it becomes. Called by `change`.

use super::operation::name;
use crate::edit;
use crate::json::Node;
use crate::table::{Key, TABLE, Type, TypeKind};
use std::sync::LazyLock;

/// The type of a parameter and its parts.
static PARAMETER: LazyLock<&'static Type> =
    LazyLock::new(|| TABLE.types.iter().find(|kind| kind.name == "Parameters.parameter").expect("R4 has Parameters"));

/// Types whose values are Quantities by another name.
const QUANTITIES: [&str; 6] = ["Quantity", "Age", "Count", "Distance", "Duration", "Money"];

/// What stands at one place of an element: a value, and the id and extensions of a primitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub value: Option<Vec<u8>>,
    pub sibling: Option<Vec<u8>>,
}

/// The value as an element of a type, by the element's name; the JSON member that this value takes.
pub(super) fn of(part: Node<'_>, owner: &'static Type, element: &str) -> Result<(&'static Key, Row), &'static str> {
    let given = value_of(part);
    let place = owner.elements.iter().position(|known| known.name == element);
    let key = match (place, given) {
        (Some(place), Some((kind, ..))) if owner.elements[place].choice => {
            let mut keys = owner.keys.iter().filter(|key| usize::from(key.element) == place);
            keys.find(|key| key.kind == kind).ok_or("the element cannot have a value of this type")?
        }
        // Only the value of a choice can say which type it is; parts need its member's name, such as valueQuantity.
        _ => owner.key(element).ok_or("the type has no element of this name")?,
    };
    let kind = TABLE.kind(key.kind);
    let row = match (given, kind.kind) {
        (Some((given, value, sibling)), TypeKind::Primitive(primitive)) => {
            let TypeKind::Primitive(given) = TABLE.kind(given).kind else {
                return Err("the element is a primitive, and the value is not");
            };
            if given.json_kind() != primitive.json_kind() {
                return Err("the element cannot have a value of this type");
            }
            Row { value: value.map(raw), sibling: sibling.map(raw) }
        }
        (Some((given, Some(value), None)), TypeKind::Complex) => {
            let given = TABLE.kind(given).name;
            if given != kind.name && !(QUANTITIES.contains(&given) && QUANTITIES.contains(&kind.name)) {
                return Err("the element cannot have a value of this type");
            }
            Row { value: Some(raw(value)), sibling: None }
        }
        (Some(_), _) => return Err("the element cannot have a value of this type"),
        (None, TypeKind::AnyResource) => {
            let resource = part.get("resource").ok_or("the value needs a resource")?;
            Row { value: Some(raw(resource)), sibling: None }
        }
        (None, TypeKind::Primitive(_)) => Row { value: None, sibling: Some(parts(part, TABLE.kind(TABLE.element))?) },
        (None, _) => Row { value: Some(parts(part, kind)?), sibling: None },
    };
    Ok((key, row))
}

/// The `value[x]` of a part: type, value, and what stands beside it.
fn value_of(part: Node<'_>) -> Option<(u16, Option<Node<'_>>, Option<Node<'_>>)> {
    let mut found: Option<(u16, Option<Node<'_>>, Option<Node<'_>>)> = None;
    for (member, node) in part.members() {
        let plain = member.strip_prefix('_').unwrap_or(&member);
        let Some(key) = PARAMETER.key(plain).filter(|key| PARAMETER.elements[usize::from(key.element)].name == "value")
        else {
            continue;
        };
        let found = found.get_or_insert((key.kind, None, None));
        if plain.len() == member.len() { found.1 = Some(node) } else { found.2 = Some(node) }
    }
    found
}

/// An object from parts, each named as an element; parts of one name make a list.
fn parts(part: Node<'_>, kind: &'static Type) -> Result<Vec<u8>, &'static str> {
    let mut members: Vec<(&'static Key, Vec<Row>)> = Vec::new();
    let list = part.get("part").ok_or("the value needs a value[x] or parts")?;
    for part in list.items() {
        let name = name(part).ok_or("a part needs a name")?;
        let (key, row) = of(part, kind, &name)?;
        match members.iter_mut().find(|(known, _)| std::ptr::eq(*known, key)) {
            Some((_, rows)) if key.list => rows.push(row),
            Some(_) => return Err("an element that may be given once is given twice"),
            None => members.push((key, vec![row])),
        }
    }
    let mut out = vec![b'{'];
    for (key, rows) in members {
        for (name, json) in written(key, &rows) {
            let Some(json) = json else { continue };
            out.extend_from_slice(if out.len() > 1 { b"," } else { b"" });
            out.extend_from_slice(&edit::string(&name));
            out.push(b':');
            out.extend_from_slice(&json);
        }
    }
    out.push(b'}');
    Ok(out)
}

/// The two members of an element, `name` and `_name`: each its JSON, or none if it has nothing to say.
pub(super) fn written(key: &'static Key, rows: &[Row]) -> [(String, Option<Vec<u8>>); 2] {
    let side = |pick: fn(&Row) -> &Option<Vec<u8>>| {
        if !key.list {
            return rows.first().and_then(|row| pick(row).clone());
        }
        let any = rows.iter().any(|row| pick(row).is_some());
        any.then(|| {
            let items: Vec<&[u8]> = rows.iter().map(|row| pick(row).as_deref().unwrap_or(b"null")).collect();
            [&b"["[..], &items.join(&b","[..]), b"]"].concat()
        })
    };
    [(key.name.to_owned(), side(|row| &row.value)), (format!("_{}", key.name), side(|row| &row.sibling))]
}

fn raw(node: Node<'_>) -> Vec<u8> {
    node.raw().to_vec()
}
