//! Search parameters of R4 as their definitions say them, by hand: where a value stands and of which datatype it is.
//! <https://hl7.org/fhir/R4/searchparameter-registry.html>

/// Type, code, kind of parameter, `path:datatype` for each place, and for a reference its targets. A composite has the
/// paths of its elements, and behind them the kind and places of each component.
const TABLE: &[(&str, &str, &str, &str, &str)] = &[
    ("Patient", "name", "string", "name:HumanName", ""),
    ("Patient", "family", "string", "name.family:string", ""),
    ("Patient", "given", "string", "name.given:string", ""),
    ("Patient", "gender", "token", "gender:code", ""),
    ("Patient", "birthdate", "date", "birthDate:date", ""),
    ("Patient", "active", "token", "active:boolean", ""),
    ("Patient", "identifier", "token", "identifier:Identifier", ""),
    ("Patient", "telecom", "token", "telecom:ContactPoint", ""),
    ("Patient", "address-city", "string", "address.city:string", ""),
    ("Patient", "general-practitioner", "reference", "generalPractitioner:Reference", "Practitioner Organization"),
    ("Patient", "organization", "reference", "managingOrganization:Reference", "Organization"),
    ("Practitioner", "name", "string", "name:HumanName", ""),
    ("Practitioner", "family", "string", "name.family:string", ""),
    ("Practitioner", "given", "string", "name.given:string", ""),
    ("Practitioner", "gender", "token", "gender:code", ""),
    ("Practitioner", "active", "token", "active:boolean", ""),
    ("Practitioner", "identifier", "token", "identifier:Identifier", ""),
    ("Organization", "name", "string", "name:string alias:string", ""),
    ("Organization", "type", "token", "type:CodeableConcept", ""),
    ("Organization", "partof", "reference", "partOf:Reference", "Organization"),
    ("Encounter", "status", "token", "status:code", ""),
    ("Encounter", "class", "token", "class:Coding", ""),
    ("Encounter", "date", "date", "period:Period", ""),
    ("Encounter", "subject", "reference", "subject:Reference", "Patient Group"),
    ("Encounter", "patient", "reference", "subject:Reference", "Patient"),
    ("Encounter", "part-of", "reference", "partOf:Reference", "Encounter"),
    ("Encounter", "service-provider", "reference", "serviceProvider:Reference", "Organization"),
    ("Observation", "status", "token", "status:code", ""),
    ("Observation", "code", "token", "code:CodeableConcept", ""),
    ("Observation", "category", "token", "category:CodeableConcept", ""),
    (
        "Observation",
        "date",
        "date",
        "effectiveDateTime:date effectivePeriod:Period effectiveTiming:Timing effectiveInstant:instant",
        "",
    ),
    ("Observation", "subject", "reference", "subject:Reference", "Patient Group"),
    ("Observation", "patient", "reference", "subject:Reference", "Patient"),
    ("Observation", "encounter", "reference", "encounter:Reference", "Encounter"),
    ("Observation", "performer", "reference", "performer:Reference", "Practitioner Organization Patient"),
    ("Observation", "has-member", "reference", "hasMember:Reference", "Observation"),
    ("Observation", "value-quantity", "quantity", "valueQuantity:Quantity", ""),
    ("Observation", "value-concept", "token", "valueCodeableConcept:CodeableConcept", ""),
    ("Observation", "value-string", "string", "valueString:string valueCodeableConcept.text:string", ""),
    ("Observation", "value-date", "date", "valueDateTime:date", ""),
    ("Observation", "component-code", "token", "component.code:CodeableConcept", ""),
    ("Observation", "component-value-quantity", "quantity", "component.valueQuantity:Quantity", ""),
    ("Observation", "combo-code", "token", "code:CodeableConcept component.code:CodeableConcept", ""),
    ("Observation", "combo-value-quantity", "quantity", "valueQuantity:Quantity component.valueQuantity:Quantity", ""),
    (
        "Observation",
        "code-value-quantity",
        "composite",
        ".",
        "token code:CodeableConcept; quantity valueQuantity:Quantity",
    ),
    (
        "Observation",
        "code-value-concept",
        "composite",
        ".",
        "token code:CodeableConcept; token valueCodeableConcept:CodeableConcept",
    ),
    ("Observation", "code-value-date", "composite", ".", "token code:CodeableConcept; date valueDateTime:date"),
    (
        "Observation",
        "component-code-value-quantity",
        "composite",
        "component",
        "token code:CodeableConcept; quantity valueQuantity:Quantity",
    ),
    (
        "Observation",
        "component-code-value-concept",
        "composite",
        "component",
        "token code:CodeableConcept; token valueCodeableConcept:CodeableConcept",
    ),
    (
        "Observation",
        "combo-code-value-quantity",
        "composite",
        ". component",
        "token code:CodeableConcept; quantity valueQuantity:Quantity",
    ),
    ("Condition", "code", "token", "code:CodeableConcept", ""),
    ("Condition", "subject", "reference", "subject:Reference", "Patient Group"),
    ("Condition", "patient", "reference", "subject:Reference", "Patient"),
    ("Condition", "encounter", "reference", "encounter:Reference", "Encounter"),
    ("Condition", "onset-date", "date", "onsetDateTime:date onsetPeriod:Period", ""),
    ("Condition", "recorded-date", "date", "recordedDate:date", ""),
    ("MedicationRequest", "status", "token", "status:code", ""),
    ("MedicationRequest", "code", "token", "medicationCodeableConcept:CodeableConcept", ""),
    ("MedicationRequest", "subject", "reference", "subject:Reference", "Patient Group"),
    ("MedicationRequest", "requester", "reference", "requester:Reference", "Practitioner Patient"),
    ("MedicationRequest", "authoredon", "date", "authoredOn:date", ""),
    (
        "RiskAssessment",
        "probability",
        "number",
        "prediction.probabilityDecimal:decimal prediction.probabilityRange:Range",
        "",
    ),
    ("RiskAssessment", "subject", "reference", "subject:Reference", "Patient Group"),
    ("List", "title", "string", "title:string", ""),
    ("List", "item", "reference", "entry.item:Reference", "Patient Observation Condition"),
    ("Group", "actual", "token", "actual:boolean", ""),
    ("Group", "member", "reference", "member.entity:Reference", "Patient"),
    ("Group", "characteristic", "token", "characteristic.code:CodeableConcept", ""),
    (
        "Group",
        "value",
        "token",
        "characteristic.valueCodeableConcept:CodeableConcept characteristic.valueBoolean:boolean",
        "",
    ),
    (
        "Group",
        "characteristic-value",
        "composite",
        "characteristic",
        "token code:CodeableConcept; token valueCodeableConcept:CodeableConcept valueBoolean:boolean",
    ),
    ("Provenance", "target", "reference", "target:Reference", "Observation MedicationRequest"),
    ("Provenance", "agent", "reference", "agent.who:Reference", "Practitioner"),
    ("Provenance", "recorded", "date", "recorded:instant", ""),
    ("ValueSet", "url", "uri", "url:uri", ""),
    ("ValueSet", "name", "string", "name:string", ""),
];

