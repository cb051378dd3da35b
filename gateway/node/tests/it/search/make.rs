//! Random resources: elements of every datatype that a search reads, with and without their parts. Called by `world`.

use super::elements::number;
use super::world::{CODES, DATES, Dice, FAMILIES, GIVENS, INSTANTS, NUMBERS, SYSTEMS, TEXTS, UNITS};
use serde_json::{Value, json};

/// A valid resource of a kind, by the dice; it refers to others by the ids that `world` gives.
pub fn make(kind: &str, id: &str, dice: &mut Dice) -> Value {
    let mut json = json!({});
    let j = &mut json;
    let code = |codes: &'static [&'static str]| move |dice: &mut Dice| dice.pick(codes).into();
    match kind {
        "Patient" | "Practitioner" => {
            maybe(j, dice, 85, "name", |dice| list(dice, 2, name));
            maybe(j, dice, 75, "gender", code(&["male", "female", "other"]));
            maybe(j, dice, 75, "birthDate", code(&["1980", "1980-02", "1980-02-10", "1979-12-31", "1990-05-05"]));
            maybe(j, dice, 60, "active", |dice| dice.chance(50).into());
            maybe(j, dice, 70, "identifier", |dice| list(dice, 2, identifier));
            maybe(j, dice, 50, "telecom", |dice| json!([{"system": "phone", "value": dice.pick(&["555", "556"])}]));
            if kind == "Patient" {
                maybe(j, dice, 50, "address", |dice| list(dice, 2, |dice| json!({"city": dice.pick(FAMILIES)})));
                maybe(j, dice, 60, "generalPractitioner", |dice| {
                    list(dice, 2, |dice| refer(dice, &["Practitioner", "Organization"]))
                });
                maybe(j, dice, 60, "managingOrganization", |dice| refer(dice, &["Organization"]));
            }
        }
        "Organization" => {
            j["name"] = dice.pick(FAMILIES).into();
            maybe(j, dice, 50, "alias", |dice| list(dice, 2, |dice| dice.pick(GIVENS).into()));
            maybe(j, dice, 60, "partOf", |dice| refer(dice, &["Organization"]));
            maybe(j, dice, 50, "type", |dice| list(dice, 2, concept));
        }
        "Encounter" => {
            j["status"] = dice.pick(&["planned", "finished"]).into();
            j["class"] = coding(dice);
            maybe(j, dice, 80, "subject", |dice| refer(dice, &["Patient"]));
            maybe(j, dice, 70, "period", period);
            maybe(j, dice, 50, "partOf", |dice| refer(dice, &["Encounter"]));
            maybe(j, dice, 50, "serviceProvider", |dice| refer(dice, &["Organization"]));
        }
        "Observation" => {
            j["status"] = dice.pick(&["final", "preliminary"]).into();
            j["code"] = concept(dice);
            maybe(j, dice, 60, "category", |dice| list(dice, 2, concept));
            maybe(j, dice, 85, "subject", |dice| refer(dice, &["Patient", "Patient", "Patient", "Group"]));
            maybe(j, dice, 50, "encounter", |dice| refer(dice, &["Encounter"]));
            maybe(j, dice, 50, "performer", |dice| {
                list(dice, 2, |dice| refer(dice, &["Practitioner", "Organization"]))
            });
            maybe(j, dice, 30, "hasMember", |dice| list(dice, 2, |dice| refer(dice, &["Observation"])));
            let names = ["effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant"];
            one_of(j, dice, &["date", "period", "timing", "instant"], &names);
            let names = ["valueQuantity", "valueQuantity", "valueCodeableConcept", "valueString", "valueDateTime"];
            one_of(j, dice, &["quantity", "quantity", "concept", "string", "date"], &names);
            maybe(j, dice, 50, "component", |dice| {
                list(dice, 3, |dice| {
                    let mut part = json!({"code": {"coding": [coding(dice)]}});
                    one_of(&mut part, dice, &["quantity", "concept"], &["valueQuantity", "valueCodeableConcept"]);
                    part
                })
            });
        }
        "Condition" => {
            j["subject"] = refer(dice, &["Patient"]);
            maybe(j, dice, 80, "code", concept);
            maybe(j, dice, 40, "encounter", |dice| refer(dice, &["Encounter"]));
            let names = ["onsetDateTime", "onsetPeriod"];
            one_of(j, dice, &["date", "period"], &names);
            maybe(j, dice, 50, "recordedDate", |dice| dice.pick(DATES).into());
        }
        "MedicationRequest" => {
            (j["status"], j["intent"]) = (dice.pick(&["active", "completed"]).into(), "order".into());
            j["subject"] = refer(dice, &["Patient"]);
            j["medicationCodeableConcept"] = concept(dice);
            maybe(j, dice, 60, "requester", |dice| refer(dice, &["Practitioner", "Patient"]));
            maybe(j, dice, 60, "authoredOn", |dice| dice.pick(DATES).into());
        }
        "RiskAssessment" => {
            (j["status"], j["subject"]) = ("final".into(), refer(dice, &["Patient"]));
            j["prediction"] = list(dice, 2, |dice| {
                let mut part = json!({"rationale": "because"});
                one_of(
                    &mut part,
                    dice,
                    &["number", "number", "range"],
                    &["probabilityDecimal", "probabilityDecimal", "probabilityRange"],
                );
                part
            });
        }
        "List" => {
            (j["status"], j["mode"]) = ("current".into(), "working".into());
            j["title"] = dice.pick(TEXTS).into();
            j["entry"] = list(dice, 4, |dice| json!({"item": refer(dice, &["Patient", "Observation", "Condition"])}));
        }
        "Group" => {
            (j["type"], j["actual"]) = ("person".into(), dice.chance(50).into());
            if j["actual"] == true {
                maybe(j, dice, 70, "member", |dice| list(dice, 3, |dice| json!({"entity": refer(dice, &["Patient"])})));
            }
            j["characteristic"] = list(dice, 3, |dice| {
                let (code, exclude) = (concept(dice), dice.chance(50));
                let mut part = json!({"code": code, "exclude": exclude});
                if dice.chance(50) {
                    part["valueBoolean"] = dice.chance(50).into();
                } else {
                    part["valueCodeableConcept"] = concept(dice);
                }
                part
            });
        }
        "Provenance" => {
            j["target"] = list(dice, 2, |dice| refer(dice, &["Observation", "MedicationRequest"]));
            j["recorded"] = dice.pick(INSTANTS).into();
            j["agent"] = json!([{"who": refer(dice, &["Practitioner"])}]);
        }
        "CodeSystem" => {
            let leaf = json!({"code": "leaf"});
            let tree = json!([{"code": "root", "concept": [{"code": "left", "concept": [leaf]}, {"code": "right"}]}]);
            json = json!({"url": "urn:tree", "status": "active", "content": "complete", "concept": tree});
        }
        _ => {
            json = json!({"url": format!("http://acme.example/fhir/ValueSet/{id}"), "status": "active", "name": id});
            json["compose"]["include"] = match id {
                "r0" => json!([{"system": "http://loinc.org", "concept": [{"code": "a"}, {"code": "b"}]}]),
                "r1" => json!([{"system": "urn:tree"}, {"system": "urn:local", "concept": [{"code": "c"}]}]),
                _ => {
                    json!([{"system": "urn:tree", "filter": [{"property": "concept", "op": "is-a", "value": "left"}]}])
                }
            };
        }
    }
    json
}

