//! Values of a resource as parts of a Parameters resource: the other way round than `patch/fhirpath/value.rs`.
//! Called by [`super::diff()`].

use crate::json::{Node, write_string};
use crate::outcome::{Code, Issue, Outcome};
use crate::primitive::Primitive;
use crate::table::{Key, TABLE, Type, TypeKind};
use std::sync::LazyLock;

/// The JSON members of `Parameters.parameter.value[x]`, by the number of their type.
static VALUES: LazyLock<Vec<(u16, &'static str)>> = LazyLock::new(|| {
    let parameter: &'static Type =
        TABLE.types.iter().find(|kind| kind.name == "Parameters.parameter").expect("R4 has Parameters");
    let value = |key: &&Key| parameter.elements[usize::from(key.element)].name == "value";
    parameter.keys.iter().filter(value).map(|key| (key.kind, key.name)).collect()
});

/// A value and the id and extensions beside it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub value: Option<Node<'a>>,
    pub sibling: Option<Node<'a>>,
}

/// What an object has of an element, place by place.
pub(super) fn rows<'a>(object: Node<'a>, key: &'static Key) -> Vec<Row<'a>> {
    let primitive = matches!(TABLE.kind(key.kind).kind, TypeKind::Primitive(_));
    let value = object.get(key.name);
    let sibling = if primitive { object.get(&format!("_{}", key.name)) } else { None };
    let given = |node: Option<Node<'a>>| node.filter(|node| !node.is_null());
    if !key.list {
        let row = Row { value: given(value), sibling: given(sibling) };
        return if row.value.is_some() || row.sibling.is_some() { vec![row] } else { Vec::new() };
    }
    let mut values = value.into_iter().flat_map(Node::items);
    let mut siblings = sibling.into_iter().flat_map(Node::items);
    let mut rows = Vec::new();
    loop {
        match (values.next(), siblings.next()) {
            (None, None) => return rows,
            (value, sibling) => rows.push(Row { value: given(value), sibling: given(sibling) }),
        }
    }
}

/// Appends a part of this name with a value of an element.
pub(super) fn write(json: &mut String, name: &str, key: &'static Key, row: Row<'_>) -> Result<(), Outcome> {
    json.push_str("{\"name\":");
    write_string(json, name);
    let kind = TABLE.kind(key.kind);
    let raw = |node: Node<'_>| String::from_utf8_lossy(node.raw()).into_owned();
    let known = VALUES.iter().find(|(number, _)| *number == key.kind).map(|(_, member)| *member);
    // Of all primitives, only the narrative's has no value[x].
    let known = known.or(matches!(kind.kind, TypeKind::Primitive(Primitive::Xhtml)).then_some("valueString"));
    match (known, kind.kind, row.value) {
        (Some(member), ..) => {
            for (mark, node) in [("", row.value), ("_", row.sibling)] {
                if let Some(node) = node {
                    json.push_str(&format!(",\"{mark}{member}\":{}", raw(node)));
                }
            }
        }
        (None, TypeKind::AnyResource, Some(value)) => json.push_str(&format!(",\"resource\":{}", raw(value))),
        (None, _, Some(value)) => {
            json.push_str(",\"part\":[");
            parts(json, value, kind)?;
            json.push(']');
        }
        (None, _, None) => {}
    }
    json.push('}');
    Ok(())
}

/// The members of an object without a datatype, each as a part or several.
fn parts(json: &mut String, object: Node<'_>, kind: &'static Type) -> Result<(), Outcome> {
    let mut first = true;
    let mut done: Vec<&'static str> = Vec::new();
    for (name, _) in object.members() {
        let Some(key) = kind.key(name.strip_prefix('_').unwrap_or(&name)) else {
            let text = "this element is not in the definitions and cannot be compared";
            return Err(Issue::error(Code::Structure, text).at(format!("{}.{name}", kind.name)).into());
        };
        if done.contains(&key.name) {
            continue;
        }
        done.push(key.name);
        for row in rows(object, key) {
            json.push_str(if first { "" } else { "," });
            first = false;
            write(json, key.name, key, row)?;
        }
    }
    Ok(())
}
