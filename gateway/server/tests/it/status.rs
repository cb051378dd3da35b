//! Every refusal has its status, its code and an OperationOutcome that names the request.
//! <https://hl7.org/fhir/R4/http.html#Status-Codes>

use crate::hospital::Hospital;

const XML: &[(&str, &str)] = &[("content-type", "application/fhir+xml")];

#[tokio::test]
async fn what_is_refused_says_why() {
    let hospital = Hospital::open().await;
    hospital.send("PUT", "/fhir/Patient/p", &[], r#"{"resourceType":"Patient","id":"p"}"#).await;
    let patient = r#"{"resourceType":"Patient"}"#;
    let deep = format!(r#"{{"resourceType":"Patient","name":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for (method, path, headers, body, status, code) in [
        ("GET", "/fhir/Patient/nobody", &[][..], "", 404, "not-found"),
        ("GET", "/fhir/Patient/p/_history/x", &[], "", 404, "not-found"),
        ("GET", "/fhir/Patient/nobody/_history", &[], "", 404, "not-found"),
        ("GET", "/fhir/Nothing/p", &[], "", 404, "not-found"),
        ("GET", "/fhir/Patient/p/x", &[], "", 404, "not-found"),
        ("GET", "/other", &[], "", 404, "not-found"),
        ("POST", "/fhir/metadata", &[], "", 405, "not-supported"),
        ("DELETE", "/fhir", &[], "", 405, "not-supported"),
        ("POST", "/fhir/Patient/p", &[], patient, 405, "not-supported"),
        ("POST", "/health/live", &[], "", 405, "not-supported"),
        ("PATCH", "/fhir/Patient/p", &[], patient, 400, "structure"),
        ("PATCH", "/fhir/Patient/p", &[("content-type", "text/plain")], "x", 415, "not-supported"),
        ("PATCH", "/fhir/Patient", &[], "{}", 400, "required"),
        ("PUT", "/fhir/Patient", &[], patient, 400, "required"),
        ("DELETE", "/fhir/Patient", &[], "", 400, "required"),
        ("DELETE", "/fhir/Patient?shoe=x", &[], "", 400, "not-supported"),
        ("GET", "/fhir/_history?_since=2020", &[], "", 400, "value"),
        ("GET", "/fhir/Patient/_history?name=x", &[], "", 400, "not-supported"),
        ("DELETE", "/fhir/Patient/p/_history", &[], "", 405, "not-supported"),
        ("GET", "/fhir/Group/p/Observation", &[], "", 501, "not-supported"),
        ("GET", "/fhir/Patient/p/$nothing", &[], "", 501, "not-supported"),
        ("POST", "/fhir/Patient/p/$confirm", &[], "", 501, "not-supported"),
        ("GET", "/fhir/Patient/p/$invite", &[], "", 405, "not-supported"),
        ("POST", "/fhir/Patient", &[], "{", 400, "structure"),
        ("POST", "/fhir/Patient", &[], "", 400, "structure"),
        ("POST", "/fhir/Patient", &[], deep.as_str(), 400, "too-long"),
        (
            "POST",
            "/fhir/Patient",
            &[],
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#,
            400,
            "invalid",
        ),
        ("POST", "/fhir/Patient", &[], r#"{"resourceType":"Patient","birthDate":"1990-13-01"}"#, 400, "value"),
        ("POST", "/fhir/Patient", &[], r#"{"resourceType":"Patient","shoe":1}"#, 400, "structure"),
        ("POST", "/fhir/Patient", XML, "<Patient/>", 400, "structure"),
        ("POST", "/fhir/Patient", &[("content-encoding", "br")], patient, 415, "not-supported"),
        ("POST", "/fhir/Patient", &[("content-encoding", "gzip")], patient, 400, "structure"),
        ("POST", "/fhir/Patient", &[("accept", "application/fhir+turtle")], patient, 406, "not-supported"),
        ("GET", "/fhir/Patient/p?_format=ttl", &[], "", 406, "not-supported"),
        ("PUT", "/fhir/Patient/p", &[], patient, 400, "required"),
        ("PUT", "/fhir/Patient/p", &[], r#"{"resourceType":"Patient","id":"q"}"#, 400, "invalid"),
        ("PUT", "/fhir/Patient/p", &[("if-match", "*")], patient, 400, "value"),
        (
            "PUT",
            "/fhir/Patient/q",
            &[("if-match", "W/\"1\"")],
            r#"{"resourceType":"Patient","id":"q"}"#,
            412,
            "conflict",
        ),
        ("GET", "/fhir/Patient?birthdate=abc", &[], "", 400, "value"),
        ("GET", "/fhir/Patient?name=%zz", &[], "", 400, "value"),
        ("POST", "/fhir", &[], patient, 400, "structure"),
        ("POST", "/fhir", &[], r#"{"resourceType":"Bundle","type":"collection"}"#, 400, "not-supported"),
        ("POST", "/fhir/Patient/nobody/$invite", &[], "", 404, "not-found"),
        ("POST", "/fhir/Task/t/$confirm", &[], "", 400, "required"),
        (
            "POST",
            "/fhir/Task/t/$confirm",
            &[],
            r#"{"resourceType":"Parameters","parameter":[{"name":"x","valueString":"1"}]}"#,
            400,
            "not-supported",
        ),
        (
            "POST",
            "/fhir/Task/t/$confirm",
            &[],
            r#"{"resourceType":"Parameters","parameter":[{"name":"digits","valueInteger":1}]}"#,
            400,
            "value",
        ),
        ("POST", "/fhir/Patient/p/$request-access", &[], "", 400, "required"),
    ] {
        let mut all = vec![("x-request-id", "row")];
        all.extend(headers);
        let answered = hospital.send(method, path, &all, body).await;
        let short: String = body.chars().take(80).collect();
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (status, code),
            "{method} {path} {short}: {}",
            answered.text()
        );
        assert_eq!(answered.header("x-request-id"), "row");
        assert_eq!(answered.json()["resourceType"], "OperationOutcome");
        let sentence = answered.json()["issue"][0]["diagnostics"].as_str().unwrap().to_owned();
        assert!(sentence.ends_with("(request row)"), "{sentence}");
        assert_eq!(answered.status == 405, !answered.header("allow").is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn the_statement_claims_what_is_served() {
    let hospital = Hospital::open().await;
    let answered = hospital.send("GET", "/fhir/metadata", &[("authorization", "")], "").await;
    assert_eq!(answered.status, 200);
    let json = answered.json();
    let checked = fhir::validate::check(fhir::parse::resource(answered.body).unwrap());
    assert!(checked.is_ok(), "{:?}", checked.err());
    let rest = &json["rest"][0];
    let codes = |list: &serde_json::Value| {
        let mut codes: Vec<String> =
            list.as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect();
        codes.sort();
        codes.join(" ")
    };
    assert_eq!(codes(&rest["interaction"]), "batch history-system search-system transaction");
    let resources = rest["resource"].as_array().unwrap();
    assert_eq!(resources.len(), fhir::ResourceType::all().count());
    let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
    assert_eq!(
        codes(&patient["interaction"]),
        "create delete history-instance history-type patch read search-type update vread"
    );
    let names: Vec<&str> =
        patient["operation"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["diff", "invite", "meta", "meta-add", "meta-delete", "request-access", "validate"] {
        assert_eq!(names.iter().filter(|one| **one == name).count(), 1, "{name} in {names:?}");
    }
    assert!(
        patient["searchParam"]
            .as_array()
            .unwrap()
            .iter()
            .any(|param| param["name"] == "family" && param["type"] == "string")
    );
}
