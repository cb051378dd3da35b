//! The codes of value sets that required bindings name, where they can be enumerated. Called by `main`.

use crate::load::{Official, items, text};
use crate::table::{Set, Table};
use serde_json::Value;
use std::collections::BTreeSet;

type Codes = BTreeSet<(String, String)>;

/// How deep value sets may include value sets; the official ones go two deep.
const INCLUDE_DEPTH_MAX: usize = 8;

/// Fills the table's sets. One that cannot be enumerated stays without codes, which `fhir` reads as "any".
pub fn build(official: &Official, urls: Vec<String>, table: &mut Table) {
    for url in urls {
        let codes = expand(official, &url, 0).unwrap_or_else(|| {
            eprintln!("any code accepted, not enumerable: {url}");
            Codes::new()
        });
        let mut codes: Vec<_> = codes.into_iter().collect();
        codes.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        table.sets.push(Set { url, codes });
    }
}

/// The codes of a value set; none if it cannot be enumerated.
pub fn expand(official: &Official, url: &str, depth: usize) -> Option<Codes> {
    if depth > INCLUDE_DEPTH_MAX {
        return None;
    }
    let set = official.value_sets.get(url.split('|').next()?)?;
    let compose = set.get("compose")?;
    let mut codes = Codes::new();
    for include in items(compose, "include") {
        codes.append(&mut included(official, include, depth)?);
    }
    for exclude in items(compose, "exclude") {
        let out = included(official, exclude, depth)?;
        codes.retain(|code| !out.contains(code));
    }
    Some(codes)
}

fn included(official: &Official, include: &Value, depth: usize) -> Option<Codes> {
    let mut sets = Vec::new();
    if include.get("system").is_some() {
        sets.push(of_system(official, include)?);
    }
    for url in items(include, "valueSet") {
        sets.push(expand(official, url.as_str()?, depth + 1)?);
    }
    // System and value sets in one include mean their intersection.
    sets.into_iter().reduce(|a, b| a.intersection(&b).cloned().collect())
}

fn of_system(official: &Official, include: &Value) -> Option<Codes> {
    let system = text(include, "system");
    let pair = |code: &str| (system.to_owned(), code.to_owned());
    let concepts = items(include, "concept");
    if !concepts.is_empty() {
        return Some(concepts.iter().map(|concept| pair(text(concept, "code"))).collect());
    }
    let definition = official.code_systems.get(system)?;
    if text(definition, "content") != "complete" {
        return None;
    }
    let parents = parents_of(definition);
    let mut kept: BTreeSet<&str> = parents.iter().map(|(code, _)| *code).collect();
    for filter in items(include, "filter") {
        let below = below(text(filter, "value"), &parents);
        match text(filter, "op") {
            "is-a" => kept.retain(|code| below.contains(code) || *code == text(filter, "value")),
            "descendent-of" => kept.retain(|code| below.contains(code)),
            "is-not-a" => kept.retain(|code| !below.contains(code) && *code != text(filter, "value")),
            _ => return None,
        }
    }
    Some(kept.into_iter().map(pair).collect())
}

/// All codes with their parents, by nesting and by the properties `subsumedBy` and `child`.
pub fn parents_of(definition: &Value) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    collect(items(definition, "concept"), None, &mut found);
    let mut children = Vec::new();
    collect_children(items(definition, "concept"), &mut children);
    for (parent, child) in children {
        found.iter_mut().filter(|(code, _)| *code == child).for_each(|(_, parents)| parents.push(parent));
    }
    found
}

fn collect_children<'a>(concepts: &'a [Value], found: &mut Vec<(&'a str, &'a str)>) {
    for concept in concepts {
        let children = items(concept, "property").iter().filter(|property| text(property, "code") == "child");
        found.extend(children.map(|property| (text(concept, "code"), text(property, "valueCode"))));
        collect_children(items(concept, "concept"), found);
    }
}

fn collect<'a>(concepts: &'a [Value], parent: Option<&'a str>, found: &mut Vec<(&'a str, Vec<&'a str>)>) {
    for concept in concepts {
        let mut parents: Vec<&str> = parent.into_iter().collect();
        for property in items(concept, "property") {
            if text(property, "code") == "subsumedBy" {
                parents.push(text(property, "valueCode"));
            }
        }
        found.push((text(concept, "code"), parents));
        collect(items(concept, "concept"), Some(text(concept, "code")), found);
    }
}

fn below<'a>(top: &str, parents: &[(&'a str, Vec<&'a str>)]) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = found.len();
        for (code, above) in parents {
            if above.iter().any(|parent| *parent == top || found.contains(parent)) {
                found.insert(code);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}
