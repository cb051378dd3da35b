//! Words a patient reads instead of codes. Nothing here decides anything. Called by `pages`.

pub(crate) mod categories;
pub(crate) mod classes;
pub(crate) mod clock;
pub(crate) mod purposes;
pub(crate) mod types;

use node::grants::ScopeLine;
use record::scope::{Interactions, Scope};

/// One thing a hospital may do, as a sentence: "See measurements and test results".
pub(crate) fn scope(line: &ScopeLine) -> String {
    let Some(scope) = Scope::parse(&line.scope) else { return line.words.clone() };
    let kind = scope.resource_type.as_deref();
    let may = |interactions| scope.interactions.any(interactions);
    let mut parts = Vec::new();
    if may(Interactions::READ.and(Interactions::SEARCH)) {
        parts.push(format!("see {}", kind.map_or("everything in your record".to_owned(), types::many)));
    }
    let own = match (may(Interactions::UPDATE), may(Interactions::DELETE)) {
        (true, true) => "change or delete",
        (true, false) => "change",
        (false, true) => "delete",
        (false, false) => "",
    };
    if may(Interactions::CREATE) {
        parts.push(format!("add {}", kind.map_or("entries of any kind".to_owned(), types::many)));
    }
    if !own.is_empty() && may(Interactions::CREATE) {
        parts.push(format!("{own} what it has added"));
    } else if !own.is_empty() {
        parts.push(format!("{own} {} it has added", kind.map_or("whatever".to_owned(), types::many)));
    }
    let text = crate::error::sentence(&list(&parts));
    let text = text.trim_end_matches('.');
    match &scope.parameters {
        Some(only) => format!("{text} ({})", categories::words(kind.unwrap_or_default(), only)),
        None => text.to_owned(),
    }
}

/// Whether any of the things a hospital may do is to see something.
pub(crate) fn sees(lines: &[ScopeLine]) -> bool {
    let read = Interactions::READ.and(Interactions::SEARCH);
    lines.iter().any(|line| Scope::parse(&line.scope).is_none_or(|scope| scope.interactions.any(read)))
}

/// Whether any of the things a hospital may do is to write something.
pub(crate) fn writes(lines: &[ScopeLine]) -> bool {
    let write = Interactions::CREATE.and(Interactions::UPDATE).and(Interactions::DELETE);
    lines.iter().any(|line| Scope::parse(&line.scope).is_none_or(|scope| scope.interactions.any(write)))
}

/// Whether any of the things a hospital may do is to change or delete something.
pub(crate) fn changes(lines: &[ScopeLine]) -> bool {
    let change = Interactions::UPDATE.and(Interactions::DELETE);
    lines.iter().any(|line| Scope::parse(&line.scope).is_some_and(|scope| scope.interactions.any(change)))
}

/// Several things in one line: "a, b and c".
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A number with its noun: "1 entry", "2,345 entries".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {}", if number == 1 { one } else { many })
}

/// A name, or what to say when there is none.
pub(crate) fn name<'a>(name: &'a str, otherwise: &'a str) -> &'a str {
    if name.trim().is_empty() { otherwise } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_as_a_sentence() {
        let check = |scope: &str, expected: &str| {
            let line = ScopeLine { scope: scope.to_owned(), words: "as it is".to_owned(), resource_type: None };
            assert_eq!(super::scope(&line), expected);
        };
        check("patient/Observation.rs", "See measurements and test results");
        check("patient/Observation.cu", "Add measurements and test results and change what it has added");
        check("patient/*.cud", "Add entries of any kind and change or delete what it has added");
        check("patient/*.rs", "See everything in your record");
        check("patient/Condition.u", "Change diagnoses and health problems it has added");
        check(
            "patient/Condition.cruds",
            "See diagnoses and health problems, add diagnoses and health problems and change or delete what it has added",
        );
        check("patient/NewThing.r", "See NewThing");
        check(
            "patient/Observation.rs?category=laboratory",
            "See measurements and test results (only laboratory results)",
        );
        check("nonsense", "as it is");
    }

    #[test]
    fn numbers_and_lists_read_well() {
        let check = |number, expected: &str| assert_eq!(count(number, "entry", "entries"), expected);
        check(0, "0 entries");
        check(1, "1 entry");
        check(999, "999 entries");
        check(1000, "1,000 entries");
        check(1_234_567, "1,234,567 entries");
        let check = |items: &[&str], expected: &str| {
            assert_eq!(list(&items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>()), expected);
        };
        check(&[], "");
        check(&["a"], "a");
        check(&["a", "b", "c"], "a, b and c");
    }
}