/// What refers to what it may contain: the kind, its element, whether that is a list, and kinds of what is contained.
const CONTAINERS: &[(&str, &str, bool, &[&str])] = &[
    ("Observation", "subject", false, &["Patient"]),
    ("Observation", "performer", true, &["Practitioner", "Organization"]),
    ("Observation", "performer", true, &["Practitioner"]),
    ("Patient", "managingOrganization", false, &["Organization"]),
    ("Patient", "generalPractitioner", true, &["Practitioner", "Organization"]),
    ("Encounter", "subject", false, &["Patient"]),
    ("MedicationRequest", "requester", false, &["Practitioner", "Patient"]),
];

/// Lets some of what it refers to be contained in it; gives that with its kind.
pub fn contain(json: &mut Value, kind: &str, dice: &mut Dice) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for (of, element, is_list, kinds) in CONTAINERS {
        if *of != kind || !dice.chance(25) {
            continue;
        }
        let (inner, id) = (dice.pick::<str>(kinds), format!("c{}", found.len()));
        let mut contained = make(inner, &id, dice);
        (contained["resourceType"], contained["id"]) = (inner.into(), id.clone().into());
        let refer = json!({"reference": format!("#{id}")});
        match json[*element].as_array_mut() {
            Some(list) => list.push(refer),
            None if *is_list => json[*element] = json!([refer]),
            None => json[*element] = refer,
        }
        found.push((inner, contained));
    }
    if !found.is_empty() {
        json["contained"] = found.iter().map(|(_, json)| json.clone()).collect();
    }
    found
}

