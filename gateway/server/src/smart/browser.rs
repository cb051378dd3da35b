//! What stands between a browser and the pages of a login: its cookie, the token of its forms, the headers that keep it
//! careful. Called by `authorize` and `pages`.
//! Spec: RFC 9700 section 4, RFC 6265.

use crate::app::App;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderName, LOCATION, REFERRER_POLICY, SET_COOKIE, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// What a form's token is made for.
const FORMS: &str = "forms of the login";

/// A browser: the secret its cookie keeps, whether or not somebody is logged in with it.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) secret: String,
    /// It has no cookie yet, or gets another.
    fresh: bool,
}

impl Browser {
    /// The browser that sent a request; one without a cookie gets one, so that its first form has a token too.
    pub(crate) fn of(app: &App, headers: &HeaderMap) -> Self {
        let name = cookie_name(app);
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        match found.filter(|value| (1..=128).contains(&value.len())) {
            Some(secret) => Self { secret: secret.to_owned(), fresh: false },
            None => Self::with(record::id::base32(&node::clock::random::<32>())),
        }
    }

    /// A browser that gets this secret: another at each login, so that nobody knows it beforehand.
    pub(crate) fn with(secret: String) -> Self {
        Self { secret, fresh: true }
    }

    /// The token that each form of this browser's carries. The secret itself stands in no page: its cookie is hidden from
    /// scripts, and a page that is read must not be a login.
    pub(crate) fn csrf(&self, app: &App) -> String {
        app.node.form_token(FORMS, self.secret.as_bytes())
    }

    /// Whether a form came from a page of this browser's.
    pub(crate) fn sent(&self, app: &App, headers: &HeaderMap, csrf: &str) -> bool {
        let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
        site.is_none_or(|site| site == "same-origin") && app.node.is_form_token(FORMS, self.secret.as_bytes(), csrf)
    }

    /// Gives a page to this browser. Its forms may end at the `targets`, where an app or a login elsewhere is.
    pub(crate) fn page(&self, app: &App, status: StatusCode, html: String, targets: &[Option<&str>]) -> Response {
        let mut response = (status, html).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        // A browser holds the way back to the app against it too, since a form leads there.
        let targets = targets.iter().flatten().filter_map(|url| Some(format!(" {}", origin(url)?))).collect::<String>();
        let policy = format!(
            "default-src 'none'; style-src 'self'; form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'"
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        self.remember(app, &mut response);
        response
    }

    /// Sends this browser to an app. See Other, so that no form goes along.
    pub(crate) fn sent_to(&self, app: &App, url: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(url) = HeaderValue::from_str(url) {
            response.headers_mut().insert(LOCATION, url);
        }
        // The code stands in that address: nothing behind it is told where the browser came from.
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        self.remember(app, &mut response);
        response
    }

    fn remember(&self, app: &App, response: &mut Response) {
        if !self.fresh {
            return;
        }
        let secure = if is_secure(app) { "; Secure" } else { "" };
        // Lax: an app sends people here, and they should not have to log in each time.
        let cookie = format!("{}={}; HttpOnly; SameSite=Lax; Path=/{secure}", cookie_name(app), self.secret);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
    }
}

/// The prefix has browsers refuse a cookie that another host of the domain, or a page without TLS, has set.
fn cookie_name(app: &App) -> &'static str {
    if is_secure(app) { "__Host-chartwell-login" } else { "chartwell-login" }
}

fn is_secure(app: &App) -> bool {
    app.settings.base_url.starts_with("https://")
}

/// What a policy names an app's address by: its origin, or the scheme of an app on a phone.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    match rest.strip_prefix("//") {
        Some(rest) if matches!(scheme, "http" | "https") => {
            let host = rest.split(['/', '?']).next()?;
            // Within a policy these would begin something else.
            (!host.contains([';', ',', ' ', '\''])).then(|| format!("{scheme}://{host}"))
        }
        _ => Some(format!("{scheme}:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_an_app_and_nothing_else() {
        let row = |url: &str, wanted: Option<&str>| assert_eq!(origin(url).as_deref(), wanted, "{url}");
        row("https://app.example/cb?a=b", Some("https://app.example"));
        row("http://127.0.0.1:3000/cb", Some("http://127.0.0.1:3000"));
        row("https://app.example?x", Some("https://app.example"));
        row("org.example.app:/cb", Some("org.example.app:"));
        row("https://app.example;script-src/", None);
        row("https://a,b/", None);
    }
}
