//! Facts about base validation.

use super::*;
use crate::parse;

mod rules;

fn check_all(rows: &[(&str, &[&str])]) {
    for (text, wanted) in rows {
        let parsed = parse::resource(*text).unwrap();
        let found: Vec<String> = issues(&parsed)
            .into_iter()
            .map(|issue| format!("{} {} {}", issue.code.name(), issue.expression[0], issue.diagnostics))
            .collect();
        assert_eq!(found.len(), wanted.len(), "{text}: {found:#?}");
        for (found, wanted) in found.iter().zip(*wanted) {
            assert!(found.starts_with(wanted), "{text}: {found} instead of {wanted}");
        }
        assert_eq!(super::check(parsed).is_ok(), wanted.is_empty());
    }
}

#[test]
fn unknown_elements_are_refused() {
    check_all(&[
        (r#"{"resourceType":"Patient"}"#, &[]),
        (r#"{"resourceType":"Patient","nickname":"x"}"#, &["structure Patient.nickname Patient has no"]),
        (r#"{"resourceType":"Patient","name":[{"first":"x"}]}"#, &["structure Patient.name[0].first HumanName has no"]),
        (r#"{"resourceType":"Patient","contact":[{"name":{"text":"a"},"x":1}]}"#, &["structure Patient.contact[0].x"]),
        (r#"{"resourceType":"Patient","name":[{"resourceType":"x"}]}"#, &["structure Patient.name[0].resourceType"]),
        (r#"{"resourceType":"Patient","_name":[{"id":"x"}]}"#, &["structure Patient._name"]),
        (r#"{"resourceType":"Patient","fhir_comments":["x"]}"#, &["structure Patient.fhir_comments"]),
    ]);
}

#[test]
fn json_has_the_shape_of_the_element() {
    check_all(&[
        (r#"{"resourceType":"Patient","name":{"family":"x"}}"#, &["structure Patient.name this element is a list"]),
        (r#"{"resourceType":"Patient","gender":["male"]}"#, &["structure Patient.gender this element has one"]),
        (
            r#"{"resourceType":"Patient","name":["x"]}"#,
            &["structure Patient.name[0] this element must be a JSON object"],
        ),
        (r#"{"resourceType":"Patient","active":"true"}"#, &["structure Patient.active this element must be true"]),
        (
            r#"{"resourceType":"Patient","birthDate":1980}"#,
            &["structure Patient.birthDate this element must be a JSON s"],
        ),
        (r#"{"resourceType":"Patient","gender":null}"#, &["structure Patient.gender"]),
        (r#"{"resourceType":"Patient","name":[]}"#, &["structure Patient.name an array may not be empty"]),
        (r#"{"resourceType":"Patient","name":[{}]}"#, &["structure Patient.name[0] an object may not be empty"]),
        (
            r#"{"resourceType":"Patient","name":[{"family":""}]}"#,
            &["value Patient.name[0].family this element may not"],
        ),
        (r#"{"resourceType":"Patient","name":[{"id":"x"}]}"#, &["invariant Patient.name[0] an element needs"]),
        (r#"{"resourceType":"Patient","name":[null]}"#, &["structure Patient.name[0]"]),
    ]);
}

#[test]
fn primitives_have_their_format() {
    check_all(&[
        (
            r#"{"resourceType":"Patient","birthDate":"1980-02-30"}"#,
            &["value Patient.birthDate this element must be a date"],
        ),
        (r#"{"resourceType":"Patient","birthDate":"1980-02","deceasedDateTime":"2020-01-01T10:00:00Z"}"#, &[]),
        (r#"{"resourceType":"Patient","id":"a_b"}"#, &["value Patient.id"]),
        (r#"{"resourceType":"Patient","gender":" male"}"#, &["value Patient.gender"]),
        (r#"{"resourceType":"Patient","multipleBirthInteger":1.5}"#, &["value Patient.multipleBirthInteger"]),
        (r#"{"resourceType":"Patient","name":[{"id":"any string","family":"x"}]}"#, &[]),
    ]);
}

#[test]
fn siblings_of_primitives_carry_ids_and_extensions() {
    let extension = r#"{"extension":[{"url":"u","valueString":"v"}]}"#;
    for (members, wanted) in [
        (r#""_birthDate":{"id":"a"}"#, &["invariant Patient.birthDate"][..]),
        (r#""_birthDate":E"#, &[]),
        (r#""birthDate":"1980","_birthDate":E"#, &[]),
        (r#""name":[{"given":["a",null],"_given":[null,E]}]"#, &[]),
        (r#""name":[{"_given":[E]}]"#, &[]),
        (r#""name":[{"given":["a",null]}]"#, &["structure Patient.name[0].given[1] null stands only"]),
        (r#""name":[{"given":[null],"_given":[null]}]"#, &["structure Patient.name[0].given[0] null stands only"]),
        (
            r#""name":[{"given":["a"],"_given":[null,null,E]}]"#,
            &["structure Patient.name[0].given[1] null stands only"],
        ),
        (r#""name":[{"given":[null,"a",null],"_given":[E,null,E]}]"#, &[]),
        (
            r#""name":[{"given":[null,"a",null],"_given":[E,E]}]"#,
            &["structure Patient.name[0].given[2] null stands only"],
        ),
        (r#""_birthDate":{"value":"x"}"#, &["structure Patient.birthDate.value"]),
        (r#""_birthDate":"x""#, &["structure Patient.birthDate"]),
    ] {
        let text = format!("{{\"resourceType\":\"Patient\",{}}}", members.replace('E', extension));
        check_all(&[(&text, wanted)]);
    }
}

#[test]
fn required_elements_and_choices_are_counted() {
    check_all(&[
        (r#"{"resourceType":"Observation","status":"final"}"#, &["required Observation.code code is required"]),
        (
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"a","valueInteger":1}"#,
            &["structure Observation.valueInteger only one of value[x]"],
        ),
        (
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueMoney":{"value":1}}"#,
            &["structure Observation.valueMoney"],
        ),
        (
            r#"{"resourceType":"Observation","_status":{"extension":[{"url":"u","valueCode":"x"}]},"code":{"text":"x"}}"#,
            &[],
        ),
        (
            r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}"#,
            &["required MedicationRequest.medication medication[x] is required"],
        ),
    ]);
}

#[test]
fn extensions_have_a_url_and_a_value_or_extensions() {
    for (extension, wanted) in [
        (r#"{"url":"u","valueString":"x"}"#, &[][..]),
        (r#"{"url":"u","extension":[{"url":"v","valueDecimal":1.00}]}"#, &[]),
        (r#"{"url":"u","_valueString":{"extension":[{"url":"u","valueCode":"x"}]}}"#, &[]),
        (r#"{"valueString":"x"}"#, &["required Patient.extension[0].url url is required"]),
        (r#"{"url":"u"}"#, &["invariant Patient.extension[0] an extension needs"]),
        (
            r#"{"url":"u","valueString":"x","extension":[{"url":"v","valueCode":"x"}]}"#,
            &["invariant Patient.extension[0]"],
        ),
        (r#"{"url":"u","valueString":"x","valueCode":"y"}"#, &["structure Patient.extension[0].valueCode"]),
    ] {
        check_all(&[(&format!(r#"{{"resourceType":"Patient","extension":[{extension}]}}"#), wanted)]);
    }
}

#[test]
fn contained_resources_have_an_id_and_contain_none() {
    for (contained, wanted) in [
        (r#"{"resourceType":"Organization","id":"a","name":"x"}"#, &[][..]),
        (r#"{"resourceType":"Organization","name":"x"}"#, &["required Patient.contained[0].id"]),
        (r#"{"resourceType":"Organization","id":"a","name":"x","x":1}"#, &["structure Patient.contained[0].x"]),
        (r#"{"resourceType":"Nothing","id":"a"}"#, &["structure Patient.contained[0]"]),
        (
            r#"{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Patient","id":"b"}]}"#,
            &["invariant Patient.contained[0].contained"],
        ),
    ] {
        // What has an id is referred to.
        let reference = if contained.contains(r#""id":"a""#) { "#a" } else { "Organization/a" };
        let text = format!(
            r##"{{"resourceType":"Patient","contained":[{contained}],"managingOrganization":{{"reference":"{reference}"}}}}"##
        );
        check_all(&[(&text, wanted)]);
    }
}

#[test]
fn required_bindings_are_held() {
    let clinical = |coding: &str| {
        format!(r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/1"}},"clinicalStatus":{coding}}}"#)
    };
    check_all(&[
        (r#"{"resourceType":"Patient","gender":"male"}"#, &[]),
        (
            r#"{"resourceType":"Patient","gender":"Male"}"#,
            &["code-invalid Patient.gender the code must be one of http"],
        ),
        (
            r#"{"resourceType":"Patient","telecom":[{"system":"pager"},{"system":"fox"}]}"#,
            &["code-invalid Patient.telecom[1]"],
        ),
        (r#"{"resourceType":"Binary","contentType":"anything/at-all"}"#, &[]),
        (r#"{"resourceType":"Binary","contentType":"text/plain; charset=utf-8"}"#, &[]),
        (
            r#"{"resourceType":"Binary","contentType":"text/"}"#,
            &["code-invalid Binary.contentType the code must be a m"],
        ),
        (r#"{"resourceType":"Binary","contentType":"a text"}"#, &["code-invalid Binary.contentType"]),
        (r#"{"resourceType":"Patient","language":"de-CH"}"#, &[]),
        (
            r#"{"resourceType":"Patient","language":"de_CH"}"#,
            &["code-invalid Patient.language the code must be a lang"],
        ),
        (
            r#"{"resourceType":"ActivityDefinition","status":"draft","quantity":{"value":1,"comparator":"<"}}"#,
            &["invariant ActivityDefinition.quantity The comparator is not used on a SimpleQuantity (sqty-1)"],
        ),
        (
            &clinical(
                r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}"#,
            ),
            &[],
        ),
        (
            &clinical(r#"{"coding":[{"system":"urn:other","code":"active"}]}"#),
            &["code-invalid Condition.clinicalStatus"],
        ),
        (&clinical(r#"{"text":"still there"}"#), &[]),
    ]);
}

#[test]
fn all_issues_come_at_once_and_end_at_the_limit() {
    check_all(&[(
        r#"{"resourceType":"Patient","gender":"x","birthDate":"y","z":1}"#,
        &["code-invalid Patient.gender", "value Patient.birthDate", "structure Patient.z"],
    )]);
    let many = format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, vec!["{}"; 1000].join(","));
    let outcome = super::check(parse::resource(many).unwrap()).unwrap_err();
    assert_eq!(outcome.issues.len(), ISSUES_MAX + 1);
}