fn coding(dice: &mut Dice) -> Value {
    let mut coding = json!({"code": dice.pick(CODES)});
    let system = dice.pick(SYSTEMS);
    if !system.is_empty() {
        coding["system"] = system.into();
    }
    if dice.chance(20) {
        coding = json!({"system": "urn:tree", "code": dice.pick(&["root", "left", "leaf", "right"])});
    }
    if dice.chance(50) {
        coding["display"] = dice.pick(TEXTS).into();
    }
    coding
}

fn concept(dice: &mut Dice) -> Value {
    let codings = (0..dice.below(3)).map(|_| coding(dice)).collect::<Vec<_>>();
    let mut concept = if codings.is_empty() { json!({}) } else { json!({ "coding": codings }) };
    if codings.is_empty() || dice.chance(30) {
        concept["text"] = dice.pick(TEXTS).into();
    }
    concept
}

fn quantity(dice: &mut Dice) -> Value {
    let (system, code, unit) = UNITS[dice.below(UNITS.len())];
    let mut quantity = json!({"value": number(dice.pick(NUMBERS))});
    for (name, value) in [("system", system), ("code", code), ("unit", unit)] {
        if !value.is_empty() {
            quantity[name] = value.into();
        }
    }
    if dice.chance(10) {
        quantity["value"] = number("7.77");
        quantity["comparator"] = dice.pick(&["<", ">", "<=", ">="]).into();
    }
    quantity
}

fn period(dice: &mut Dice) -> Value {
    match dice.below(4) {
        0 => json!({"start": "2013-01-21"}),
        1 => json!({"end": "2013-01-21"}),
        2 => json!({"start": "2013-01-14T08:00:00Z", "end": "2013-01-14T12:00:00Z"}),
        _ => json!({"start": "2013-03-15", "end": "2014"}),
    }
}

fn identifier(dice: &mut Dice) -> Value {
    let mut identifier = json!({"value": dice.pick(CODES)});
    let system = dice.pick(SYSTEMS);
    if !system.is_empty() {
        identifier["system"] = system.into();
    }
    if dice.chance(40) {
        let code = dice.pick(&["MR", "SS"]);
        identifier["type"] = json!({"coding": [{"system": "urn:types", "code": code}], "text": dice.pick(TEXTS)});
    }
    identifier
}

/// To one of these types, in every form that a reference has.
fn refer(dice: &mut Dice, kinds: &[&str]) -> Value {
    let (kind, id) = (dice.pick(kinds), dice.below(6));
    match dice.below(12) {
        0 => json!({"reference": format!("http://other.example/fhir/{kind}/r{id}")}),
        1 => json!({"type": kind, "identifier": identifier(dice)}),
        2 => json!({"reference": format!("{kind}/r{id}/_history/1")}),
        3 => json!({"reference": format!("{kind}/r{id}"), "identifier": identifier(dice)}),
        _ => json!({"reference": format!("{kind}/r{id}")}),
    }
}

/// A value of an element, sometimes.
fn maybe(json: &mut Value, dice: &mut Dice, percent: usize, name: &str, make: impl Fn(&mut Dice) -> Value) {
    if dice.chance(percent) {
        json[name] = make(dice);
    }
}

fn list(dice: &mut Dice, most: usize, make: impl Fn(&mut Dice) -> Value) -> Value {
    (0..=dice.below(most)).map(|_| make(dice)).collect()
}

fn name(dice: &mut Dice) -> Value {
    json!({"family": dice.pick(FAMILIES), "given": list(dice, 2, |dice| dice.pick(GIVENS).into())})
}

fn one_of(json: &mut Value, dice: &mut Dice, kinds: &[&str], names: &[&str]) {
    let at = dice.below(names.len() + 1);
    if let (Some(name), Some(kind)) = (names.get(at), kinds.get(at)) {
        json[*name] = match *kind {
            "concept" => concept(dice),
            "quantity" => quantity(dice),
            "string" => dice.pick(TEXTS).into(),
            "date" => dice.pick(DATES).into(),
            "instant" => dice.pick(INSTANTS).into(),
            "period" => period(dice),
            "timing" if dice.chance(50) => json!({"repeat": {"boundsPeriod": period(dice)}}),
            "timing" => json!({"event": list(dice, 2, |dice| dice.pick(DATES).into())}),
            "range" => json!({
                "low": {"value": 1, "system": UNITS[0].0, "code": "%"},
                "high": {"value": 100, "system": UNITS[0].0, "code": "%"}
            }),
            _ => number(dice.pick(&["0.8", "0.75", "0.849", "0.85", "8e-1", "100"])),
        };
    }
}
