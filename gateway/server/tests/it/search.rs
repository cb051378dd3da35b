//! Searches over HTTP: pages that nobody can change, outcome entries, includes, forms of answer.
//! <https://hl7.org/fhir/R4/search.html>

use crate::hospital::{BASE, Hospital};

#[tokio::test]
async fn pages_are_sealed_and_stay_as_they_were() {
    let hospital = Hospital::open().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(hospital.create(r#"{"resourceType":"Patient","name":[{"family":"Paged"}]}"#).await);
    }
    let first = hospital.get("/fhir/Patient?family=Paged&_count=2").await;
    assert_eq!((first.status, &first.json()["total"]), (200, &5.into()), "{}", first.text());
    assert_eq!(first.link("self").as_deref(), Some("/fhir/Patient?family=Paged&_count=2"));
    assert_eq!(first.json()["entry"][0]["fullUrl"], format!("{BASE}/fhir/Patient/{}", first.found("match")[0]));
    let next = first.link("next").unwrap();
    // What comes later is on no later page.
    hospital.create(r#"{"resourceType":"Patient","name":[{"family":"Paged"}]}"#).await;
    let (mut found, mut link) = (first.found("match"), Some(next.clone()));
    while let Some(path) = link {
        let page = hospital.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text());
        found.extend(page.found("match"));
        link = page.link("next");
    }
    found.sort();
    ids.sort();
    assert_eq!(found, ids);

    let (head, token) = next.rsplit_once('=').unwrap();
    let changed = |at: usize| {
        let other = if token.as_bytes()[at] == b'a' { 'b' } else { 'a' };
        format!("{head}={}{other}{}", &token[..at], &token[at + 1..])
    };
    let other = hospital.client("other", "system/*.cruds").await;
    let bearer = format!("Bearer {other}");
    for (path, headers, wanted) in [
        (changed(0), &[][..], 400),
        (changed(token.len() / 2), &[], 400),
        (format!("{head}="), &[], 400),
        (format!("{head}=%00"), &[], 400),
        (next.replace("Paged", "Other"), &[], 403),
        (next.replace("Patient", "Practitioner"), &[], 403),
        (next.clone(), &[("authorization", bearer.as_str())], 403),
        (next.clone(), &[], 200),
    ] {
        let answered = hospital.send("GET", &path, headers, "").await;
        assert_eq!(answered.status, wanted, "{path}: {}", answered.text());
    }
}

#[tokio::test]
async fn what_is_not_understood_is_told_or_refused() {
    let hospital = Hospital::open().await;
    let id = hospital.create(r#"{"resourceType":"Patient","name":[{"family":"Doe"}]}"#).await;
    let path = "/fhir/Patient?family=doe&shoe=44";
    let lenient = hospital.get(path).await;
    assert_eq!((lenient.status, &lenient.json()["total"]), (200, &1.into()), "{}", lenient.text());
    assert_eq!((lenient.found("match"), lenient.found("outcome").len()), (vec![id], 1));
    assert_eq!(lenient.link("self").as_deref(), Some("/fhir/Patient?family=doe"));
    let outcome = &lenient.json()["entry"][1]["resource"];
    assert_eq!(
        (&outcome["resourceType"], &outcome["issue"][0]["severity"]),
        (&"OperationOutcome".into(), &"warning".into())
    );
    let strict = hospital.send("GET", path, &[("prefer", "handling=strict")], "").await;
    assert_eq!((strict.status, strict.code().as_str()), (400, "not-supported"));
    assert_eq!(strict.json()["issue"][0]["severity"], "error");
    let plain = hospital.send("GET", "/fhir/Patient?family=doe", &[("prefer", "handling=strict")], "").await;
    assert_eq!((plain.status, plain.found("outcome").len()), (200, 0));
}

#[tokio::test]
async fn a_search_takes_its_forms() {
    let hospital = Hospital::open().await;
    let doctor = hospital.create(r#"{"resourceType":"Practitioner","name":[{"family":"House"}]}"#).await;
    let patient = hospital.create(r#"{"resourceType":"Patient","name":[{"family":"Doe"}]}"#).await;
    let observation = hospital
        .create(&format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"1-8"}}]}},"subject":{{"reference":"Patient/{patient}"}},"performer":[{{"reference":"Practitioner/{doctor}"}}],"valueQuantity":{{"value":1.00}}}}"#
        ))
        .await;
    let query = format!("patient={patient}&code=http://loinc.org%7C1-8");
    let included = hospital.get(&format!("/fhir/Observation?{query}&_include=Observation:performer")).await;
    assert_eq!((included.found("match"), included.found("include")), (vec![observation.clone()], vec![doctor]));
    assert_eq!(included.json()["total"], 1);
    let reverse = hospital.get(&format!("/fhir/Patient?_id={patient}&_revinclude=Observation:subject")).await;
    assert_eq!((reverse.found("match"), reverse.found("include")), (vec![patient.clone()], vec![observation.clone()]));

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = hospital.send("POST", "/fhir/Observation/_search", &form, query.as_str()).await;
    assert_eq!(posted.found("match"), [observation.as_str()]);
    let json = hospital.post("/fhir/Observation/_search", "{}").await;
    assert_eq!(json.status, 415);

    let count = hospital.get(&format!("/fhir/Observation?{query}&_summary=count")).await;
    assert_eq!((&count.json()["total"], count.json().get("entry")), (&1.into(), None));
    let part = hospital.get(&format!("/fhir/Observation?{query}&_elements=value")).await.json();
    let part = &part["entry"][0]["resource"];
    assert_eq!((part["valueQuantity"]["value"].to_string().as_str(), part.get("subject")), ("1.00", None));
    assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED");
    let whole = hospital.get(&format!("/fhir/Observation?{query}&_summary=true")).await;
    assert_eq!((whole.found("match").len(), whole.found("outcome").len()), (1, 0));
    let pretty = hospital.get(&format!("/fhir/Observation/{observation}?_pretty=true")).await;
    assert!(pretty.text().contains("\n  \"status\": \"final\""), "{}", pretty.text());
}
