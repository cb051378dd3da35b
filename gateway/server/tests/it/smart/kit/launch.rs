//! The kit's groups `Standalone Launch`, `EHR Launch` and `SMART Token Refresh`, for an app that keeps no secret and for one that
//! has one.

use super::super::FORM;
use super::super::site::{Browser, REDIRECT, Site, VERIFIER, app, form, parameter};
use super::{ORIGIN, is_token_response, keeps_nothing, scopes, site};
use crate::hospital::{Answered, BASE};
use data_encoding::BASE64;
use node::clients::{Auth, Client, EHR, NewClient};
use serde_json::Value;

const STANDALONE: &str = "launch/patient openid fhirUser offline_access patient/*.rs";
const FROM_EHR: &str = "launch openid fhirUser offline_access patient/*.rs";

/// How the app proves who it is: a header, and the name of the app.
struct App {
    client: Client,
    authorization: String,
}

impl App {
    async fn open(site: &Site, auth: Auth) -> Self {
        let (client, secret) = site.hospital.node.register_client(&app("Kit", auth)).await.unwrap();
        let basic = |secret| format!("Basic {}", BASE64.encode(format!("{}:{secret}", client.id).as_bytes()));
        let authorization = secret.map(basic).unwrap_or_default();
        Self { client, authorization }
    }

    async fn token(&self, site: &Site, fields: &[(&str, &str)]) -> Answered {
        let mut fields = fields.to_vec();
        if self.authorization.is_empty() {
            fields.push(("client_id", self.client.id.as_str()));
        }
        let headers = [FORM[0], ("authorization", self.authorization.as_str()), ("origin", ORIGIN)];
        site.hospital.send("POST", "/auth/token", &headers, form(&fields)).await
    }

    /// From where the browser is sent back to, to what the token endpoint says.
    async fn exchanged(&self, site: &Site, url: &str) -> Value {
        let title = "OAuth server redirects client browser to app redirect URI";
        assert!(url.starts_with(&format!("{REDIRECT}?")), "{title}: {url}");
        assert_eq!(parameter(url, "state").as_deref(), Some("s t&ä"), "{title}: with the state it was sent");

        let title = "OAuth server sends code parameter";
        let code = parameter(url, "code").unwrap_or_else(|| panic!("{title}: {url}"));
        assert!(!code.is_empty() && parameter(url, "error").is_none(), "{title}: {url}");

        let title = "OAuth token exchange request succeeds when supplied correct information";
        let grant = ("grant_type", "authorization_code");
        let fields = [grant, ("code", &code), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)];
        let answered = self.token(site, &fields).await;
        assert_eq!(answered.status, 200, "{title}: {}", answered.text());
        keeps_nothing(&answered, "Response includes correct HTTP Cache-Control and Pragma headers");

        let title = "SMART Token Endpoint Enables Cross-Origin Resource Sharing (CORS)";
        assert!([ORIGIN, "*"].contains(&answered.header("access-control-allow-origin")), "{title}");
        is_token_response(&answered, "Token exchange response body contains required information encoded in JSON")
    }

    async fn refreshes(&self, site: &Site, before: &Value) {
        let mut refresh = before["refresh_token"].as_str().unwrap().to_owned();
        let all = before["scope"].as_str().unwrap();
        let (without, with) = (
            "Server successfully refreshes the access token when optional scope parameter omitted",
            "Server successfully refreshes the access token when optional scope parameter provided",
        );
        for (title, scope) in [(without, ""), (with, all)] {
            let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
            if !scope.is_empty() {
                fields.push(("scope", scope));
            }
            let answered = self.token(site, &fields).await;
            assert_eq!(answered.status, 200, "{title}: {}", answered.text());
            keeps_nothing(&answered, title);
            let json = is_token_response(&answered, "Token refresh response contains all required fields");
            let (had, has) = (scopes(&before["scope"]), scopes(&json["scope"]));
            assert!(has.iter().all(|scope| had.contains(scope)), "{title}: no more than it had: {has:?} of {had:?}");
            assert_ne!(json["access_token"], before["access_token"], "{title}: another token");
            opens(site, &json, title).await;
            if let Some(fresh) = json["refresh_token"].as_str() {
                fresh.clone_into(&mut refresh);
            }
        }
    }
}

