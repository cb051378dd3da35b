//! Composite parameters and `:of-type`: what is found together, and what is not found at all.

use super::short;
use crate::index::values;
use crate::params;

/// The groups of a composite, in order; each as its components' values, joined.
fn groups(text: &str, code: &str) -> Vec<String> {
    let parsed = crate::parse::resource(text).unwrap();
    let param = params::find(parsed.kind(), code).unwrap_or_else(|| panic!("no parameter {code}"));
    let entries = values(parsed.doc(), parsed.kind());
    let mut found: Vec<(u16, Vec<String>)> = Vec::new();
    for (place, component) in param.components.iter().enumerate() {
        for entry in entries.iter().filter(|entry| entry.param == component.param) {
            assert_ne!(entry.group, 0, "{code} stands in a group");
            let part = format!("{}: {}", place + 1, short(entry.value.clone()));
            match found.iter_mut().find(|(group, _)| *group == entry.group) {
                Some((_, parts)) => parts.push(part),
                None => found.push((entry.group, vec![part])),
            }
        }
    }
    assert!(entries.iter().all(|entry| entry.param != param.id), "{code} has no entries under its own number");
    found.sort();
    let numbers: Vec<u16> = found.iter().map(|(number, _)| *number).collect();
    assert!(numbers.iter().copied().eq(1..=u16::try_from(numbers.len()).unwrap()), "{code}: {numbers:?}");
    found.into_iter().map(|(_, parts)| parts.join(", ")).collect()
}

fn check(members: &str, code: &str, wanted: &[&str]) {
    let (kind, members) = members.split_once(' ').unwrap();
    let text = format!("{{\"resourceType\":\"{kind}\",{members}}}");
    assert_eq!(groups(&text, code), wanted, "{code} of {text}");
}

/// `https://hl7.org/fhir/R4/search.html#composite`
#[test]
fn an_element_with_all_components_is_one_group() {
    let panel = r#"Observation "code":{"coding":[{"code":"p"},{"code":"q"}]},"valueQuantity":{"value":1},"component":[
        {"code":{"coding":[{"code":"s"}]},"valueQuantity":{"value":120}},
        {"code":{"coding":[{"code":"d"}]},"valueQuantity":{"value":80}},
        {"code":{"coding":[{"code":"x"}]},"valueCodeableConcept":{"coding":[{"code":"y"}]}},
        {"code":{"coding":[{"code":"z"}]},"valueQuantity":{"unit":"mg"}},
        {"code":{"coding":[{"code":"z"}]}},
        {"valueQuantity":{"value":7}}]"#;
    let (own, systolic, diastolic) =
        ("1: -|p|-, 1: -|q|-, 2: 1..1 1 -|- -", "1: -|s|-, 2: 120..120 120 -|- -", "1: -|d|-, 2: 80..80 80 -|- -");
    check(panel, "code-value-quantity", &[own]);
    check(panel, "component-code-value-quantity", &[systolic, diastolic]);
    check(panel, "combo-code-value-quantity", &[systolic, diastolic, own]);
    check(panel, "component-code-value-concept", &["1: -|x|-, 2: -|y|-"]);
    check(panel, "combo-code-value-concept", &["1: -|x|-, 2: -|y|-"]);
    check(panel, "code-value-concept", &[]);
    check(panel, "code-value-string", &[]);
    check(panel, "code-value-date", &[]);
}

