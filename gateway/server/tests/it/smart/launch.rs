//! The app launch as it goes well: a person logs in, chooses, allows; the app gets tokens that say what was allowed.
//! <https://hl7.org/fhir/smart-app-launch/app-launch.html>

use super::site::{Browser, REDIRECT, Site, VERIFIER, app, parameter, ticks};
use super::{FORM, claims, ec};
use crate::hospital::{BASE, databases};
use data_encoding::BASE64;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use node::clients::{Auth, EHR, NewClient};
use serde_json::{Value, json};

/// What a token says, read without verifying it.
fn said(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap()
}

#[tokio::test]
async fn a_person_lets_an_app_in() {
    for database in databases() {
        let site = Site::on(database).await;
        let browser = Browser::new(&site.hospital);
        let page = browser.asks(&site.asked(&[])).await;
        assert!(page.text().contains("Log in") && page.text().contains("App"), "{}", page.text());
        let page = browser.logs_in(&page, " Doctor ").await;
        assert!(page.text().contains("Choose a patient"), "{}", page.text());
        for (fields, found) in [
            (&[("name", "lovelace")][..], true),
            (&[("identifier", "mrn-Lovelace")], true),
            (&[("birthdate", "1990-05-01"), ("name", "Lovelace")], true),
            (&[("name", "nobody")], false),
            (&[("birthdate", "1990-13-45")], false),
            (&[("search", "yes")], false),
        ] {
            let page = browser.on(&page, "/auth/patient", fields).await;
            assert_eq!(page.text().contains("Ada Lovelace"), found, "{fields:?}: {}", page.text());
        }
        let page = browser.on(&page, "/auth/patient", &[("pick", &site.ada)]).await;
        let offered = ["patient/*.rs", "openid", "fhirUser", "offline_access"];
        assert_eq!(ticks(&page.text()), offered, "{}", page.text());
        assert!(page.text().contains("Ada Lovelace") && page.text().contains("Title of doctor"));
        let url = browser.allows(page, "").await;
        assert!(url.starts_with(&format!("{REDIRECT}?code=")), "{url}");
        assert_eq!(parameter(&url, "state").as_deref(), Some("s t&ä"));
        assert_eq!(parameter(&url, "iss").as_deref(), Some(BASE));
        let answered = site.exchanged(&parameter(&url, "code").unwrap()).await;
        assert_eq!((answered.status, answered.header("cache-control")), (200, "no-store"), "{}", answered.text());
        let json = answered.json();
        assert_eq!(json["token_type"], "Bearer");
        assert_eq!(json["expires_in"], 3600);
        assert_eq!(json["scope"], "patient/*.rs openid fhirUser launch/patient offline_access");
        assert_eq!((&json["patient"], &json["need_patient_banner"]), (&json!(site.ada), &json!(true)));
        assert!(json["encounter"].is_null());
        let access = said(json["access_token"].as_str().unwrap());
        assert_eq!((&access["iss"], &access["aud"]), (&json!(BASE), &json!(format!("{BASE}/fhir"))));
        assert_eq!((&access["patient"], &access["name"]), (&json!(site.ada), &json!("Title of doctor")));
        // The id_token verifies by the published keys, as OpenID has it.
        let set: JwkSet = serde_json::from_value(site.hospital.get("/auth/jwks").await.json()).unwrap();
        let identity = json["id_token"].as_str().unwrap();
        let kid = jsonwebtoken::decode_header(identity).unwrap().kid.unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&site.app.id]);
        validation.set_issuer(&[BASE]);
        let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let identity = jsonwebtoken::decode::<Value>(identity, &key, &validation).unwrap().claims;
        assert_eq!((&identity["nonce"], &identity["sub"]), (&json!("n-1"), &access["sub"]));
        assert!(identity["fhirUser"].as_str().unwrap().starts_with(&format!("{BASE}/fhir/Practitioner/")));
        // Next time the browser is known, and the person is only asked again.
        let page = browser.asks(&site.asked(&[])).await;
        assert!(page.text().contains("Choose a patient"));
        let form = site.asked(&[("scope", "openid")]);
        let page = browser.send("POST", "/auth/authorize", &[], &form).await;
        assert_eq!(ticks(&page.text()), ["openid"], "{}", page.text());
    }
}

