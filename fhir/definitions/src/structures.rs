//! Types, elements and JSON members from the StructureDefinitions. Called by `main` first.

use crate::load::{Official, items, text};
use crate::table::{Element, Key, Table, Type};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;

/// The primitives; the place is the number in the table (`fhir::primitive` has the same order).
pub const PRIMITIVES: [&str; 20] = [
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "markdown",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
    "xhtml",
];

/// Required elements that are not held to be required: an official example lacks them (`ImplementationGuide/fhir`, which
/// describes R4 itself), and every official example must be accepted.
const NOT_REQUIRED: [&str; 2] = ["ImplementationGuide.name", "ImplementationGuide.status"];

/// Fills types and resources; says which value sets required bindings name, in the order of their places.
pub fn build(official: &Official, table: &mut Table) -> anyhow::Result<Vec<String>> {
    declare(official, table);
    let numbers: BTreeMap<String, usize> =
        table.types.iter().enumerate().map(|(number, kind)| (kind.name.clone(), number)).collect();
    let mut sets = Vec::new();
    for definition in official.structures.values() {
        if text(definition, "kind") == "primitive-type" {
            continue;
        }
        for element in items(&definition["snapshot"], "element") {
            add(element, &numbers, &mut sets, table).with_context(|| format!("element {}", text(element, "id")))?;
        }
    }
    for kind in &mut table.types {
        kind.keys.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(sets)
}

/// Gives every type a number first, so that elements can name types that come later.
fn declare(official: &Official, table: &mut Table) {
    for name in PRIMITIVES {
        let primitive = PRIMITIVES.iter().position(|known| *known == name).expect("from the list");
        table.types.push(Type { name: name.to_owned(), primitive, ..Type::default() });
    }
    for (name, definition) in &official.structures {
        let kind = match text(definition, "kind") {
            "primitive-type" => continue,
            "resource" if name == "Resource" => 3,
            "resource" if name == "DomainResource" => continue,
            "resource" => 2,
            _ => 1,
        };
        table.types.push(Type { name: name.clone(), kind, ..Type::default() });
        for element in items(&definition["snapshot"], "element") {
            if is_nested(element) {
                table.types.push(Type { name: text(element, "path").to_owned(), kind: 1, ..Type::default() });
            }
        }
    }
    for name in &official.resources {
        let number = table.type_number(name).expect("declared above");
        table.resources.push(number);
    }
}

fn is_nested(element: &Value) -> bool {
    text(element, "path").contains('.')
        && items(element, "type").iter().any(|kind| matches!(text(kind, "code"), "BackboneElement" | "Element"))
}

fn add(
    element: &Value,
    numbers: &BTreeMap<String, usize>,
    sets: &mut Vec<String>,
    table: &mut Table,
) -> anyhow::Result<()> {
    let path = text(element, "path");
    let Some((owner, name)) = path.rsplit_once('.') else { return Ok(()) };
    let Some(&owner) = numbers.get(owner) else {
        if owner.starts_with("DomainResource") {
            return Ok(());
        }
        bail!("no type {owner}");
    };
    let max = match text(element, "max") {
        "*" => 0,
        digits => digits.parse::<usize>()?,
    };
    if text(element, "max") == "0" {
        return Ok(());
    }
    let min = element["min"].as_u64().context("no min")?;
    let min = if NOT_REQUIRED.contains(&path) { 0 } else { min };
    let choice = name.ends_with("[x]");
    let name = name.trim_end_matches("[x]");
    let place = table.types[owner].elements.len();
    let resource = table.types[owner].kind >= 2;
    for (key, kind) in keys(element, path, name, choice, resource)? {
        let Some(&kind) = numbers.get(&kind) else { bail!("no type {kind}") };
        table.types[owner].keys.push(Key { name: key, element: place, kind, list: max != 1 });
    }
    table.types[owner].elements.push(Element {
        name: name.to_owned(),
        min: usize::try_from(min)?,
        max,
        choice,
        summary: element["isSummary"] == Value::Bool(true),
        set: required_set(element, sets),
    });
    Ok(())
}

/// The JSON members of an element, each with the name of its type.
fn keys(
    element: &Value,
    path: &str,
    name: &str,
    choice: bool,
    resource: bool,
) -> anyhow::Result<Vec<(String, String)>> {
    if let Some(target) = element.get("contentReference").and_then(Value::as_str) {
        return Ok(vec![(name.to_owned(), target.trim_start_matches('#').to_owned())]);
    }
    if is_nested(element) {
        return Ok(vec![(name.to_owned(), path.to_owned())]);
    }
    let mut keys = Vec::new();
    for kind in items(element, "type") {
        let code = type_code(kind, path, resource)?;
        let key = if choice { format!("{name}{}", capital(&code)) } else { name.to_owned() };
        keys.push((key, code));
    }
    if keys.is_empty() {
        bail!("no type");
    }
    Ok(keys)
}

fn type_code(kind: &Value, path: &str, resource: bool) -> anyhow::Result<String> {
    let code = text(kind, "code");
    if !code.starts_with("http://hl7.org/fhirpath/") {
        return Ok(code.to_owned());
    }
    // A resource's id has the format of `id`; an element's id is any string.
    if resource && path.ends_with(".id") {
        return Ok("id".to_owned());
    }
    let extension = items(kind, "extension")
        .iter()
        .find(|extension| text(extension, "url").ends_with("structuredefinition-fhir-type"))
        .context("a FHIRPath type without its FHIR type")?;
    Ok(text(extension, "valueUrl").to_owned())
}

fn required_set(element: &Value, sets: &mut Vec<String>) -> Option<usize> {
    let binding = element.get("binding")?;
    // A weaker binding may have a maximum, which is required as well.
    let set = match text(binding, "strength") {
        "required" => text(binding, "valueSet"),
        _ => items(binding, "extension")
            .iter()
            .find(|extension| text(extension, "url").ends_with("elementdefinition-maxValueSet"))
            .map_or("", |extension| text(extension, "valueCanonical")),
    };
    let url = set.split('|').next()?.to_owned();
    if url.is_empty() {
        return None;
    }
    let place = sets.iter().position(|known| *known == url).unwrap_or_else(|| {
        sets.push(url);
        sets.len() - 1
    });
    Some(place)
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
