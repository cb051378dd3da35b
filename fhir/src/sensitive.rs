//! Codes whose resources are of a class although no label says so: value sets that a hospital names, as 42 CFR Part 2 asks for
//! what identifies somebody's treatment. Called by `node` at each write; labels are read in `class`.
//!
//! Spec: <https://hl7.org/fhir/R4/valueset.html>, <https://hl7.org/fhir/R4/security-labels.html>.

use crate::class::{self, Class};
use crate::json::{Doc, Node};
use crate::types::ResourceType;
use std::collections::HashMap;

/// Most codes of all value sets together; the largest published ones have some ten thousand.
pub const CODES_MAX: usize = 1_000_000;

/// Extensions of an expansion that say that codes are missing: there are too many, or nobody can list them all.
const LIMITED: [&str; 2] = [
    "http://hl7.org/fhir/StructureDefinition/valueset-toocostly",
    "http://hl7.org/fhir/StructureDefinition/valueset-unclosed",
];

/// Why a value set cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SensitiveError {
    /// It is another resource.
    #[error("it is no ValueSet")]
    Other,
    /// It says by rules what is in it; a terminology server knows what that comes to.
    #[error("it has {0}, which has to be expanded first: the $expand of a terminology server writes the codes down")]
    Rules(&'static str),
    /// A terminology server wrote a part of it down: what is missing would be let through.
    #[error("its expansion is not whole ({0}): ask the terminology server for all of it, without offset and count")]
    Partial(&'static str),
    /// It names nothing.
    #[error("it has no codes")]
    Empty,
    /// There are too many.
    #[error("the value sets have more than {CODES_MAX} codes together")]
    TooMany,
}

/// What resources are of which class by their codes.
#[derive(Clone, Debug, Default)]
pub struct Sensitive {
    /// By system and code; an empty code is every code of the system.
    codes: HashMap<(String, String), Class>,
}

impl Sensitive {
    /// Adds the codes of a value set; returns how many it has. Of a code that several name, the most protective class counts.
    ///
    /// # Errors
    /// [`SensitiveError`]; nothing is added then.
    pub fn add(&mut self, class: Class, value_set: &Doc) -> Result<usize, SensitiveError> {
        let root = value_set.root();
        if text(root, "resourceType") != "ValueSet" {
            return Err(SensitiveError::Other);
        }
        let mut codes = Vec::new();
        match root.get("expansion") {
            Some(expansion) => {
                let nodes = expanded(expansion, &mut codes);
                is_whole(expansion, nodes)?;
            }
            None => composed(root, &mut codes)?,
        }
        if codes.is_empty() {
            return Err(SensitiveError::Empty);
        }
        if self.codes.len() + codes.len() > CODES_MAX {
            return Err(SensitiveError::TooMany);
        }
        let count = codes.len();
        for code in codes {
            let kept = self.codes.entry(code).or_insert(class);
            *kept = stronger(*kept, class);
        }
        Ok(count)
    }

    /// The class of a resource by its labels and by its codes, whichever is the more protective.
    #[must_use]
    pub fn class_of(&self, doc: &Doc, kind: ResourceType) -> Class {
        let labelled = class::of(doc, kind);
        if self.codes.is_empty() {
            return labelled;
        }
        let mut found = None;
        self.walk(doc.root(), &mut found);
        found.map_or(labelled, |found| stronger(labelled, found))
    }

    /// As deep as the document, which has a limit.
    fn walk(&self, node: Node<'_>, found: &mut Option<Class>) {
        if node.is_array() {
            node.items().for_each(|item| self.walk(item, found));
        }
        if !node.is_object() {
            return;
        }
        if let (Some(system), Some(code)) = (node.get("system"), node.get("code")) {
            let (system, code) = (system.text().unwrap_or_default(), code.text().unwrap_or_default());
            let named = [code.as_ref(), ""].map(|code| self.codes.get(&(system.to_string(), code.to_owned())));
            for class in named.into_iter().flatten() {
                *found = Some(found.map_or(*class, |before| stronger(before, *class)));
            }
        }
        node.members().for_each(|(_, value)| self.walk(value, found));
    }
}

fn stronger(one: Class, other: Class) -> Class {
    let rank = |class| Class::PROTECTIVE.iter().position(|known| *known == class).unwrap_or(usize::MAX);
    if rank(other) < rank(one) { other } else { one }
}

fn text(node: Node<'_>, name: &str) -> String {
    node.get(name).and_then(Node::text).unwrap_or_default().into_owned()
}

/// Whether an expansion has all that is in the value set; `nodes` is how many concepts it lists.
///
/// # Source
/// <https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.total>
fn is_whole(expansion: Node<'_>, nodes: usize) -> Result<(), SensitiveError> {
    // What is no number says nothing that could be relied on.
    let over = |name: &str, most: usize| {
        let number = |node: Node<'_>| node.number().and_then(|text| text.parse::<usize>().ok());
        expansion.get(name).is_some_and(|node| number(node).is_none_or(|number| number > most))
    };
    if over("offset", 0) {
        return Err(SensitiveError::Partial("offset"));
    }
    if over("total", nodes) {
        return Err(SensitiveError::Partial("total"));
    }
    let is_true = |node: Node<'_>| node.get("valueBoolean").and_then(Node::boolean) == Some(true);
    let mut extensions = expansion.get("extension").into_iter().flat_map(Node::items);
    if extensions.any(|one| is_true(one) && LIMITED.contains(&text(one, "url").as_str())) {
        return Err(SensitiveError::Partial("extension"));
    }
    let mut parameters = expansion.get("parameter").into_iter().flat_map(Node::items);
    if parameters.any(|one| is_true(one) && text(one, "name") == "limitedExpansion") {
        return Err(SensitiveError::Partial("parameter"));
    }
    Ok(())
}

/// Adds the codes below a node; returns how many concepts are there, also those that only group others. As deep as the document,
/// which has a limit.
fn expanded(node: Node<'_>, codes: &mut Vec<(String, String)>) -> usize {
    let mut nodes = 0;
    for one in node.get("contains").into_iter().flat_map(Node::items) {
        let (system, code) = (text(one, "system"), text(one, "code"));
        if !system.is_empty() && !code.is_empty() {
            codes.push((system, code));
        }
        nodes += 1 + expanded(one, codes);
    }
    nodes
}

fn composed(root: Node<'_>, codes: &mut Vec<(String, String)>) -> Result<(), SensitiveError> {
    let Some(compose) = root.get("compose") else { return Err(SensitiveError::Empty) };
    if compose.get("exclude").is_some() {
        return Err(SensitiveError::Rules("compose.exclude"));
    }
    for include in compose.get("include").into_iter().flat_map(Node::items) {
        if include.get("filter").is_some() {
            return Err(SensitiveError::Rules("compose.include.filter"));
        }
        if include.get("valueSet").is_some() {
            return Err(SensitiveError::Rules("compose.include.valueSet"));
        }
        let system = text(include, "system");
        let concepts = include.get("concept").into_iter().flat_map(Node::items).map(|concept| text(concept, "code"));
        let before = codes.len();
        codes.extend(concepts.filter(|code| !code.is_empty()).map(|code| (system.clone(), code)));
        if codes.len() == before && !system.is_empty() {
            codes.push((system, String::new()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &str) -> Doc {
        Doc::parse(text.as_bytes().to_vec()).expect("JSON")
    }

    #[test]
    fn a_code_of_a_value_set_is_of_its_class() {
        let mut sensitive = Sensitive::default();
        let hiv = r#"{"resourceType":"ValueSet","compose":{"include":[{"system":"s","concept":[{"code":"hiv"},{"code":"both"}]}]}}"#;
        let drugs = r#"{"resourceType":"ValueSet","expansion":{"contains":[{"system":"s","code":"sud","contains":
            [{"system":"s","code":"both"}]},{"abstract":true,"contains":[{"system":"t","code":"x"}]}]}}"#;
        let whole = r#"{"resourceType":"ValueSet","compose":{"include":[{"system":"dsm"}]}}"#;
        assert_eq!(sensitive.add(Class::Hiv, &doc(hiv)), Ok(2));
        assert_eq!(sensitive.add(Class::SubstanceUse, &doc(drugs)), Ok(3));
        assert_eq!(sensitive.add(Class::MentalHealth, &doc(whole)), Ok(1));
        let check = |rest: &str, expected: Class| {
            let text = format!(r#"{{"resourceType":"Condition","x":1{rest}}}"#);
            let kind = ResourceType::parse("Condition").expect("a type");
            assert_eq!(sensitive.class_of(&doc(&text), kind), expected, "{rest}");
        };
        let coded = |system: &str, code: &str| {
            format!(r#","code":{{"coding":[{{"system":"u","code":"hiv"}},{{"system":"{system}","code":"{code}"}}]}}"#)
        };
        check("", Class::Normal);
        check(&coded("s", "other"), Class::Normal);
        check(&coded("s", "hiv"), Class::Hiv);
        check(&coded("s", "sud"), Class::SubstanceUse);
        check(&coded("s", "both"), Class::Hiv);
        check(&coded("t", "x"), Class::SubstanceUse);
        check(&coded("dsm", "anything"), Class::MentalHealth);
        check(
            r#","contained":[{"resourceType":"Observation","valueCodeableConcept":{"coding":[{"system":"s","code":"hiv"}]}}]"#,
            Class::Hiv,
        );
        // A label that protects more stays, one that protects less does not weaken.
        let label = |code: &str| {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
            format!(r#","meta":{{"security":[{{"system":"{system}","code":"{code}"}}]}}{}"#, coded("s", "sud"))
        };
        check(&label("HIV"), Class::Hiv);
        check(&label("MH"), Class::SubstanceUse);
        let practitioner = r#"{"resourceType":"Practitioner","code":{"system":"s","code":"hiv"}}"#;
        let kind = ResourceType::parse("Practitioner").expect("a type");
        assert_eq!(sensitive.class_of(&doc(practitioner), kind), Class::Hiv);
        assert_eq!(sensitive.class_of(&doc(r#"{"resourceType":"Practitioner"}"#), kind), Class::Directory);
    }

    #[test]
    fn a_part_of_an_expansion_is_refused() {
        let check = |rest: &str, expected: Result<usize, SensitiveError>| {
            let contains =
                r#""contains":[{"system":"s","code":"a"},{"abstract":true,"contains":[{"system":"s","code":"b"}]}]"#;
            let text = format!(r#"{{"resourceType":"ValueSet","expansion":{{{contains}{rest}}}}}"#);
            let mut sensitive = Sensitive::default();
            assert_eq!(sensitive.add(Class::Hiv, &doc(&text)), expected, "{rest}");
            assert_eq!(sensitive.codes.len(), expected.unwrap_or(0), "{rest}");
        };
        let partial = |what| Err(SensitiveError::Partial(what));
        for good in ["", r#","offset":0"#, r#","total":3"#, r#","total":2"#, r#","offset":0,"total":0"#] {
            check(good, Ok(2));
        }
        for bad in ["1", "1000", "-1", "0.5", r#""0""#, "null", "18446744073709551616"] {
            check(&format!(r#","offset":{bad}"#), partial("offset"));
        }
        for bad in ["4", "20000", "-1", "1e9", r#""3""#] {
            check(&format!(r#","total":{bad}"#), partial("total"));
        }
        for name in ["toocostly", "unclosed", "other"] {
            let url = format!("http://hl7.org/fhir/StructureDefinition/valueset-{name}");
            let extension =
                |value: bool| format!(r#","extension":[{{"url":"x"}},{{"url":"{url}","valueBoolean":{value}}}]"#);
            check(&extension(false), Ok(2));
            check(&extension(true), if name == "other" { Ok(2) } else { partial("extension") });
        }
        let limited = |value: bool| format!(r#","parameter":[{{"name":"limitedExpansion","valueBoolean":{value}}}]"#);
        check(&limited(false), Ok(2));
        check(&limited(true), partial("parameter"));
    }

    #[test]
    fn what_only_a_terminology_server_knows_is_refused() {
        let check = |rest: &str, expected: SensitiveError| {
            let text = format!(r#"{{"resourceType":"ValueSet"{rest}}}"#);
            assert_eq!(Sensitive::default().add(Class::Hiv, &doc(&text)), Err(expected), "{rest}");
        };
        check("", SensitiveError::Empty);
        check(r#","compose":{"include":[]}"#, SensitiveError::Empty);
        check(
            r#","compose":{"include":[{"system":"s","filter":[{}]}]}"#,
            SensitiveError::Rules("compose.include.filter"),
        );
        check(r#","compose":{"include":[{"valueSet":["x"]}]}"#, SensitiveError::Rules("compose.include.valueSet"));
        check(r#","compose":{"include":[{"system":"s"}],"exclude":[{}]}"#, SensitiveError::Rules("compose.exclude"));
        assert_eq!(
            Sensitive::default().add(Class::Hiv, &doc(r#"{"resourceType":"Patient"}"#)),
            Err(SensitiveError::Other)
        );
    }
}
