//! Words a patient reads instead of codes. Nothing here decides anything. Called by `pages`.

pub(crate) mod classes;
pub(crate) mod clock;
pub(crate) mod purposes;
pub(crate) mod types;

use node::grants::ScopeLine;

/// One thing a hospital may do, as a sentence: "Read your measurements and test results".
pub(crate) fn scope(line: &ScopeLine) -> String {
    let things = line.resource_type.as_deref().map_or("everything in your record".to_owned(), types::many);
    let words = match line.words.as_str() {
        // Nothing but letters this program does not know: say so rather than nothing.
        "" => "use",
        words => words,
    };
    let (words, only) = words.split_once(", only where ").map_or((words, ""), |(words, only)| (words, only));
    let text = crate::error::sentence(&format!("{words}: {things}"));
    let text = text.trim_end_matches('.');
    if only.is_empty() { text.to_owned() } else { format!("{text} (only where {only})") }
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
        if at > 0 && (digits.len() - at) % 3 == 0 {
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
        let check = |words: &str, kind: Option<&str>, expected: &str| {
            let line = ScopeLine { scope: String::new(), words: words.to_owned(), resource_type: kind.map(str::to_owned) };
            assert_eq!(scope(&line), expected);
        };
        check("read", Some("Observation"), "Read: measurements and test results");
        check("add and change its own", Some("Condition"), "Add and change its own: diagnoses and health problems");
        check("read", None, "Read: everything in your record");
        check("read", Some("NewThing"), "Read: NewThing");
        check("read, only where category=laboratory", Some("Observation"), "Read: measurements and test results (only where category=laboratory)");
        check("", Some("Observation"), "Use: measurements and test results");
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
