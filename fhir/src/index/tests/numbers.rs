//! Numbers, quantities and their ends, in the unit written and in base units.

use super::check;

#[test]
fn numbers_and_quantities_keep_their_ends() {
    check(r#"RiskAssessment "prediction":[{"probabilityDecimal":0.5}]"#, "probability", &["0.5..0.5 0.5"]);
    check(
        r#"Observation "valueQuantity":{"value":5.40,"unit":"mg","system":"u","code":"m"}"#,
        "value-quantity",
        &["5.4..5.4 5.4 u|m mg"],
    );
    check(r#"Observation "valueQuantity":{"value":5,"comparator":"<"}"#, "value-quantity", &["-..5 5 -|- -"]);
    check(r#"Observation "valueQuantity":{"value":5,"comparator":">="}"#, "value-quantity", &["5..- 5 -|- -"]);
    check(r#"Observation "valueQuantity":{"unit":"mg"}"#, "value-quantity", &[]);
    check(
        r#"Condition "onsetRange":{"low":{"value":1,"code":"a","system":"u"},"high":{"value":2}}"#,
        "onset-age",
        &["1..2 1 u|a -"],
    );
    check(
        r#"Invoice "totalNet":{"value":1.10,"currency":"EUR"}"#,
        "totalnet",
        &["1.1..1.1 1.1 urn:iso:std:iso:4217|EUR -"],
    );
    check(
        r#"Observation "valueSampledData":{"origin":{"value":10,"unit":"mV"},"factor":2,"data":"1 E -3 5"}"#,
        "value-quantity",
        &["4..20 4 -|- mV"],
    );
    check(
        r#"Observation "valueSampledData":{"origin":{"value":0},"lowerLimit":-5,"data":"1 L U"}"#,
        "value-quantity",
        &["-5..- -5 -|- -"],
    );
    check(r#"Observation "valueSampledData":{"origin":{"value":0},"data":"L L"}"#, "value-quantity", &[]);
    check(
        r#"Observation "valueSampledData":{"origin":{"value":0},"lowerLimit":1,"upperLimit":2}"#,
        "value-quantity",
        &["1..2 1 -|- -"],
    );
    check(
        r#"RiskAssessment "prediction":[{"probabilityRange":{"low":{"value":0.1}}}]"#,
        "probability",
        &["0.1..- 0.1"],
    );
    check(r#"ImagingStudy "numberOfSeries":3"#, "_tag", &[]);
    check(r#"MolecularSequence "variant":[{"start":128273725}]"#, "variant-start", &["128273725..128273725 128273725"]);
}

#[test]
fn quantities_of_ucum_are_kept_in_base_units_too() {
    let ucum = r#""system":"http://unitsofmeasure.org""#;
    let value = |members: &str| format!(r#"Observation "valueQuantity":{{{members},{ucum}}}"#);
    let code = "http://unitsofmeasure.org|mg/dL";
    check(
        &value(r#""value":540,"code":"mg/dL""#),
        "value-quantity",
        &[&format!("540..540 540 {code} - = 5400..5400 g.m-3")],
    );
    check(
        &value(r#""value":540,"comparator":"<","code":"mg/dL""#),
        "value-quantity",
        &[&format!("-..540 540 {code} - = -..5400 g.m-3")],
    );
    check(
        &value(r#""value":37,"code":"Cel""#),
        "value-quantity",
        &["37..37 37 http://unitsofmeasure.org|Cel - = 310.15..310.15 K"],
    );
    check(&value(r#""value":7,"code":"[pH]""#), "value-quantity", &["7..7 7 http://unitsofmeasure.org|[pH] -"]);
    check(&value(r#""value":7,"code":"foo""#), "value-quantity", &["7..7 7 http://unitsofmeasure.org|foo -"]);
    check(&value(r#""value":7,"unit":"mg""#), "value-quantity", &["7..7 7 http://unitsofmeasure.org|- mg"]);
    check(
        &format!(
            r#"Condition "onsetRange":{{"low":{{"value":1,"code":"a",{ucum}}},"high":{{"value":2,"code":"a",{ucum}}}}}"#
        ),
        "onset-age",
        &["1..2 1 http://unitsofmeasure.org|a - = 31557600..63115200 s"],
    );
    check(
        &format!(r#"Condition "onsetAge":{{"value":2,"code":"wk",{ucum}}}"#),
        "onset-age",
        &["2..2 2 http://unitsofmeasure.org|wk - = 1209600..1209600 s"],
    );
    check(
        &format!(r#"Observation "valueSampledData":{{"origin":{{"value":0,"code":"mV",{ucum}}},"data":"1 2"}}"#),
        "value-quantity",
        &["1..2 1 http://unitsofmeasure.org|mV - = 1..2 g.m2.s-2.C-1"],
    );
}
