//! Which patient a resource is about, and so whose record it belongs in. Called by `node` at each write.
//!
//! The main patient element of each type is in the compiled table: `patient`, `subject`, `beneficiary`, `for`,
//! `individual` or `candidate`, and a few by name (`Binary.securityContext`, `Provenance.target`, the actors of an
//! Appointment). Group, Person, Schedule and Linkage have none on purpose: they may be about several patients.

use crate::json::{Doc, Node};
use crate::reference::{self, Parts};
use crate::table::TABLE;
use crate::types::ResourceType;

/// What the main patient element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Main {
    /// Nothing: no such element, or not filled, or it names no patient.
    None,
    /// Texts of references that may lead to patients, in order. Those that surely name another type are left out,
    /// except where [`follows`] holds.
    Patients(Vec<String>),
    /// System (empty for none) and value of an identifier, when no reference is given.
    Identifier(String, String),
}

/// The types whose resources live in the house record and are copied to where they are named.
const DIRECTORY: [&str; 8] = [
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Location",
    "HealthcareService",
    "Endpoint",
    "Medication",
    "Substance",
];

/// Whether resources of this type are the hospital's directory.
#[must_use]
pub fn is_directory(kind: ResourceType) -> bool {
    DIRECTORY.contains(&kind.name())
}

/// Whether resources of this type live where the resource they point to lives, whatever its type.
#[must_use]
pub fn follows(kind: ResourceType) -> bool {
    matches!(kind.name(), "Provenance" | "Binary")
}

/// The member path of a type's main patient element, such as `subject`.
#[must_use]
pub fn element(kind: ResourceType) -> Option<&'static str> {
    TABLE.home[usize::from(kind.number())]
}

/// What the main patient element of a resource says. A Patient's own home is its id, which is the caller's to know.
#[must_use]
pub fn main(doc: &Doc, kind: ResourceType) -> Main {
    if kind.name() == "Bundle" {
        return of_document(doc.root());
    }
    at(doc.root(), kind)
}

/// A document belongs where its Composition does.
fn of_document(bundle: Node<'_>) -> Main {
    let document = bundle.get("type").and_then(Node::text).is_some_and(|kind| kind == "document");
    let first = bundle.get("entry").and_then(|entries| entries.items().next()).and_then(|entry| entry.get("resource"));
    let composition =
        first.filter(|first| first.get("resourceType").and_then(Node::text).as_deref() == Some("Composition"));
    match (composition, ResourceType::parse("Composition")) {
        (Some(composition), Some(kind)) if document => at(composition, kind),
        _ => Main::None,
    }
}

fn at(resource: Node<'_>, kind: ResourceType) -> Main {
    let Some(path) = element(kind) else { return Main::None };
    let mut nodes = vec![resource];
    for name in path.split('.') {
        nodes = nodes.into_iter().filter_map(|node| node.get(name)).flat_map(Node::each).collect();
    }
    let any = follows(kind);
    let texts: Vec<String> = nodes
        .iter()
        .filter_map(|node| node.get("reference").and_then(Node::text))
        .filter(|text| any || may_name_patient(text))
        .map(|text| text.into_owned())
        .collect();
    if !texts.is_empty() {
        return Main::Patients(texts);
    }
    let [only] = nodes[..] else { return Main::None };
    let other = only.get("type").and_then(Node::text).is_some_and(|kind| !kind.ends_with("Patient"));
    let identifier = only.get("identifier").filter(|_| !other && only.get("reference").is_none());
    let text = |name: &str| identifier.and_then(|identifier| identifier.get(name)).and_then(Node::text);
    match text("value") {
        Some(value) => Main::Identifier(text("system").unwrap_or_default().into_owned(), value.into_owned()),
        None => Main::None,
    }
}

fn may_name_patient(text: &str) -> bool {
    match reference::parse(text) {
        Parts::Relative { kind, .. } | Parts::Absolute { kind, .. } | Parts::Conditional { kind, .. } => {
            kind.name() == "Patient"
        }
        Parts::Urn(_) | Parts::Url(_) => true,
        Parts::Fragment(_) | Parts::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_the_main_element_of_the_design() {
        for (kind, wanted) in [
            ("Observation", Some("subject")),
            ("Condition", Some("subject")),
            ("AllergyIntolerance", Some("patient")),
            ("Coverage", Some("beneficiary")),
            ("Task", Some("for")),
            ("ResearchSubject", Some("individual")),
            ("Device", Some("patient")),
            ("Contract", Some("subject")),
            ("GuidanceResponse", Some("subject")),
            ("Binary", Some("securityContext")),
            ("Provenance", Some("target")),
            ("Composition", Some("subject")),
            ("List", Some("subject")),
            ("Basic", Some("subject")),
            ("QuestionnaireResponse", Some("subject")),
            ("ExplanationOfBenefit", Some("patient")),
            ("Appointment", Some("participant.actor")),
            ("EnrollmentRequest", Some("candidate")),
            ("Patient", None),
            ("Group", None),
            ("Person", None),
            ("Schedule", None),
            ("Linkage", None),
            ("Organization", None),
            ("Library", None),
            ("ActivityDefinition", None),
        ] {
            assert_eq!(element(ResourceType::parse(kind).unwrap()), wanted, "{kind}");
        }
    }

    #[test]
    fn the_main_element_names_patients_or_an_identifier() {
        let patients = |texts: &[&str]| Main::Patients(texts.iter().map(|text| (*text).to_owned()).collect());
        let one = patients(&["Patient/1"]);
        check(
            r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/2"}]}"#,
            &one,
        );
        check(r#"{"resourceType":"Observation","subject":{"reference":"Group/1"}}"#, &Main::None);
        check(r#"{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}"#, &patients(&["urn:uuid:1"]));
        check(r#"{"resourceType":"Observation","subject":{"display":"x"}}"#, &Main::None);
        check(r##"{"resourceType":"Observation","subject":{"reference":"#p"}}"##, &Main::None);
        check(
            r#"{"resourceType":"Observation","subject":{"identifier":{"system":"s","value":"v"}}}"#,
            &Main::Identifier("s".into(), "v".into()),
        );
        check(
            r#"{"resourceType":"Observation","subject":{"type":"Group","identifier":{"system":"s","value":"v"}}}"#,
            &Main::None,
        );
        check(
            r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Practitioner/1"}},{"actor":{"reference":"Patient/1"}}]}"#,
            &one,
        );
        check(
            r#"{"resourceType":"Provenance","target":[{"reference":"Observation/1"},{"reference":"Patient/1"}]}"#,
            &patients(&["Observation/1", "Patient/1"]),
        );
        check(
            r#"{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition","subject":{"reference":"Patient/1"}}}]}"#,
            &one,
        );
        check(
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Composition","subject":{"reference":"Patient/1"}}}]}"#,
            &Main::None,
        );
        check(r#"{"resourceType":"Organization"}"#, &Main::None);
    }

    fn check(text: &str, wanted: &Main) {
        let parsed = crate::parse::resource(text).unwrap();
        assert_eq!(main(parsed.doc(), parsed.kind()), *wanted, "{text}");
    }
}
