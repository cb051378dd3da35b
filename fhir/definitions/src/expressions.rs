//! Compiles the FHIRPath of search parameters to paths through JSON. Called by `search`.
//!
//! The official expressions use a small part of FHIRPath: members, `as`, `where` with an equality or with
//! `resolve() is`, `[n]`, unions. Because the types of all elements are known here, a choice such as
//! `Observation.value` becomes the JSON members it may be (`valueQuantity`, `valueString`, ...), one path each,
//! and `fhir` needs no types to walk them. A composite's components are written relative to its element.

use crate::table::{Path, Step, Table};
use anyhow::{Context, bail};

/// Paths for `resource` of an expression; parts of the union that name other resources are left out.
pub fn compile(table: &Table, resource: usize, expression: &str) -> anyhow::Result<Vec<Path>> {
    let name = table.types[table.resources[resource]].name.clone();
    let mut paths = Vec::new();
    for part in union(expression) {
        let part = part.trim();
        if part == "Patient.deceased.exists() and Patient.deceased != false" {
            let kind = table.type_number("boolean").context("no boolean")?;
            paths.push(Path { steps: vec![Step::Deceased], kind, system: None });
            continue;
        }
        let (inner, suffix) = unwrap(part);
        let (path, cast) = match inner.split_once(" as ") {
            Some((path, cast)) => (path.trim(), Some(cast.trim())),
            None => (inner, None),
        };
        let mut steps = tokens(path);
        if let Some(cast) = cast {
            steps.push(format!("as({cast})"));
        }
        steps.extend(tokens(suffix));
        let root = steps.remove(0);
        if root.starts_with(char::is_lowercase) {
            // InsurancePlan-name is written `name | alias`, relative to the resource.
            steps.insert(0, root);
            paths.extend(walk(table, table.resources[resource], &steps).with_context(|| part.to_owned())?);
            continue;
        }
        if root != name && root != "Resource" && root != "DomainResource" {
            continue;
        }
        paths.extend(walk(table, table.resources[resource], &steps).with_context(|| part.to_owned())?);
    }
    Ok(paths)
}

/// Paths of a component's expression, relative to an element of type `at`; of each, whether it starts at `resource`
/// instead (`%resource.referenceSeq.chromosome`).
pub fn compile_part(table: &Table, resource: usize, at: usize, expression: &str) -> anyhow::Result<Vec<(bool, Path)>> {
    let mut paths = Vec::new();
    for part in union(expression) {
        let part = part.trim();
        let (outside, root, path) = match part.strip_prefix("%resource.") {
            Some(path) => (true, table.resources[resource], path),
            None => (false, at, part),
        };
        let found = walk(table, root, &tokens(path)).with_context(|| part.to_owned())?;
        paths.extend(found.into_iter().map(|path| (outside, path)));
    }
    Ok(paths)
}

/// Where a walk is: at a value of a type, or before the choice of one.
enum Place {
    At(usize),
    Choice(String),
}

fn walk(table: &Table, root: usize, tokens: &[String]) -> anyhow::Result<Vec<Path>> {
    // (steps, type, and the element's implicit system)
    let mut places: Vec<(Vec<Step>, usize, Place, Option<usize>)> = vec![(Vec::new(), root, Place::At(root), None)];
    for token in tokens {
        let mut next = Vec::new();
        for (steps, owner, place, set) in places {
            if let Some(cast) = token.strip_prefix("as(").or_else(|| token.strip_prefix("ofType(")) {
                let cast = cast.trim_end_matches(')');
                if let Some(at) = cast_to(table, &steps, owner, &place, set, cast)? {
                    next.push(at);
                }
                continue;
            }
            for (mut steps, at, set) in settle(table, steps, owner, place, set) {
                if let Some(condition) = token.strip_prefix("where(").and_then(|rest| rest.strip_suffix(')')) {
                    steps.push(condition_step(table, condition)?);
                    next.push((steps, at, Place::At(at), set));
                } else if let Some(item) = token.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    steps.push(Step::Item(item.parse()?));
                    next.push((steps, at, Place::At(at), set));
                } else if token.contains('(') {
                    bail!("function {token}");
                } else {
                    next.push(member(table, steps, at, token)?);
                }
            }
        }
        places = next;
    }
    let mut paths = Vec::new();
    for (steps, owner, place, set) in places {
        for (steps, kind, set) in settle(table, steps, owner, place, set) {
            paths.push(Path { steps, kind, system: implicit_system(table, set) });
        }
    }
    Ok(paths)
}

type Spot = (Vec<Step>, usize, Place, Option<usize>);

