//! Official and stored code systems and value sets.

use super::*;
use crate::json::Doc;
use std::sync::Arc;

fn doc(text: &str) -> Doc {
    Doc::parse(text.as_bytes().to_vec()).unwrap()
}

#[test]
fn official_value_sets_have_their_codes() {
    let gender = "http://hl7.org/fhir/administrative-gender";
    let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    for (url, count, has) in [
        ("http://hl7.org/fhir/ValueSet/administrative-gender", 4, (gender, "female")),
        ("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1", 4, (gender, "other")),
        ("http://hl7.org/fhir/ValueSet/observation-status", 8, ("http://hl7.org/fhir/observation-status", "final")),
        ("http://terminology.hl7.org/ValueSet/v3-ConfidentialityClassification", 6, (confidentiality, "R")),
        ("http://terminology.hl7.org/ValueSet/v3-ConfidentialityClassification|2014-03-26", 6, (confidentiality, "V")),
    ] {
        let codes = codes_in(url).unwrap_or_else(|| panic!("{url}"));
        assert_eq!(codes.len(), count, "{url}");
        assert!(codes.contains(&has), "{url}");
    }
    for url in [
        "",
        "http://hl7.org/fhir/ValueSet/administrative-gender|5.0.0",
        "http://hl7.org/fhir/ValueSet/administrative-gender/",
        "http://hl7.org/fhir/ValueSet/condition-code",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://hl7.org/fhir/administrative-gender",
    ] {
        assert_eq!(codes_in(url), None, "{url}");
    }
}

#[test]
fn official_code_systems_know_what_is_below_and_above() {
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let role = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
    let encounters = below(act, "_ActEncounterCode").unwrap();
    assert!(["_ActEncounterCode", "AMB", "IMP", "ACUTE", "NONAC"].iter().all(|code| encounters.contains(code)));
    assert_eq!(below(act, "ACUTE"), Some(vec!["ACUTE"]));
    let lines = vec!["ACUTE", "IMP", "_ActEncounterCode", "_ActCareProvisionCode"];
    assert_eq!(above(act, "ACUTE"), Some(lines));
    assert!(below(role, "FAMMEMB").unwrap().contains(&"MTH"));
    assert!(above(role, "NMTH").unwrap().contains(&"FAMMEMB"));
    assert_eq!(below("http://hl7.org/fhir/administrative-gender", "male"), Some(vec!["male"]));
    assert_eq!(below("http://hl7.org/fhir/administrative-gender", "nobody"), Some(vec![]));
    assert_eq!(below("http://snomed.info/sct", "404684003"), None);
    assert_eq!(above("http://loinc.org", "8480-6"), None);
}

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","url":"http://a/animals","content":"complete",
    "property":[{"code":"isA","uri":"http://hl7.org/fhir/concept-properties#parent","type":"code"},{"code":"legs","type":"integer"}],
    "concept":[
        {"code":"animal","concept":[
            {"code":"mammal","concept":[{"code":"cat","property":[{"code":"legs","valueInteger":4}]},{"code":"whale"}]},
            {"code":"bird","property":[{"code":"legs","valueInteger":2}]}]},
        {"code":"pet","property":[{"code":"child","valueCode":"cat"}]},
        {"code":"kitten","property":[{"code":"isA","valueCode":"cat"}]},
        {"code":"a","property":[{"code":"isA","valueCode":"b"}]},
        {"code":"b","property":[{"code":"isA","valueCode":"a"}]}]}"#;