/// The token reads the patient it names.
async fn opens(site: &Site, json: &Value, title: &str) {
    let bearer = format!("Bearer {}", json["access_token"].as_str().unwrap());
    let patient = json["patient"].as_str().unwrap_or_else(|| panic!("{title}: a patient is named: {json}"));
    let read = site.hospital.send("GET", &format!("/fhir/Patient/{patient}"), &[("authorization", &bearer)], "").await;
    assert_eq!(read.status, 200, "{title}: the token opens its patient: {}", read.text());
}

#[tokio::test]
async fn standalone_launch_and_token_refresh() {
    for auth in [Auth::None, Auth::Secret] {
        let site = site().await;
        let app = App::open(&site, auth).await;
        let id = app.client.id.as_str();
        let browser = Browser::new(&site.hospital);
        let url = browser.allowed("doctor", &site.asked(&[("client_id", id), ("scope", STANDALONE)]), &site.ada).await;
        let json = app.exchanged(&site, &url).await;
        let title = "Standalone Launch";
        assert_eq!(scopes(&json["scope"]), scopes(&STANDALONE.into()), "{title}: every scope that was asked for");
        assert_eq!(json["patient"], site.ada.as_str(), "{title}: the patient that was chosen");
        assert!(json["id_token"].is_string() && json["refresh_token"].is_string(), "{title}: {json}");
        opens(&site, &json, title).await;
        app.refreshes(&site, &json).await;
        // The request may also be sent as a form (`authorize-post`).
        let query = site.asked(&[("client_id", id), ("scope", STANDALONE)]);
        let page = browser.send("POST", "/auth/authorize", &[], &query).await;
        let url = browser.allows(page, &site.bo).await;
        assert_eq!(app.exchanged(&site, &url).await["patient"], site.bo.as_str(), "{title}: by POST");
    }
}

#[tokio::test]
async fn ehr_launch() {
    let site = site().await;
    let ehr =
        NewClient { auth: Auth::Secret, rights: vec![EHR.to_owned()], ..NewClient::system("EHR", "system/*.rs", "") };
    let (ehr, secret) = site.hospital.node.register_client(&ehr).await.unwrap();
    let basic = format!("Basic {}", BASE64.encode(format!("{}:{}", ehr.id, secret.unwrap()).as_bytes()));
    let encounter = format!(
        r#"{{"resourceType":"Encounter","status":"in-progress","class":{{"code":"AMB"}},"subject":{{"reference":"Patient/{}"}}}}"#,
        site.ada
    );
    let encounter = site.hospital.create(&encounter).await;
    for auth in [Auth::None, Auth::Secret] {
        let app = App::open(&site, auth).await;
        let id = app.client.id.as_str();
        let fields = form(&[("app", id), ("patient", &site.ada), ("encounter", &encounter)]);
        let opened = site.hospital.send("POST", "/auth/launch", &[FORM[0], ("authorization", &basic)], fields).await;
        let url = opened.json()["url"].as_str().unwrap().to_owned();

        let title = "EHR server redirects client browser to Inferno app launch URI";
        assert!(url.starts_with(&app.client.launch), "{title}: {url}");
        assert_eq!(parameter(&url, "iss"), Some(format!("{BASE}/fhir")), "{title}: it names the FHIR server");

        let title = "EHR server sends launch parameter";
        let launch = parameter(&url, "launch").filter(|launch| !launch.is_empty());
        let launch = launch.unwrap_or_else(|| panic!("{title}: {url}"));

        let asked = site.asked(&[("client_id", id), ("scope", FROM_EHR), ("launch", &launch)]);
        let url = Browser::new(&site.hospital).allowed("doctor", &asked, "").await;
        let json = app.exchanged(&site, &url).await;
        let title = "EHR Launch";
        assert_eq!(scopes(&json["scope"]), scopes(&FROM_EHR.into()), "{title}: every scope that was asked for");
        assert_eq!(
            (&json["patient"], &json["encounter"]),
            (&site.ada.as_str().into(), &encounter.as_str().into()),
            "{title}"
        );
        assert!(json["need_patient_banner"].is_boolean(), "{title}: {json}");
        opens(&site, &json, title).await;
        app.refreshes(&site, &json).await;
    }
}
