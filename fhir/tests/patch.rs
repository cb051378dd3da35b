//! FHIRPath Patch: the rules of its page in rows; the official cases of all patches where `CHARTWELL_DATA` has them in
//! `fhir-test-cases/r4/patch` (HL7's FHIR/fhir-test-cases, Apache-2.0; not kept here).

use fhir::json::Doc;
use fhir::patch::{self, Refused, fhirpath};
use fhir::{diff, xml};
use serde_json::{Value, json};

/// Official cases that are not passed, and why.
const NOT_PASSED: [(&str, &str); 0] = [];

fn doc(value: &Value) -> Doc {
    Doc::parse(value.to_string().into_bytes()).expect("JSON")
}

/// An operation from parts written as `name: value`.
fn operation(parts: &Value) -> Value {
    let part = |(name, value): (&String, &Value)| {
        let mut part = match (name.as_str(), value) {
            ("type", value) => json!({ "valueCode": value }),
            ("value", value) => value.clone(),
            (_, Value::Number(number)) => json!({ "valueInteger": number }),
            (_, value) => json!({ "valueString": value }),
        };
        part["name"] = json!(name);
        part
    };
    let parts: Vec<Value> = parts.as_object().expect("parts").iter().map(part).collect();
    json!({ "name": "operation", "part": parts })
}

fn patch(operations: &Value) -> Vec<u8> {
    let operations: Vec<Value> = operations.as_array().expect("operations").iter().map(operation).collect();
    json!({ "resourceType": "Parameters", "parameter": operations }).to_string().into_bytes()
}

#[test]
fn operations_change_the_element_they_name() {
    let given = |names: Value| json!({"resourceType": "Patient", "name": [{"given": names}]});
    let patient = |rest: Value| {
        let mut patient = json!({"resourceType": "Patient"});
        patient.as_object_mut().expect("object").extend(rest.as_object().expect("object").clone());
        patient
    };
    for (before, operations, after) in [
        (
            patient(json!({"birthDate": "1920-01-01"})),
            json!([{"type": "replace", "path": "Patient.birthDate", "value": {"valueDate": "1930-01-01"}}]),
            patient(json!({"birthDate": "1930-01-01"})),
        ),
        (
            patient(json!({"birthDate": "1920-01-01", "_birthDate": {"id": "b"}, "active": true})),
            json!([{"type": "delete", "path": "Patient.birthDate"}, {"type": "delete", "path": "Patient.gender"}]),
            patient(json!({"active": true})),
        ),
        (
            patient(json!({})),
            json!([{"type": "add", "path": "Patient", "name": "birthDate", "value": {"valueDate": "1930-01-01"}}]),
            patient(json!({"birthDate": "1930-01-01"})),
        ),
        (
            patient(json!({"contact": [{"name": {"text": "a"}, "gender": "male"}]})),
            json!([{"type": "delete", "path": "Patient.contact[0].name.text"}]),
            patient(json!({"contact": [{"gender": "male"}]})),
        ),
        (
            patient(json!({"active": true})),
            json!([{"type": "add", "path": "Patient", "name": "contact", "value": {"part": [
                {"name": "name", "valueHumanName": {"text": "a"}},
                {"name": "relationship", "valueCodeableConcept": {"text": "b"}},
                {"name": "relationship", "valueCodeableConcept": {"text": "c"}},
                {"name": "gender", "valueCode": "male", "_valueCode": {"id": "g"}},
            ]}}]),
            patient(
                json!({"active": true, "contact": [{"name": {"text": "a"}, "relationship": [{"text": "b"}, {"text": "c"}],
                "gender": "male", "_gender": {"id": "g"}}]}),
            ),
        ),
        (
            given(json!(["a", "b", "c"])),
            json!([{"type": "insert", "path": "Patient.name[0].given", "index": 1, "value": {"valueString": "x"}},
                {"type": "move", "path": "Patient.name[0].given", "source": 3, "destination": 0},
                {"type": "delete", "path": "Patient.name[0].given.where($this = 'b')"},
                {"type": "insert", "path": "Patient.name[0].given", "index": 3, "value": {"valueString": "z"}}]),
            given(json!(["c", "a", "x", "z"])),
        ),
        (
            patient(json!({"active": true})),
            json!([{"type": "insert", "path": "Patient.identifier", "index": 0, "value": {"valueIdentifier": {"value": "a"}}}]),
            patient(json!({"active": true, "identifier": [{"value": "a"}]})),
        ),
        // The value says which type a choice gets.
        (
            patient(json!({"deceasedBoolean": true})),
            json!([{"type": "replace", "path": "Patient.deceased", "value": {"valueDateTime": "2020"}}]),
            patient(json!({"deceasedDateTime": "2020"})),
        ),
        // What stands beside a primitive is its own.
        (
            patient(json!({"birthDate": "2000"})),
            json!([{"type": "add", "path": "Patient.birthDate", "name": "extension",
                "value": {"valueString": "x"}, }]),
            Value::Null,
        ),
        (
            patient(json!({"birthDate": "2000"})),
            json!([{"type": "add", "path": "Patient.birthDate", "name": "extension",
                "value": {"part": [{"name": "url", "valueUri": "http://a"}, {"name": "value", "valueBoolean": true}]}}]),
            patient(
                json!({"birthDate": "2000", "_birthDate": {"extension": [{"url": "http://a", "valueBoolean": true}]}}),
            ),
        ),
        (
            given(json!(["a", "b"])),
            json!([{"type": "replace", "path": "Patient.name.given[1]", "value": {"_valueString": {"id": "1"}}},
                {"type": "add", "path": "Patient.name.given[0]", "name": "id", "value": {"valueString": "0"}},
                {"type": "delete", "path": "Patient.name.given[1]"}]),
            patient(json!({"name": [{"given": ["a"], "_given": [{"id": "0"}]}]})),
        ),
        (
            patient(json!({"contained": [{"resourceType": "Group", "id": "g"}]})),
            json!([{"type": "add", "path": "Patient", "name": "contained", "value": {"resource": {"resourceType": "Basic", "id": "b"}}},
                {"type": "replace", "path": "Patient.contained[0].id", "value": {"valueId": "h"}}]),
            patient(json!({"contained": [{"resourceType": "Group", "id": "h"}, {"resourceType": "Basic", "id": "b"}]})),
        ),
        (
            patient(json!({"text": {"status": "empty", "div": "<div/>"}})),
            json!([{"type": "replace", "path": "Patient.text.div", "value": {"valueString": "<div>a</div>"}}]),
            patient(json!({"text": {"status": "empty", "div": "<div>a</div>"}})),
        ),
    ] {
        let found = fhirpath(&doc(&before), &patch(&operations));
        match found {
            Ok(found) => {
                let found: Value = serde_json::from_slice(&found).expect("JSON");
                assert_eq!(found, after, "{operations}");
            }
            Err(refused) => assert!(after.is_null(), "{operations}: {refused} {:?}", refused.clone().outcome()),
        }
    }
}

