//! Codes and refresh tokens: each once, for whom it was made; a second use ends what came of it.
//! <https://www.rfc-editor.org/rfc/rfc9700#name-refresh-token-protection>

use super::FORM;
use super::site::{Browser, PASSWORD, REDIRECT, Site, VERIFIER, app, form, parameter};
use crate::hospital::databases;
use node::clients::{Auth, NewClient};
use serde_json::Value;
use std::sync::Arc;

async fn reads(site: &Site, json: &Value) -> u16 {
    let bearer = format!("Bearer {}", json["access_token"].as_str().unwrap());
    site.hospital.send("GET", "/fhir/Patient", &[("authorization", &bearer)], "").await.status
}

/// For a token that opens something today whatever is narrowed to one patient.
const STAFF: (&str, &str) = ("scope", "user/Patient.rs openid offline_access");

#[tokio::test]
async fn a_code_is_good_for_its_app_its_place_and_its_verifier() {
    let site = Site::open().await;
    let (other, _) = site.hospital.node.register_client(&app("Other", Auth::None)).await.unwrap();
    let id = site.app.id.as_str();
    let wrong = "x".repeat(43);
    for (what, client, redirect, verifier, error) in [
        ("as it was made", id, REDIRECT, VERIFIER, ""),
        ("another app's", other.id.as_str(), REDIRECT, VERIFIER, "invalid_grant"),
        ("another place", id, "https://app.example/other?tenant=1", VERIFIER, "invalid_grant"),
        ("another verifier", id, REDIRECT, wrong.as_str(), "invalid_grant"),
        ("the challenge for a verifier", id, REDIRECT, super::site::CHALLENGE, "invalid_grant"),
        ("no verifier", id, REDIRECT, "", "invalid_request"),
        ("no place", id, "", VERIFIER, "invalid_request"),
    ] {
        let code = site.code("ada", &[], "").await;
        let fields = [("grant_type", "authorization_code"), ("client_id", client), ("redirect_uri", redirect)];
        let answered = site.token(&[&fields[..], &[("code", &code), ("code_verifier", verifier)]].concat()).await;
        assert_eq!(answered.json()["error"].as_str().unwrap_or_default(), error, "{what}: {}", answered.text());
        assert_eq!(answered.status, if error.is_empty() { 200 } else { 400 }, "{what}");
        // Tried wrongly, it is used up: whoever has it may not guess on.
        if error == "invalid_grant" {
            assert_eq!(site.exchanged(&code).await.json()["error"], "invalid_grant", "{what}");
        }
    }
    for (what, code) in [("none", "x"), ("empty", ""), ("long", "a".repeat(9000).as_str())] {
        assert_eq!(site.exchanged(code).await.status, 400, "{what}");
    }
}