#[test]
fn a_stored_code_system_has_the_hierarchy_it_says() {
    let system = CodeSystem::read(&doc(ANIMALS)).unwrap();
    assert_eq!(system.url(), "http://a/animals");
    for (code, below, above) in [
        ("cat", &["cat", "kitten"][..], &["animal", "cat", "mammal", "pet"][..]),
        ("kitten", &["kitten"], &["animal", "cat", "kitten", "mammal", "pet"]),
        ("animal", &["animal", "bird", "cat", "kitten", "mammal", "whale"], &["animal"]),
        ("a", &["a", "b"], &["a", "b"]),
        ("dog", &[], &[]),
    ] {
        let sorted = |mut codes: Vec<String>| {
            codes.sort();
            codes
        };
        assert_eq!(sorted(system.below(code)), below, "below {code}");
        assert_eq!(sorted(system.above(code)), above, "above {code}");
    }
    let grouped = ANIMALS.replace(r#""content""#, r#""hierarchyMeaning":"part-of","content""#);
    assert_eq!(CodeSystem::read(&doc(&grouped)).unwrap().below("animal"), ["animal"]);
    for (text, wanted) in [
        (r#"{"resourceType":"Patient"}"#, "no CodeSystem"),
        (r#"{"resourceType":"CodeSystem"}"#, "without url"),
        (r#"[]"#, "no CodeSystem"),
    ] {
        let outcome = CodeSystem::read(&doc(text)).map(|_| ()).unwrap_err();
        assert!(outcome.to_string().contains(wanted), "{outcome}");
    }
}

fn set(members: &str) -> ValueSet {
    ValueSet::read(&doc(&format!(r#"{{"resourceType":"ValueSet","url":"http://a/set",{members}}}"#))).unwrap()
}

/// Stored: the animals, a set of pets, sets that name each other, an incomplete system.
fn find(url: &str) -> Option<Arc<Known>> {
    let other = |compose: &str| {
        let text = format!(r#"{{"resourceType":"ValueSet","url":"{url}","compose":{{"include":[{compose}]}}}}"#);
        Known::ValueSet(ValueSet::read(&doc(&text)).unwrap())
    };
    Some(Arc::new(match url {
        "http://a/animals" => Known::CodeSystem(CodeSystem::read(&doc(ANIMALS)).unwrap()),
        "http://a/part" => {
            let text = ANIMALS.replace("complete", "fragment");
            Known::CodeSystem(CodeSystem::read(&doc(&text)).unwrap())
        }
        "http://a/pets" => other(r#"{"system":"http://a/animals","concept":[{"code":"cat"},{"code":"bird"}]}"#),
        "http://a/one" => other(r#"{"valueSet":["http://a/two"]}"#),
        "http://a/two" => other(r#"{"valueSet":["http://a/one"]}"#),
        _ => {
            let depth: usize = url.strip_prefix("http://a/deep/")?.parse().ok()?;
            let next = format!(r#"{{"valueSet":["http://a/deep/{}"]}}"#, depth + 1);
            other(&[next.as_str(), &next, &next].join(","))
        }
    }))
}

#[test]
fn a_value_set_is_what_it_includes_without_what_it_excludes() {
    let animals = r#""system":"http://a/animals""#;
    let filtered = |property: &str, op: &str, value: &str| {
        format!(
            r#""compose":{{"include":[{{{animals},"filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]}}]}}"#
        )
    };
    let all = ["a", "animal", "b", "bird", "cat", "kitten", "mammal", "pet", "whale"];
    for (members, wanted) in [
        (r#""compose":{"include":[{"system":"x","concept":[{"code":"1"},{"code":"1"},{"code":"2"}]}]}"#.to_owned(), &["1", "2"][..]),
        (format!(r#""compose":{{"include":[{{{animals}}}]}}"#), &all),
        (filtered("concept", "is-a", "mammal"), &["cat", "kitten", "mammal", "whale"]),
        (filtered("concept", "descendent-of", "mammal"), &["cat", "kitten", "whale"]),
        (filtered("concept", "is-not-a", "animal"), &["a", "b", "pet"]),
        (filtered("code", "generalizes", "whale"), &["animal", "mammal", "whale"]),
        (filtered("code", "in", "cat, bird,none"), &["bird", "cat"]),
        (filtered("code", "=", "cat"), &["cat"]),
        (filtered("parent", "=", "mammal"), &["cat", "whale"]),
        (filtered("legs", "=", "4"), &["cat"]),
        (filtered("legs", "in", "2,4"), &["bird", "cat"]),
        (filtered("legs", "exists", "true"), &["bird", "cat"]),
        (filtered("legs", "exists", "false"), &["a", "animal", "b", "kitten", "mammal", "pet", "whale"]),
        (filtered("concept", "is-a", "nobody"), &[]),
        (
            format!(r#""compose":{{"include":[{{{animals}}}],"exclude":[{{{animals},"concept":[{{"code":"a"}}]}},{{"valueSet":["http://a/pets"]}}]}}"#),
            &["animal", "b", "kitten", "mammal", "pet", "whale"],
        ),
        (
            format!(r#""compose":{{"include":[{{{animals},"filter":[{{"property":"concept","op":"is-a","value":"mammal"}}],"valueSet":["http://a/pets"]}}]}}"#),
            &["cat"],
        ),
        (r#""compose":{"include":[{"valueSet":["http://hl7.org/fhir/ValueSet/administrative-gender"]}]}"#.to_owned(), &["female", "male", "other", "unknown"]),
        (r#""compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender"}]}"#.to_owned(), &["female", "male", "other", "unknown"]),
        (
            r#""expansion":{"contains":[{"code":"h","abstract":true,"contains":[{"code":"x","system":"s"}]},{"code":"y"}]}"#.to_owned(),
            &["x", "y"],
        ),
    ] {
        let codes = set(&members).expand(&find).unwrap_or_else(|outcome| panic!("{members}: {outcome}"));
        let mut codes: Vec<String> = codes.into_iter().map(|(_, code)| code).collect();
        codes.sort();
        assert_eq!(codes, wanted, "{members}");
    }
}

#[test]
fn what_cannot_be_expanded_is_refused_with_a_reason() {
    let many: Vec<String> = (0..=EXPANSION_MAX).map(|code| format!(r#"{{"code":"{code}"}}"#)).collect();
    let many = format!(r#""compose":{{"include":[{{"system":"x","concept":[{}]}}]}}"#, many.join(","));
    let include = |part: &str| format!(r#""compose":{{"include":[{{{part}}}]}}"#);
    for (members, wanted) in [
        (include(r#""system":"http://snomed.info/sct""#), Code::NotSupported),
        (include(r#""system":"http://a/part""#), Code::NotSupported),
        (
            include(r#""system":"http://a/animals","filter":[{"property":"display","op":"regex","value":"a+"}]"#),
            Code::NotSupported,
        ),
        (
            include(r#""system":"http://a/animals","filter":[{"property":"code","op":"regex","value":"a+"}]"#),
            Code::NotSupported,
        ),
        (
            include(
                r#""system":"http://hl7.org/fhir/administrative-gender","filter":[{"property":"x","op":"=","value":"y"}]"#,
            ),
            Code::NotSupported,
        ),
        (include(r#""valueSet":["http://a/nowhere"]"#), Code::NotFound),
        (include(r#""valueSet":["http://a/animals"]"#), Code::NotFound),
        (include(r#""valueSet":["http://a/one"]"#), Code::Processing),
        (include(r#""valueSet":["http://a/deep/0"]"#), Code::Processing),
        (include(r#""valueSet":["http://a/set"]"#), Code::NotFound),
        (many, Code::TooCostly),
        (r#""expansion":{"total":3,"contains":[{"code":"x"}]}"#.to_owned(), Code::Incomplete),
    ] {
        let outcome = set(&members).expand(&find).map(|_| ()).unwrap_err();
        assert_eq!(outcome.issues[0].code, wanted, "{}: {outcome}", &members[..members.len().min(200)]);
    }
    let own = set(&include(r#""valueSet":["http://a/set"]"#));
    let itself = Arc::new(Known::ValueSet(own.clone()));
    let outcome = own.expand(&|_| Some(Arc::clone(&itself))).unwrap_err();
    assert!(outcome.to_string().contains("includes itself"), "{outcome}");
    assert!(ValueSet::read(&doc(r#"{"resourceType":"ValueSet","url":"u"}"#)).is_err());
}

#[test]
fn a_value_set_says_what_it_needs() {
    let set = set(
        r#""compose":{"include":[{"system":"s1","concept":[{"code":"1"}]},{"system":"s2"},{"valueSet":["v1|2","v2"]}],
            "exclude":[{"valueSet":["v2"]},{"system":"s3","filter":[]}]}"#,
    );
    assert_eq!(set.needs(), ["s2", "v1|2", "v2", "s3"]);
}
