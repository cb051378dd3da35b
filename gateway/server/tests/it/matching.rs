//! Which Patient somebody may be. <https://hl7.org/fhir/R4/patient-operation-match.html>

use crate::hospital::{Answered, Hospital};
use serde_json::{Value, json};

fn ask(resource: Value, rest: &[Value]) -> String {
    let mut parameters = vec![json!({"name":"resource","resource":resource})];
    parameters.extend_from_slice(rest);
    json!({"resourceType":"Parameters","parameter":parameters}).to_string()
}

/// `id grade` of each entry.
fn graded(answered: &Answered) -> Vec<String> {
    let json = answered.json();
    let entries = json["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value| {
        let grade = entry["search"]["extension"][0]["valueCode"].as_str().unwrap().to_owned();
        format!("{} {grade}", entry["resource"]["id"].as_str().unwrap())
    };
    entries.iter().map(name).collect()
}

async fn filled() -> Hospital {
    let hospital = Hospital::open().await;
    for (id, rest) in [
        (
            "a",
            r#""identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Doe","given":["Jane"]}],"birthDate":"1970-02-03","gender":"female""#,
        ),
        ("b", r#""name":[{"family":"Döe","given":["Jane"]}],"birthDate":"1970-02-03""#),
        ("c", r#""name":[{"family":"Roe"}],"birthDate":"1970-02-03""#),
        ("d", r#""identifier":[{"system":"urn:s","value":"4,|$4"}],"telecom":[{"system":"phone","value":"555-0199"}]"#),
        ("e", r#""identifier":[{"system":"urn:s","value":"5"},{"system":"urn:t","value":"5"}]"#),
        ("f", r#""identifier":[{"system":"urn:t","value":"5"}]"#),
    ] {
        let body = format!(r#"{{"resourceType":"Patient","id":"{id}",{rest}}}"#);
        let answered = hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], body).await;
        assert_eq!(answered.status, 201, "{}", answered.text());
    }
    hospital
}

#[tokio::test]
async fn a_match_is_scored_and_graded() {
    let hospital = filled().await;
    let patient = |rest: Value| {
        let mut patient = json!({"resourceType":"Patient"});
        patient.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        patient
    };
    let identifier = |value: &str| json!([{"system":"urn:s","value":value}]);
    let jane = json!([{"family":"DOE","given":["jane"]}]);
    let certain = json!({"name":"onlyCertainMatches","valueBoolean":true});
    for (asked, rest, wanted) in [
        (json!({"identifier":identifier("1")}), vec![], vec!["a certain"]),
        (json!({"identifier":identifier("1"),"birthDate":"1980-01-01"}), vec![], vec!["a probable"]),
        (json!({"name":jane,"birthDate":"1970-02-03"}), vec![], vec!["a probable", "b probable"]),
        (json!({"name":jane,"birthDate":"1970-02-03","gender":"female"}), vec![], vec!["a probable", "b probable"]),
        (json!({"name":jane}), vec![], vec!["a possible", "b possible"]),
        (json!({"name":jane}), vec![json!({"name":"count","valueInteger":1})], vec!["a possible"]),
        (json!({"identifier":identifier("4,|$4")}), vec![], vec!["d certain"]),
        (json!({"identifier":[{"value":"5"}]}), vec![], vec!["e certain", "f certain"]),
        (json!({"identifier":[{"value":"5"}]}), vec![certain.clone()], vec![]),
        (json!({"identifier":identifier("1")}), vec![certain.clone()], vec!["a certain"]),
        (json!({"name":jane,"birthDate":"1970-02-03"}), vec![certain], vec![]),
        (json!({"identifier":identifier("9")}), vec![], vec![]),
    ] {
        let answered = hospital.post("/fhir/Patient/$match", &ask(patient(asked.clone()), &rest)).await;
        assert_eq!(answered.status, 200, "{asked}: {}", answered.text());
        assert_eq!(graded(&answered), wanted, "{asked}");
        let valid = fhir::validate::check(fhir::parse::resource(answered.body.clone()).unwrap());
        assert!(valid.is_ok(), "{:?}", valid.err());
        let scores: Vec<f64> = answered.json()["entry"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["search"]["score"].as_f64().unwrap())
            .collect();
        assert!(
            scores.is_sorted_by(|one, other| one >= other) && scores.iter().all(|score| (0.0..=1.0).contains(score))
        );
    }
    for (body, status) in [
        (ask(json!({"resourceType":"Patient"}), &[]), 400),
        (ask(json!({"resourceType":"Patient","gender":"male"}), &[]), 400),
        (ask(json!({"resourceType":"Group","type":"person","actual":true}), &[]), 400),
        (ask(json!({"resourceType":"Patient","birthDate":"1970"}), &[json!({"name":"count","valueInteger":0})]), 400),
        (ask(json!({"resourceType":"Patient","birthDate":"1970"}), &[json!({"name":"shoe","valueInteger":1})]), 400),
        (r#"{"resourceType":"Parameters"}"#.to_owned(), 400),
        (String::new(), 400),
    ] {
        let answered = hospital.post("/fhir/Patient/$match", &body).await;
        assert_eq!(answered.status, status, "{body}: {}", answered.text());
    }
    let token = format!("Bearer {}", hospital.client("reader", "system/Patient.r").await);
    let body = ask(json!({"resourceType":"Patient","birthDate":"1970"}), &[]);
    let refused = hospital.send("POST", "/fhir/Patient/$match", &[("authorization", &token)], body).await;
    assert_eq!(refused.status, 403);
}
