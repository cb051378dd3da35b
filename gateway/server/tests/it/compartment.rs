//! Searches within the compartment of a Patient, and everything about one.
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>

use crate::hospital::{Answered, Hospital};
use std::collections::BTreeSet;

/// Two Patients, each with care of three kinds; one with a practitioner.
async fn filled() -> Hospital {
    let hospital = Hospital::open().await;
    let put = async |kind: &str, id: &str, rest: &str| {
        let body = format!(r#"{{"resourceType":"{kind}","id":"{id}"{rest}}}"#);
        let answered = hospital.send("PUT", &format!("/fhir/{kind}/{id}"), &[], body).await;
        assert_eq!(answered.status, 201, "{}", answered.text());
    };
    put("Practitioner", "d", "").await;
    put("Medication", "m", "").await;
    for id in ["a", "b"] {
        let subject = format!(r#","subject":{{"reference":"Patient/{id}"}}"#);
        put("Patient", id, r#","generalPractitioner":[{"reference":"Practitioner/d"}]"#).await;
        let observation = |date: &str, code: &str| {
            format!(r#"{subject},"status":"final","code":{{"text":"{code}"}},"effectiveDateTime":"{date}""#)
        };
        put("Observation", &format!("{id}-old"), &observation("2001-01-01", "x")).await;
        put("Observation", &format!("{id}-new"), &observation("2021-01-01", "y")).await;
        put("Condition", &format!("{id}-c"), &subject).await;
        let patient = format!(
            r#","patient":{{"reference":"Patient/{id}"}},"clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}}]}}"#
        );
        put("AllergyIntolerance", &format!("{id}-i"), &patient).await;
    }
    put("Device", "v", "").await;
    let class = r#""class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}"#;
    put("Encounter", "e", &format!(r#","status":"finished",{class}"#)).await;
    let about = r#","encounter":{"reference":"Encounter/e"},"device":{"reference":"Device/v"}"#;
    put("Observation", "a-e", &format!(r#"{about},"status":"final","code":{{"text":"z"}}"#)).await;
    hospital
}

/// Ids of the matches, in no order.
fn ids(answered: &Answered) -> BTreeSet<String> {
    answered.found("match").into_iter().collect()
}

fn set(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_compartment_is_searched_by_type_and_whole() {
    let hospital = filled().await;
    for (path, wanted) in [
        ("Patient/a/Observation", "a-old a-new"),
        ("Patient/a/Observation?date=gt2010", "a-new"),
        ("Patient/a/Observation?patient=b", ""),
        ("Patient/a/Condition", "a-c"),
        ("Patient/a/AllergyIntolerance", "a-i"),
        ("Patient/a/Patient", "a"),
        ("Patient/nobody/Observation", ""),
        ("Practitioner/d/Patient", "a b"),
        ("Practitioner/d/Practitioner", "d"),
        ("Practitioner/d/Observation", ""),
        ("Encounter/e/Observation", "a-e"),
        ("Encounter/e/Observation?patient=b", ""),
        ("Device/v/Observation", "a-e"),
        ("Patient/a/*", "a a-old a-new a-c a-i"),
        ("Patient/a/*?_type=Observation,Condition", "a-old a-new a-c"),
        ("Patient/a/*?_lastUpdated=ge2999", ""),
        ("Patient/a/$everything", "a a-old a-new a-c a-i"),
        ("Patient/b/$everything", "b b-old b-new b-c b-i"),
        ("Patient/a/$everything?_type=Observation", "a-old a-new"),
        ("Patient/a/$everything?_type=Patient", "a"),
        ("Patient/a/$everything?start=2010-01-01", "a a-new a-c a-i"),
        ("Patient/a/$everything?end=2010-01-01", "a a-old a-c a-i"),
        ("Patient/a/$everything?start=2000&end=2002", "a a-old a-c a-i"),
        ("Patient/a/$everything?_since=2999-01-01T00:00:00Z", ""),
    ] {
        let answered = hospital.get(&format!("/fhir/{path}")).await;
        assert_eq!((answered.status, ids(&answered)), (200, set(wanted)), "{path}: {}", answered.text());
        assert_eq!(answered.json()["total"], wanted.split_whitespace().count(), "{path}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for path in ["/fhir/Patient/a/Observation/_search", "/fhir/Patient/a/*/_search"] {
        let body = if path.contains('*') { "_type=Observation" } else { "date=gt1999" };
        let answered = hospital.send("POST", path, &form, body).await;
        assert_eq!((answered.status, ids(&answered)), (200, set("a-old a-new")), "{path}");
    }
    for (path, status) in [
        ("Patient/a/Medication", 400),
        ("Patient/a/AuditEvent", 400),
        ("Encounter/a/*", 501),
        ("Patient/a/*?code=x", 400),
        ("Patient/nobody/*", 404),
        ("Patient/nobody/$everything", 404),
        ("Patient/a/$everything?shoe=1", 400),
        ("Patient/a/$everything?_type=Shoe", 400),
        ("Patient/a/$everything?start=x", 400),
        ("Patient/a/$everything?_count=0", 400),
        ("Observation/a-old/$everything", 501),
    ] {
        let answered = hospital.get(&format!("/fhir/{path}")).await;
        assert_eq!(answered.status, status, "{path}: {}", answered.text());
    }
}

/// <https://hl7.org/fhir/R4/patient-operation-everything.html>
#[tokio::test]
async fn everything_brings_what_is_referred_to_and_takes_parameters() {
    let hospital = filled().await;
    let answered = hospital.get("/fhir/Patient/a/$everything").await;
    assert_eq!(answered.found("include"), ["d"]);
    assert_eq!(answered.found("match")[0], "a", "the Patient comes first");
    assert_eq!(answered.body, hospital.get("/fhir/Patient/a/$everything").await.body, "always the same");
    let body = r#"{"resourceType":"Parameters","parameter":[{"name":"_type","valueCode":"Observation"},{"name":"_type","valueCode":"Condition"},{"name":"start","valueDate":"2010-01-01"},{"name":"_count","valueInteger":1}]}"#;
    let first = hospital.post("/fhir/Patient/a/$everything", body).await;
    assert_eq!(
        (first.status, first.found("match").len(), &first.json()["total"]),
        (200, 1, &2.into()),
        "{}",
        first.text()
    );
    let second = hospital.get(&first.link("next").unwrap()).await;
    let both: BTreeSet<String> = ids(&first).into_iter().chain(ids(&second)).collect();
    assert_eq!(both, set("a-new a-c"));
}

#[tokio::test]
async fn pages_of_everything_have_each_once() {
    let hospital = filled().await;
    for count in 1..=6 {
        let (mut path, mut found) = (format!("/fhir/Patient/a/$everything?_count={count}"), Vec::new());
        loop {
            let page = hospital.get(&path).await;
            assert!(page.status == 200 && page.found("match").len() <= count, "{}", page.text());
            found.extend(page.found("match"));
            // What comes meanwhile is on no page of this snapshot.
            hospital.create(r#"{"resourceType":"Condition","subject":{"reference":"Patient/a"}}"#).await;
            match page.link("next") {
                Some(next) => path = next,
                None => break,
            }
        }
        found.retain(|id| id == "a" || id.starts_with("a-"));
        found.sort();
        assert_eq!(found, ["a", "a-c", "a-i", "a-new", "a-old"], "{count}");
    }
}

#[tokio::test]
async fn everything_is_what_the_token_may_see() {
    let hospital = filled().await;
    for (scope, status, wanted) in [
        ("system/*.rs", 200, "a a-old a-new a-c a-i"),
        ("system/Patient.rs system/Condition.rs", 200, "a a-c"),
        ("system/Patient.r system/Condition.r system/Observation.s", 200, "a"),
        ("system/Observation.rs", 403, ""),
    ] {
        let token = format!("Bearer {}", hospital.client(scope, scope).await);
        for path in ["/fhir/Patient/a/$everything", "/fhir/Patient/a/*"] {
            let answered = hospital.send("GET", path, &[("authorization", &token)], "").await;
            assert_eq!(answered.status, status, "{scope} {path}: {}", answered.text());
            if status == 200 {
                assert_eq!(ids(&answered), set(wanted), "{scope} {path}");
                assert_eq!(answered.found("include").is_empty(), path.ends_with('*') || !scope.contains("*.rs"));
            }
        }
    }
}

/// A directory resource comes once, with the first page that names it, however many pages follow.
#[tokio::test]
async fn pages_of_everything_bring_a_directory_resource_once() {
    let hospital = filled().await;
    for number in 0..4 {
        let body = format!(
            r#"{{"resourceType":"Observation","id":"a-p{number}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/a"}},"performer":[{{"reference":"Practitioner/d"}},{{"reference":"Practitioner/e{number}"}}]}}"#
        );
        let body = body.as_str();
        hospital.send("PUT", &format!("/fhir/Observation/a-p{number}"), &[], body).await;
        let practitioner = format!(r#"{{"resourceType":"Practitioner","id":"e{number}"}}"#);
        hospital.send("PUT", &format!("/fhir/Practitioner/e{number}"), &[], practitioner).await;
    }
    for count in [1, 2, 3, 100] {
        for query in ["", "&start=1999-01-01"] {
            let (mut path, mut found) = (format!("/fhir/Patient/a/$everything?_count={count}{query}"), Vec::new());
            loop {
                let page = hospital.get(&path).await;
                assert_eq!(page.status, 200, "{}", page.text());
                found.extend(page.found("include"));
                match page.link("next") {
                    Some(next) => path = next,
                    None => break,
                }
            }
            found.sort();
            assert_eq!(found, ["d", "e0", "e1", "e2", "e3"], "{count} {query}");
        }
    }
}
