//! The kit's group `SMART on FHIR Discovery`.

use super::{ORIGIN, site};

#[tokio::test]
async fn discovery() {
    let site = site().await;
    let hospital = &site.hospital;
    let headers = [("authorization", ""), ("accept", "application/json"), ("origin", ORIGIN)];
    let answered = hospital.send("GET", "/fhir/.well-known/smart-configuration", &headers, "").await;

    let title = "FHIR server makes SMART configuration available from well-known endpoint";
    assert_eq!(answered.status, 200, "{title}: it answers without a token");
    assert!(answered.header("content-type").starts_with("application/json"), "{title}: as application/json");
    let json = answered.json();

    let title = "Well-known configuration contains required fields";
    for name in ["authorization_endpoint", "token_endpoint", "issuer", "jwks_uri"] {
        assert!(json[name].as_str().is_some_and(|text| text.starts_with("http")), "{title}: {name} is a URL: {json}");
    }
    let list = |name: &str| {
        let list = json[name].as_array().unwrap_or_else(|| panic!("{title}: {name} is a list: {json}"));
        list.iter()
            .map(|one| one.as_str().unwrap_or_else(|| panic!("{title}: {name} has texts alone")))
            .collect::<Vec<_>>()
    };
    let capabilities = list("capabilities");
    assert!(capabilities.contains(&"sso-openid-connect"), "{title}: then issuer and jwks_uri are there, as above");
    let grants = list("grant_types_supported");
    assert!(grants.contains(&"authorization_code"), "{title}: authorization_code is among the grant types");
    assert!(grants.contains(&"client_credentials"), "{title}: and client_credentials, for backend services");
    let challenges = list("code_challenge_methods_supported");
    assert!(challenges.contains(&"S256"), "{title}: S256 is among the challenges");
    assert!(!challenges.contains(&"plain"), "{title}: plain is not");

    let title = "SMART .well-known/smart-configuration Endpoint Enables Cross-Origin Resource Sharing (CORS)";
    assert!([ORIGIN, "*"].contains(&answered.header("access-control-allow-origin")), "{title}");

    let title = "SMART metadata Endpoint Enables Cross-Origin Resource Sharing (CORS)";
    let metadata = hospital.send("GET", "/fhir/metadata", &headers, "").await;
    assert_eq!(metadata.status, 200, "{title}: it answers without a token");
    assert!([ORIGIN, "*"].contains(&metadata.header("access-control-allow-origin")), "{title}");
}