#[test]
fn untouched_parts_keep_their_bytes() {
    let text = "{ \"resourceType\" : \"Patient\",\n  \"name\" : [ {\"family\":\"x\"} , { \"family\":\"y\" } ],\n \"extension\":[ {\"url\":\"a\",\"valueDecimal\":1.00} ] }";
    let operations = json!([{"type": "replace", "path": "Patient.name[1].family", "value": {"valueString": "z"}}]);
    let found = fhirpath(&Doc::parse(text.as_bytes().to_vec()).expect("JSON"), &patch(&operations)).expect("applies");
    assert_eq!(String::from_utf8(found).expect("text"), text.replace("\"y\"", "\"z\""));
}

#[test]
fn other_patches_are_refused_whole() {
    let patient = json!({"resourceType": "Patient", "active": true, "name": [{"family": "a"}, {"family": "b"}]});
    for (operations, document, rule) in [
        (json!([{"type": "swap", "path": "Patient.active"}]), true, "type must be one of"),
        (json!([{"path": "Patient.active"}]), true, "needs the part type"),
        (json!([{"type": "delete"}]), true, "needs the part path"),
        (json!([{"type": "delete", "path": "Patient.("}]), true, "FHIRPath"),
        (json!([{"type": "delete", "path": "Patient.nothing()"}]), true, "not supported"),
        (
            json!([{"type": "insert", "path": "Patient.name", "value": {"valueHumanName": {}}}]),
            true,
            "needs the part index",
        ),
        (json!([{"type": "insert", "path": "Patient.name", "index": -1, "value": {}}]), true, "valueInteger"),
        (json!([{"type": "delete", "path": "Patient.name"}]), false, "several elements"),
        (json!([{"type": "delete", "path": "Patient"}]), false, "may not remove"),
        (json!([{"type": "delete", "path": "1 + 1"}]), false, "computes"),
        (
            json!([{"type": "replace", "path": "Patient.gender", "value": {"valueCode": "male"}}]),
            false,
            "nothing to replace",
        ),
        (json!([{"type": "replace", "path": "Patient.active", "value": {"valueString": "true"}}]), false, "this type"),
        (json!([{"type": "replace", "path": "Patient.active", "value": {}}]), false, "needs a value"),
        (
            json!([{"type": "add", "path": "Patient.photo", "name": "url", "value": {"valueUrl": "a"}}]),
            false,
            "nothing to add",
        ),
        (
            json!([{"type": "add", "path": "Patient", "name": "active", "value": {"valueBoolean": true}}]),
            false,
            "already",
        ),
        (
            json!([{"type": "add", "path": "Patient", "name": "color", "value": {"valueString": "red"}}]),
            false,
            "no element",
        ),
        (
            json!([{"type": "add", "path": "Patient", "name": "name", "value": {"valueAddress": {}}}]),
            false,
            "this type",
        ),
        (
            json!([{"type": "insert", "path": "Patient.name", "index": 3, "value": {"valueHumanName": {}}}]),
            false,
            "beyond",
        ),
        (
            json!([{"type": "insert", "path": "Patient.active", "index": 0, "value": {"valueBoolean": true}}]),
            false,
            "no list",
        ),
        (json!([{"type": "move", "path": "Patient.name", "source": 2, "destination": 0}]), false, "beyond"),
        (
            json!([{"type": "move", "path": "Patient.name.where(family = 'b')", "source": 0, "destination": 0}]),
            false,
            "whole list",
        ),
    ] {
        let mut all = json!([{"type": "replace", "path": "Patient.active", "value": {"valueBoolean": false}}]);
        all.as_array_mut().expect("array").extend(operations.as_array().expect("array").clone());
        let outcome = match fhirpath(&doc(&patient), &patch(&all)) {
            Err(Refused::Document(outcome)) if document => outcome,
            Err(Refused::NotApplicable(outcome)) if !document => outcome,
            other => panic!("{operations}: {:?}", other.map(String::from_utf8)),
        };
        assert!(outcome.issues[0].diagnostics.contains(rule), "{operations}: {outcome}");
        assert_eq!(outcome.issues[0].expression, ["Parameters.parameter[1]"], "{operations}");
    }
    let costly = json!({"type": "delete", "path": "Patient.descendants().where(false)"});
    let outcome = fhirpath(&doc(&patient), &patch(&json!(vec![costly; 17]))).expect_err("too costly").outcome();
    assert_eq!(outcome.issues[0].expression, ["Parameters.parameter[15]"]);
    for parameters in [
        json!([]),
        json!({"resourceType": "Patient"}),
        json!({"resourceType": "Parameters", "parameter": [{"name": "x"}]}),
    ] {
        assert!(matches!(fhirpath(&doc(&patient), parameters.to_string().as_bytes()), Err(Refused::Document(_))));
    }
}