fn member(table: &Table, mut steps: Vec<Step>, at: usize, name: &str) -> anyhow::Result<Spot> {
    let kind = &table.types[at];
    let element = kind
        .elements
        .iter()
        .position(|element| element.name == name)
        .with_context(|| format!("{} has no {name}", kind.name))?;
    if kind.elements[element].choice {
        return Ok((steps, at, Place::Choice(name.to_owned()), kind.elements[element].set));
    }
    let key = kind.keys.iter().find(|key| key.element == element).context("no member")?;
    steps.push(Step::Member(key.name.clone()));
    Ok((steps, key.kind, Place::At(key.kind), kind.elements[element].set))
}

fn cast_to(
    table: &Table,
    steps: &[Step],
    owner: usize,
    place: &Place,
    set: Option<usize>,
    cast: &str,
) -> anyhow::Result<Option<Spot>> {
    // Observation-code-value-date is written with `DateTime`, which is the name of another type system.
    let cast = if cast == "DateTime" { "dateTime" } else { cast };
    let wanted = table.type_number(cast).with_context(|| format!("no type {cast}"))?;
    match place {
        Place::At(kind) if *kind == wanted => Ok(Some((steps.to_vec(), *kind, Place::At(*kind), set))),
        Place::At(_) => Ok(None),
        Place::Choice(name) => {
            let kind = &table.types[owner];
            let found = kind.keys.iter().find(|key| kind.elements[key.element].name == *name && key.kind == wanted);
            Ok(found.map(|key| {
                let mut steps = steps.to_vec();
                steps.push(Step::Member(key.name.clone()));
                (steps, key.kind, Place::At(key.kind), set)
            }))
        }
    }
}

/// A choice that no cast follows is every member it may be.
fn settle(
    table: &Table,
    steps: Vec<Step>,
    owner: usize,
    place: Place,
    set: Option<usize>,
) -> Vec<(Vec<Step>, usize, Option<usize>)> {
    match place {
        Place::At(kind) => vec![(steps, kind, set)],
        Place::Choice(name) => {
            let kind = &table.types[owner];
            let keys = kind.keys.iter().filter(|key| kind.elements[key.element].name == name);
            keys.map(|key| {
                let mut steps = steps.clone();
                steps.push(Step::Member(key.name.clone()));
                (steps, key.kind, set)
            })
            .collect()
        }
    }
}

fn condition_step(table: &Table, condition: &str) -> anyhow::Result<Step> {
    if let Some(name) = condition.strip_prefix("resolve() is ") {
        let number = table.resource_number(name.trim()).with_context(|| format!("no resource {name}"))?;
        return Ok(Step::RefersTo(number));
    }
    let (name, value) = condition.split_once('=').with_context(|| format!("condition {condition}"))?;
    let value = value.trim();
    let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let value = value.with_context(|| format!("condition {condition}"))?;
    Ok(Step::Where(name.trim().to_owned(), value.to_owned()))
}

/// The one system of all codes of a set, if there is one.
fn implicit_system(table: &Table, set: Option<usize>) -> Option<String> {
    let codes = &table.sets.get(set?)?.codes;
    let (system, _) = codes.first()?;
    codes.iter().all(|(other, _)| other == system).then(|| system.clone())
}

/// Splits at `|` outside parentheses and quotes.
fn union(expression: &str) -> Vec<&str> {
    split(expression, '|')
}

/// Splits a path at dots outside parentheses; `name[0]` becomes two tokens.
fn tokens(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in split(path, '.') {
        let part = part.trim();
        match part.split_once('[') {
            Some((name, item)) => {
                found.push(name.to_owned());
                found.push(format!("[{item}"));
            }
            None if part.is_empty() => {}
            None => found.push(part.to_owned()),
        }
    }
    found
}

fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0_usize, false, 0);
    for (place, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if character == at && depth == 0 && !quoted => {
                parts.push(&text[start..place]);
                start = place + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `(inner).suffix` as its two parts; anything else has no suffix.
fn unwrap(part: &str) -> (&str, &str) {
    let Some(rest) = part.strip_prefix('(') else { return (part, "") };
    match rest.rfind(')') {
        Some(end) => (rest[..end].trim(), rest[end + 1..].trim_start_matches('.')),
        None => (part, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_and_paths_are_split_outside_parentheses_and_quotes() {
        assert_eq!(union("A.b | A.c.where(d='x|y')"), ["A.b ", " A.c.where(d='x|y')"]);
        assert_eq!(tokens("A.b[0].where(c='d.e').f"), ["A", "b", "[0]", "where(c='d.e')", "f"]);
        assert_eq!(unwrap("(A.b as C).text"), ("A.b as C", "text"));
        assert_eq!(unwrap("A.b.as(C)"), ("A.b.as(C)", ""));
    }
}
