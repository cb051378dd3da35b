//! Whether what somebody wants to register is a client. Called by `clients` alone.
//! Spec: RFC 8252 sections 7 and 8 for where people may be sent back to.

use super::{ADMIN, Auth, EHR, GRANTS, INTROSPECT, NewClient, WORDS};
use record::scope::{Context, Scopes};

/// Longest name, scope or JWKS that is kept.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most places one client sends people back to.
const REDIRECTS_MAX: usize = 32;
/// Longest of them; browsers cut what is much longer.
const URI_BYTES_MAX: usize = 2048;

/// Says what is wrong with a client.
pub(super) fn client(new: &NewClient) -> Result<(), String> {
    if new.name.trim().is_empty() || [&new.name, &new.scope, &new.jwks].iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err("a client needs a name, and name, scope and JWKS have at most 64 KiB".to_owned());
    }
    if new.name.chars().any(char::is_control) {
        return Err("the name of a client has no control characters".to_owned());
    }
    let scopes = Scopes::parse(&new.scope);
    // The word is the right's: a client without it has no such tokens.
    let administers = new.rights.iter().any(|right| right == ADMIN);
    let known = |word: &str| WORDS.contains(&word) || (administers && word == ADMIN);
    if let Some(word) = scopes.other.iter().find(|word| !known(word)) {
        return Err(format!("{word:?} is no SMART v2 scope such as system/*.rs"));
    }
    let launches = new.grants.iter().any(|grant| grant == "authorization_code");
    let has = |word: &str| scopes.other.iter().any(|other| other == word);
    if scopes.known.is_empty() && !(launches && has("openid")) && !has(ADMIN) {
        return Err("a client needs at least one scope, for example system/*.cruds".to_owned());
    }
    if let Some(grant) = new.grants.iter().find(|grant| !GRANTS.contains(&grant.as_str())) {
        return Err(format!("{grant:?} is no grant type: there are {}", GRANTS.join(", ")));
    }
    if let Some(right) = new.rights.iter().find(|right| ![INTROSPECT, EHR, ADMIN].contains(&right.as_str())) {
        return Err(format!("{right:?} is no right: there are {INTROSPECT}, {EHR} and {ADMIN}"));
    }
    if administers && new.grants.iter().any(|grant| grant != GRANTS[0]) {
        return Err(format!("a client with the right {ADMIN} acts for itself alone ({})", GRANTS[0]));
    }
    if new.auth == Auth::None && (new.grants.iter().any(|grant| grant == GRANTS[0]) || !new.rights.is_empty()) {
        return Err("a client that cannot prove who it is acts for people alone and has no rights".to_owned());
    }
    if new.auth == Auth::None && scopes.known.iter().any(|scope| scope.context == Context::System) {
        return Err("a client that cannot prove who it is has no system/ scopes".to_owned());
    }
    if launches && new.redirects.is_empty() {
        return Err("a client that people log in for needs a redirect URI".to_owned());
    }
    if new.redirects.len() > REDIRECTS_MAX {
        return Err(format!("a client has at most {REDIRECTS_MAX} redirect URIs"));
    }
    if let Some(uri) = new.redirects.iter().find(|uri| !is_redirect(uri)) {
        return Err(format!(
            "{uri:?} is no redirect URI: https, http to this machine itself, or an app's own scheme with a dot in it; \
             no fragment, no user name"
        ));
    }
    if !new.launch.is_empty() && !is_web(&new.launch) {
        return Err(format!("{:?} is no launch URL: https, or http to this machine itself", new.launch));
    }
    Ok(())
}

/// Whether people may be sent there with a code: where it is read by nobody on the way.
pub fn is_redirect(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    // `javascript:` and `data:` have no dot, and no app of a phone can be named without one.
    let own = scheme.contains('.')
        && scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+".contains(&byte));
    is_web(uri) || (own && is_plain(uri) && rest.starts_with('/'))
}

fn is_web(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let here = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    !name.is_empty() && is_plain(uri) && !host.contains('@') && (scheme == "https" || (scheme == "http" && here))
}

fn is_plain(uri: &str) -> bool {
    uri.len() <= URI_BYTES_MAX && uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\\"<>^`{|}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_back_where_nobody_listens() {
        let row = |uri: &str, wanted: bool| assert_eq!(is_redirect(uri), wanted, "{uri}");
        row("https://app.example/callback", true);
        row("https://app.example:8443/callback?tenant=1", true);
        row("https://app.example", true);
        row("http://127.0.0.1:3000/callback", true);
        row("http://[::1]:3000/callback", true);
        row("http://localhost/callback", true);
        row("org.example.app:/callback", true);
        row("org.example.app://callback", true);
        row("http://app.example/callback", false);
        row("http://127.0.0.1.evil.example/callback", false);
        row("http://localhost@evil.example/callback", false);
        row("https://user@app.example/callback", false);
        row("https://app.example/callback#there", false);
        row("https://app.example\\@evil.example/", false);
        row("https://app.example/a b", false);
        row("https:///callback", false);
        row("//app.example/callback", false);
        row("/callback", false);
        row("javascript:alert(1)", false);
        row("data:text/html,x", false);
        row("myapp:/callback", false);
        row("Org.example:/callback", false);
        row("", false);
    }

    #[test]
    fn a_client_is_what_it_can_be() {
        let good = || NewClient::system("a", "system/*.rs", "");
        let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let app = |scope: &str, grants: &str, redirects: &str| NewClient {
            scope: scope.to_owned(),
            grants: words(grants),
            redirects: words(redirects),
            auth: Auth::None,
            ..good()
        };
        let row = |new: NewClient, wanted: bool| assert_eq!(client(&new).is_ok(), wanted, "{new:?}");
        row(good(), true);
        row(NewClient { name: " ".to_owned(), ..good() }, false);
        row(NewClient { name: "a\nb".to_owned(), ..good() }, false);
        row(NewClient { scope: "openid".to_owned(), ..good() }, false);
        row(NewClient { scope: "system/*.rs profile".to_owned(), ..good() }, false);
        row(NewClient { grants: words("password"), ..good() }, false);
        row(NewClient { rights: words("introspect ehr"), ..good() }, true);
        row(NewClient { rights: words("root"), ..good() }, false);
        row(NewClient { launch: "https://app.example/launch".to_owned(), ..good() }, true);
        row(NewClient { launch: "http://app.example/launch".to_owned(), ..good() }, false);
        let (code, here) = ("authorization_code refresh_token", "https://app.example/cb");
        row(app("patient/*.rs launch/patient openid fhirUser offline_access", code, here), true);
        row(app("openid fhirUser", code, here), true);
        row(app("patient/*.rs", code, ""), false);
        row(app("patient/*.rs", code, "http://app.example/cb"), false);
        row(app("system/*.rs", code, here), false);
        row(app("patient/*.rs", "client_credentials", here), false);
        row(NewClient { rights: words("ehr"), ..app("patient/*.rs", code, here) }, false);
    }
}
