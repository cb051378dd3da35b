//! Search parameters with their paths. Called by `main` after the structures.

use crate::composites;
use crate::expressions::compile;
use crate::load::{Official, items, text};
use crate::table::{Base, Param, Path, Step, Table};
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
            ..Param::default()
        });
    }
    table.params.sort_by(|a, b| a.id.cmp(&b.id));
    composites::build(official, table, &mut unsupported)?;
    of_types(table)?;
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

/// A parameter of its own for every token parameter that reads identifiers: `:of-type` finds by type and value.
fn of_types(table: &mut Table) -> anyhow::Result<()> {
    let identifier = table.type_number("Identifier").context("no Identifier")?;
    let token = KINDS.iter().position(|kind| *kind == "token");
    for place in 0..table.params.len() {
        let param = &table.params[place];
        let mut paths = param.bases.iter().flat_map(|base| &base.paths);
        if Some(param.kind) == token && paths.any(|path| path.kind == identifier) {
            let (code, url, kind) = (format!("{}:of-type", param.code), param.url.clone(), param.kind);
            table.params[place].of_type = Some(table.params.len());
            table.params.push(Param {
                id: format!("{}:of-type", table.params[place].id),
                code,
                url,
                kind,
                ..Param::default()
            });
        }
    }
    Ok(())
}

fn base(table: &Table, definition: &Value, resource: usize, unsupported: &mut Vec<String>) -> Base {
    let (id, kind) = (text(definition, "id"), text(definition, "type"));
    let none = Base { resource, ..Base::default() };
    let mut complain = |line: String| {
        if !unsupported.contains(&line) {
            unsupported.push(line);
        }
    };
    let expression = text(definition, "expression");
    if id == "DomainResource-text" {
        // It has no expression; what it reads is the narrative.
        let kind = table.type_number("xhtml").expect("R4 has xhtml");
        let steps = ["text", "div"].map(|name| Step::Member(name.to_owned())).to_vec();
        return Base { resource, supported: true, paths: vec![Path { steps, kind, system: None }], ..none };
    }
    if kind == "composite" {
        return none;
    }
    if expression.is_empty() || kind == "special" {
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
    Base { resource, supported: !paths.is_empty(), paths, ..none }
}

/// Whether `fhir::index` makes values of this kind from this datatype.
pub fn converts(kind: &str, datatype: &str) -> bool {
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
