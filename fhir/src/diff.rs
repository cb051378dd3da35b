//! What changed between two versions of a resource, as the FHIRPath Patch that turns the first into the second: what
//! `$diff` answers. Called by `server`; whether `meta` takes part is decided there, by what it hands in.
//!
//! Values are changed as deep as the definitions go; a list keeps what its versions share at both ends, a list with the
//! same items in another order is moved, else items are changed in place and the rest deleted or inserted.
//! Spec: <https://hl7.org/fhir/R4/fhirpatch.html>, <https://hl7.org/fhir/R4/resource-operations.html>.

mod part;

use crate::json::{Doc, Node, write_string};
use crate::outcome::{Code, Issue, Outcome};
use crate::patch::equal::{Numbers, equal};
use crate::table::{Key, TABLE, Type, TypeKind};
use crate::types::ResourceType;
use part::{Row, rows};

/// Most items of a list that are compared with each other to find moves; longer lists are changed in place.
const MOVES_MAX: usize = 64;

/// The Parameters resource that turns `a` into `b`; without parameters if both say the same.
///
/// # Errors
/// The two are of different types, or have members that the definitions do not know, which no FHIRPath finds.
pub fn diff(a: &Doc, b: &Doc) -> Result<Vec<u8>, Outcome> {
    let kind =
        |doc: &Doc| doc.root().get("resourceType").and_then(Node::text).and_then(|name| ResourceType::parse(&name));
    let (Some(kind), true) = (kind(a), kind(a) == kind(b)) else {
        return Err(Issue::error(Code::Invalid, "only versions of one type of resource can be compared").into());
    };
    let mut differences = Differences { json: String::from(r#"{"resourceType":"Parameters""#), count: 0 };
    differences.object(a.root(), b.root(), kind.definition(), kind.name())?;
    differences.json.push_str(if differences.count > 0 { "]}" } else { "}" });
    Ok(differences.json.into_bytes())
}

struct Differences {
    json: String,
    count: usize,
}

/// An element of one version: its member, and its values.
struct Side<'a> {
    key: &'static Key,
    rows: Vec<Row<'a>>,
}

impl Differences {
    fn object(&mut self, a: Node<'_>, b: Node<'_>, kind: &'static Type, path: &str) -> Result<(), Outcome> {
        for (side, other) in [(a, b), (b, a)] {
            for (name, value) in side.members().filter(|(name, _)| name != "resourceType") {
                let key = kind.key(&name).or_else(|| name.strip_prefix('_').and_then(|name| kind.key(name)));
                let shape = |key: &Key| {
                    key.list == value.is_array() && other.get(&name).is_none_or(|other| key.list == other.is_array())
                };
                if !key.is_some_and(shape) {
                    let text = "this element is not as the definitions have it and cannot be compared";
                    return Err(Issue::error(Code::Structure, text).at(format!("{path}.{name}")).into());
                }
            }
        }
        for element in 0..kind.elements.len() {
            let (before, after) = (side(a, kind, element), side(b, kind, element));
            let name = kind.elements[element].name;
            match (before, after) {
                (None, None) => {}
                (Some(before), Some(after)) if before.key.list => self.list(before, after, path, name)?,
                (Some(before), Some(after)) => {
                    let place = format!("{path}.{name}");
                    self.one(before.rows[0], before.key, after.rows[0], after.key, &place)?;
                }
                (Some(before), None) if before.key.list => {
                    for index in (0..before.rows.len()).rev() {
                        self.delete(&format!("{path}.{name}[{index}]"));
                    }
                }
                (Some(_), None) => self.delete(&format!("{path}.{name}")),
                (None, Some(after)) => {
                    for row in after.rows {
                        self.start("add", path);
                        self.text("name", name);
                        self.value(after.key, row)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A value that both versions have.
    fn one(
        &mut self,
        before: Row<'_>,
        old: &'static Key,
        after: Row<'_>,
        new: &'static Key,
        path: &str,
    ) -> Result<(), Outcome> {
        if std::ptr::eq(old, new) && before.same(after) {
            return Ok(());
        }
        let kind = TABLE.kind(new.kind);
        if let (TypeKind::Complex, Some(a), Some(b)) = (kind.kind, before.value, after.value)
            && std::ptr::eq(old, new)
            && a.is_object()
            && b.is_object()
        {
            return self.object(a, b, kind, path);
        }
        self.start("replace", path);
        self.value(new, after)
    }

    fn list(&mut self, before: Side<'_>, after: Side<'_>, path: &str, name: &str) -> Result<(), Outcome> {
        let (a, b, key) = (&before.rows, &after.rows, after.key);
        let path = format!("{path}.{name}");
        let head = a.iter().zip(b).take_while(|(a, b)| a.same(**b)).count();
        let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(a, b)| a.same(**b)).count();
        let (a, b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
        if let Some(moves) = moves(a, b) {
            for (source, destination) in moves {
                self.start("move", &path);
                self.number("source", head + source);
                self.number("destination", head + destination);
                self.end();
            }
            return Ok(());
        }
        let both = a.len().min(b.len());
        for (index, (a, b)) in a.iter().zip(b).enumerate() {
            self.one(*a, key, *b, key, &format!("{path}[{}]", head + index))?;
        }
        for index in (both..a.len()).rev() {
            self.delete(&format!("{path}[{}]", head + index));
        }
        for (index, row) in b.iter().enumerate().skip(both) {
            self.start("insert", &path);
            self.number("index", head + index);
            self.value(key, *row)?;
        }
        Ok(())
    }

    fn delete(&mut self, path: &str) {
        self.start("delete", path);
        self.end();
    }

    fn start(&mut self, verb: &str, path: &str) {
        self.json.push_str(if self.count > 0 { "," } else { r#","parameter":["# });
        self.count += 1;
        self.json.push_str(r#"{"name":"operation","part":[{"name":"type","valueCode":""#);
        self.json.push_str(verb);
        self.json.push_str("\"}");
        self.text("path", path);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.json.push_str(&format!(r#",{{"name":"{name}","valueString":"#));
        write_string(&mut self.json, text);
        self.json.push('}');
    }

    fn number(&mut self, name: &str, number: usize) {
        self.json.push_str(&format!(r#",{{"name":"{name}","valueInteger":{number}}}"#));
    }

    /// The value, and with it the end of the operation.
    fn value(&mut self, key: &'static Key, row: Row<'_>) -> Result<(), Outcome> {
        self.json.push(',');
        part::write(&mut self.json, "value", key, row)?;
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        self.json.push_str("]}");
    }
}

fn side<'a>(node: Node<'a>, kind: &'static Type, element: usize) -> Option<Side<'a>> {
    let element = &kind.elements[element];
    let key = if element.choice {
        let found = node.members().find_map(|(name, _)| {
            let key = kind.key(name.strip_prefix('_').unwrap_or(&name))?;
            std::ptr::eq(&kind.elements[usize::from(key.element)], element).then_some(key)
        });
        found?
    } else {
        kind.key(element.name)?
    };
    let rows = rows(node, key);
    (!rows.is_empty()).then_some(Side { key, rows })
}

/// The moves (from, to) that order one list as the other; none if they do not have the same items.
fn moves(a: &[Row<'_>], b: &[Row<'_>]) -> Option<Vec<(usize, usize)>> {
    if a.len() != b.len() || a.len() > MOVES_MAX {
        return None;
    }
    let mut now = a.to_vec();
    let mut moves = Vec::new();
    for (index, wanted) in b.iter().enumerate() {
        let source = index + now[index..].iter().position(|row| row.same(*wanted))?;
        if source != index {
            let row = now.remove(source);
            now.insert(index, row);
            moves.push((source, index));
        }
    }
    Some(moves)
}

impl Row<'_> {
    fn same(self, other: Self) -> bool {
        let same = |a: Option<Node<'_>>, b: Option<Node<'_>>| match (a, b) {
            (Some(a), Some(b)) => equal(a, b, Numbers::Digits),
            (None, None) => true,
            _ => false,
        };
        same(self.value, other.value) && same(self.sibling, other.sibling)
    }
}

#[cfg(test)]
mod tests;
