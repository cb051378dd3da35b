//! Categories a patient can narrow access to, in words: the codes that hospitals give to what they write. Called by `words` and
//! by the pages on which access is allowed.
//!
//! Source: <https://terminology.hl7.org/CodeSystem-observation-category.html>,
//! <https://terminology.hl7.org/CodeSystem-condition-category.html>, <https://terminology.hl7.org/CodeSystem-v2-0074.html>.

/// Type, code of `category`, words.
const CATEGORIES: [(&str, &str, &str); 15] = [
    ("Observation", "laboratory", "laboratory results"),
    ("Observation", "vital-signs", "vital signs"),
    ("Observation", "imaging", "findings of imaging"),
    ("Observation", "procedure", "results of procedures"),
    ("Observation", "survey", "answers to questionnaires"),
    ("Observation", "exam", "findings of examinations"),
    ("Observation", "therapy", "results of therapies"),
    ("Observation", "activity", "activity"),
    ("Observation", "social-history", "social history"),
    ("Condition", "problem-list-item", "the list of health problems"),
    ("Condition", "encounter-diagnosis", "diagnoses of visits"),
    ("DiagnosticReport", "LAB", "laboratory reports"),
    ("DiagnosticReport", "RAD", "radiology reports"),
    ("DiagnosticReport", "CUS", "cardiac ultrasound reports"),
    ("DiagnosticReport", "GE", "genetics reports"),
];

/// The categories of a type: code and words.
pub(crate) fn of(kind: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    CATEGORIES.iter().filter(move |(of, _, _)| *of == kind).map(|(_, code, words)| (*code, *words))
}

/// What a scope's parameters leave, in words, where they name categories that are known here; otherwise as they are written.
pub(crate) fn words(kind: &str, parameters: &str) -> String {
    let codes = parameters.strip_prefix("category=").map(|codes| codes.split(','));
    let known = |code: &str| {
        let code = code.rsplit_once("%7C").or_else(|| code.rsplit_once('|')).map_or(code, |(_, code)| code);
        of(kind).find(|(known, _)| *known == code).map(|(_, words)| words.to_owned())
    };
    match codes.and_then(|codes| codes.map(known).collect::<Option<Vec<_>>>()) {
        Some(words) => format!("only {}", super::list(&words)),
        None => format!("only where {parameters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_reads_as_words_and_anything_else_as_it_is() {
        let check = |kind, parameters, expected: &str| assert_eq!(words(kind, parameters), expected);
        check("Observation", "category=laboratory", "only laboratory results");
        check("Observation", "category=laboratory,vital-signs", "only laboratory results and vital signs");
        check("Observation", "category=http://x|laboratory", "only laboratory results");
        check("Observation", "category=LAB", "only where category=LAB");
        check("Condition", "code=x", "only where code=x");
        check("Observation", "category=laboratory&status=final", "only where category=laboratory&status=final");
    }
}