/// A parameter, or a component of one.
#[derive(Clone)]
pub struct Parameter {
    pub kind: &'static str,
    pub code: &'static str,
    pub class: &'static str,
    /// Path and datatype.
    pub places: Vec<(&'static str, &'static str)>,
    pub targets: Vec<&'static str>,
    /// Of a composite.
    pub components: Vec<Parameter>,
}

fn places(text: &'static str) -> Vec<(&'static str, &'static str)> {
    text.split(' ').map(|place| place.split_once(':').unwrap_or((place, ""))).collect()
}

/// All parameters of a type.
pub fn of(kind: &str) -> Vec<Parameter> {
    let rows = TABLE.iter().filter(|row| row.0 == kind);
    rows.map(|&(kind, code, class, at, more)| {
        let component = |text: &'static str| {
            let (class, at) = text.split_once(' ').unwrap();
            Parameter { kind, code, class, places: places(at), targets: Vec::new(), components: Vec::new() }
        };
        let is_composite = class == "composite";
        let components = if is_composite { more.split("; ").map(component).collect() } else { Vec::new() };
        let targets = if is_composite { Vec::new() } else { more.split_whitespace().collect() };
        Parameter { kind, code, class, places: places(at), targets, components }
    })
    .collect()
}

pub fn find(kind: &str, code: &str) -> Option<Parameter> {
    of(kind).into_iter().find(|parameter| parameter.code == code)
}

/// Reference parameters that lead to a type.
pub fn leading_to(kind: &str) -> Vec<Parameter> {
    let rows = TABLE.iter().filter(|row| row.2 == "reference" && row.4.split(' ').any(|target| target == kind));
    rows.filter_map(|row| find(row.0, row.1)).collect()
}

/// The types that have parameters here.
pub fn kinds() -> Vec<&'static str> {
    let mut kinds = TABLE.iter().map(|row| row.0).collect::<Vec<_>>();
    kinds.dedup();
    kinds
}
