//! Required bindings: whether a code is in the value set it must be in. Called by `element`.

use crate::json::Node;
use crate::table::{Set, TABLE};

/// What is wrong with a value that is bound to a set, if anything; sets that cannot be enumerated accept all.
pub fn fault(value: Node<'_>, set: u16) -> Option<String> {
    let set = &TABLE.sets[usize::from(set)];
    if set.codes.is_empty() {
        return None;
    }
    let good = match value.text() {
        Some(code) => has(set, None, &code),
        None => concept_is_in(value, set),
    };
    (!good).then(|| format!("the code must be one of {}", set.url))
}

/// A Coding must be in the set; a CodeableConcept needs one coding that is, unless it has only text.
fn concept_is_in(value: Node<'_>, set: &Set) -> bool {
    if let Some(coding) = value.get("coding") {
        return coding.items().any(|coding| coding_is_in(coding, set));
    }
    value.get("code").is_none() || coding_is_in(value, set)
}

fn coding_is_in(coding: Node<'_>, set: &Set) -> bool {
    let system = coding.get("system").and_then(Node::text);
    match coding.get("code").and_then(Node::text) {
        Some(code) => has(set, system.as_deref(), &code),
        None => false,
    }
}

fn has(set: &Set, system: Option<&str>, code: &str) -> bool {
    let from = set.codes.partition_point(|(_, known)| *known < code);
    let found = set.codes[from..].iter().take_while(|(_, known)| *known == code);
    found.into_iter().any(|(known, _)| system.is_none_or(|system| system == *known))
}
