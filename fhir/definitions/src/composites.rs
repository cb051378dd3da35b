//! Composite search parameters: the elements of their base expressions and what each component reads of those.
//! Called by `search` once all others have their numbers.
//!
//! A component is a parameter of its own, numbered after all official ones, since its values count only together with
//! those of the other components of the same element.

use crate::expressions::{compile, compile_part};
use crate::load::{Official, items, text};
use crate::search::{KINDS, converts};
use crate::table::{Anchor, Base, Param, Part, Table};
use anyhow::Context;
use serde_json::Value;

/// Composites whose components R4 wrote in the wrong order: `DocumentReference-relatesto` reads the target.
const SWAPPED: [&str; 1] = ["DocumentReference-relationship"];

/// Fills the bases and components of all composites.
pub fn build(official: &Official, table: &mut Table, unsupported: &mut Vec<String>) -> anyhow::Result<()> {
    let composite = KINDS.iter().position(|kind| *kind == "composite");
    for place in 0..table.params.len() {
        if Some(table.params[place].kind) != composite {
            continue;
        }
        let definition = &official.search_parameters[&table.params[place].url];
        let components = components(official, table, definition)?;
        let kinds: Vec<usize> = components.iter().map(|component| component.kind).collect();
        let expressions = expressions(definition);
        let bases = std::mem::take(&mut table.params[place].bases);
        let mut filled = Vec::new();
        for base in bases {
            let resource = base.resource;
            filled.push(anchored(table, definition, resource, &kinds, &expressions).unwrap_or_else(|error| {
                unsupported.push(format!("{}: {error:#}", text(definition, "id")));
                base
            }));
        }
        let numbers = (table.params.len()..).take(components.len()).collect();
        table.params.extend(components);
        table.params[place].bases = filled;
        table.params[place].components = numbers;
    }
    Ok(())
}

/// The components as parameters, named `code-value-quantity$2`.
fn components(official: &Official, table: &Table, definition: &Value) -> anyhow::Result<Vec<Param>> {
    let mut found = Vec::new();
    for (place, component) in items(definition, "component").iter().enumerate() {
        let url = text(component, "definition");
        let known = official.search_parameters.get(url).with_context(|| format!("no parameter {url}"))?;
        let numbered = table.params.iter().find(|param| param.url == url).context("a parameter without number")?;
        let name = |of: &str| format!("{of}${}", place + 1);
        found.push(Param {
            id: name(text(definition, "id")),
            code: name(text(definition, "code")),
            url: text(known, "url").to_owned(),
            kind: numbered.kind,
            targets: numbered.targets.clone(),
            ..Param::default()
        });
    }
    Ok(found)
}

fn expressions(definition: &Value) -> Vec<&str> {
    let mut found: Vec<&str> = items(definition, "component").iter().map(|one| text(one, "expression")).collect();
    if SWAPPED.contains(&text(definition, "id")) {
        found.reverse();
    }
    found
}

/// What a composite reads in one resource type.
fn anchored(
    table: &Table,
    definition: &Value,
    resource: usize,
    kinds: &[usize],
    expressions: &[&str],
) -> anyhow::Result<Base> {
    let mut anchors = Vec::new();
    for element in compile(table, resource, text(definition, "expression"))? {
        let mut parts = Vec::new();
        for (component, (kind, expression)) in kinds.iter().zip(expressions).enumerate() {
            let paths = compile_part(table, resource, element.kind, expression)?;
            let paths = paths.into_iter().filter(|(_, path)| converts(KINDS[*kind], &table.types[path.kind].name));
            let before = parts.len();
            parts.extend(paths.map(|(outside, path)| Part { component, outside, path }));
            anyhow::ensure!(parts.len() > before, "component {} reads nothing: {expression}", component + 1);
        }
        anchors.push(Anchor { steps: element.steps, parts });
    }
    Ok(Base { resource, supported: !anchors.is_empty(), anchors, ..Base::default() })
}