/// What stands between two tags of the official cases.
fn inside<'a>(case: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = case.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside.trim())
}

#[test]
fn the_official_cases_pass() {
    let Some(data) = std::env::var_os("CHARTWELL_DATA") else { return };
    let path = std::path::PathBuf::from(data).join("fhir-test-cases/r4/patch/fhir-patch-tests.xml");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let (mut faults, mut passed, mut written, mut both) = (Vec::new(), 0, 0, 0);
    for case in text.split("<case ").skip(1) {
        let name = case.split('"').nth(1).expect("a name");
        let read = |tag: &str| {
            let json = inside(case, tag)
                .map(|text| xml::read(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {:?}", error.issues)));
            json.map(|json| Doc::parse(json).expect("JSON"))
        };
        let (input, operations, output) = (read("input").expect("input"), read("diff").expect("diff"), read("output"));
        let value = |bytes: &[u8]| {
            let mut value = serde_json::from_slice::<Value>(bytes).expect("JSON");
            // One case writes the same character of its narrative in two ways.
            if let Some(Value::String(div)) = value.pointer_mut("/text/div") {
                *div = div.replace("&quot;", "\"");
            }
            value
        };
        let found = fhirpath(&input, operations.bytes());
        let good = match (&found, &output) {
            (Ok(found), Some(output)) => value(found) == value(output.bytes()),
            (Err(_), None) => true,
            _ => false,
        };
        if good != NOT_PASSED.iter().all(|(known, _)| *known != name) {
            faults.push(format!("{name}: {:?}", found.map(String::from_utf8)));
        }
        passed += usize::from(good);
        if let Some(output) = output {
            let ours = diff::diff(&input, &output).expect("both are Patients");
            let again = fhirpath(&input, &ours).unwrap_or_else(|error| panic!("{name}: {:?}", error.outcome()));
            assert_eq!(value(&again), value(output.bytes()), "{name}");
            if case.contains("mode=\"both\"") {
                both += 1;
                written += usize::from(value(&ours) == value(operations.bytes()));
            }
        }
    }
    eprintln!("{passed} official cases passed; {written} of {both} diffs are written as theirs");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_official_cases_of_json_patch_pass() {
    let Some(data) = std::env::var_os("CHARTWELL_DATA") else { return };
    let path = std::path::PathBuf::from(data).join("fhir-test-cases/r4/patch/json-patch-tests.json");
    let Ok(text) = std::fs::read(path) else { return };
    let cases: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    let count = cases.len();
    for case in cases {
        let found = patch::json(&doc(&case["doc"]), case["patch"].to_string().as_bytes());
        let story = case["comment"].as_str().unwrap_or_default();
        match case.get("expected") {
            Some(expected) => {
                let found = found.map_err(|refused| refused.outcome().issues).expect(story);
                assert_eq!(&serde_json::from_slice::<Value>(&found).expect("JSON"), expected, "{story}");
            }
            None => assert!(found.is_err() == case.get("error").is_some(), "{story}"),
        }
    }
    eprintln!("{count} official cases of JSON Patch passed");
}
