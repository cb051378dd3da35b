//! Scopes in words, for the person who is asked. Called by `pages`.

use record::scope::{Context, Interactions, Scope};

/// What a resource scope lets an app do.
pub(crate) fn of_scope(scope: &Scope, own: bool) -> String {
    let verbs = [
        (Interactions::READ.and(Interactions::SEARCH), "read"),
        (Interactions::CREATE, "add"),
        (Interactions::UPDATE, "change"),
        (Interactions::DELETE, "delete"),
    ];
    let verbs = verbs.iter().filter(|(bits, _)| scope.interactions.any(*bits)).map(|(_, verb)| *verb);
    let verbs = match &verbs.collect::<Vec<_>>()[..] {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let what =
        scope.resource_type.as_deref().map_or("everything".to_owned(), |kind| format!("{} entries", spaced(kind)));
    let whose = match (scope.context, own) {
        (_, true) => "in your own record",
        (Context::Patient, false) => "of the one patient",
        (Context::User | Context::System, false) => "of every patient you may see",
    };
    let only = scope.parameters.as_deref().map(|only| format!(", only where {only}")).unwrap_or_default();
    let mut text = format!("{verbs} {what} {whose}{only}");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// What a word that is no resource scope lets an app do; none for words that ask for nothing more.
pub(crate) fn of_word(word: &str) -> Option<&'static str> {
    match word {
        "openid" => Some("Know that it is you"),
        "fhirUser" => Some("Know which entry in the record is yours"),
        "offline_access" => Some("Go on when you are not there, until this is taken back"),
        "online_access" => Some("Go on for as long as you are logged in"),
        _ => None,
    }
}

/// `MedicationRequest` as two words.
fn spaced(kind: &str) -> String {
    let mut out = String::new();
    for (at, letter) in kind.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            out.push(' ');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_as_a_sentence() {
        let row = |scope: &str, own: bool, wanted: &str| {
            assert_eq!(of_scope(&Scope::parse(scope).unwrap(), own), wanted, "{scope}");
        };
        row("patient/*.rs", false, "Read everything of the one patient");
        row(
            "patient/MedicationRequest.cruds",
            true,
            "Read, add, change and delete medication request entries in your own record",
        );
        row("user/Observation.read", false, "Read observation entries of every patient you may see");
        row("patient/Condition.c?category=x", false, "Add condition entries of the one patient, only where category=x");
    }
}
