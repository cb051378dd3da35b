//! A hospital with an app, people and patients, and a browser that goes through its pages. Called by the tests of the app
//! launch.

use super::FORM;
use crate::hospital::{Answered, BASE, Database, Hospital};
use node::clients::{Auth, Client, NewClient, Status};
use server::settings::Settings;
use std::sync::Mutex;

/// Where the app is answered.
pub const REDIRECT: &str = "https://app.example/cb";
/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const PASSWORD: &str = "correct horse battery";
/// What the app may have.
pub const SCOPE: &str = "patient/*.rs patient/Observation.cruds user/Patient.rs launch launch/patient launch/encounter \
                         openid fhirUser offline_access online_access";

pub struct Site {
    pub hospital: Hospital,
    pub app: Client,
    /// Two patients.
    pub ada: String,
    pub bo: String,
}

impl Site {
    pub async fn open() -> Self {
        Self::on(Database::Sqlite).await
    }

    pub async fn on(database: Database) -> Self {
        let hospital = Hospital::on(database).await;
        let app = app("App", Auth::None);
        let (app, _) = hospital.node.register_client(&app).await.unwrap();
        let patient = |family: &str| {
            format!(
                r#"{{"resourceType":"Patient","name":[{{"family":"{family}","given":["Ada"]}}],"birthDate":"1990-05-01",
                    "identifier":[{{"system":"urn:mrn","value":"mrn-{family}"}}]}}"#
            )
        };
        let ada = hospital.create(&patient("Lovelace")).await;
        let bo = hospital.create(&patient("Turing")).await;
        let doctor = hospital.create(r#"{"resourceType":"Practitioner"}"#).await;
        let related = format!(r#"{{"resourceType":"RelatedPerson","patient":{{"reference":"Patient/{bo}"}}}}"#);
        let related = hospital.create(&related).await;
        for (name, user) in [
            ("doctor", format!("Practitioner/{doctor}")),
            ("ada", format!("Patient/{ada}")),
            ("parent", format!("RelatedPerson/{related}")),
        ] {
            hospital.node.put_person(name, PASSWORD, &format!("Title of {name}"), &user).await.unwrap();
        }
        Self { hospital, app, ada, bo }
    }

    /// What the app asks, with some of it changed; an empty value is left out.
    pub fn asked(&self, changed: &[(&str, &str)]) -> String {
        let aud = format!("{BASE}/fhir");
        let usual = [
            ("response_type", "code"),
            ("client_id", self.app.id.as_str()),
            ("redirect_uri", REDIRECT),
            ("scope", "patient/*.rs launch/patient openid fhirUser offline_access"),
            ("state", "s t&ä"),
            ("aud", aud.as_str()),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("nonce", "n-1"),
        ];
        let more = changed.iter().filter(|(name, _)| usual.iter().all(|(known, _)| known != name));
        let value = |name: &str, usual: &str| {
            changed.iter().find(|(known, _)| *known == name).map_or(usual.to_owned(), |(_, value)| (*value).to_owned())
        };
        let pairs = usual.iter().map(|(name, usual)| (*name, value(name, usual)));
        let pairs = pairs.chain(more.map(|(name, value)| (*name, (*value).to_owned())));
        form(&pairs.filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
    }

    /// A code that a person gives the app for these changes; `pick` is the patient that is chosen where there is a choice.
    pub async fn code(&self, who: &str, changed: &[(&str, &str)], pick: &str) -> String {
        let browser = Browser::new(&self.hospital);
        let url = browser.allowed(who, &self.asked(changed), pick).await;
        parameter(&url, "code").unwrap_or_else(|| panic!("{who} {changed:?}: {url}"))
    }

    /// What the token endpoint says to these fields.
    pub async fn token(&self, fields: &[(&str, &str)]) -> Answered {
        let headers = [FORM[0], ("authorization", "")];
        self.hospital.send("POST", "/auth/token", &headers, form(fields)).await
    }

    /// What it says to a code of the app's.
    pub async fn exchanged(&self, code: &str) -> Answered {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("client_id", &self.app.id),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    pub async fn refreshed(&self, token: &str) -> Answered {
        let id = self.app.id.as_str();
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", id)]).await
    }
}

/// An app that people log in for.
pub fn app(name: &str, auth: Auth) -> NewClient {
    NewClient {
        auth,
        redirects: vec![REDIRECT.to_owned(), "https://app.example/other?tenant=1".to_owned()],
        launch: "https://app.example/launch".to_owned(),
        grants: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        status: Status::Approved,
        ..NewClient::system(name, SCOPE, "")
    }
}

/// A browser: it keeps the last cookie it was given.
pub struct Browser<'h> {
    hospital: &'h Hospital,
    pub cookie: Mutex<String>,
}

impl<'h> Browser<'h> {
    pub fn new(hospital: &'h Hospital) -> Self {
        Self { hospital, cookie: Mutex::default() }
    }

    pub async fn send(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answered {
        let cookie = self.cookie.lock().unwrap().clone();
        let usual = [("authorization", ""), ("cookie", cookie.as_str()), FORM[0]];
        let usual = usual.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let headers = usual.chain(more).copied().collect::<Vec<_>>();
        let answered = self.hospital.send(method, path, &headers, body).await;
        if let Some((cookie, _)) = answered.header("set-cookie").split_once(';') {
            cookie.clone_into(&mut self.cookie.lock().unwrap());
        }
        answered
    }

    pub async fn asks(&self, query: &str) -> Answered {
        self.send("GET", &format!("/auth/authorize?{query}"), &[], "").await
    }

    /// Sends the form of a page on, with what a person adds.
    pub async fn on(&self, page: &Answered, path: &str, more: &[(&str, &str)]) -> Answered {
        let text = page.text();
        let mut fields = vec![("token", hidden(&text, "token")), ("request", hidden(&text, "request"))];
        fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.send("POST", path, &[], &form(&fields)).await
    }

    pub async fn logs_in(&self, page: &Answered, who: &str) -> Answered {
        self.on(page, "/auth/login", &[("name", who), ("password", PASSWORD)]).await
    }

    /// Goes through all pages and allows everything; where the browser is sent then.
    pub async fn allowed(&self, who: &str, query: &str, pick: &str) -> String {
        let page = self.asks(query).await;
        assert_eq!(page.status, 200, "{} {}", page.header("location"), page.text());
        let page = self.logs_in(&page, who).await;
        self.allows(page, pick).await
    }

    /// Goes on from behind the login.
    pub async fn allows(&self, mut page: Answered, pick: &str) -> String {
        if page.text().contains("Choose a patient") {
            page = self.on(&page, "/auth/patient", &[("pick", pick)]).await;
        }
        if page.status == 200 {
            let ticks = ticks(&page.text());
            let mut fields = ticks.iter().map(|scope| ("scope", scope.as_str())).collect::<Vec<_>>();
            fields.push(("allow", "yes"));
            page = self.on(&page, "/auth/consent", &fields).await;
        }
        assert_eq!(page.status, 303, "{}", page.text());
        page.header("location").to_owned()
    }
}

/// The scopes that a page offers.
pub fn ticks(html: &str) -> Vec<String> {
    let parts = html.split("name=\"scope\" value=\"").skip(1);
    parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

pub fn hidden(html: &str, name: &str) -> String {
    let found = html.split(&format!("name=\"{name}\" value=\"")).nth(1);
    found.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

/// A parameter of a URL, decoded.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    let bytes = value.split('%').enumerate().flat_map(|(at, part)| match at {
        0 => part.as_bytes().to_vec(),
        _ => [&[u8::from_str_radix(&part[..2], 16).unwrap()][..], &part.as_bytes()[2..]].concat(),
    });
    Some(String::from_utf8(bytes.collect()).unwrap())
}

/// Pairs as a query or a form.
pub fn form<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let encoded = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name.as_ref()), encoded(value.as_ref())));
    pairs.collect::<Vec<_>>().join("&")
}

/// The same hospital as it is behind a proxy that speaks TLS.
pub fn secured(hospital: &Hospital) -> Hospital {
    Hospital { router: server::app(Settings::new("https://hospital.test"), hospital.node.clone()), ..hospital.beside() }
}
