//! Several values: AND, OR, composites, and what is missing.
//! <https://hl7.org/fhir/R4/search.html#combining>, <https://hl7.org/fhir/R4/search.html#composite>

use super::{finds, refuses};

/// <https://hl7.org/fhir/R4/search.html#combining>
#[tokio::test]
async fn a_repeated_parameter_is_and_and_a_comma_is_or() {
    let speaks = |codes: &[&str]| {
        let each = codes.iter().map(|code| format!(r#"{{"language":{{"coding":[{{"code":"{code}"}}]}}}}"#));
        format!(r#""communication":[{}]"#, each.collect::<Vec<_>>().join(","))
    };
    let (fr, nl, both, all) = (speaks(&["FR"]), speaks(&["NL"]), speaks(&["FR", "NL"]), speaks(&["NL", "EN"]));
    let resources =
        [("Patient/fr", fr.as_str()), ("Patient/nl", &nl), ("Patient/both", &both), ("Patient/english", &all)];
    let rows = [
        ("Patient?language=FR&language=NL", "both"),
        ("Patient?language=FR,NL", "fr nl both english"),
        ("Patient?language=FR,NL&language=EN", "english"),
        ("Patient?language=FR,FR", "fr both"),
    ];
    finds(&resources, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#composite>
#[tokio::test]
async fn components_of_a_composite_stand_in_one_element() {
    let part = |code: &str, value: u32| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"valueQuantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}}}"#
        )
    };
    let pressure = |systolic: u32, diastolic: u32| {
        format!(
            r#""status":"final","code":{{"text":"bp"}},"component":[{},{}]"#,
            part("8480-6", systolic),
            part("8462-4", diastolic)
        )
    };
    let potassium = r#""status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2823-3"}]},"valueQuantity":{"value":6.1,"system":"http://unitsofmeasure.org","code":"mmol/L"}"#;
    let (low, swapped) = (pressure(55, 90), pressure(90, 55));
    let resources = [
        ("Observation/low", low.as_str()),
        ("Observation/swapped", &swapped),
        ("Observation/potassium", potassium),
        (
            "DiagnosticReport/high",
            r#""status":"final","code":{"text":"x"},"result":[{"reference":"Observation/potassium"}]"#,
        ),
        (
            "DiagnosticReport/other",
            r#""status":"final","code":{"text":"x"},"result":[{"reference":"Observation/low"}]"#,
        ),
        (
            "Group/mixed",
            r#""type":"person","actual":false,"characteristic":[{"code":{"coding":[{"code":"gender"}]},"valueCodeableConcept":{"coding":[{"code":"mixed"}]},"exclude":false},{"code":{"coding":[{"code":"owner"}]},"valueCodeableConcept":{"coding":[{"code":"John"}]},"exclude":false}]"#,
        ),
        (
            "Group/eve",
            r#""type":"person","actual":false,"characteristic":[{"code":{"coding":[{"code":"gender"}]},"valueCodeableConcept":{"coding":[{"code":"male"}]},"exclude":false},{"code":{"coding":[{"code":"owner"}]},"valueCodeableConcept":{"coding":[{"code":"Eve"}]},"exclude":false}]"#,
        ),
    ];
    let rows = [
        ("Observation?component-code-value-quantity=http://loinc.org|8480-6$lt60", "low"),
        ("Observation?component-code-value-quantity=8480-6$lt60|http://unitsofmeasure.org|mm[Hg]", "low"),
        ("Observation?component-code-value-quantity=http://loinc.org|8462-4$lt60", "swapped"),
        ("Observation?component-code-value-quantity=8480-6$lt60,8462-4$lt60", "low swapped"),
        ("Observation?component-code-value-quantity=8480-6$lt60&component-code-value-quantity=8462-4$lt60", ""),
        ("Observation?combo-code-value-quantity=8480-6$lt60,2823-3$gt5.4", "low potassium"),
        (
            "DiagnosticReport?result.code-value-quantity=http://loinc.org|2823-3$gt5.4|http://unitsofmeasure.org|mmol/L",
            "high",
        ),
        (
            "DiagnosticReport?result.code-value-quantity=http://loinc.org|2823-3$gt7|http://unitsofmeasure.org|mmol/L",
            "",
        ),
        ("Group?characteristic-value=gender$mixed", "mixed"),
        ("Group?characteristic-value=gender$mixed,owner$Eve", "mixed eve"),
        ("Group?characteristic-value=gender$John", ""),
        ("Group?characteristic-value=gender$male&characteristic-value=owner$Eve", "eve"),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Observation?code-value-quantity=2823-3", 400, "value"),
        ("Observation?code-value-quantity=2823-3$a$b", 400, "value"),
        ("Observation?code-value-quantity=2823-3$much", 400, "value"),
        ("Observation?code-value-quantity:missing=true", 400, "not-supported"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#missing>
#[tokio::test]
async fn what_is_missing_is_found_by_missing_alone() {
    let resources = [
        (
            "AllergyIntolerance/active",
            r#""patient":{"reference":"Patient/x"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}"#,
        ),
        (
            "AllergyIntolerance/unknown",
            r#""patient":{"reference":"Patient/x"},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification","code":"entered-in-error"}]}"#,
        ),
    ];
    let active = "clinical-status=http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical|active";
    let (with, both) =
        (format!("AllergyIntolerance?{active}"), format!("AllergyIntolerance?{active}&clinical-status:missing=true"));
    let rows = [
        (with.as_str(), "active"),
        ("AllergyIntolerance?clinical-status:missing=true", "unknown"),
        ("AllergyIntolerance?clinical-status:missing=false", "active"),
        (both.as_str(), ""),
        ("AllergyIntolerance?_filter=clinical-status eq active or not(clinical-status pr true)", "active unknown"),
    ];
    finds(&resources, &rows).await;
    refuses(&[], &[("AllergyIntolerance?clinical-status:missing=perhaps", 400, "value")]).await;
    // An element with an extension and no value is missing.
    let extended = [(
        "Patient/extended",
        r#""_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#,
    )];
    finds(&extended, &[("Patient?birthdate:missing=true", "extended"), ("Patient?birthdate:missing=false", "")]).await;
}

/// <https://hl7.org/fhir/R4/search.html#contained>: a reference into the resource itself is a value.
#[tokio::test]
async fn a_contained_resource_is_no_missing_reference() {
    let resources = [
        (
            "MedicationRequest/inside",
            r##""status":"active","intent":"order","subject":{"reference":"Patient/x"},"contained":[{"resourceType":"Medication","id":"m"}],"medicationReference":{"reference":"#m"}"##,
        ),
        (
            "MedicationRequest/coded",
            r#""status":"active","intent":"order","subject":{"reference":"Patient/x"},"medicationCodeableConcept":{"text":"x"}"#,
        ),
    ];
    let rows = [
        ("MedicationRequest?medication:missing=true", "coded"),
        ("MedicationRequest?medication:missing=false", "inside"),
    ];
    finds(&resources, &rows).await;
}
