//! What resources can be found by.

mod composites;
mod custom;
mod numbers;

use super::*;
use crate::params;

/// The values of one parameter, each in short: what follows `|` parts and ranges is told by their marks.
fn found(text: &str, code: &str) -> Vec<String> {
    let parsed = crate::parse::resource(text).unwrap();
    let param = params::find(parsed.kind(), code).unwrap_or_else(|| panic!("no parameter {code}"));
    let entries = values(parsed.doc(), parsed.kind());
    entries.into_iter().filter(|entry| entry.param == param.id).map(|entry| short(entry.value)).collect()
}

fn short(value: Value) -> String {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    match value {
        Value::Token { system, code, text } => format!("{}|{}|{}", or(system), or(code), or(text)),
        Value::Text { normal, exact } => format!("{normal}={exact}"),
        Value::Date { low, high } => {
            let end = |end| {
                if end == i64::MIN || end == i64::MAX { "-".into() } else { crate::datetime::format_instant(end) }
            };
            format!("{}..{}", end(low), end(high))
        }
        Value::Number { low, high, value } => format!("{}..{} {value}", bound(low), bound(high)),
        Value::Quantity { low, high, value, system, code, unit, canonical } => {
            let canonical = canonical.map(|it| format!(" = {}..{} {}", bound(it.low), bound(it.high), it.unit));
            let canonical = canonical.unwrap_or_default();
            format!("{}..{} {value} {}|{} {}{canonical}", bound(low), bound(high), or(system), or(code), or(unit))
        }
        Value::Uri(text) | Value::Words(text) => text,
        Value::Place(place) => format!("{} {} {}", place.x, place.y, place.z),
        Value::Reference { kind, id, version, url, identifier } => {
            let kind = kind.map_or("-", ResourceType::name);
            let identifier = identifier.map(|(system, value)| format!(" {}|{value}", or(system))).unwrap_or_default();
            format!("{kind}/{} v{} {}{identifier}", or(id), or(version), or(url))
        }
    }
}

fn bound(number: f64) -> String {
    if number.abs() == f64::MAX { "-".into() } else { number.to_string() }
}

fn check(members: &str, code: &str, wanted: &[&str]) {
    let (kind, members) = members.split_once(' ').unwrap();
    let text = format!("{{\"resourceType\":\"{kind}\",{members}}}");
    assert_eq!(found(&text, code), wanted, "{code} of {text}");
}

