//! Where tokens are had, for clients to find out: `/.well-known/smart-configuration`, at the host and under `/fhir`.
//! Called by the router in `app`. Spec: <https://hl7.org/fhir/smart-app-launch/conformance.html>.

use crate::app::App;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// How clients prove who they are.
const AUTH_METHODS: [&str; 3] = ["private_key_jwt", "client_secret_basic", "client_secret_post"];

/// The configuration; it lists what works and nothing else.
pub(crate) async fn configuration(State(app): State<App>) -> Response {
    let json = json!({
        "issuer": app.settings.base_url,
        "jwks_uri": format!("{}/auth/jwks", app.settings.base_url),
        "token_endpoint": app.token_url,
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "introspection_endpoint": format!("{}/auth/introspect", app.settings.base_url),
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint": format!("{}/auth/revoke", app.settings.base_url),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.rs"],
        "capabilities": ["client-confidential-asymmetric", "client-confidential-symmetric", "permission-v2"],
    });
    let mut response = json.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
