//! Binary as itself: its bytes under its own type, and as a resource for those who name FHIR's types.
//! <https://hl7.org/fhir/R4/binary.html#rest>

use crate::hospital::Hospital;

const BYTES: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xff";

#[tokio::test]
async fn bytes_go_in_and_come_out() {
    let hospital = Hospital::open().await;
    let patient = hospital.create(r#"{"resourceType":"Patient"}"#).await;
    let context = format!("Patient/{patient}");
    let headers = [("content-type", "image/png"), ("x-security-context", context.as_str())];
    let created = hospital.send("POST", "/fhir/Binary", &headers, BYTES).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let json = created.json();
    assert_eq!((&json["contentType"], &json["data"]), (&"image/png".into(), &"iVBORw0KGgoA/w==".into()));
    assert_eq!(json["securityContext"]["reference"], context);
    let path = format!("/fhir/Binary/{}", json["id"].as_str().unwrap());
    let version = format!("{path}/_history/{}", json["meta"]["versionId"].as_str().unwrap());
    for path in [&path, &version] {
        for accept in ["", "*/*", "image/png", "text/html, application/xml, */*;q=0.1"] {
            let read = hospital.send("GET", path, &[("accept", accept)], "").await;
            assert_eq!(
                (read.status, read.header("content-type"), read.body.as_slice()),
                (200, "image/png", BYTES),
                "{accept}"
            );
            assert_eq!(read.header("etag"), created.header("etag"));
            assert_eq!(
                (read.header("x-content-type-options"), read.header("content-disposition")),
                ("nosniff", "attachment")
            );
            assert!(read.header("content-security-policy").contains("sandbox"));
            assert_eq!(read.header("x-security-context"), context);
        }
        let head = hospital.send("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.header("content-type"), head.body.len()), (200, "image/png", 0));
        let same = hospital.send("GET", path, &[("if-none-match", created.header("etag"))], "").await;
        assert_eq!(same.status, 304);
    }
    for accept in ["application/fhir+json", "application/json"] {
        let read = hospital.send("GET", &path, &[("accept", accept)], "").await;
        assert_eq!(read.json(), json, "{accept}");
    }
    assert_eq!(hospital.get(&format!("{path}?_format=json")).await.json(), json);
    let xml = hospital.send("GET", &path, &[("accept", "application/fhir+xml")], "").await;
    assert!(xml.text().starts_with("<Binary xmlns"), "{}", xml.text());

    let put = hospital.send("PUT", &path, &[("content-type", "text/plain;  charset=utf-8")], "hello").await;
    assert_eq!((put.status, put.json()["id"].as_str()), (200, json["id"].as_str()), "{}", put.text());
    let read = hospital.get(&path).await;
    assert_eq!((read.header("content-type"), read.text().as_str()), ("text/plain; charset=utf-8", "hello"));
    assert_eq!(hospital.get("/fhir/Binary/nobody").await.status, 404);
}

/// "... including when the content type is application/fhir+xml or application/fhir+json, except for the special case
/// where the content is actually a Binary resource".
#[tokio::test]
async fn only_a_binary_is_taken_as_the_resource() {
    let hospital = Hospital::open().await;
    let binary = r#"{"resourceType":"Binary","contentType":"text/plain","data":"aGk="}"#;
    let xml = r#"<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="aGk="/></Binary>"#;
    for (kind, body, wanted) in [
        ("application/fhir+json", binary, "text/plain"),
        ("application/json", binary, "text/plain"),
        ("application/fhir+xml", xml, "text/plain"),
        ("text/xml", xml, "text/plain"),
        ("application/fhir+json", r#"{"resourceType":"Patient"}"#, "application/fhir+json"),
        ("application/xml", "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>", "application/xml"),
        ("application/json", "[1]", "application/json"),
    ] {
        let created = hospital.send("POST", "/fhir/Binary", &[("content-type", kind)], body).await;
        assert_eq!(created.status, 201, "{kind} {body}: {}", created.text());
        assert_eq!(created.json()["contentType"], wanted, "{kind} {body}");
        let read = hospital.get(&format!("/fhir/Binary/{}", created.json()["id"].as_str().unwrap())).await;
        assert_eq!(read.text(), if wanted == "text/plain" { "hi" } else { body });
    }
    for (kind, body) in [
        ("application/fhir+json", "{"),
        ("application/fhir+json", r#"{"resourceType":"Binary"}"#),
        ("application/fhir+xml", "<Binary"),
        ("application/xml", r#"<Binary xmlns="http://hl7.org/fhir"><shoe value="1"/></Binary>"#),
    ] {
        let refused = hospital.send("POST", "/fhir/Binary", &[("content-type", kind)], body).await;
        assert_eq!(refused.status, 400, "{kind} {body}");
    }
}

/// "The referenced resource stands in as a proxy": who may not read what a Binary is about may not read the Binary.
/// <https://hl7.org/fhir/R4/binary.html#security>
#[tokio::test]
async fn a_binary_is_read_by_whoever_reads_what_it_is_about() {
    let hospital = Hospital::open().await;
    let patient = hospital.create(r#"{"resourceType":"Patient"}"#).await;
    let binary = async |context: &str| {
        let body = format!(r#"{{"resourceType":"Binary","contentType":"text/plain","data":"aGk="{context}}}"#);
        hospital.create(&body).await
    };
    let about = |reference: &str| format!(r#","securityContext":{{"reference":"{reference}"}}"#);
    let plain = binary("").await;
    let of_patient = binary(&about(&format!("Patient/{patient}"))).await;
    let of_nobody = binary(&about("Observation/nobody")).await;
    let of_elsewhere = binary(&about("http://elsewhere.org/fhir/Patient/1")).await;
    for (scope, wanted) in [
        ("system/*.cruds", [200, 200, 200, 200]),
        ("system/Binary.cruds", [200, 403, 403, 403]),
        ("system/Binary.cruds system/Patient.r", [200, 200, 403, 403]),
        ("system/Binary.cruds system/Observation.rs", [200, 403, 200, 403]),
        ("system/Patient.r", [403, 403, 403, 403]),
    ] {
        let token = format!("Bearer {}", hospital.client(scope, scope).await);
        let headers = [("authorization", token.as_str())];
        for (id, wanted) in [&plain, &of_patient, &of_nobody, &of_elsewhere].into_iter().zip(wanted) {
            let path = format!("/fhir/Binary/{id}");
            let read = hospital.send("GET", &path, &headers, "").await;
            assert_eq!(read.status, wanted, "{scope} {id}: {}", read.text());
            assert!(wanted == 200 || !read.text().contains("aGk"));
            let version = hospital.get(&path).await.header("etag").trim_start_matches("W/").replace('"', "");
            for more in [format!("/_history/{version}"), "/_history".to_owned(), "/$meta".to_owned()] {
                let read = hospital.send("GET", &format!("{path}{more}"), &headers, "").await;
                assert_eq!(read.status, wanted, "{scope} {id}{more}: {}", read.text());
            }
            let entry = format!(r#"{{"request":{{"method":"GET","url":"Binary/{id}"}}}}"#);
            let batch = format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{entry}]}}"#);
            let json = hospital.send("POST", "/fhir", &headers, batch).await.json();
            let status = json["entry"][0]["response"]["status"].as_str().unwrap().to_owned();
            assert!(status.starts_with(&wanted.to_string()), "{scope} {id}: {json}");
        }
        // A list is narrowed before it runs, and by what a Binary is about it cannot be.
        let all = scope.contains('*');
        for path in ["/fhir/Binary/_history", "/fhir/Binary?_id=x"] {
            let listed = hospital.send("GET", path, &headers, "").await;
            assert_eq!(listed.status, if all { 200 } else { 403 }, "{scope} {path}: {}", listed.text());
        }
        let system = hospital.send("GET", "/fhir/_history", &headers, "").await;
        assert_eq!(system.text().contains("/Binary/"), all, "{scope}: {}", system.text());
    }
}
