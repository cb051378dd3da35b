//! Facts about invariants, narratives, references within a resource, and modes.

use super::check_all;
use crate::outcome::Severity;
use crate::parse;
use crate::validate::{ISSUES_MAX, Mode, admit, issues, report};

/// A Patient with these members.
fn patient(members: &str) -> String {
    format!(r#"{{"resourceType":"Patient",{members}}}"#)
}

fn rows(make: impl Fn(&str) -> String, rows: &[(&str, &[&str])]) {
    for (members, wanted) in rows {
        check_all(&[(&make(members), wanted)]);
    }
}

#[test]
fn invariants_of_datatypes_are_held() {
    rows(
        patient,
        &[
            (r#""telecom":[{"system":"phone","value":"1"}]"#, &[]),
            (r#""telecom":[{"value":"1"}]"#, &["invariant Patient.telecom[0] A system is required"]),
            (r#""telecom":[{"period":{"start":"2020-01-01","end":"2020-01-02"}}]"#, &[]),
            (r#""telecom":[{"period":{"start":"2020-01-01","end":"2020-01-01"}}]"#, &[]),
            (r#""telecom":[{"period":{"start":"2020-01-01","end":"2020"}}]"#, &[]),
            (
                r#""telecom":[{"period":{"start":"2020-01-02","end":"2020-01-01"}}]"#,
                &["invariant Patient.telecom[0].period"],
            ),
            (r#""telecom":[{"period":{"start":"2020-01-01T10:00:00+02:00","end":"2020-01-01T09:00:00+01:00"}}]"#, &[]),
            (
                r#""telecom":[{"period":{"start":"2020-01-01T10:00:00+01:00","end":"2020-01-01T10:00:00+02:00"}}]"#,
                &["invariant Patient.telecom[0].period"],
            ),
            (r#""photo":[{"data":"AAAA","contentType":"image/png"}]"#, &[]),
            (r#""photo":[{"data":"AAAA"}]"#, &["invariant Patient.photo[0] If the Attachment has data"]),
            (r#""contact":[{"gender":"male"}]"#, &["invariant Patient.contact[0] SHALL at least"]),
            (r#""contact":[{"organization":{"display":"x"}}]"#, &[]),
        ],
    );
}

#[test]
fn invariants_of_resources_are_held() {
    let observation = |members: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"s","code":"c"}}]}}{members}}}"#
        )
    };
    rows(
        observation,
        &[
            ("", &[]),
            (r#","valueString":"x""#, &[]),
            (
                r#","valueString":"x","dataAbsentReason":{"text":"x"}"#,
                &["invariant Observation dataAbsentReason SHALL only be present"],
            ),
            (
                r#","valueString":"x","component":[{"code":{"coding":[{"system":"s","code":"c"}]}}]"#,
                &["invariant Observation If Observation.code is the same as an Observation.component.code"],
            ),
            (r#","valueString":"x","component":[{"code":{"coding":[{"system":"s","code":"d"}]}}]"#, &[]),
            (r#","valueQuantity":{"value":1,"code":"kg"}"#, &["invariant Observation.value"]),
            (r#","referenceRange":[{"type":{"text":"x"}}]"#, &["invariant Observation.referenceRange[0] Must have"]),
            (r#","referenceRange":[{"low":{"value":1}}]"#, &[]),
        ],
    );
    let organization = |members: &str| format!(r#"{{"resourceType":"Organization",{members}}}"#);
    rows(
        organization,
        &[
            (r#""name":"x","address":[{"use":"work"}]"#, &[]),
            (r#""name":"x","address":[{"use":"work"},{"use":"home"}]"#, &["invariant Organization.address[1]"]),
            (r#""active":true"#, &["invariant Organization The organization SHALL at least"]),
        ],
    );
    let questionnaire = |item: &str| format!(r#"{{"resourceType":"Questionnaire","status":"draft","item":[{item}]}}"#);
    rows(
        questionnaire,
        &[
            (r#"{"linkId":"a","type":"string"},{"linkId":"b","type":"string"}"#, &[]),
            (r#"{"linkId":"a","type":"string"},{"linkId":"a","type":"string"}"#, &["invariant Questionnaire The link"]),
            (
                r#"{"linkId":"a","type":"group","item":[{"linkId":"b","type":"display","item":[{"linkId":"c","type":"string"}]}]}"#,
                &["invariant Questionnaire.item[0].item[0]"],
            ),
            (
                r#"{"linkId":"a","type":"choice","initial":[{"valueString":"x"},{"valueString":"y"}]}"#,
                &["invariant Questionnaire.item[0] Can only have multiple"],
            ),
            (
                r#"{"linkId":"a","type":"string","enableWhen":[{"question":"b","operator":"exists","answerBoolean":true}]}"#,
                &[],
            ),
            (
                r#"{"linkId":"a","type":"string","enableWhen":[{"question":"b","operator":"exists","answerString":"x"}]}"#,
                &["invariant Questionnaire.item[0].enableWhen[0]"],
            ),
        ],
    );
    let bundle = |members: &str| format!(r#"{{"resourceType":"Bundle",{members}}}"#);
    rows(
        bundle,
        &[
            (r#""type":"searchset","total":1"#, &[]),
            (r#""type":"collection","total":1"#, &["invariant Bundle total only when a search or history"]),
            (
                r#""type":"collection","entry":[{"fullUrl":"urn:uuid:1"}]"#,
                &["invariant Bundle.entry[0] must be a resource unless"],
            ),
            (
                r#""type":"collection","entry":[{"fullUrl":"u:1","resource":{"resourceType":"Patient"}},{"fullUrl":"u:1","resource":{"resourceType":"Patient"}}]"#,
                &["invariant Bundle FullUrl must be unique"],
            ),
        ],
    );
}

#[test]
fn references_within_a_resource_resolve_and_contained_resources_are_referred_to() {
    let organization = r#"{"resourceType":"Organization","id":"o","name":"x""#;
    rows(
        |members| patient(&format!(r#""contained":[{members}"#)),
        &[
            (&format!(r##"{organization}}}],"managingOrganization":{{"reference":"#o"}}"##), &[]),
            (
                &format!(r##"{organization}}}],"managingOrganization":{{"display":"#o"}}"##),
                &["invariant Patient.contained[0]"],
            ),
            (&format!(r##"{organization},"partOf":{{"reference":"#"}}}}],"active":true"##), &[]),
            (
                &format!(r##"{organization},"partOf":{{"reference":"#p"}}}}],"active":true"##),
                &["invariant Patient.contained[0].partOf.reference", "invariant Patient.contained[0]"],
            ),
            (&format!(r##"{organization}}}],"extension":[{{"url":"u","valueCanonical":"#o"}}]"##), &[]),
            (
                &format!(r##"{organization}}}],"extension":[{{"url":"u","valueString":"#o"}}]"##),
                &["invariant Patient.contained[0]"],
            ),
            (
                &format!(
                    r##"{organization},"meta":{{"versionId":"1"}}}}],"managingOrganization":{{"reference":"#o"}}"##
                ),
                &["invariant Patient.contained[0].meta.versionId"],
            ),
            (
                &format!(
                    r##"{organization},"meta":{{"security":[{{"code":"R"}}]}}}}],"managingOrganization":{{"reference":"#o"}}"##
                ),
                &["invariant Patient.contained[0].meta.security"],
            ),
        ],
    );
    rows(
        patient,
        &[
            (r##""managingOrganization":{"reference":"#o"}"##, &["invariant Patient.managingOrganization.reference"]),
            (r#""managingOrganization":{"reference":"Organization/o"}"#, &[]),
        ],
    );
    // A resource in a Bundle has its own contained resources.
    let entry = |patient: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{patient}}}]}}"#)
    };
    let lost = patient(r##""managingOrganization":{"reference":"#o"}"##);
    check_all(&[(&entry(&lost), &["invariant Bundle.entry[0].resource.managingOrganization.reference"])]);
}

#[test]
fn narratives_are_held() {
    let narrative = |div: &str| patient(&format!(r#""text":{{"status":"generated","div":"{div}"}}"#));
    rows(
        narrative,
        &[
            ("<div>x</div>", &[]),
            // Worth a word, and no reason to refuse the resource.
            ("<div> </div>", &[]),
            ("<div>x<script>y</script></div>", &["invariant Patient.text.div the narrative may have only elements"]),
            ("<div onload='x'>x</div>", &["invariant Patient.text.div the narrative may have only attributes"]),
        ],
    );
}

#[test]
fn an_empty_narrative_is_a_warning() {
    let empty = parse::resource(patient(r#""text":{"status":"generated","div":"<div> </div>"}"#)).unwrap();
    let found = report(&empty);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
}

#[test]
fn modes_refuse_list_or_ask_nothing() {
    let broken = || parse::resource(patient(r#""gender":"x","nickname":"y""#)).unwrap();
    let condition = r#"{"resourceType":"Condition","subject":{"display":"x"},"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"problem-list-item"}]}]}"#;
    let warned = || parse::resource(condition).unwrap();
    assert_eq!(admit(broken(), Mode::Enforce).unwrap_err().issues.len(), 2);
    let (valid, issues_found) = admit(broken(), Mode::Warn).unwrap();
    assert_eq!((valid.bytes(), issues_found.len()), (broken().bytes(), 2));
    assert!(issues_found.iter().all(|issue| issue.severity == Severity::Error));
    assert!(admit(broken(), Mode::Off).unwrap().1.is_empty());
    assert_eq!(issues(&warned()), []);
    let found = report(&warned());
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    assert_eq!(admit(warned(), Mode::Enforce).unwrap().1, found);
}

#[test]
fn warnings_leave_room_for_errors() {
    let contacts = vec![r#"{"gender":"male"}"#; 300].join(",");
    let found = report(&parse::resource(patient(&format!(r#""contact":[{contacts}]"#))).unwrap());
    assert_eq!(found.len(), ISSUES_MAX + 1);
}