#[test]
fn every_shape_of_the_official_composites_is_read() {
    let observation = |value: &str| format!(r#"Observation "code":{{"coding":[{{"code":"c"}}]}},{value}"#);
    check(&observation(r#""valueString":"Ä""#), "code-value-string", &["1: -|c|-, 2: a=Ä"]);
    let day = "1: -|c|-, 2: 2020-01-01T00:00:00.000Z..2020-01-01T23:59:59.999Z";
    check(&observation(r#""valueDateTime":"2020-01-01""#), "code-value-date", &[day]);
    check(&observation(r#""valuePeriod":{"start":"2020-01-01","end":"2020-01-01"}"#), "code-value-date", &[day]);
    check(&observation(r#""valueCodeableConcept":{"text":"t"}"#), "code-value-concept", &["1: -|c|-, 2: -|-|t"]);
    check(
        r#"DocumentReference "relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}},{"code":"appends"}]"#,
        "relationship",
        &["1: DocumentReference/1 v- -, 2: http://hl7.org/fhir/document-relationship-type|replaces|-"],
    );
    check(
        r#"Group "characteristic":[{"code":{"coding":[{"code":"c"}]},"valueBoolean":true},
            {"code":{"coding":[{"code":"d"}]},"valueCodeableConcept":{"coding":[{"code":"v"}]}},
            {"code":{"coding":[{"code":"e"}]},"valueQuantity":{"value":1}}]"#,
        "characteristic-value",
        &["1: -|c|-, 2: http://hl7.org/fhir/special-values|true|-", "1: -|d|-, 2: -|v|-"],
    );
    check(
        r#"ValueSet "useContext":[{"code":{"code":"age"},"valueRange":{"low":{"value":1}}},{"code":{"code":"age"},"valueQuantity":{"value":2}}]"#,
        "context-type-quantity",
        &["1: -|age|-, 2: 1..- 1 -|- -", "1: -|age|-, 2: 2..2 2 -|- -"],
    );
    check(
        r#"Library "useContext":[{"code":{"code":"focus"},"valueCodeableConcept":{"coding":[{"code":"v"}]}}]"#,
        "context-type-value",
        &["1: -|focus|-, 2: -|v|-"],
    );
    let sequence = r#"MolecularSequence "referenceSeq":{"chromosome":{"coding":[{"code":"1"}]},
        "referenceSeqId":{"coding":[{"code":"n"}]},"windowStart":1,"windowEnd":9},"variant":[{"start":2,"end":3},{"start":4,"end":5},{"start":6}]"#;
    check(sequence, "chromosome-window-coordinate", &["1: -|1|-, 2: 1..1 1, 3: 9..9 9"]);
    check(sequence, "referenceseqid-window-coordinate", &["1: -|n|-, 2: 1..1 1, 3: 9..9 9"]);
    check(
        sequence,
        "chromosome-variant-coordinate",
        &["1: -|1|-, 2: 2..2 2, 3: 3..3 3", "1: -|1|-, 2: 4..4 4, 3: 5..5 5"],
    );
    check(
        sequence,
        "referenceseqid-variant-coordinate",
        &["1: -|n|-, 2: 2..2 2, 3: 3..3 3", "1: -|n|-, 2: 4..4 4, 3: 5..5 5"],
    );
}

/// `https://hl7.org/fhir/R4/search.html#token`: `:of-type` wants a type's system and code, and a value.
#[test]
fn an_identifier_has_an_entry_for_each_of_its_types() {
    for (identifier, wanted) in [
        (
            r#"{"value":"1","type":{"coding":[{"system":"t","code":"MR"},{"code":"X"},{"system":"u"}]}}"#,
            &["t|MR|1|-", "|X|1|-"][..],
        ),
        (r#"{"system":"s","value":"1","type":{"text":"t"}}"#, &[]),
        (r#"{"type":{"coding":[{"system":"t","code":"MR"}]}}"#, &[]),
    ] {
        for (kind, code) in [("Patient", "identifier"), ("Encounter", "identifier")] {
            let text = format!(r#"{{"resourceType":"{kind}","identifier":[{identifier}]}}"#);
            let parsed = crate::parse::resource(text).unwrap();
            let of_type = params::find(parsed.kind(), code).unwrap().of_type.unwrap();
            let entries = values(parsed.doc(), parsed.kind()).into_iter().filter(|entry| entry.param == of_type);
            assert_eq!(entries.map(|entry| short(entry.value)).collect::<Vec<_>>(), wanted, "{kind} {identifier}");
        }
    }
}
