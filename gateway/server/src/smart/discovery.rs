//! Where tokens are had, for clients to find out: `/.well-known/smart-configuration`, at the host and under `/fhir`, and
//! `/.well-known/openid-configuration` of the issuer. Called by the router in `app`.
//! Spec: <https://hl7.org/fhir/smart-app-launch/conformance.html>, OpenID Connect Discovery section 3.

use crate::app::App;
use crate::dispatch::request_id;
use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use fhir::Code;
use node::clients::GRANTS;
use serde_json::{Value, json};

/// How clients prove who they are.
const AUTH_METHODS: [&str; 3] = ["private_key_jwt", "client_secret_basic", "client_secret_post"];

/// What SMART names what works.
const CAPABILITIES: [&str; 17] = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

/// What of an issuer elsewhere a client of this server needs to know.
const FOREIGN: [&str; 15] = [
    "issuer",
    "jwks_uri",
    "authorization_endpoint",
    "token_endpoint",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "registration_endpoint",
    "userinfo_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "management_endpoint",
    "scopes_supported",
    "response_types_supported",
    "code_challenge_methods_supported",
    "grant_types_supported",
];

/// The configuration; it lists what works and nothing else.
pub(crate) async fn configuration(State(app): State<App>, request: Request) -> Response {
    let json = match &app.external {
        None => json(&app),
        Some(external) => match external.discovered().await {
            Ok(known) => foreign(&known.document),
            Err(_) => {
                let (parts, _) = request.into_parts();
                let text = "the issuer of tokens cannot be reached";
                return ApiError::busy(Code::Transient, text, 5).into_response(&request_id(&parts));
            }
        },
    };
    let mut response = json.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Where tokens are had elsewhere. What else works there is the issuer's to say.
fn foreign(document: &Value) -> Value {
    let mut json = json!({});
    for name in FOREIGN {
        if let Some(value) = document.get(name) {
            json[name] = value.clone();
        }
    }
    json["capabilities"] = document.get("capabilities").cloned().unwrap_or_else(|| json!(["permission-v2"]));
    json
}

fn json(app: &App) -> Value {
    let at = |path: &str| format!("{}/auth/{path}", app.settings.base_url);
    json!({
        "issuer": app.settings.base_url,
        "jwks_uri": at("jwks"),
        "authorization_endpoint": at("authorize"),
        "token_endpoint": app.token_url,
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "registration_endpoint": at("register"),
        "userinfo_endpoint": at("userinfo"),
        "introspection_endpoint": at("introspect"),
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint": at("revoke"),
        "grant_types_supported": GRANTS,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser"],
        "scopes_supported": [
            "openid", "fhirUser", "launch", "launch/patient", "offline_access", "online_access",
            "patient/*.cruds", "user/*.cruds", "system/*.cruds",
        ],
        "capabilities": CAPABILITIES,
    })
}
