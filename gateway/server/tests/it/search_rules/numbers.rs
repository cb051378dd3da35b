//! Numbers and quantities: precision by digits, prefixes, units.
//! <https://hl7.org/fhir/R4/search.html#number>, <https://hl7.org/fhir/R4/search.html#quantity>

use super::{finds, refuses};

/// RiskAssessments with one probability each, in percent or beyond: the definition's limit of 100 holds for them.
const RISKS: &[(&str, &str)] = &[
    ("RiskAssessment/p0-8", r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":0.8}]"#),
    (
        "RiskAssessment/p0-85",
        r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":0.85}]"#,
    ),
    (
        "RiskAssessment/p94-9",
        r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":94.9}]"#,
    ),
    (
        "RiskAssessment/p99-4",
        r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":99.4}]"#,
    ),
    (
        "RiskAssessment/p99-5",
        r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":99.5}]"#,
    ),
    (
        "RiskAssessment/p99-996",
        r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":99.996}]"#,
    ),
    ("RiskAssessment/p100", r#""status":"final","subject":{"display":"x"},"prediction":[{"probabilityDecimal":100}]"#),
    ("RiskAssessment/none", r#""status":"final","subject":{"display":"x"},"prediction":[{"rationale":"x"}]"#),
];

/// <https://hl7.org/fhir/R4/search.html#number>
#[tokio::test]
async fn a_number_means_the_range_of_its_digits() {
    let rows = [
        ("RiskAssessment?probability=100", "p99-5 p99-996 p100"),
        ("RiskAssessment?probability=100.00", "p99-996 p100"),
        ("RiskAssessment?probability=1.00e2", "p99-5 p99-996 p100"),
        ("RiskAssessment?probability=1e2", "p99-4 p99-5 p99-996 p100"),
        ("RiskAssessment?probability=lt100", "p0-8 p0-85 p94-9 p99-4 p99-5 p99-996"),
        ("RiskAssessment?probability=le100", "p0-8 p0-85 p94-9 p99-4 p99-5 p99-996 p100"),
        ("RiskAssessment?probability=gt99.5", "p99-996 p100"),
        ("RiskAssessment?probability=ge99.5", "p99-5 p99-996 p100"),
        ("RiskAssessment?probability=ne100", "p0-8 p0-85 p94-9 p99-4"),
        ("RiskAssessment?probability=eq0.8", "p0-8"),
        ("RiskAssessment?probability=0.80", "p0-8"),
        ("RiskAssessment?probability=gt0.8", "p0-85 p94-9 p99-4 p99-5 p99-996 p100"),
        ("RiskAssessment?probability=gt8e-1", "p0-85 p94-9 p99-4 p99-5 p99-996 p100"),
        ("RiskAssessment?probability=sa99.5", "p99-996 p100"),
        ("RiskAssessment?probability=eb0.85", "p0-8"),
        ("RiskAssessment?probability=ap0.9", "p0-85"),
        ("RiskAssessment?probability=0.8,100.00", "p0-8 p99-996 p100"),
        ("RiskAssessment?probability=gt0.8&probability=lt99", "p0-85 p94-9"),
        ("RiskAssessment?probability:missing=true", "none"),
        ("RiskAssessment?probability:missing=false&probability=lt1", "p0-8 p0-85"),
    ];
    finds(RISKS, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#number>
#[tokio::test]
async fn integers_match_exactly() {
    let at = |start: u32| format!(r#""coordinateSystem":0,"variant":[{{"start":{start},"end":9}}]"#);
    let (two, three) = (at(2), at(3));
    let resources = [("MolecularSequence/two", two.as_str()), ("MolecularSequence/three", &three)];
    let rows = [
        ("MolecularSequence?variant-start=2", "two"),
        ("MolecularSequence?variant-start=2.0", "two"),
        ("MolecularSequence?variant-start=2.5", ""),
        ("MolecularSequence?variant-start=gt2", "three"),
        ("MolecularSequence?variant-start=ge2", "two three"),
        ("MolecularSequence?variant-start=ne2", "three"),
    ];
    finds(&resources, &rows).await;
}

/// What is no number is an error of the request.
#[tokio::test]
async fn a_number_that_is_none_is_refused() {
    let rows = [
        ("RiskAssessment?probability=high", 400, "value"),
        ("RiskAssessment?probability=1e999", 400, "value"),
        ("RiskAssessment?probability=xx5", 400, "value"),
        ("RiskAssessment?probability:exact=5", 400, "not-supported"),
        ("Observation?value-quantity=5.4|mg", 400, "value"),
        ("Observation?value-quantity=much||mg", 400, "value"),
    ];
    refuses(&[], &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#quantity>
#[tokio::test]
async fn quantities_are_found_in_any_unit_of_theirs() {
    let value = |quantity: &str| format!(r#""status":"final","code":{{"text":"x"}},"valueQuantity":{{{quantity}}}"#);
    let rows = [
        ("mg", r#""value":5.4,"system":"http://unitsofmeasure.org","code":"mg","unit":"milligram""#),
        ("edge", r#""value":5.35,"system":"http://unitsofmeasure.org","code":"mg""#),
        ("g", r#""value":0.0054,"system":"http://unitsofmeasure.org","code":"g""#),
        ("large", r#""value":5.46,"system":"http://unitsofmeasure.org","code":"mg""#),
        ("human", r#""value":5.4,"unit":"mg""#),
        ("other", r#""value":5.4,"system":"urn:units","code":"mg""#),
        ("bare", r#""value":5.4"#),
        ("speed", r#""value":23,"system":"http://unitsofmeasure.org","code":"mm/h""#),
        ("below", r#""value":5,"comparator":"<","system":"http://unitsofmeasure.org","code":"mg""#),
    ];
    let resources = rows.map(|(id, quantity)| (format!("Observation/{id}"), value(quantity)));
    let resources = resources.each_ref().map(|(name, members)| (name.as_str(), members.as_str()));
    let rows = [
        ("Observation?value-quantity=5.4|http://unitsofmeasure.org|mg", "mg edge g"),
        ("Observation?value-quantity=5.40e-3|http://unitsofmeasure.org|g", "mg g"),
        ("Observation?value-quantity=5.4||mg", "mg edge human other"),
        ("Observation?value-quantity=5.4||milligram", "mg"),
        ("Observation?value-quantity=5.4", "mg edge human other bare"),
        ("Observation?value-quantity=5.4|urn:units|mg", "other"),
        ("Observation?value-quantity=5.4|urn:units|", "other"),
        ("Observation?value-quantity=le5.4|http://unitsofmeasure.org|mg", "mg edge g below"),
        ("Observation?value-quantity=lt5.4|http://unitsofmeasure.org|mg", "edge below"),
        ("Observation?value-quantity=gt5.4|http://unitsofmeasure.org|mg", "large"),
        ("Observation?value-quantity=ge5400|http://unitsofmeasure.org|ug", "mg g large"),
        ("Observation?value-quantity=ap5.4|http://unitsofmeasure.org|mg", "mg edge g large below"),
        ("Observation?value-quantity=ap6.0|http://unitsofmeasure.org|mg", "mg g large"),
        ("Observation?value-quantity=eb5.4|http://unitsofmeasure.org|mg", "edge below"),
        ("Observation?value-quantity=sa5.4|http://unitsofmeasure.org|mg", "large"),
        ("Observation?value-quantity=0.023|http://unitsofmeasure.org|m/h", "speed"),
        ("Observation?value-quantity=5.4|http://unitsofmeasure.org|kg", ""),
        ("Observation?value-quantity=5.4|http://unitsofmeasure.org|mg,23||mm/h", "mg edge g speed"),
        ("Observation?value-quantity:missing=true", ""),
    ];
    finds(&resources, &rows).await;
}
