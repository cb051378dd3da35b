//! References, chains in both directions, includes.
//! <https://hl7.org/fhir/R4/search.html#reference>, <https://hl7.org/fhir/R4/search.html#chaining>

use super::{filled, finds, refuses, search, sorted, words};
use crate::hospital::databases;

const OBSERVED: &str = r#""status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1234-5"}]}"#;

/// <https://hl7.org/fhir/R4/search.html#reference>
#[tokio::test]
async fn a_reference_is_found_in_each_of_its_forms() {
    let to = |reference: &str| format!(r#"{OBSERVED},"subject":{{{reference}}}"#);
    let subjects = [
        ("Observation/relative", to(r#""reference":"Patient/23""#)),
        ("Observation/own", to(r#""reference":"http://hospital.test/fhir/Patient/23""#)),
        ("Observation/elsewhere", to(r#""reference":"http://other.example/fhir/Patient/23""#)),
        ("Observation/version", to(r#""reference":"Patient/23/_history/1""#)),
        ("Observation/group", to(r#""reference":"Group/23""#)),
        (
            "Observation/logical",
            to(r#""type":"Patient","identifier":{"system":"http://acme.org/fhir/identifier/mrn","value":"123456"}"#),
        ),
        ("Observation/none", OBSERVED.to_owned()),
    ];
    let resources = subjects.each_ref().map(|(name, members)| (*name, members.as_str()));
    let rows = [
        ("Observation?subject=Patient/23", "relative own version"),
        ("Observation?subject:Patient=23", "relative own version"),
        ("Observation?subject:Patient=Patient/23", "relative own version"),
        ("Observation?patient=23", "relative own version"),
        ("Observation?patient=Patient/23", "relative own version"),
        ("Observation?subject=http://hospital.test/fhir/Patient/23", "relative own version"),
        ("Observation?subject=http://other.example/fhir/Patient/23", "elsewhere"),
        ("Observation?subject=Group/23", "group"),
        ("Observation?subject=23", "relative own version group"),
        ("Observation?subject:Group=23", "group"),
        ("Observation?subject=101", ""),
        ("Observation?subject=Patient/23,Group/23", "relative own version group"),
        ("Observation?subject:identifier=http://acme.org/fhir/identifier/mrn|123456", "logical"),
        ("Observation?subject:identifier=123456", "logical"),
        ("Observation?subject:identifier=|123456", ""),
        ("Observation?subject:missing=true", "none"),
        ("Observation?subject:missing=false&subject:identifier=123456", "logical"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Observation?subject=Patient/1/2", 400, "value"),
        ("Observation?subject:Group=Patient/23", 400, "value"),
        ("Observation?subject:Shoe=23", 400, "not-supported"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#versions>: a canonical is found with and without its version.
#[tokio::test]
async fn a_canonical_is_found_with_and_without_its_version() {
    let of = |url: &str| format!(r#""status":"completed","questionnaire":"{url}""#);
    let (one, two, bare) = (of("http://acme.com/q|1.0"), of("http://acme.com/q|2.0"), of("http://acme.com/q"));
    let resources = [
        ("QuestionnaireResponse/one", one.as_str()),
        ("QuestionnaireResponse/two", &two),
        ("QuestionnaireResponse/bare", &bare),
    ];
    let rows = [
        ("QuestionnaireResponse?questionnaire=http://acme.com/q", "one two bare"),
        ("QuestionnaireResponse?questionnaire=http://acme.com/q|1.0", "one"),
        ("QuestionnaireResponse?questionnaire=http://acme.com/q|3.0", ""),
    ];
    finds(&resources, &rows).await;
}

const PEOPLE: &[(&str, &str)] = &[
    ("Organization/top", r#""name":"Top""#),
    ("Organization/ward", r#""name":"Ward","partOf":{"reference":"Organization/top"}"#),
    ("Practitioner/joe", r#""name":[{"family":"Joe"}],"address":[{"state":"CA"}]"#),
    ("Practitioner/jane", r#""name":[{"family":"Jane"}],"address":[{"state":"MN"}]"#),
    (
        "Patient/peter",
        r#""name":[{"family":"Peter"}],"gender":"male","generalPractitioner":[{"reference":"Practitioner/joe"},{"reference":"Practitioner/jane"}],"managingOrganization":{"reference":"Organization/ward"}"#,
    ),
    (
        "Patient/petra",
        r#""name":[{"family":"Petra"}],"gender":"female","generalPractitioner":[{"reference":"Practitioner/joe"}]"#,
    ),
    (
        "Group/peters",
        r#""type":"person","actual":true,"name":"Peter's friends","member":[{"entity":{"reference":"Patient/petra"}}]"#,
    ),
    (
        "Observation/of-peter",
        r#""status":"final","code":{"coding":[{"code":"1234-5"}]},"subject":{"reference":"Patient/peter"},"hasMember":[{"reference":"Observation/of-petra"}]"#,
    ),
    (
        "Observation/of-petra",
        r#""status":"preliminary","code":{"coding":[{"code":"456"}]},"subject":{"reference":"Patient/petra"}"#,
    ),
    (
        "Observation/of-group",
        r#""status":"final","code":{"coding":[{"code":"456"}]},"subject":{"reference":"Group/peters"}"#,
    ),
    (
        "DiagnosticReport/report",
        r#""status":"final","code":{"text":"x"},"subject":{"reference":"Patient/peter"},"result":[{"reference":"Observation/of-peter"}]"#,
    ),
    (
        "DiagnosticReport/other",
        r#""status":"final","code":{"text":"x"},"subject":{"reference":"Patient/petra"},"result":[{"reference":"Observation/of-petra"}]"#,
    ),
    (
        "Provenance/prov",
        r#""target":[{"reference":"Observation/of-peter"}],"recorded":"2020-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/joe"}}]"#,
    ),
];

/// <https://hl7.org/fhir/R4/search.html#chaining>
#[tokio::test]
async fn chains_follow_references() {
    let rows = [
        ("DiagnosticReport?subject:Patient.name=peter", "report"),
        ("DiagnosticReport?subject.name=pet", "report other"),
        ("DiagnosticReport?patient.name=peter", "report"),
        ("DiagnosticReport?subject:Patient.family:exact=peter", ""),
        ("DiagnosticReport?subject:Patient.gender:not=male", "other"),
        ("DiagnosticReport?subject:Patient.gender=male,female", "report other"),
        ("DiagnosticReport?result.code=1234-5", "report"),
        ("DiagnosticReport?result.subject:Patient.general-practitioner:Practitioner.family=jane", "report"),
        ("DiagnosticReport?subject:Patient.organization.partof.name=top", "report"),
        ("DiagnosticReport?patient._id=petra", "other"),
        ("DiagnosticReport?patient.identifier=http://example.com/fhir/identifier/mrn|123456", ""),
        ("Observation?subject.name=pet", "of-peter of-petra"),
        ("Observation?subject:Group.member.name=petra", "of-group"),
        // Each chain stands for itself: no one practitioner need satisfy both.
        (
            "Patient?general-practitioner:Practitioner.name=Joe&general-practitioner:Practitioner.address-state=MN",
            "peter",
        ),
        ("Patient?general-practitioner:Practitioner.name=Joe", "peter petra"),
        ("Observation?patient.general-practitioner:Practitioner.name=jane&status=final", "of-peter"),
    ];
    finds(PEOPLE, &rows).await;
    let wrong = [
        ("DiagnosticReport?status.name=x", 400, "value"),
        ("DiagnosticReport?subject:Practitioner.name=x", 400, "value"),
        ("DiagnosticReport?subject:Patient.birthdate=never", 400, "value"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#has>
#[tokio::test]
async fn reverse_chains_follow_references_back() {
    let rows = [
        ("Patient?_has:Observation:patient:code=1234-5", "peter"),
        ("Patient?_has:Observation:patient:code=1234-5,456", "peter petra"),
        ("Patient?_has:Observation:patient:code=1234-5&_has:Observation:patient:status=preliminary", ""),
        ("Patient?_has:Observation:patient:status=preliminary&gender=female", "petra"),
        ("Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/joe", "peter"),
        ("Patient?_has:Observation:patient:_has:DiagnosticReport:result:status=final", "peter petra"),
        ("Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:code=456", "joe"),
        ("Patient?_has:Group:member:_id=peters", "petra"),
        ("Patient?_has:Observation:patient:has-member.status=preliminary", "peter"),
        ("Observation?patient._has:Group:member:_id=peters", "of-petra"),
    ];
    finds(PEOPLE, &rows).await;
    let wrong = [
        ("Patient?_has:Observation:code=x", 400, "value"),
        ("Patient?_has:Shoe:patient:code=x", 400, "value"),
        ("Patient?_has:Observation:encounter:code=x", 400, "value"),
        ("Patient?_has:Observation:patient:date=x", 400, "value"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#include>: a canonical is a reference too, with its version if it names one.
#[tokio::test]
async fn an_include_follows_canonicals() {
    let asked = |url: &str, version: &str| format!(r#""status":"active","url":"{url}","version":"{version}""#);
    let answered = |url: &str| format!(r#""status":"completed","questionnaire":"{url}""#);
    let texts = [
        ("Questionnaire/one", asked("http://acme.com/q", "1.0")),
        ("Questionnaire/two", asked("http://acme.com/q", "2.0-RC")),
        ("Questionnaire/other", asked("http://acme.com/other", "1.0")),
        ("QuestionnaireResponse/any", answered("http://acme.com/q")),
        ("QuestionnaireResponse/second", answered("http://acme.com/q|2.0-RC")),
        ("QuestionnaireResponse/third", answered("http://acme.com/q|3.0")),
    ];
    let resources = texts.each_ref().map(|(name, members)| (*name, members.as_str()));
    for database in databases() {
        let hospital = filled(database, &resources).await;
        for (query, wanted) in [
            ("_id=any&_include=QuestionnaireResponse:questionnaire", "one two"),
            ("_id=second&_include=QuestionnaireResponse:questionnaire", "two"),
            ("_id=third&_include=QuestionnaireResponse:questionnaire", ""),
            ("_id=second&_include=QuestionnaireResponse:questionnaire:Questionnaire", "two"),
            ("_id=second&_include=*", "two"),
            ("_id=second&_include=QuestionnaireResponse:subject", ""),
        ] {
            let answered = search(&hospital, &format!("QuestionnaireResponse?{query}")).await;
            assert_eq!(sorted(answered.found("include")), sorted(words(wanted)), "{query}: {}", answered.text());
        }
    }
}

/// <https://hl7.org/fhir/R4/search.html#include>
#[tokio::test]
async fn a_page_brings_what_it_refers_to_and_what_refers_to_it() {
    for database in databases() {
        let hospital = filled(database, PEOPLE).await;
        for (query, wanted) in [
            ("Observation?_id=of-peter&_include=Observation:patient", "peter"),
            ("Observation?_id=of-peter&_include=Observation:subject:Patient", "peter"),
            ("Observation?_id=of-peter&_include=Observation:subject:Group", ""),
            ("Observation?_id=of-peter&_include=Observation:patient&_include=Patient:organization", "peter"),
            (
                "Observation?_id=of-peter&_include=Observation:patient&_include:iterate=Patient:organization",
                "peter ward",
            ),
            (
                "Observation?_id=of-peter&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
                "peter ward top",
            ),
            ("Observation?_id=of-peter&_include=Observation:*", "peter of-petra"),
            ("Observation?_id=of-peter&_include=*", "peter of-petra"),
            ("Observation?_id=of-peter&_include:iterate=Observation:has-member", "of-petra"),
            ("Observation?_id=of-peter&_revinclude=Provenance:target", "prov"),
            ("Patient?_id=petra&_revinclude=Observation:patient&_revinclude=Group:member", "of-petra peters"),
            (
                "Patient?_id=petra&_revinclude=Observation:patient&_revinclude:iterate=DiagnosticReport:result",
                "of-petra other",
            ),
            (
                "Patient?_id=peter&_include=Patient:general-practitioner&_revinclude=Observation:patient",
                "joe jane of-peter",
            ),
            ("Observation?_id=of-peter,of-petra&_include=Observation:has-member", ""),
        ] {
            let answered = search(&hospital, query).await;
            assert_eq!(sorted(answered.found("include")), sorted(words(wanted)), "{query}: {}", answered.text());
            let matches = answered.found("match").len();
            assert_eq!((answered.status, answered.json()["total"].clone()), (200, matches.into()), "{query}");
        }
        // Each page brings its own.
        let mut next = Some("/fhir/DiagnosticReport?_sort=_id&_count=1&_include=DiagnosticReport:patient".to_owned());
        let mut brought = Vec::new();
        while let Some(path) = next {
            let page = hospital.get(&path).await;
            brought.extend(page.found("include"));
            next = page.link("next");
        }
        assert_eq!(brought, ["petra", "peter"]);
    }
}