#[tokio::test]
async fn what_a_person_takes_away_is_not_given() {
    let site = Site::open().await;
    let all =
        "patient/Observation.rs patient/Condition.read user/Patient.rs launch/patient openid fhirUser online_access";
    for (left, allow, wanted) in [
        (&["patient/Observation.rs"][..], true, Some("patient/Observation.rs launch/patient")),
        (&["openid", "patient/Condition.rs"], true, Some("patient/Condition.rs openid launch/patient")),
        (&["openid"], true, Some("openid launch/patient")),
        // Nothing but what was asked can be ticked.
        (&["openid", "system/*.cruds", "patient/*.cruds", "launch"], true, Some("openid launch/patient")),
        (&[], true, None),
        (&["fhirUser", "online_access"], true, None),
        (&["patient/Observation.rs", "openid"], false, None),
    ] {
        let browser = Browser::new(&site.hospital);
        let page = browser.asks(&site.asked(&[("scope", all)])).await;
        let page = browser.logs_in(&page, "ada").await;
        let mut fields = left.iter().map(|scope| ("scope", *scope)).collect::<Vec<_>>();
        fields.push((if allow { "allow" } else { "deny" }, "yes"));
        let page = browser.on(&page, "/auth/consent", &fields).await;
        let url = page.header("location").to_owned();
        match wanted {
            None => assert_eq!(parameter(&url, "error").as_deref(), Some("access_denied"), "{left:?}: {url}"),
            Some(scope) => {
                let answered = site.exchanged(&parameter(&url, "code").unwrap()).await;
                assert_eq!(answered.json()["scope"], scope, "{left:?}: {}", answered.text());
                assert_eq!(answered.json()["id_token"].is_string(), left.contains(&"openid"), "{left:?}");
                assert!(answered.json()["refresh_token"].is_null(), "{left:?}");
            }
        }
    }
}

#[tokio::test]
async fn who_is_a_patient_has_one_record_and_no_choice() {
    let site = Site::open().await;
    for (who, pick, patient) in
        [("ada", &site.bo, &site.ada), ("parent", &site.ada, &site.bo), ("doctor", &site.bo, &site.bo)]
    {
        let browser = Browser::new(&site.hospital);
        let page = browser.asks(&site.asked(&[])).await;
        let page = browser.logs_in(&page, who).await;
        // Sent although nobody asked: what a patient picks is not looked at.
        let page = browser.on(&page, "/auth/patient", &[("pick", pick)]).await;
        let url = browser.allows(page, pick).await;
        let json = site.exchanged(&parameter(&url, "code").unwrap()).await.json();
        assert_eq!(json["patient"], patient.as_str(), "{who}: {json}");
        // A look for others is not a patient's.
        let page = browser.asks(&site.asked(&[])).await;
        let page = browser.on(&page, "/auth/patient", &[("name", "Turing")]).await;
        assert_eq!(page.text().contains("mrn-Turing"), who == "doctor" || who == "parent", "{who}: {}", page.text());
    }
}

