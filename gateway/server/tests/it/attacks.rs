//! Ways into FHIR servers that were published, tried on this one: a patient's app that knows another patient's ids, and
//! documents that make a reader fetch, expand or run something. Nothing of the other patient comes back by any of them.
//!
//! Reads by id beyond the compartment, `_include`, `_revinclude` and paging that leave it, 403 against 404 as an oracle and
//! conditional creates as one: Knight, "Playing with FHIR" (2021). XXE and entity expansion: CVE-2024-45294, CVE-2024-51132
//! (HAPI FHIR and its core). Fetches of addresses that a client wrote: OWASP API7:2023.

use crate::hospital::{Answered, BASE, Hospital};
use serde_json::{Value, json};
use server::token::{self, Claims, Place};
use std::time::Duration;

/// What the other patient's resources say, and no answer to the app may.
const SECRET: &str = "ZEBRA";

struct Ward {
    hospital: Hospital,
    bearer: String,
    mine: String,
    other: String,
    observation: String,
    binary: String,
}

async fn ward() -> Ward {
    let hospital = Hospital::open().await;
    let doctor = hospital.create(r#"{"resourceType":"Practitioner","name":[{"family":"Arzt"}]}"#).await;
    let patient = |family: &str| {
        json!({"resourceType":"Patient","name":[{"family":family}],"identifier":[{"system":"urn:mrn","value":family}],
            "generalPractitioner":[{"reference":format!("Practitioner/{doctor}")}]})
        .to_string()
    };
    let mine = hospital.create(&patient("Mine")).await;
    let other = hospital.create(&patient(SECRET)).await;
    let observation = |of: &str, words: &str| {
        json!({"resourceType":"Observation","status":"final","code":{"text":words},
            "identifier":[{"system":"urn:lab","value":words}],"subject":{"reference":format!("Patient/{of}")},
            "performer":[{"reference":format!("Practitioner/{doctor}")}]})
        .to_string()
    };
    hospital.create(&observation(&mine, "mine")).await;
    let of_other = hospital.create(&observation(&other, SECRET)).await;
    let binary = json!({"resourceType":"Binary","contentType":"text/plain","data":"WkVCUkE=",
        "securityContext":{"reference":format!("Patient/{other}")}});
    let binary = hospital.create(&binary.to_string()).await;
    let client = hospital.node.add_client("app", "patient/*.cruds", None).await.unwrap();
    let claims = Claims {
        scope: "patient/*.cruds".to_owned(),
        patient: Some(mine.clone()),
        ..token::claims(&Place::of_base(BASE), &client, "", Duration::from_secs(3600))
    };
    let bearer = format!("Bearer {}", token::sign(&hospital.node, &claims).await.unwrap());
    Ward { hospital, bearer, mine, other, observation: of_other, binary }
}

impl Ward {
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answered {
        let headers = [&[("authorization", self.bearer.as_str())][..], headers].concat();
        self.hospital.send(method, path, &headers, body).await
    }

    /// Asks, and holds that nothing of the other patient is in the answer.
    async fn ask(&self, method: &str, path: &str, body: &str, wanted: &[u16]) -> Answered {
        let answered = self.send(method, path, &[], body).await;
        let text = answered.text();
        assert!(wanted.contains(&answered.status), "{method} {path}: {} {text}", answered.status);
        // A Bundle's links and warnings repeat what was asked.
        let found = match serde_json::from_slice::<Value>(&answered.body) {
            Ok(bundle) if bundle["resourceType"] == "Bundle" => bundle["entry"].to_string(),
            _ => text,
        };
        assert!(!found.contains(SECRET), "{method} {path} tells of another patient: {found}");
        answered
    }
}

/// A patient reads who looked, and of that look nothing that is about anybody else.
#[tokio::test]
async fn a_patients_app_reads_its_own_part_of_the_audit_log() {
    let ward = ward().await;
    let (mine, other) = (&ward.mine, &ward.other);
    // One look that shows both patients, named by the other's words.
    for query in [format!("Observation?patient={mine},{other}&_tag:not={SECRET}"), format!("Patient/{other}")] {
        assert_eq!(ward.hospital.get(&format!("/fhir/{query}")).await.status, 200);
    }
    // Rows are written in groups, a moment later.
    let read = format!("Patient/{other}");
    let all = loop {
        let all = ward.hospital.get("/fhir/AuditEvent?_count=200").await.json();
        let has = |event: &Value| event["subtype"][0]["code"] == "read" && event.to_string().contains(&read);
        if all["entry"].as_array().is_some_and(|entries| entries.iter().any(|entry| has(&entry["resource"]))) {
            break all;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let of = |patient: &str| {
        let named = format!("Patient/{patient}");
        let about = |event: &&Value| event.to_string().contains(&named);
        let events = all["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        events.filter(about).map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let found = ward.ask("GET", "/fhir/AuditEvent?_count=200", "", &[200]).await;
    let ids = found.found("match");
    assert!(!ids.is_empty() && ids.iter().all(|id| of(mine).contains(id)), "{}", found.text());
    assert!(!found.text().contains(other.as_str()), "{}", found.text());
    let read = ward.ask("GET", &format!("/fhir/AuditEvent/{}", ids[0]), "", &[200]).await;
    assert_eq!(read.json()["id"], ids[0].as_str());
    for id in of(other).iter().filter(|id| !ids.contains(id)) {
        ward.ask("GET", &format!("/fhir/AuditEvent/{id}"), "", &[404]).await;
        let found = ward.ask("GET", &format!("/fhir/AuditEvent?_id={id}"), "", &[200]).await;
        assert_eq!(found.json()["total"], 0);
    }
    ward.ask("GET", "/fhir/AuditEvent/audit-999999999", "", &[404]).await;
    ward.ask("GET", "/fhir/AuditEvent/audit-x", "", &[404]).await;
}

/// A Task says what a request is for, if it is one that can be seen and is not over.
#[tokio::test]
async fn a_task_that_cannot_be_seen_is_no_purpose() {
    let ward = ward().await;
    let task = |of: &str, status: &str, code: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        json!({"resourceType":"Task","status":status,"intent":"order","for":{"reference":format!("Patient/{of}")},
            "reasonCode":{"coding":[{"system":system,"code":code}]}})
        .to_string()
    };
    let good = ward.hospital.create(&task(&ward.mine, "in-progress", "COC")).await;
    let over = ward.hospital.create(&task(&ward.mine, "completed", "COC")).await;
    let beyond = ward.hospital.create(&task(&ward.other, "in-progress", "COC")).await;
    let broken = ward.hospital.create(&task(&ward.mine, "in-progress", "BTG")).await;
    let mut said = Vec::new();
    for (id, expected) in [
        (good.as_str(), 200),
        (&over, 400),
        (&beyond, 400),
        ("nobody", 400),
        ("", 400),
        ("../Patient/x", 400),
        (&broken, 403),
    ] {
        let purpose = format!("Task/{id}");
        let answered = ward.send("GET", "/fhir/Patient", &[("x-purpose-of-use", &purpose)], "").await;
        assert_eq!(answered.status, expected, "{purpose}: {}", answered.text());
        if expected == 400 {
            said.push(
                answered.json()["issue"][0]["diagnostics"]
                    .as_str()
                    .unwrap()
                    .split(" (request")
                    .next()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "what is wrong is not told apart: {said:?}");
}

#[tokio::test]
async fn no_way_of_asking_leaves_the_apps_patient() {
    let ward = ward().await;
    let Ward { mine, other, observation, binary, .. } = &ward;
    let none = |path: String| (path, vec![200], Some(0));
    let hidden = |path: String| (path, vec![404], None);
    let refused = |path: String| (path, vec![403], None);
    let either = |path: String| (path, vec![200, 400, 403, 404, 405], None);
    for (path, wanted, total) in [
        hidden(format!("Patient/{other}")),
        hidden(format!("Observation/{observation}")),
        hidden(format!("Binary/{binary}")),
        hidden(format!("Patient/{other}/_history")),
        hidden(format!("Patient/{other}/_history/1")),
        hidden(format!("Observation/{observation}/_history")),
        hidden(format!("Patient/{other}/$everything")),
        hidden(format!("Patient/{other}/$meta")),
        hidden(format!("Observation/{observation}/$meta")),
        either(format!("Observation/{observation}/$diff")),
        either(format!("Patient/{other}/$invite")),
        none(format!("Patient?_id={other}")),
        none(format!("Patient?_id={other},{other}")),
        none(format!("Patient?name={SECRET}")),
        none(format!("Patient?identifier=urn:mrn|{SECRET}")),
        none(format!("Patient?name:exact={SECRET}")),
        none(format!("Patient?_filter=name%20co%20%22{SECRET}%22")),
        none(format!("Patient?_has:Observation:patient:identifier={SECRET}")),
        none(format!("Patient?_has:Observation:patient:_id={observation}")),
        none(format!("Observation?_id={observation}")),
        none(format!("Observation?patient={other}")),
        none(format!("Observation?subject=Patient/{other}")),
        none(format!("Observation?subject:Patient.identifier=urn:mrn|{SECRET}")),
        none(format!("Observation?subject.name={SECRET}")),
        none(format!("Observation?patient:Patient._id={other}")),
        none(format!("Observation?code:text={SECRET}")),
        none(format!("Observation?_content={SECRET}")),
        none(format!("Observation?_text={SECRET}")),
        none(format!("Observation?patient={other}&_summary=count")),
        none(format!("Observation?identifier={SECRET}&_count=0&_total=accurate")),
        none(format!("Observation?identifier={SECRET}&_total=estimate")),
        none(format!("Practitioner?_has:Patient:general-practitioner:name={SECRET}")),
        none(format!("Practitioner?_has:Observation:performer:patient.name={SECRET}")),
        either(format!("Patient/{other}/Observation")),
        either(format!("Patient/{other}/*")),
        either(format!("Practitioner/x/Observation?patient={other}")),
        either("Observation?_include=*&_revinclude=*".to_owned()),
        either("Practitioner?_revinclude=Patient:general-practitioner".to_owned()),
        either(
            "Practitioner?_revinclude=Patient:general-practitioner&_revinclude:iterate=Observation:patient".to_owned(),
        ),
        either("Observation?_include=Observation:performer&_revinclude:iterate=Observation:performer".to_owned()),
        either(format!("Patient?_list={other}")),
        either(format!("Patient?_id=x&_sort=-_lastUpdated&_elements=name&link={other}")),
        either(format!("?_id={other}")),
        either(format!("?_type=Patient,Observation&_content={SECRET}")),
        refused("Patient/_history".to_owned()),
        refused("_history".to_owned()),
        either(format!("AuditEvent?patient={other}")),
        refused("Binary".to_owned()),
        refused(format!("Patient?_contained=true&name={SECRET}")),
        either("Patient/$meta".to_owned()),
        either("$meta".to_owned()),
    ] {
        let answered = ward.ask("GET", &format!("/fhir/{path}"), "", &wanted).await;
        if let Some(total) = total {
            let found = answered.json();
            assert_eq!(found["total"], json!(total), "{path}: {found}");
            assert!(found["entry"].as_array().is_none_or(|all| all.iter().all(|one| one["search"]["mode"] != "match")));
        }
    }
    // By POST as well, and with what it found before.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let found = ward.send("POST", "/fhir/Observation/_search", &form, &format!("patient={other}")).await;
    assert_eq!(found.json()["total"], 0, "{}", found.text());
    ward.ask("GET", &format!("/fhir/Patient/{mine}"), "", &[200]).await;
}

#[tokio::test]
async fn hidden_and_absent_are_told_apart_by_nothing() {
    let ward = ward().await;
    let said = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str, id: &str| {
        let answered = ward.send(method, path, &[headers, &[("x-request-id", "same")]].concat(), body).await;
        let named = ["etag", "location", "last-modified"].map(|name| answered.header(name).replace(id, "ID"));
        (answered.status, answered.text().replace(id, "ID"), named)
    };
    let resource = |id: &str| {
        json!({"resourceType":"Observation","id":id,"status":"final","code":{"text":"x"},
            "subject":{"reference":format!("Patient/{}", ward.mine)}})
        .to_string()
    };
    let absent = "a".repeat(ward.observation.len());
    let patch = [("content-type", "application/json-patch+json")];
    let tests = r#"[{"op":"test","path":"/code/text","value":"ZEBRA"},{"op":"remove","path":"/nothing"}]"#;
    for (method, tail, headers, body) in [
        ("GET", "", &[][..], None),
        ("HEAD", "", &[], None),
        ("GET", "", &[("if-none-match", "W/\"1\"")], None),
        ("GET", "", &[("if-modified-since", "Mon, 01 Jan 2001 00:00:00 GMT")], None),
        ("GET", "/_history", &[], None),
        ("GET", "/_history/1", &[], None),
        ("PUT", "", &[], Some(None)),
        ("PUT", "", &[("if-match", "W/\"1\"")], Some(None)),
        ("PATCH", "", &patch, Some(Some(tests))),
        ("PATCH", "", &patch, Some(Some("{}"))),
        ("PATCH", "", &patch, Some(Some("[]"))),
        ("DELETE", "", &[], None),
        ("DELETE", "", &[("if-match", "W/\"1\"")], None),
        ("GET", "/$meta", &[], None),
    ] {
        let mut both = Vec::new();
        for id in [&ward.observation, &absent] {
            let body = match body {
                None => String::new(),
                Some(None) => resource(id),
                Some(Some(text)) => text.to_owned(),
            };
            both.push(said(method, &format!("/fhir/Observation/{id}{tail}"), headers, &body, id).await);
        }
        assert_eq!(both[0], both[1], "{method} {tail} {headers:?}");
    }
    let read = ward.hospital.get(&format!("/fhir/Observation/{}", ward.observation)).await;
    assert!(read.status == 200 && read.text().contains(SECRET), "it is as it was");
}

#[tokio::test]
async fn a_condition_or_a_bundle_is_no_way_in() {
    let ward = ward().await;
    let new = |of: &str| {
        json!({"resourceType":"Observation","status":"final","code":{"text":"new"},
            "subject":{"reference":format!("Patient/{of}")}})
    };
    let condition = [("if-none-exist", "identifier=ZEBRA")];
    let made = ward.send("POST", "/fhir/Observation", &condition, &new(&ward.mine).to_string()).await;
    assert_eq!(made.status, 201, "another's match is none: {}", made.text());
    let refused = ward.send("POST", "/fhir/Observation", &[], &new(&ward.other).to_string()).await;
    assert_eq!(refused.status, 403);
    for entries in [
        json!([{"request":{"method":"GET","url":format!("Patient/{}", ward.other)}}]),
        json!([{"request":{"method":"GET","url":format!("Observation?patient={}", ward.other)}}]),
        json!([{"resource":new(&ward.mine),"request":{"method":"PUT","url":format!("Observation/{}", ward.observation)}}]),
        json!([{"request":{"method":"DELETE","url":format!("Observation/{}", ward.observation)}}]),
        json!([{"request":{"method":"DELETE","url":"Observation?identifier=ZEBRA"}}]),
        json!([{"resource":new(&ward.other),"request":{"method":"POST","url":"Observation"}}]),
        json!([{"fullUrl":"urn:uuid:a0000000-0000-4000-8000-000000000001","resource":new(&ward.mine),
            "request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=ZEBRA"}}]),
        json!([{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "subject":{"reference":"Patient?identifier=urn:mrn|ZEBRA"}},"request":{"method":"POST","url":"Observation"}}]),
    ] {
        for kind in ["batch", "transaction"] {
            let bundle = json!({"resourceType":"Bundle","type":kind,"entry":entries}).to_string();
            let answered = ward.send("POST", "/fhir", &[], &bundle).await;
            let own = entries.to_string().contains("ifNoneExist") || answered.text().contains("ZEBRA is");
            let told = answered.text().replace("identifier=ZEBRA", "").replace("urn:mrn|ZEBRA", "");
            assert!(!told.contains(SECRET) || own, "{kind} {entries}: {}", answered.text());
        }
    }
    let read = ward.hospital.get(&format!("/fhir/Observation/{}", ward.observation)).await;
    assert_eq!((read.status, read.json()["code"]["text"].as_str()), (200, Some(SECRET)), "nothing was changed");
    let all = ward.hospital.get(&format!("/fhir/Observation?patient={}", ward.other)).await;
    assert_eq!(all.json()["total"], 1, "and nothing was added to another's chart");
}

#[tokio::test]
async fn documents_make_nobody_fetch_expand_or_run_anything() {
    let hospital = Hospital::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lure = format!("http://{}/x", listener.local_addr().unwrap());
    let fhir = r#"xmlns="http://hl7.org/fhir""#;
    let bomb = (1..12).fold(r#"<!ENTITY e0 "ha">"#.to_owned(), |text, at| {
        format!("{text}<!ENTITY e{at} \"&e{0};&e{0};&e{0};&e{0};&e{0};&e{0};&e{0};&e{0};&e{0};&e{0};\">", at - 1)
    });
    for xml in [
        format!(r#"<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient {fhir}><id value="&x;"/></Patient>"#),
        format!(r#"<!DOCTYPE p SYSTEM "{lure}"><Patient {fhir}/>"#),
        format!(r#"<!DOCTYPE p [<!ENTITY % x SYSTEM "{lure}"> %x;]><Patient {fhir}/>"#),
        format!(r#"<!DOCTYPE p [{bomb}]><Patient {fhir}><language value="&e11;"/></Patient>"#),
        format!(r#"<Patient {fhir}><language value="&undefined;"/></Patient>"#),
        format!(
            r#"<?xml-stylesheet href="{lure}"?><Patient {fhir}><id value="a" xmlns:xi="http://www.w3.org/2001/XInclude"/><xi:include href="{lure}"/></Patient>"#
        ),
    ] {
        let headers = [("content-type", "application/fhir+xml")];
        let answered = hospital.send("POST", "/fhir/Patient", &headers, xml.as_bytes()).await;
        assert_eq!(answered.status, 400, "{xml}: {}", answered.text());
        assert!(!answered.text().contains("root:"), "no file is read");
    }
    let deep =
        format!("{}{}", r#"{"resourceType":"Patient","extension":[{"extension":["#.repeat(2000), "]}]}".repeat(2000));
    let scripts = "<div xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></div>";
    for body in [
        deep,
        "[".repeat(100_000),
        json!({"resourceType":"Patient","text":{"status":"generated","div":scripts}}).to_string(),
        json!({"resourceType":"Patient","text":{"status":"generated","div":scripts.replace("<script>alert(1)</script>", "<img src='x' onerror='alert(1)'/>")}}).to_string(),
        r#"{"resourceType":"Patient","id":"a","id":"b"}"#.to_owned(),
        "{\"resourceType\":\"Patient\",\"language\":\"\u{0}\"}".to_owned(),
    ] {
        let answered = hospital.post("/fhir/Patient", &body).await;
        assert!((400..=422).contains(&answered.status), "{}: {} {}", &body[..60.min(body.len())], answered.status, answered.text());
    }
    // Addresses in what is stored are text: profiles, subscriptions, value sets, attachments, full URLs, absolute references.
    let named: Vec<(&str, Value)> = vec![
        (
            "Patient",
            json!({"resourceType":"Patient","meta":{"profile":[lure]},"photo":[{"url":lure}],
            "managingOrganization":{"reference":lure.replace("/x", "/fhir/Organization/1")}}),
        ),
        (
            "Subscription",
            json!({"resourceType":"Subscription","status":"requested","reason":"x","criteria":"Patient?",
            "channel":{"type":"rest-hook","endpoint":lure}}),
        ),
        (
            "ValueSet",
            json!({"resourceType":"ValueSet","status":"active","url":"urn:v","compose":{"include":[{"system":lure,"valueSet":[lure]}]}}),
        ),
        (
            "StructureDefinition",
            json!({"resourceType":"StructureDefinition","status":"draft","url":"urn:s","name":"S","kind":"resource",
            "abstract":false,"type":"Patient","baseDefinition":lure}),
        ),
    ];
    for (kind, resource) in named {
        hospital.post(&format!("/fhir/{kind}"), &resource.to_string()).await;
        hospital.post(&format!("/fhir/{kind}/$validate?profile={lure}"), &resource.to_string()).await;
    }
    let link = format!("<link href='{lure}'/>");
    for query in [
        format!("code:in={lure}"),
        format!("_include={lure}"),
        format!("subject={lure}"),
        format!("_profile={lure}"),
        link,
    ] {
        hospital.get(&format!("/fhir/Observation?{query}").replace(['<', '>', ' ', '\''], "")).await;
    }
    let fetched = tokio::time::timeout(Duration::from_millis(500), listener.accept()).await;
    assert!(fetched.is_err(), "nobody was sent to an address that a client chose");
}
