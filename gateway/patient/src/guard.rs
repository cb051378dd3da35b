//! What stands before every page: the name in the address bar, where a form came from, the session, the headers that
//! keep a browser careful, and the access log. Called by `app`.

use crate::app::App;
use crate::error::PageError;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;

/// No script, style or connection but the page's own; no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where the page is: what it is called, and what its cookie is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Host and port as in `base_url`.
    authority: String,
    /// `https` in front.
    secure: bool,
    /// The cookie's name. Cookies know no ports, so that two pages on one machine need two names.
    pub(crate) cookie: String,
}

impl Place {
    /// Reads a base URL.
    pub(crate) fn new(base_url: &str) -> Self {
        let (scheme, rest) = base_url.split_once("://").unwrap_or(("http", base_url));
        let authority = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let cookie = match host_and_port(&authority).1 {
            "" => "chartwell-patient".to_owned(),
            port => format!("chartwell-patient-{port}"),
        };
        Self { authority, secure: scheme == "https", cookie }
    }

    /// The cookie that opens the page, or, without a token, the one that ends it.
    pub(crate) fn set_cookie(&self, token: Option<&str>) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let (token, age) = token.map_or(("", "; Max-Age=0"), |token| (token, ""));
        format!("{}={token}; HttpOnly; SameSite=Strict; Path=/{secure}{age}", self.cookie)
    }

    /// Whether a `Host` is ours. A name that a stranger's DNS points at this machine is not.
    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = host_and_port(&host).0;
        host == self.authority || matches!(name, "127.0.0.1" | "localhost" | "[::1]")
    }

    /// Whether what would change something was sent by this page. Browsers say so in `Sec-Fetch-Site`, older ones in
    /// `Origin`; without either it is no browser, and the form's token decides.
    fn sent_it(&self, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
        if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
            return site == "same-origin";
        }
        let Some(origin) = text(ORIGIN) else { return true };
        let Some((_, from)) = origin.split_once("://") else { return false };
        from == self.authority || text(HOST).is_some_and(|host| host == from)
    }

    fn token<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(name, _)| *name == self.cookie).map(|(_, token)| token)
    }
}

fn host_and_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    }
}

/// Refuses foreign names and foreign forms.
pub(crate) async fn place(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or(request.uri().authority().map(|authority| authority.as_str()));
    if !host.is_some_and(|host| app.place.is_ours(host)) {
        return PageError::foreign_host().into_response();
    }
    let asks = matches!(*request.method(), Method::GET | Method::HEAD);
    if !asks && !app.place.sent_it(request.headers()) {
        return PageError::foreign_form().into_response();
    }
    next.run(request).await
}

/// Lets in who has a session, and hands the session on.
pub(crate) async fn session(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // A page that refreshes itself keeps no session alive: only a person does.
    let person = !request.headers().contains_key("x-refresh") && request.uri().path() != "/events";
    let token = app.place.token(request.headers());
    match token.and_then(|token| app.sessions.find(token, Instant::now(), person)) {
        Some(session) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        None => PageError::no_session().into_response(),
    }
}

/// Puts the headers on that every answer has.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Nothing goes elsewhere; within the page forms keep their Origin, which `no-referrer` would turn into `null`.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Logs what kind of page was asked for and how it ended: no ids, no secrets, nothing of the record.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let (method, began) = (request.method().clone(), Instant::now());
    let room = request.uri().path().split('/').nth(1).unwrap_or_default();
    let known = [
        "", "requests", "access", "timeline", "audit", "network", "entry", "invite", "devices", "phrase", "logout",
        "events", "login", "static",
    ];
    let room = known.into_iter().find(|name| *name == room).unwrap_or("(no such page)");
    let response = next.run(request).await;
    let (status, ms) = (response.status(), began.elapsed().as_millis() as u64);
    if status.is_server_error() {
        tracing::warn!(%method, page = room, status = status.as_u16(), ms, "the patient's page could not answer");
    } else if matches!(status, StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST) {
        tracing::warn!(%method, page = room, status = status.as_u16(), ms, "the patient's page refused a request");
    } else if method != Method::GET {
        tracing::info!(%method, page = room, status = status.as_u16(), ms, "the patient's page was used");
    } else {
        tracing::debug!(%method, page = room, status = status.as_u16(), ms, "the patient's page was read");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let check = |host: &str, expected: bool| {
            assert_eq!(Place::new("https://record.example:8443/").is_ours(host), expected, "{host}");
        };
        check("record.example:8443", true);
        check("RECORD.example:8443", true);
        check("127.0.0.1:9000", true);
        check("localhost", true);
        check("[::1]:80", true);
        check("record.example", false);
        check("record.example:8443.evil.example", false);
        check("127.0.0.1.evil.example:9000", false);
        check("evil.example", false);
        check("", false);
    }

    #[test]
    fn only_our_own_forms_are_taken() {
        let check = |site: Option<&str>, origin: Option<&str>, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:9000"));
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(HeaderName::from_static(name), value.parse().expect("a header"));
                }
            }
            let place = Place::new("http://127.0.0.1:9000");
            assert_eq!(place.sent_it(&headers), expected, "{site:?} {origin:?}");
        };
        check(Some("same-origin"), Some("http://127.0.0.1:9000"), true);
        check(Some("same-site"), None, false);
        check(Some("cross-site"), Some("http://127.0.0.1:9000"), false);
        check(Some("none"), None, false);
        check(None, Some("http://127.0.0.1:9000"), true);
        // Another program on this machine.
        check(None, Some("http://127.0.0.1:9001"), false);
        check(None, Some("https://evil.example"), false);
        check(None, Some("null"), false);
        check(None, None, true);
    }

    #[test]
    fn the_cookie_is_secure_over_https_alone() {
        let check = |base: &str, expected: &str| assert_eq!(Place::new(base).set_cookie(Some("t")), expected);
        check("http://127.0.0.1:9000", "chartwell-patient-9000=t; HttpOnly; SameSite=Strict; Path=/");
        check("https://record.example", "chartwell-patient=t; HttpOnly; SameSite=Strict; Path=/; Secure");
        check("http://[::1]:9000/", "chartwell-patient-9000=t; HttpOnly; SameSite=Strict; Path=/");
    }
}