#[tokio::test]
async fn a_code_that_comes_again_ends_what_came_of_it() {
    for database in databases() {
        let site = Site::on(database).await;
        let code = site.code("doctor", &[STAFF], "").await;
        let json = site.exchanged(&code).await.json();
        assert_eq!(reads(&site, &json).await, 200, "{json}");
        assert_eq!(site.exchanged(&code).await.json()["error"], "invalid_grant");
        assert_eq!(reads(&site, &json).await, 401, "{database:?}");
        let refresh = json["refresh_token"].as_str().unwrap();
        assert_eq!(site.refreshed(refresh).await.json()["error"], "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_sent_many_times_at_once_is_taken_once() {
    for database in databases() {
        let site = Arc::new(Site::on(database).await);
        let code = Arc::new(site.code("doctor", &[STAFF], "").await);
        let tasks = (0..16).map(|_| {
            let (site, code) = (site.clone(), code.clone());
            tokio::spawn(async move { site.exchanged(&code).await.status })
        });
        let mut granted = 0;
        for task in tasks.collect::<Vec<_>>() {
            granted += usize::from(task.await.unwrap() == 200);
        }
        assert!(granted <= 1, "{database:?}: {granted}");
    }
}

#[tokio::test]
async fn a_refresh_token_rotates_and_the_old_one_ends_all() {
    for database in databases() {
        let site = Site::on(database).await;
        let json = site.exchanged(&site.code("doctor", &[STAFF], "").await).await.json();
        let first = json["refresh_token"].as_str().unwrap().to_owned();
        // Another app's client does not use it up.
        let (other, _) = site.hospital.node.register_client(&app("Other", Auth::None)).await.unwrap();
        let stolen =
            site.token(&[("grant_type", "refresh_token"), ("refresh_token", &first), ("client_id", &other.id)]).await;
        assert_eq!(stolen.json()["error"], "invalid_grant");
        let second = site.refreshed(&first).await;
        assert_eq!(second.status, 200, "{}", second.text());
        let second = second.json();
        assert_eq!((&second["scope"], reads(&site, &second).await), (&json["scope"], 200));
        assert!(second["id_token"].is_null());
        let next = second["refresh_token"].as_str().unwrap();
        assert_ne!(next, first);
        // Fewer scopes for this token; the next one may have all again.
        let narrower = [
            ("grant_type", "refresh_token"),
            ("refresh_token", next),
            ("client_id", &site.app.id),
            ("scope", "openid"),
        ];
        let third = site.token(&narrower).await.json();
        assert_eq!((&third["scope"], reads(&site, &third).await), (&"openid".into(), 403), "{third}");
        let next = third["refresh_token"].as_str().unwrap();
        let fourth = site.refreshed(next).await.json();
        assert_eq!((&fourth["scope"], reads(&site, &fourth).await), (&json["scope"], 200), "{fourth}");
        // Somebody has the first one still.
        assert_eq!(site.refreshed(&first).await.json()["error"], "invalid_grant");
        for (what, json) in [("first", &json), ("second", &second), ("fourth", &fourth)] {
            assert_eq!(reads(&site, json).await, 401, "{what} on {database:?}");
        }
        let last = fourth["refresh_token"].as_str().unwrap();
        assert_eq!(site.refreshed(last).await.json()["error"], "invalid_grant");
    }
}

#[tokio::test]
async fn a_refresh_gives_no_more_than_was_allowed_and_ends_with_who_allowed_it() {
    let site = Site::open().await;
    let tokens = async |scope: &'static str| {
        let code = site.code("doctor", &[("scope", scope)], &site.ada).await;
        let json = site.exchanged(&code).await.json();
        json["refresh_token"].as_str().unwrap_or_default().to_owned()
    };
    for wider in ["user/Patient.rs patient/*.rs", "user/Patient.cruds", "system/*.rs", "user/Patient.rs fhirUser"] {
        let refresh = tokens("user/Patient.rs openid offline_access").await;
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh),
            ("client_id", &site.app.id),
            ("scope", wider),
        ];
        assert_eq!(site.token(&fields).await.json()["error"], "invalid_scope", "{wider}");
        assert_eq!(site.refreshed(&refresh).await.status, 200, "{wider} cost the token");
    }
    assert_eq!(tokens("user/Patient.rs openid").await, "", "nobody asked to go on");
    // Given back by the app.
    let refresh = tokens("user/Patient.rs offline_access").await;
    let form = form(&[("token", refresh.as_str()), ("client_id", &site.app.id)]);
    let back = site.hospital.send("POST", "/auth/revoke", &[FORM[0], ("authorization", "")], form).await;
    assert_eq!((back.status, site.refreshed(&refresh).await.status), (200, 400));
    // As long as the person is logged in.
    let browser = Browser::new(&site.hospital);
    let asked = site.asked(&[("scope", "user/Patient.rs online_access")]);
    let url = browser.allowed("doctor", &asked, "").await;
    let json = site.exchanged(&parameter(&url, "code").unwrap()).await.json();
    let again = site.refreshed(json["refresh_token"].as_str().unwrap()).await.json();
    let page = browser.asks(&asked).await;
    browser.on(&page, "/auth/logout", &[]).await;
    assert_eq!(site.refreshed(again["refresh_token"].as_str().unwrap()).await.status, 400, "{again}");
    // What the client may no longer have is not had by going on either.
    let json = site.exchanged(&site.code("doctor", &[STAFF], "").await).await.json();
    let narrower = NewClient { scope: "openid offline_access".to_owned(), ..app("App", Auth::None) };
    site.hospital.node.register_client(&narrower).await.unwrap();
    let less = site.refreshed(json["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!((&less["scope"], reads(&site, &less).await), (&"openid offline_access".into(), 403), "{less}");
    site.hospital.node.register_client(&app("App", Auth::None)).await.unwrap();
    // As long as the person may log in.
    let code = site.code("doctor", &[STAFF], "").await;
    let json = site.exchanged(&code).await.json();
    let doctor = site.hospital.node.person("doctor").await.unwrap().unwrap();
    site.hospital.node.disable_person(&doctor.id).await.unwrap();
    assert_eq!(site.refreshed(json["refresh_token"].as_str().unwrap()).await.status, 400);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(reads(&site, &json).await, 401);
}

/// A password was reset because somebody had it, and whoever had logged in with it went on.
#[tokio::test]
async fn whoever_was_logged_in_as_a_person_who_is_changed_is_so_no_more() {
    for database in databases() {
        let site = Site::on(database).await;
        let node = &site.hospital.node;
        let user = node.person("doctor").await.unwrap().unwrap().fhir_user;
        for (what, password, new) in [
            ("another password", "another horse battery", user.clone()),
            ("another record", PASSWORD, format!("Patient/{}", site.ada)),
            ("kept out", "", String::new()),
        ] {
            node.put_person("doctor", PASSWORD, "Title", &user).await.unwrap();
            let browser = Browser::new(&site.hospital);
            let asked = site.asked(&[STAFF]);
            let url = browser.allowed("doctor", &asked, "").await;
            let json = site.exchanged(&parameter(&url, "code").unwrap()).await.json();
            if new.is_empty() {
                node.disable_person(&node.person("doctor").await.unwrap().unwrap().id).await.unwrap();
            } else {
                node.put_person("doctor", password, "Title", &new).await.unwrap();
            }
            let refreshed = site.refreshed(json["refresh_token"].as_str().unwrap()).await;
            assert_eq!(refreshed.status, 400, "{what} on {database:?}: {}", refreshed.text());
            assert!(browser.asks(&asked).await.text().contains("Password"), "{what} on {database:?}");
        }
        // Another title alone, for somebody who logs in elsewhere, ends nothing.
        node.put_user("bo", (None, "s"), "Bo", &user).await.unwrap();
        let session = node.begin_session(&node.person("bo").await.unwrap().unwrap()).await.unwrap();
        for (title, subject, goes_on) in [("Dr Bo", "s", true), ("Dr Bo", "t", false)] {
            node.put_user("bo", (None, subject), title, &user).await.unwrap();
            assert_eq!(node.session(&session).await.unwrap().is_some(), goes_on, "{title} {subject} on {database:?}");
        }
    }
}

/// A guardian whose child came of age, or who lost custody, went on reading the child's record by refresh tokens.
#[tokio::test]
async fn who_does_not_stand_for_a_patient_any_more_is_let_in_for_nobody() {
    let site = Site::open().await;
    let related = site.hospital.node.person("parent").await.unwrap().unwrap().fhir_user;
    let put = async |more: &str, patient: &str| {
        let id = related.strip_prefix("RelatedPerson/").unwrap();
        let body = format!(
            r#"{{"resourceType":"RelatedPerson","id":"{id}"{more},"patient":{{"reference":"Patient/{patient}"}}}}"#
        );
        let answered = site.hospital.send("PUT", &format!("/fhir/{related}"), &[], body).await;
        assert_eq!(answered.status, 200, "{}", answered.text());
    };
    for (what, more, patient, logs_in) in [
        ("as before", "", &site.bo, true),
        ("until later", r#","active":true,"period":{"end":"2999"}"#, &site.bo, true),
        ("inactive", r#","active":false"#, &site.bo, false),
        ("over", r#","period":{"end":"2020-01-01"}"#, &site.bo, false),
        ("not begun", r#","period":{"start":"2999"}"#, &site.bo, false),
        ("another's", "", &site.ada, true),
    ] {
        put("", &site.bo).await;
        let json = site.exchanged(&site.code("parent", &[], "").await).await.json();
        let refresh = json["refresh_token"].as_str().unwrap();
        put(more, patient).await;
        let same = logs_in && patient == &site.bo;
        let refreshed = site.refreshed(refresh).await;
        assert_eq!(refreshed.status, if same { 200 } else { 400 }, "{what}: {}", refreshed.text());
        if !same {
            assert_eq!(refreshed.json()["error"], "invalid_grant", "{what}");
            assert_eq!(reads(&site, &json).await, 401, "{what}: the grant goes on");
        }
        let browser = Browser::new(&site.hospital);
        let url = browser.allowed("parent", &site.asked(&[]), "").await;
        assert_eq!(parameter(&url, "code").is_some(), logs_in, "{what}: {url}");
    }
}

#[tokio::test]
async fn of_used_refresh_tokens_the_last_ones_are_kept() {
    for database in databases() {
        let site = Site::on(database).await;
        let grant = site.exchanged(&site.code("doctor", &[STAFF], "").await).await.json();
        let mut tokens = vec![grant["refresh_token"].as_str().unwrap().to_owned()];
        for _ in 0..40 {
            let json = site.refreshed(&tokens[tokens.len() - 1]).await.json();
            tokens.push(json["refresh_token"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned());
        }
        let mut known = 0;
        for token in &tokens {
            known += usize::from(site.hospital.node.grant_of_refresh(token).await.unwrap().is_some());
        }
        // What was used when the last one was made, and the one to come.
        assert_eq!(known, 25, "{database:?}");
        let answered = site.refreshed(&tokens[39]).await;
        assert_eq!(answered.json()["error"], "invalid_grant");
    }
}
