//! Which other origins' scripts may call: those the operator named, and no other. Called by the router in `app`.
//! Spec: <https://fetch.spec.whatwg.org/#http-cors-protocol>, <https://hl7.org/fhir/R4/security.html#cors>

use axum::http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again.
const ASKED_AGAIN: Duration = Duration::from_secs(600);

/// The layer for these origins; none where there are none. Cookies are never sent along: a token says who calls.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin.trim_end_matches('/')).ok());
    // `*` would let any page use what a browser can reach and others cannot.
    let origins = origins.filter(|origin| origin != "*" && origin != "null").collect::<Vec<_>>();
    if origins.is_empty() {
        return None;
    }
    let own = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let mut asked = vec![header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH];
    asked.extend([header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]);
    asked.extend(own(&["if-none-exist", "prefer", "x-request-id", "x-purpose-of-use", "x-purpose-of-use-reason"]));
    let mut shown = vec![header::ETAG, header::LOCATION, header::CONTENT_LOCATION, header::LAST_MODIFIED];
    shown.extend([header::RETRY_AFTER]);
    shown.extend(own(&["x-request-id", "x-progress"]));
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let layer = CorsLayer::new().allow_origin(AllowOrigin::list(origins)).allow_methods(methods);
    Some(layer.allow_headers(asked).expose_headers(shown).max_age(ASKED_AGAIN))
}
