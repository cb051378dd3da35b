//! Search parameters with their paths. Called by `main` after the structures.

use crate::expressions::compile;
use crate::load::{Official, items, text};
use crate::table::{Base, Param, Path, Table};
use anyhow::Context;
use serde_json::Value;

/// Parameter types; the place is the number in the table (`fhir::params::SearchType` has the same order).
pub const KINDS: [&str; 9] =
    ["number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"];

/// Fills the parameters; returns a line for everything that is known but cannot be indexed.
pub fn build(official: &Official, table: &mut Table) -> anyhow::Result<Vec<String>> {
    let mut unsupported = Vec::new();
    for definition in official.search_parameters.values() {
        let id = text(definition, "id");
        let kind = text(definition, "type");
        let number = KINDS.iter().position(|known| *known == kind).with_context(|| format!("{id} is a {kind}"))?;
        let mut bases = Vec::new();
        for resource in resources(table, definition) {
            bases.push(base(table, definition, resource, &mut unsupported));
        }
        let targets = items(definition, "target");
        let targets = targets.iter().filter_map(|target| table.resource_number(target.as_str()?)).collect();
        table.params.push(Param {
            id: id.to_owned(),
            code: text(definition, "code").to_owned(),
            url: text(definition, "url").to_owned(),
            kind: number,
            targets,
            bases,
        });
    }
    table.params.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(unsupported)
}

fn resources(table: &Table, definition: &Value) -> Vec<usize> {
    let mut found = Vec::new();
    for base in items(definition, "base") {
        match base.as_str().unwrap_or("") {
            "Resource" => found.extend(0..table.resources.len()),
            "DomainResource" => found.extend((0..table.resources.len()).filter(|&number| {
                let name = &table.types[table.resources[number]].name;
                !["Bundle", "Binary", "Parameters"].contains(&name.as_str())
            })),
            name => found.extend(table.resource_number(name)),
        }
    }
    found
}

fn base(table: &Table, definition: &Value, resource: usize, unsupported: &mut Vec<String>) -> Base {
    let (id, kind) = (text(definition, "id"), text(definition, "type"));
    let none = Base { resource, supported: false, paths: Vec::new() };
    let mut complain = |line: String| {
        if !unsupported.contains(&line) {
            unsupported.push(line);
        }
    };
    let expression = text(definition, "expression");
    if expression.is_empty() || kind == "composite" || kind == "special" {
        complain(format!("{id} is {kind} {}", if expression.is_empty() { "without expression" } else { "" }));
        return none;
    }
    let compiled = match compile(table, resource, expression) {
        Ok(paths) => paths,
        Err(error) => {
            complain(format!("{id}: {error:#}"));
            return none;
        }
    };
    let mut paths: Vec<Path> = Vec::new();
    for path in compiled {
        let datatype = &table.types[path.kind].name;
        if !converts(kind, datatype) {
            complain(format!("{id}: {kind} of {datatype}"));
        } else if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        complain(format!("{id}: nothing to index for {}", table.types[table.resources[resource]].name));
    }
    Base { resource, supported: !paths.is_empty(), paths }
}

/// Whether `fhir::index` makes values of this kind from this datatype.
fn converts(kind: &str, datatype: &str) -> bool {
    let kinds: &[&str] = match kind {
        "token" => &[
            "Coding",
            "CodeableConcept",
            "Identifier",
            "ContactPoint",
            "code",
            "boolean",
            "id",
            "string",
            "uri",
            "url",
            "canonical",
            "oid",
            "uuid",
        ],
        "string" => {
            &["string", "markdown", "code", "HumanName", "Address", "Annotation", "CodeableConcept", "ContactPoint"]
        }
        "date" => &["date", "dateTime", "instant", "Period", "Timing"],
        "number" => &["integer", "decimal", "positiveInt", "unsignedInt", "Range"],
        "quantity" => &["Quantity", "Age", "Duration", "Count", "Distance", "Money", "Range", "SampledData"],
        "reference" => &["Reference", "canonical", "uri", "url", "Resource"],
        "uri" => &["uri", "url", "canonical", "oid", "uuid"],
        _ => &[],
    };
    kinds.contains(&datatype)
}