#[test]
fn tokens_come_from_codes_with_and_without_system() {
    check(r#"Patient "gender":"male""#, "gender", &["http://hl7.org/fhir/administrative-gender|male|-"]);
    check(r#"Patient "active":true"#, "active", &["http://hl7.org/fhir/special-values|true|-"]);
    check(
        r#"Patient "identifier":[{"system":"s","value":"v","type":{"text":"MRN"}},{"value":"w"}]"#,
        "identifier",
        &["s|v|MRN", "-|w|-"],
    );
    check(
        r#"Patient "telecom":[{"system":"email","value":"a@b"},{"system":"phone","value":"1"}]"#,
        "email",
        &["-|a@b|-"],
    );
    check(
        r#"Patient "telecom":[{"system":"email","value":"a@b"},{"system":"phone","value":"1"}]"#,
        "telecom",
        &["-|a@b|-", "-|1|-"],
    );
    check(
        r#"Patient "telecom":[{"system":"phone","value":"1","use":"home"},{"system":"email","use":"work"}]"#,
        "phone",
        &["-|1|-"],
    );
    check(r#"Patient "identifier":[{"system":"s"},{"value":""},{"use":"usual"}]"#, "identifier", &["s|-|-"]);
    check(r#"Observation "code":{"coding":[{"system":"l"},{"userSelected":true}]}"#, "code", &["l|-|-"]);
    check(r#"Communication "instantiatesCanonical":["http://a/P|1"]"#, "_tag", &[]);
    check(r#"CodeSystem "content":"complete","concept":[{"code":"a"},{"code":"b"}]"#, "code", &["-|a|-", "-|b|-"]);
    check(r#"Device "udiCarrier":[{"deviceIdentifier":"1"}]"#, "udi-di", &["1=1"]);
    check(r#"Patient "deceasedDateTime":"2020""#, "deceased", &["http://hl7.org/fhir/special-values|true|-"]);
    check(r#"Patient "deceasedBoolean":false"#, "deceased", &["http://hl7.org/fhir/special-values|false|-"]);
    check(r#"Patient "active":true"#, "deceased", &["http://hl7.org/fhir/special-values|false|-"]);
    check(
        r#"Observation "code":{"coding":[{"system":"l","code":"1","display":"One"},{"code":"2"}],"text":"t"}"#,
        "code",
        &["l|1|One", "-|2|-", "-|-|t"],
    );
    check(
        r#"Observation "code":{"coding":[{"code":"1"}]},"component":[{"code":{"coding":[{"code":"2"}]}}]"#,
        "combo-code",
        &["-|1|-", "-|2|-"],
    );
    check(r#"Observation "valueCodeableConcept":{"coding":[{"code":"1"}]}"#, "value-concept", &["-|1|-"]);
    check(r#"Observation "valueQuantity":{"code":"1"}"#, "value-concept", &[]);
    check(r#"Observation "meta":{"tag":[{"system":"s","code":"c"}]}"#, "_tag", &["s|c|-"]);
}

#[test]
fn strings_are_folded_and_kept() {
    check(
        r#"Patient "name":[{"family":"Müller","given":["Eva","Ana"],"prefix":["Dr."],"text":"x"}]"#,
        "name",
        &["muller=Müller", "eva=Eva", "ana=Ana", "dr.=Dr.", "x=x"],
    );
    check(r#"Patient "name":[{"family":"Müller"},{"family":"Ö"}]"#, "family", &["muller=Müller", "o=Ö"]);
    check(r#"Patient "address":[{"line":["a","b"],"city":"C"}]"#, "address", &["a=a", "b=b", "c=C"]);
    check(r#"Patient "address":[{"line":["a","b"],"city":"C"}]"#, "address-city", &["c=C"]);
    check(r#"Patient "name":[{"given":["a",null,"b"],"_given":[null,{"id":"x"},null]}]"#, "given", &["a=a", "b=b"]);
    check(r#"InsurancePlan "name":"A","alias":["B"]"#, "name", &["a=A", "b=B"]);
    check(
        r#"Patient "address":[{"text":"T","district":"D","state":"S","postalCode":"1","country":"L","period":{}}]"#,
        "address",
        &["t=T", "d=D", "s=S", "1=1", "l=L"],
    );
    check(r#"Patient "name":[{"suffix":["Jr."],"use":"usual"}]"#, "phonetic", &["jr.=Jr."]);
    check(r#"Organization "name":"Ä  B""#, "name", &["a b=Ä  B"]);
}

#[test]
fn dates_are_ranges() {
    check(r#"Patient "birthDate":"1980-02""#, "birthdate", &["1980-02-01T00:00:00.000Z..1980-02-29T23:59:59.999Z"]);
    check(r#"Patient "birthDate":"nonsense""#, "birthdate", &[]);
    check(r#"Observation "effectivePeriod":{"start":"2020-01-01"}"#, "date", &["2020-01-01T00:00:00.000Z..-"]);
    check(r#"Observation "effectivePeriod":{"end":"2020"}"#, "date", &["-..2020-12-31T23:59:59.999Z"]);
    check(r#"Observation "effectivePeriod":{"id":"x"}"#, "date", &[]);
    check(
        r#"Observation "effectiveInstant":"2020-01-01T01:00:00.5+01:00""#,
        "date",
        &["2020-01-01T00:00:00.500Z..2020-01-01T00:00:00.500Z"],
    );
    let date = |member: &str, wanted: &[&str]| check(&format!("Observation {member}"), "date", wanted);
    date(r#""effectiveDateTime":"2020-01-01T01:00:00+01:00""#, &["2020-01-01T00:00:00.000Z..2020-01-01T00:00:00.999Z"]);
    date(r#""effectiveDateTime":"2020-01-01T01:00:00.5Z""#, &["2020-01-01T01:00:00.500Z..2020-01-01T01:00:00.599Z"]);
    date(r#""effectiveDateTime":"2019""#, &["2019-01-01T00:00:00.000Z..2019-12-31T23:59:59.999Z"]);
    date(
        r#""effectivePeriod":{"start":"2020-02","end":"2020-02-10T12:00:00Z"}"#,
        &["2020-02-01T00:00:00.000Z..2020-02-10T12:00:00.999Z"],
    );
    date(r#""effectiveTiming":{"event":["2020"]}"#, &["2020-01-01T00:00:00.000Z..2020-12-31T23:59:59.999Z"]);
    date(
        r#""effectiveTiming":{"event":["2020-01-05"],"repeat":{"boundsDuration":{"value":3,"code":"d"}}}"#,
        &["2020-01-05T00:00:00.000Z..2020-01-05T23:59:59.999Z"],
    );
    date(
        r#""effectiveTiming":{"repeat":{"boundsPeriod":{"end":"2020"},"frequency":1}}"#,
        &["-..2020-12-31T23:59:59.999Z"],
    );
    for timing in [
        r#"{"repeat":{"boundsDuration":{"value":3,"code":"d"}}}"#,
        r#"{"repeat":{"boundsRange":{"low":{"value":3}}}}"#,
        r#"{"code":{"text":"BID"}}"#,
        r#"{"event":["nonsense"]}"#,
    ] {
        date(&format!(r#""effectiveTiming":{timing}"#), &[]);
    }
    check(
        r#"Observation "effectiveTiming":{"event":["2020-03","2020-01-01"],"repeat":{"boundsPeriod":{"start":"2020-02"}}}"#,
        "date",
        &["2020-01-01T00:00:00.000Z..-"],
    );
}

#[test]
fn references_name_type_and_id_or_url() {
    let subject = |text: &str| format!(r#"Observation "subject":{{"reference":"{text}"}}"#);
    check(&subject("Patient/1"), "subject", &["Patient/1 v- -"]);
    check(&subject("Patient/1"), "patient", &["Patient/1 v- -"]);
    check(&subject("Patient/1/_history/2"), "patient", &["Patient/1 v2 -"]);
    check(&subject("Group/1"), "patient", &[]);
    check(&subject("Group/1"), "subject", &["Group/1 v- -"]);
    check(&subject("http://a/fhir/Patient/1"), "patient", &["Patient/1 v- http://a/fhir/Patient/1"]);
    check(&subject("urn:uuid:1"), "subject", &["-/- v- urn:uuid:1"]);
    check(&subject("urn:uuid:1"), "patient", &[]);
    // It is there, though it leads to nothing that could be found.
    check(&subject("#p"), "subject", &["-/- v- #p"]);
    check(
        r#"Observation "subject":{"type":"Patient","identifier":{"system":"s","value":"v"}}"#,
        "patient",
        &["Patient/- v- - s|v"],
    );
    check(r#"Observation "subject":{"display":"x"}"#, "subject", &[]);
    check(r#"QuestionnaireResponse "questionnaire":"http://a/Q|2""#, "questionnaire", &["-/- v2 http://a/Q"]);
    check(
        r#"Appointment "participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/2"}}]"#,
        "location",
        &["Location/2 v- -"],
    );
    check(
        r#"Measure "relatedArtifact":[{"type":"depends-on","resource":"http://a/L"},{"type":"citation","resource":"http://a/M"}]"#,
        "depends-on",
        &["-/- v- http://a/L"],
    );
    check(
        r#"Bundle "type":"document","entry":[{"resource":{"resourceType":"Composition","id":"c"}},{"resource":{"resourceType":"Patient","id":"p"}}]"#,
        "composition",
        &["Composition/c v- -"],
    );
}

#[test]
fn uris_are_kept_as_written() {
    check(r#"ValueSet "url":"http://a/V""#, "url", &["http://a/V"]);
    check(r#"Patient "meta":{"profile":["http://a/P"],"source":"s"}"#, "_profile", &["http://a/P"]);
    check(r#"Patient "meta":{"profile":["http://a/P"],"source":"s"}"#, "_source", &["s"]);
    check(r#"Patient "meta":{"profile":["http://a/P|2"]}"#, "_profile", &["http://a/P", "http://a/P|2"]);
    check(r#"ValueSet "url":"http://a/V|2""#, "url", &["http://a/V|2"]);
}

#[test]
fn id_and_last_updated_are_left_to_the_store_and_repeats_are_dropped() {
    check(r#"Patient "id":"a""#, "_id", &[]);
    check(r#"Patient "meta":{"lastUpdated":"2020-01-01T00:00:00Z"}"#, "_lastUpdated", &[]);
    check(r#"Patient "name":[{"family":"A"},{"family":"A"}]"#, "family", &["a=A"]);
}

#[test]
fn no_value_holds_a_nul() {
    check(r#"Patient "identifier":[{"value":"a\u0000b"}],"name":[{"family":"c\u0000d"}]"#, "identifier", &["-|ab|-"]);
    check(r#"Patient "identifier":[{"value":"a\u0000b"}],"name":[{"family":"c\u0000d"}]"#, "family", &["cd=cd"]);
}

#[test]
fn the_words_of_a_narrative_are_texts() {
    check(
        r#"Patient "text":{"status":"generated","div":"<div><p>Eva M\u00fcller</p>, eva &amp; <b>x</b></div>"}"#,
        "_text",
        &["eva=eva", "muller=muller", "x=x"],
    );
    check(r#"Patient "text":{"status":"empty"}"#, "_text", &[]);
    check(r#"Patient "name":[{"text":"a"}]"#, "_text", &[]);
}
