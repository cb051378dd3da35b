//! What the SMART App Launch test kit of Inferno asks of a server (its groups for SMART 2.2), asked of this one over HTTP: in a file
//! for each kind of group, and with the title of the kit's test at each assertion. What it asks of TLS is in `transport.rs`: TLS 1.2
//! at least; what it waits for a person to do, a browser does here.
//! <https://github.com/inferno-framework/smart-app-launch-test-kit>

mod backend;
mod discovery;
mod identity;
mod introspection;
mod launch;

use super::site::Site;
use crate::hospital::{Answered, BASE, Hospital};
use serde_json::Value;
use server::settings::Settings;

/// Where the kit's app is.
const ORIGIN: &str = "https://app.example";

/// A site whose operator lets the scripts of the app's origin call.
async fn site() -> Site {
    let mut site = Site::open().await;
    let settings = Settings { cors_origins: vec![ORIGIN.to_owned()], ..Settings::new(BASE) };
    let router = server::app(settings, site.hospital.node.clone());
    site.hospital = Hospital { router, ..site.hospital.beside() };
    site
}

/// `Response includes correct HTTP Cache-Control and Pragma headers`.
fn keeps_nothing(answered: &Answered, whose: &str) {
    assert!(answered.header("cache-control").contains("no-store"), "{whose}: Cache-Control is no-store");
    assert!(answered.header("pragma").contains("no-cache"), "{whose}: Pragma is no-cache");
}

/// `Token exchange response body contains required information encoded in JSON`.
fn is_token_response(answered: &Answered, whose: &str) -> Value {
    assert!(answered.header("content-type").starts_with("application/json"), "{whose}: it is JSON");
    let json = answered.json();
    for name in ["access_token", "token_type", "scope"] {
        assert!(json[name].as_str().is_some_and(|text| !text.is_empty()), "{whose}: {name} is a text: {json}");
    }
    assert!(json["expires_in"].is_number(), "{whose}: expires_in is a number: {json}");
    let bearer = json["token_type"].as_str().unwrap().eq_ignore_ascii_case("bearer");
    assert!(bearer, "{whose}: token_type is bearer: {json}");
    for name in ["refresh_token", "id_token", "patient", "encounter"] {
        assert!(json[name].is_null() || json[name].is_string(), "{whose}: {name} is a text: {json}");
    }
    // There may be a `fhirContext`; this server gives none.
    assert!(json["fhirContext"].is_null() || json["fhirContext"].is_array(), "{whose}: fhirContext is a list: {json}");
    json
}

/// The scopes of a text, sorted.
fn scopes(text: &Value) -> Vec<String> {
    let mut words = text.as_str().unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>();
    words.sort();
    words
}