/// A patient who logged in for an app that needs none sent the form that staff choose a patient with, and read strangers' names
/// and numbers by their birth dates.
#[tokio::test]
async fn nobody_looks_through_patients_but_staff_who_are_asked_to() {
    let site = Site::open().await;
    for (who, scope) in [
        ("ada", "openid fhirUser user/Patient.rs"),
        ("parent", "openid fhirUser user/Patient.rs"),
        ("doctor", "openid fhirUser user/Patient.rs"),
    ] {
        for fields in [
            [("birthdate", "1990-05-01")],
            [("name", "Turing")],
            [("identifier", "mrn-Turing")],
            [("pick", site.bo.as_str())],
            [("pick", "nobody")],
        ] {
            let browser = Browser::new(&site.hospital);
            let page = browser.asks(&site.asked(&[("scope", scope)])).await;
            let page = browser.logs_in(&page, who).await;
            assert!(page.text().contains("May App do this?"), "{who}: {}", page.text());
            let page = browser.on(&page, "/auth/patient", &fields).await;
            let error = parameter(page.header("location"), "error");
            assert_eq!((page.status, error.as_deref()), (303, Some("access_denied")), "{who} {fields:?}");
            assert!(!page.text().contains("mrn-"), "{who} {fields:?}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn an_ehr_opens_an_app_once_for_whom_it_says() {
    let site = Site::open().await;
    let rights = vec![EHR.to_owned()];
    let new = NewClient { auth: Auth::Secret, rights, ..NewClient::system("ward", "system/*.rs", "") };
    let (ehr, secret) = site.hospital.node.register_client(&new).await.unwrap();
    let basic = format!("Basic {}", BASE64.encode(format!("{}:{}", ehr.id, secret.unwrap()).as_bytes()));
    let encounter = format!(
        r#"{{"resourceType":"Encounter","status":"planned","class":{{"code":"AMB"}},"subject":{{"reference":"Patient/{}"}}}}"#,
        site.ada
    );
    let encounter = site.hospital.create(&encounter).await;
    let doctor = site.hospital.node.person("doctor").await.unwrap().unwrap().fhir_user;
    let opened = async |form: String| {
        let answered = site.hospital.send("POST", "/auth/launch", &[FORM[0], ("authorization", &basic)], form).await;
        assert_eq!(answered.status, 200, "{}", answered.text());
        answered.json()
    };
    let scope = "launch patient/*.rs openid";
    // An app that needs no patient is not opened for another one's by an encounter either, and no name is shown.
    let of_ada = opened(format!("encounter={encounter}")).await["launch"].as_str().unwrap().to_owned();
    let browser = Browser::new(&site.hospital);
    let page = browser.asks(&site.asked(&[("scope", "launch openid"), ("launch", &of_ada)])).await;
    let page = browser.logs_in(&page, "parent").await;
    assert_eq!(parameter(page.header("location"), "error").as_deref(), Some("access_denied"), "{}", page.text());
    for (what, launch, who, wanted) in [
        ("patient", format!("patient={}", site.bo), "doctor", Ok((site.bo.clone(), None))),
        (
            "both",
            format!("patient={}&encounter={encounter}", site.ada),
            "doctor",
            Ok((site.ada.clone(), Some(encounter.clone()))),
        ),
        ("encounter", format!("encounter={encounter}"), "doctor", Ok((site.ada.clone(), Some(encounter.clone())))),
        ("its user", format!("patient={}&user={doctor}", site.bo), "doctor", Ok((site.bo.clone(), None))),
        ("this app", format!("patient={}&app={}", site.bo, site.app.id), "doctor", Ok((site.bo.clone(), None))),
        ("nobody's encounter", "encounter=x".to_owned(), "doctor", Err("access_denied")),
        ("another's encounter", format!("patient={}&encounter={encounter}", site.bo), "doctor", Err("access_denied")),
        ("another user", format!("patient={}&user=Practitioner/x", site.bo), "doctor", Err("access_denied")),
        ("another's patient", format!("patient={}", site.bo), "ada", Err("access_denied")),
        ("no such patient", "patient=nobody".to_owned(), "doctor", Err("access_denied")),
    ] {
        let json = opened(launch).await;
        let launch = json["launch"].as_str().unwrap();
        let asked = site.asked(&[("scope", scope), ("launch", launch)]);
        let browser = Browser::new(&site.hospital);
        let url = browser.allowed(who, &asked, &site.ada).await;
        match wanted {
            Err(error) => assert_eq!(parameter(&url, "error").as_deref(), Some(error), "{what}: {url}"),
            Ok((patient, encounter)) => {
                let code = parameter(&url, "code").unwrap_or_else(|| panic!("{what}: {url}"));
                let json = site.exchanged(&code).await.json();
                assert_eq!(json["patient"], patient, "{what}: {json}");
                assert_eq!(json["encounter"].as_str(), encounter.as_deref(), "{what}: {json}");
                // Once.
                let again = browser.asks(&asked).await;
                assert_eq!(parameter(again.header("location"), "error").as_deref(), Some("invalid_request"), "{what}");
            }
        }
    }
    let json = opened(format!("patient={}&app={}", site.ada, site.app.id)).await;
    let url = json["url"].as_str().unwrap();
    assert!(url.starts_with("https://app.example/launch?iss=http%3A%2F%2Fhospital.test%2Ffhir&launch="), "{url}");
    let other = app("Other", Auth::None);
    let (other, _) = site.hospital.node.register_client(&other).await.unwrap();
    let launch = json["launch"].as_str().unwrap();
    for (what, changed) in [
        ("another app's launch", vec![("client_id", other.id.as_str()), ("scope", scope), ("launch", launch)]),
        ("a launch that is none", vec![("scope", scope), ("launch", "x")]),
        ("no launch", vec![("scope", scope)]),
        ("no such scope", vec![("launch", launch)]),
    ] {
        let answered = Browser::new(&site.hospital).asks(&site.asked(&changed)).await;
        assert_eq!(parameter(answered.header("location"), "error").as_deref(), Some("invalid_request"), "{what}");
    }
    // Who has no right to open apps, or is no client, opens none.
    let plain = NewClient { auth: Auth::Secret, ..NewClient::system("plain", "system/*.rs", "") };
    let (plain, secret) = site.hospital.node.register_client(&plain).await.unwrap();
    let plain = format!("Basic {}", BASE64.encode(format!("{}:{}", plain.id, secret.unwrap()).as_bytes()));
    for (authorization, form, status) in [
        (plain.as_str(), "patient=x", 400),
        ("", "patient=x", 400),
        ("Basic eDp5", "patient=x", 401),
        (basic.as_str(), "patient=../x", 400),
        (basic.as_str(), "app=nobody", 400),
    ] {
        let answered =
            site.hospital.send("POST", "/auth/launch", &[FORM[0], ("authorization", authorization)], form).await;
        assert_eq!(answered.status, status, "{form}: {}", answered.text());
    }
}

#[tokio::test]
async fn an_app_that_can_prove_who_it_is_has_to() {
    let site = Site::open().await;
    let (keyed, _) = site
        .hospital
        .node
        .register_client(&NewClient { jwks: ec().public(), ..app("Keyed", Auth::Key) })
        .await
        .unwrap();
    let (with_secret, secret) = site.hospital.node.register_client(&app("Secret", Auth::Secret)).await.unwrap();
    let secret = secret.unwrap();
    let assertion = ec().assertion(&claims(&keyed.id, "j", 60));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let proof = [("client_assertion", assertion.as_str()), ("client_assertion_type", kind)];
    for (what, client, proof, status) in [
        ("a key", &keyed, &proof[..], 200),
        ("a secret", &with_secret, &[("client_id", with_secret.id.as_str()), ("client_secret", &secret)], 200),
        ("no key", &keyed, &[("client_id", keyed.id.as_str())], 401),
        ("no secret", &with_secret, &[("client_id", with_secret.id.as_str())], 401),
    ] {
        let code = site.code("ada", &[("client_id", &client.id)], "").await;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        fields.extend(proof);
        let answered = site.token(&fields).await;
        assert_eq!(answered.status, status, "{what}: {}", answered.text());
    }
}
