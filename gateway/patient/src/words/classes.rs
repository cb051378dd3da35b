//! Which sensitive entries a grant reaches, in words. Called by `pages::access`.

/// (name, words) of the classes that are closed unless named. `normal` and `directory` need no words.
const SENSITIVE: [(&str, &str); 7] = [
    ("restricted", "entries marked as confidential"),
    ("substance-use", "alcohol and drug use"),
    ("mental-health", "mental health"),
    ("hiv", "HIV"),
    ("sexual-health", "sexual health"),
    ("genetic", "genetics"),
    ("violence", "violence and abuse"),
];

/// Every class that is closed unless named: its name, and what it is called.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    SENSITIVE.into_iter()
}

/// A sentence about what is especially protected.
pub(crate) fn words(classes: &[String]) -> String {
    let named = |class: &&(&str, &str)| classes.iter().any(|name| name == class.0);
    let open = SENSITIVE.iter().filter(named).map(|(_, words)| (*words).to_owned()).collect::<Vec<_>>();
    match open.len() {
        0 => "Especially protected entries stay closed, such as mental health, HIV or genetics.".to_owned(),
        7 => "This includes especially protected entries, such as mental health, HIV or genetics.".to_owned(),
        _ => format!("This includes especially protected entries: {}.", super::list(&open)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitive_entries_are_named_only_when_open() {
        let check = |classes: &[&str], expected: &str| {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>();
            assert!(words(&classes).contains(expected), "{}", words(&classes));
        };
        check(&["normal", "directory"], "stay closed");
        check(&["normal", "hiv", "genetic"], "entries: HIV and genetics.");
        check(&record::Class::NAMES, "This includes especially protected entries, such as");
    }

    #[test]
    fn every_sensitive_class_of_the_record_has_words() {
        for class in record::Class::all().filter(|class| class.is_sensitive()) {
            assert!(SENSITIVE.iter().any(|(name, _)| *name == class.name()), "{}", class.name());
        }
    }
}
