//! The operations as far as one hospital alone can take them: an invite and its Task, digits that are wrong, a request
//! whose parameters are wrong.

use crate::hospital::Hospital;
use data_encoding::BASE64;
use serde_json::Value;

fn value<'a>(parameters: &'a Value, name: &str, member: &str) -> &'a Value {
    let all = parameters["parameter"].as_array().unwrap();
    &all.iter().find(|parameter| parameter["name"] == name).unwrap()[member]
}

#[tokio::test]
async fn an_invite_is_text_picture_and_task() {
    let hospital = Hospital::open().await;
    let id = hospital.create(r#"{"resourceType":"Patient","name":[{"family":"Doe"}]}"#).await;
    let answered = hospital.post(&format!("/fhir/Patient/{id}/$invite"), "").await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let json = answered.json();
    assert!(fhir::validate::check(fhir::parse::resource(answered.body).unwrap()).is_ok());
    assert!(value(&json, "code", "valueString").as_str().unwrap().starts_with("chartwell-invite:"));
    assert!(value(&json, "qrText", "valueString").as_str().unwrap().contains('█'));
    let picture = value(&json, "qr", "valueAttachment");
    assert_eq!(picture["contentType"], "image/png");
    let bytes = BASE64.decode(picture["data"].as_str().unwrap().as_bytes()).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    let task = value(&json, "task", "valueReference")["reference"].as_str().unwrap();
    let read = hospital.get(&format!("/fhir/{task}")).await;
    assert_eq!((read.status, read.json()["status"].as_str()), (200, Some("requested")), "{}", read.text());
    let put = hospital.send("PUT", &format!("/fhir/{task}"), &[], read.body.as_slice()).await;
    assert_eq!((put.status, put.header("allow")), (405, "GET, HEAD"), "{}", put.text());
    let digits = r#"{"resourceType":"Parameters","parameter":[{"name":"digits","valueString":"000000"}]}"#;
    let early = hospital.post(&format!("/fhir/{task}/$confirm"), digits).await;
    assert_eq!((early.status, early.code().as_str()), (422, "business-rule"), "{}", early.text());
}

#[tokio::test]
async fn a_request_says_which_parameter_is_wrong() {
    let hospital = Hospital::open().await;
    let id = hospital.create(r#"{"resourceType":"Patient"}"#).await;
    let path = format!("/fhir/Patient/{id}/$request-access");
    let parameters = |address: &str, period: &str| {
        format!(
            r#"{{"resourceType":"Parameters","parameter":[{{"name":"address","valueString":"{address}"}},{{"name":"scope","valueString":"patient/Observation.rs"}},{{"name":"purpose","valueCode":"TREAT"}},{{"name":"reason","valueString":"care"}}{period}]}}"#
        )
    };
    let period = |end: &str| format!(r#",{{"name":"period","valuePeriod":{{"end":"{end}"}}}}"#);
    for (body, status, word) in [
        (parameters("nowhere", ""), 422, "address"),
        (parameters("nowhere", &period("1969-01-01")), 400, "period"),
        (parameters("nowhere", &period("2999-01-01")), 422, "address"),
        (parameters("nowhere", &period("soon")), 400, "Period"),
        (parameters("a", r#",{"name":"address","valueString":"b"}"#), 400, "address"),
    ] {
        let answered = hospital.post(&path, &body).await;
        assert_eq!(answered.status, status, "{body}: {}", answered.text());
        assert!(answered.text().contains(word), "{word} is not in {}", answered.text());
    }
}
