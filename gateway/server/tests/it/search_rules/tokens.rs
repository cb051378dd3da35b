//! Tokens: codes with and without systems, identifiers, booleans, and every modifier of theirs.
//! <https://hl7.org/fhir/R4/search.html#token>

use super::{finds, refuses};

/// <https://hl7.org/fhir/R4/search.html#token>
#[tokio::test]
async fn a_token_is_a_code_with_or_without_its_system() {
    let resources = [
        (
            "Patient/acme",
            r#""identifier":[{"system":"http://acme.org/patient","value":"2345"}],"gender":"male","active":true"#,
        ),
        ("Patient/other", r#""identifier":[{"system":"urn:other","value":"2345"}],"gender":"female","active":false"#),
        (
            "Patient/bare",
            r#""identifier":[{"value":"2345"}],"telecom":[{"system":"phone","value":"555","use":"home"}]"#,
        ),
        (
            "Patient/both",
            r#""identifier":[{"system":"http://acme.org/patient","value":"1"},{"system":"urn:other","value":"2"}],"deceasedBoolean":true"#,
        ),
        (
            "Patient/upper",
            r#""identifier":[{"system":"http://acme.org/patient","value":"AbC"}],"deceasedDateTime":"2020""#,
        ),
    ];
    let rows = [
        ("Patient?identifier=http://acme.org/patient|2345", "acme"),
        ("Patient?identifier=2345", "acme other bare"),
        ("Patient?identifier=|2345", "bare"),
        ("Patient?identifier=http://acme.org/patient|", "acme both upper"),
        ("Patient?identifier=http://acme.org/patient|2", ""),
        ("Patient?identifier=http://acme.org/patient|2345,urn:other|2345", "acme other"),
        ("Patient?identifier=http://acme.org/patient|1&identifier=urn:other|2", "both"),
        ("Patient?identifier=|2345,|9", "bare"),
        ("Patient?identifier=AbC", "upper"),
        ("Patient?identifier=urn:unknown|2345", ""),
        ("Patient?gender=male", "acme"),
        ("Patient?gender=http://hl7.org/fhir/administrative-gender|male", "acme"),
        ("Patient?gender:not=male", "other bare both upper"),
        ("Patient?gender:not=male,female", "bare both upper"),
        ("Patient?gender:missing=true", "bare both upper"),
        ("Patient?active=true", "acme"),
        ("Patient?active=false", "other"),
        ("Patient?active=http://hl7.org/fhir/special-values|true", "acme"),
        ("Patient?telecom=555", "bare"),
        ("Patient?deceased=true", "both upper"),
    ];
    finds(&resources, &rows).await;
    refuses(&[], &[("Patient?identifier=a|b|c", 400, "value"), ("Patient?gender:exact=male", 400, "not-supported")])
        .await;
}

/// "When in doubt, servers SHOULD treat tokens in a case-insensitive manner", "some code systems are case sensitive (e.g.
/// UCUM)": <https://hl7.org/fhir/R4/search.html#token>. Of identifiers "both system and value are always case sensitive":
/// <https://hl7.org/fhir/R4/datatypes.html#Identifier>.
#[tokio::test]
async fn case_counts_where_the_code_system_says_so_and_in_identifiers() {
    let coded = |system: &str, code: &str| {
        format!(r#""status":"final","code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#)
    };
    let icd = coded("http://hl7.org/fhir/sid/icd-10", "E11.9");
    let ucum = coded("http://unitsofmeasure.org", "Mg");
    let act = coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB");
    let local = coded("urn:local", "straße");
    let none = r#""status":"final","code":{"coding":[{"code":"Abc"}]},"identifier":[{"value":"Abc"}]"#;
    let resources = [
        ("Observation/icd", icd.as_str()),
        ("Observation/ucum", &ucum),
        ("Observation/act", &act),
        ("Observation/local", &local),
        ("Observation/none", none),
        ("Patient/mail", r#""telecom":[{"system":"email","value":"Ann@Example.org"}],"gender":"female""#),
    ];
    let rows = [
        ("Observation?code=http://hl7.org/fhir/sid/icd-10|e11.9", "icd"),
        ("Observation?code=http://hl7.org/fhir/sid/icd-10|E11.9", "icd"),
        ("Observation?code=e11.9", "icd"),
        ("Observation?code=E11.9,ABC", "icd none"),
        ("Observation?code:not=E11.9", "ucum act local none"),
        ("Observation?code=http://unitsofmeasure.org|Mg", "ucum"),
        ("Observation?code=http://unitsofmeasure.org|mg", ""),
        ("Observation?code=Mg", "ucum"),
        ("Observation?code=http://terminology.hl7.org/CodeSystem/v3-ActCode|AMB", "act"),
        ("Observation?code=http://terminology.hl7.org/CodeSystem/v3-ActCode|amb", ""),
        ("Observation?code=AMB", "act"),
        ("Observation?code=STRASSE", ""),
        ("Observation?code=urn:local|STRAßE", "local"),
        ("Observation?code=|aBC", "none"),
        ("Observation?identifier=Abc", "none"),
        ("Observation?identifier=abc", ""),
        ("Patient?email=ann@example.ORG", "mail"),
        ("Patient?gender=FEMALE", "mail"),
        ("Patient?gender=http://hl7.org/fhir/administrative-gender|FEMALE", ""),
    ];
    finds(&resources, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#token>: of several codes any counts, and `:not` denies the whole resource.
#[tokio::test]
async fn concepts_are_found_by_any_code_and_by_their_text() {
    let coded = |codes: &str| {
        format!(
            r#""status":"final","type":{{"text":"x"}},"date":"2020","author":[{{"display":"x"}}],"title":"x","section":[{codes}]"#
        )
    };
    let section = |code: &str| {
        format!(
            r#"{{"title":"s","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"text":{{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}}}"#
        )
    };
    let (one, two) = (coded(&section("48765-2")), coded(&format!("{},{}", section("48765-2"), section("1-8"))));
    let other = coded(&section("1-8"));
    let resources = [("Composition/one", one.as_str()), ("Composition/two", &two), ("Composition/other", &other)];
    let rows = [
        ("Composition?section=48765-2", "one two"),
        ("Composition?section:not=48765-2", "other"),
        ("Composition?section=48765-2&section=1-8", "two"),
    ];
    finds(&resources, &rows).await;

    let resources = [
        ("Condition/text", r#""subject":{"display":"x"},"code":{"text":"Headache, severe"}"#),
        (
            "Condition/display",
            r#""subject":{"display":"x"},"code":{"coding":[{"system":"urn:s","code":"ha125","display":"headache"}]}"#,
        ),
        ("Condition/middle", r#""subject":{"display":"x"},"code":{"coding":[{"code":"ha125"}],"text":"a headache"}"#),
        ("Condition/none", r#""subject":{"display":"x"}"#),
    ];
    let rows = [
        ("Condition?code:text=headache", "text display"),
        ("Condition?code:text=HEADache, sev", ""),
        (r"Condition?code:text=HEADache\, sev", "text"),
        ("Condition?code=ha125", "display middle"),
        ("Condition?code=urn:s|ha125", "display"),
        ("Condition?code=|ha125", "middle"),
        ("Condition?code:missing=true", "none"),
        ("Condition?code:missing=false", "text display middle"),
        ("Condition?code:not=ha125", "text none"),
    ];
    finds(&resources, &rows[..1]).await;
    finds(&resources, &rows[2..]).await;
}

const TREE: (&str, &str) = (
    "CodeSystem/tree",
    r#""url":"urn:tree","status":"active","content":"complete","concept":[{"code":"animal","concept":[{"code":"dog","concept":[{"code":"poodle"}]},{"code":"cat"}]}]"#,
);

/// <https://hl7.org/fhir/R4/search.html#subsumption>
#[tokio::test]
async fn hierarchies_and_value_sets_are_looked_into() {
    let code = |system: &str, code: &str| {
        format!(r#""subject":{{"display":"x"}},"code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#)
    };
    let codes = [
        code("urn:tree", "animal"),
        code("urn:tree", "dog"),
        code("urn:tree", "poodle"),
        code("urn:tree", "cat"),
        code("urn:x", "dog"),
    ];
    let resources = [
        TREE,
        (
            "ValueSet/pets",
            r#""url":"http://acme.org/fhir/ValueSet/pets","status":"active","compose":{"include":[{"system":"urn:tree","concept":[{"code":"dog"},{"code":"cat"}]}]}"#,
        ),
        (
            "ValueSet/all",
            r#""url":"http://acme.org/fhir/ValueSet/all","status":"active","compose":{"include":[{"system":"urn:tree"}],"exclude":[{"system":"urn:tree","concept":[{"code":"cat"}]}]}"#,
        ),
        (
            "ValueSet/nested",
            r#""url":"http://acme.org/fhir/ValueSet/nested","status":"active","compose":{"include":[{"valueSet":["http://acme.org/fhir/ValueSet/pets"]}]}"#,
        ),
        ("Condition/animal", &codes[0]),
        ("Condition/dog", &codes[1]),
        ("Condition/poodle", &codes[2]),
        ("Condition/cat", &codes[3]),
        ("Condition/other", &codes[4]),
        ("Condition/none", r#""subject":{"display":"x"}"#),
    ];
    let rows = [
        ("Condition?code:below=urn:tree|dog", "dog poodle"),
        ("Condition?code:below=urn:tree|animal", "animal dog poodle cat"),
        ("Condition?code:above=urn:tree|poodle", "animal dog poodle"),
        ("Condition?code:above=urn:tree|animal", "animal"),
        ("Condition?code:below=urn:tree|cat,urn:tree|poodle", "cat poodle"),
        ("Condition?code:in=http://acme.org/fhir/ValueSet/pets", "dog cat"),
        ("Condition?code:in=ValueSet/pets", "dog cat"),
        ("Condition?code:in=http://acme.org/fhir/ValueSet/all", "animal dog poodle"),
        ("Condition?code:in=http://acme.org/fhir/ValueSet/nested", "dog cat"),
        ("Condition?code:not-in=http://acme.org/fhir/ValueSet/pets", "animal poodle other none"),
        ("Condition?code=urn:tree|dog", "dog"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Condition?code:in=http://acme.org/fhir/ValueSet/unknown", 400, "not-found"),
        ("Condition?code:below=urn:unknown|x", 400, "not-found"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#token>: `identifier:of-type`, all three parts.
#[tokio::test]
async fn an_identifier_is_found_by_its_type() {
    let of = |code: &str, value: &str| {
        format!(
            r#""identifier":[{{"type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"{code}"}}],"text":"Record number"}},"value":"{value}"}}]"#
        )
    };
    let (mr, other) = (of("MR", "446053"), of("SS", "446053"));
    let resources = [
        ("Patient/mr", mr.as_str()),
        ("Patient/ss", &other),
        ("Patient/plain", r#""identifier":[{"value":"446053"}]"#),
    ];
    let rows = [
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053", "mr"),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|1", ""),
        ("Patient?identifier=446053", "mr ss plain"),
        ("Patient?identifier:text=record", "mr ss"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Patient?identifier:of-type=MR|446053", 400, "value"),
        ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|", 400, "value"),
        ("Patient?gender:of-type=a|b|c", 400, "not-supported"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#mimetype>
#[tokio::test]
async fn mime_types_have_parameters_below_them() {
    let document =
        |kind: &str| format!(r#""status":"current","content":[{{"attachment":{{"contentType":"{kind}"}}}}]"#);
    let (plain, with, other) = (document("text/xml"), document("text/xml; charset=UTF-8"), document("text/xmlx"));
    let resources = [
        ("DocumentReference/plain", plain.as_str()),
        ("DocumentReference/with", &with),
        ("DocumentReference/other", &other),
    ];
    let rows = [
        ("DocumentReference?contenttype=text/xml", "plain"),
        ("DocumentReference?contenttype:below=text/xml", "plain with"),
    ];
    finds(&resources, &rows).await;
}
