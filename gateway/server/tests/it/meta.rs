//! `$meta`, `$meta-add`, `$meta-delete` and `$diff`.
//! <https://hl7.org/fhir/R4/resource-operation-meta.html>, <https://hl7.org/fhir/R4/fhirpatch.html>

use crate::hospital::Hospital;
use serde_json::{Value, json};

fn with(meta: &Value) -> String {
    json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}).to_string()
}

#[tokio::test]
async fn labels_come_and_go_by_versions() {
    let hospital = Hospital::open().await;
    let id = hospital
        .create(r#"{"resourceType":"Patient","meta":{"tag":[{"system":"s:s","code":"a"}]},"active":true}"#)
        .await;
    let path = format!("/fhir/Patient/{id}");
    let meta = async |method: &str, name: &str, body: &str| {
        let answered = hospital.send(method, &format!("{path}/{name}"), &[], body).await;
        assert_eq!(answered.status, 200, "{name} {body}: {}", answered.text());
        let json = answered.json();
        assert_eq!((&json["resourceType"], &json["parameter"][0]["name"]), (&"Parameters".into(), &"return".into()));
        let codes = |list: &Value| {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item["code"].as_str().or(item.as_str()).unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let value = &json["parameter"][0]["valueMeta"];
        (codes(&value["tag"]).join(" "), codes(&value["profile"]).join(" "), value["versionId"].to_string())
    };
    let (tags, profiles, first) = meta("GET", "$meta", "").await;
    assert_eq!((tags.as_str(), profiles.as_str()), ("a", ""));
    assert_eq!(meta("POST", "$meta", "").await.2, first);
    let more = with(
        &json!({"profile": ["http://e.org/p"], "tag": [{"system": "s:s", "code": "a"}, {"system": "s:s", "code": "b"}]}),
    );
    let (tags, profiles, second) = meta("POST", "$meta-add", &more).await;
    assert_eq!((tags.as_str(), profiles.as_str(), second == first), ("a b", "http://e.org/p", false));
    assert_eq!(meta("POST", "$meta-add", &more).await.2, second, "what is there is not added");
    let (tags, _, third) = meta("POST", "$meta-delete", &with(&json!({"tag": [{"system": "s:s", "code": "a"}]}))).await;
    assert_eq!((tags.as_str(), third == second), ("b", false));
    assert_eq!(meta("POST", "$meta-delete", &with(&json!({"tag": [{"code": "b"}]}))).await.2, third);
    let read = hospital.get(&path).await.json();
    assert_eq!((&read["active"], &read["meta"]["tag"][0]["code"]), (&true.into(), &"b".into()));
    assert_eq!(hospital.get("/fhir/Patient?_tag=s:s%7Cb&_summary=count").await.json()["total"], 1);
    assert_eq!(hospital.get(&format!("{path}/_history")).await.json()["total"], 3);
    for (name, body, status) in [
        ("$meta-add", String::new(), 400),
        ("$meta-add", with(&json!({"shoe": 1})), 400),
        ("$meta-delete", r#"{"resourceType":"Patient"}"#.to_owned(), 400),
    ] {
        assert_eq!(hospital.post(&format!("{path}/{name}"), &body).await.status, status, "{name} {body}");
    }
    assert_eq!(hospital.post("/fhir/Patient/nobody/$meta-add", &more).await.status, 404);
    assert_eq!(hospital.get(&format!("{path}/$meta-add")).await.status, 405);
    assert_eq!(hospital.get("/fhir/Patient/$meta-add").await.status, 501);
}

/// "profile, tags and security labels used": of a type, and of everything the token may search.
#[tokio::test]
async fn what_is_in_use_is_listed_by_type_and_for_all() {
    let hospital = Hospital::open().await;
    let meta = |tag: &str, label: &str, profile: &str| json!({"tag":[{"system":"urn:t","code":tag,"display":"x"}],"security":[{"system":"urn:l","code":label}],"profile":[profile]});
    for (id, meta) in [("a", meta("one", "N", "http://e.org/p")), ("b", meta("one", "N", "http://e.org/q"))] {
        let body = json!({"resourceType":"Patient","id":id,"meta":meta}).to_string();
        assert_eq!(hospital.send("PUT", &format!("/fhir/Patient/{id}"), &[], body).await.status, 201);
    }
    let group = json!({"resourceType":"Group","type":"person","actual":true,"meta":{"tag":[{"code":"two"}]}});
    hospital.create(&group.to_string()).await;
    let coding = |system: &str, code: &str| json!({"system":system,"code":code});
    let patients = json!({"profile":["http://e.org/p","http://e.org/q"],"security":[coding("urn:l", "N")],
        "tag":[coding("urn:t", "one")]});
    let mut all = patients.clone();
    all["tag"] = json!([{"code":"two"}, coding("urn:t", "one")]);
    for (path, wanted) in [
        ("/fhir/Patient/$meta", patients),
        ("/fhir/Group/$meta", json!({"tag":[{"code":"two"}]})),
        ("/fhir/Basic/$meta", json!({})),
        ("/fhir/$meta", all),
    ] {
        for method in ["GET", "POST"] {
            let answered = hospital.send(method, path, &[], "").await;
            assert_eq!(answered.status, 200, "{method} {path}: {}", answered.text());
            assert_eq!(answered.json()["parameter"][0]["valueMeta"], wanted, "{method} {path}");
        }
    }
    // What is deleted is in use no more, and what the token may not search is not told of.
    hospital.send("DELETE", "/fhir/Patient/b", &[], "").await;
    let used = hospital.get("/fhir/Patient/$meta").await.json();
    assert_eq!(used["parameter"][0]["valueMeta"]["profile"], json!(["http://e.org/p"]));
    let token = format!("Bearer {}", hospital.client("narrow", "system/Group.rs system/Patient.r").await);
    for (path, status) in [("/fhir/Patient/$meta", 403), ("/fhir/Group/$meta", 200), ("/fhir/$meta", 200)] {
        let answered = hospital.send("GET", path, &[("authorization", &token)], "").await;
        assert_eq!(answered.status, status, "{path}: {}", answered.text());
        assert!(!answered.text().contains("one"), "{path}: {}", answered.text());
    }
}

#[tokio::test]
async fn labels_added_at_once_are_all_there() {
    let hospital = std::sync::Arc::new(Hospital::open().await);
    let id = hospital.create(r#"{"resourceType":"Patient"}"#).await;
    let adding = (0..4).map(|number| {
        let (hospital, path) = (hospital.clone(), format!("/fhir/Patient/{id}/$meta-add"));
        tokio::spawn(async move {
            let body = with(&json!({"tag": [{"system": "s:s", "code": format!("t{number}")}]}));
            hospital.post(&path, &body).await.status
        })
    });
    for one in adding.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 200);
    }
    let read = hospital.get(&format!("/fhir/Patient/{id}")).await.json();
    assert_eq!(read["meta"]["tag"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_diff_is_the_patch_between_two_versions() {
    let hospital = Hospital::open().await;
    let mut versions = Vec::new();
    for active in ["true", "false", "true"] {
        let family = if versions.is_empty() { "Doe" } else { "Roe" };
        let body =
            format!(r#"{{"resourceType":"Patient","id":"d","active":{active},"name":[{{"family":"{family}"}}]}}"#);
        let written = hospital.send("PUT", "/fhir/Patient/d", &[], body).await;
        assert!(written.status < 300, "{}", written.text());
        versions.push(written.json()["meta"]["versionId"].as_str().unwrap().to_owned());
    }
    let [one, two, three] = &versions[..] else { panic!("three versions") };
    let operations = |json: &Value| json["parameter"].as_array().map_or(0, Vec::len);
    for (query, wanted) in [
        (String::new(), 1),
        (format!("?from={one}&to={two}"), 2),
        (format!("?from={one}"), 1),
        (format!("?to={two}"), 2),
        (format!("?from=Patient/d/_history/{one}&to=Patient/d/_history/{three}"), 1),
        (format!("?from={three}&to={three}"), 0),
    ] {
        let answered = hospital.get(&format!("/fhir/Patient/d/$diff{query}")).await;
        assert_eq!(answered.status, 200, "{query}: {}", answered.text());
        assert_eq!(operations(&answered.json()), wanted, "{query}: {}", answered.text());
        assert!(!answered.text().contains("versionId"));
    }
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "from", "valueString": one}]}).to_string();
    assert_eq!(operations(&hospital.post("/fhir/Patient/d/$diff", &body).await.json()), 1);
    for (path, status) in [
        ("/fhir/Patient/d/$diff?from=nothing".to_owned(), 404),
        (format!("/fhir/Patient/d/$diff?to={one}"), 404),
        ("/fhir/Patient/nobody/$diff".to_owned(), 404),
    ] {
        assert_eq!(hospital.get(&path).await.status, status, "{path}");
    }
}
