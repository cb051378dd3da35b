//! Searches that name stored parameters.

use crate::index::custom::Custom;
use crate::json::Doc;
use crate::outcome::{Code, Outcome};
use crate::params::{Lookup, ParamId, STORED_MIN};
use crate::query::{Query, parse};
use crate::types::ResourceType;

fn definition(code: &str, kind: &str, base: &str, more: &str) -> Custom {
    let json = format!(
        r#"{{"resourceType":"SearchParameter","url":"http://a/{code}","status":"active","code":"{code}","base":["{base}"],
            "type":"{kind}","expression":"id"{more}}}"#
    );
    Custom::read(&Doc::parse(json.into_bytes()).unwrap()).unwrap()
}

/// Patients have an eye and a boss, Observations a weight that is not indexed yet.
fn lookup() -> Lookup {
    let mut lookup = Lookup::default();
    lookup.add(ParamId(STORED_MIN), &definition("eye", "token", "Patient", ""));
    lookup.add(ParamId(STORED_MIN + 1), &definition("boss", "reference", "Patient", r#","target":["Patient"]"#));
    lookup.add(ParamId(STORED_MIN + 2), &definition("any", "reference", "Observation", ""));
    lookup.add_unready(ResourceType::parse("Observation").unwrap(), "weight", "it is not indexed yet");
    lookup.add_unready(ResourceType::parse("Patient").unwrap(), "eye", "what can be searched by stays");
    lookup
}

fn read(kind: &str, text: &str) -> Result<Query, Outcome> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
    parse(ResourceType::parse(kind).unwrap(), &pairs, &lookup())
}

// https://hl7.org/fhir/R4/searchparameter.html
#[test]
fn a_stored_parameter_is_named_wherever_an_official_one_is() {
    for (kind, text) in [
        ("Patient", "eye=blue"),
        ("Patient", "eye:not=blue"),
        ("Patient", "eye:missing=true"),
        ("Patient", "boss=Patient/1"),
        ("Patient", "boss.name=a"),
        ("Patient", "boss:Patient.eye=blue"),
        ("Observation", "subject:Patient.eye=blue"),
        ("Observation", "subject.eye=blue"),
        ("Observation", "any:Patient.eye=blue"),
        ("Observation", "any:Device._id=1"),
        ("Patient", "_has:Patient:boss:eye=blue"),
        ("Patient", "_sort=-eye,boss"),
        ("Patient", "_include=Patient:boss"),
        ("Patient", "_revinclude:iterate=Patient:boss:Patient"),
        ("Patient", "_filter=eye eq blue and boss.eye eq green and boss[eye pr true].name eq a"),
    ] {
        let query = read(kind, text).unwrap_or_else(|outcome| panic!("{text}: {outcome}"));
        assert_eq!(query.unknown, [], "{text}");
        let asks = query.conditions.len() + query.sort.len() + query.includes.len() + query.revincludes.len();
        assert!(asks > 0, "{text}");
    }
    assert_eq!(read("Observation", "eye=blue").unwrap().unknown.len(), 1);
    assert!(read("Patient", "_has:Patient:eye:name=a").is_err(), "eye is no reference");
}

#[test]
fn what_is_not_indexed_yet_is_an_error_wherever_it_is_named() {
    for (kind, text) in [
        ("Observation", "weight=1"),
        ("Observation", "weight:missing=true"),
        ("Patient", "_has:Observation:subject:weight=1"),
        ("Patient", "_has:Observation:weight:status=final"),
        ("Observation", "weight.name=a"),
        ("Observation", "has-member:Observation.weight=1"),
        ("Observation", "_sort=weight"),
        ("Observation", "_include=Observation:weight"),
        ("Patient", "_revinclude=Observation:weight"),
        ("Observation", "_filter=weight eq 1"),
        ("Observation", "_filter=weight.name eq a"),
    ] {
        let outcome = read(kind, text).unwrap_err();
        assert_eq!(outcome.issues[0].code, Code::NotSupported, "{text}");
        assert!(outcome.to_string().contains("it is not indexed yet"), "{text}: {outcome}");
    }
}
