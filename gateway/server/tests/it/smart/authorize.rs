//! What an app asks and does not get: places it was not registered for, downgrades, what is missing or sent twice; and what
//! the pages keep off. <https://www.rfc-editor.org/rfc/rfc9700>

use super::site::{Browser, CHALLENGE, PASSWORD, REDIRECT, Site, form, hidden, parameter, secured, ticks};
use crate::hospital::{BASE, Hospital, databases};
use node::clients::Status;

#[tokio::test]
async fn an_answer_goes_where_the_app_is_registered_to_be_and_nowhere_else() {
    let site = Site::open().await;
    for (what, client, redirect) in [
        ("a longer path", "", "https://app.example/cb/more"),
        ("a shorter path", "", "https://app.example/"),
        ("another path", "", "https://app.example/other"),
        ("another case", "", "https://app.example/CB"),
        ("another host's case", "", "https://APP.example/cb"),
        ("another scheme", "", "http://app.example/cb"),
        ("a port", "", "https://app.example:443/cb"),
        ("another host behind it", "", "https://app.example.evil.example/cb"),
        ("another host before it", "", "https://evil.example/https://app.example/cb"),
        ("a user name", "", "https://app.example@evil.example/cb"),
        ("a fragment", "", "https://app.example/cb#x"),
        ("one more query", "", "https://app.example/cb?x=y"),
        ("another query", "", "https://app.example/other?tenant=2"),
        ("a path up", "", "https://app.example/cb/../evil"),
        ("an encoded letter", "", "https://app.example/%63b"),
        ("a line end", "", "https://app.example/cb\r\nSet-Cookie: a=b"),
        ("a space", "", " https://app.example/cb"),
        ("a script", "", "javascript:alert(1)"),
        ("nowhere", "", "//evil.example"),
        ("none", "", ""),
        ("an unknown app", "nobody", REDIRECT),
        ("an app's name for its id", "App", REDIRECT),
        ("a system", "ehr", REDIRECT),
    ] {
        let mut changed = vec![("redirect_uri", redirect)];
        if !client.is_empty() {
            changed.push(("client_id", client));
        }
        let answered = Browser::new(&site.hospital).asks(&site.asked(&changed)).await;
        assert_eq!((answered.status, answered.header("location")), (400, ""), "{what}: {}", answered.text());
        assert!(answered.text().contains("This does not work") && !answered.text().contains("evil"), "{what}");
    }
    for (what, query) in [
        ("two places", format!("{}&redirect_uri=https%3A%2F%2Fevil.example", site.asked(&[]))),
        ("two apps", format!("{}&client_id=x", site.asked(&[]))),
        ("nothing", String::new()),
        ("no encoding", "client_id=%zz".to_owned()),
    ] {
        let answered = Browser::new(&site.hospital).asks(&query).await;
        assert_eq!((answered.status, answered.header("location")), (400, ""), "{what}");
    }
    for status in [Status::Disabled, Status::Pending] {
        site.hospital.node.set_client_status(&site.app.id, status).await.unwrap();
        let answered = Browser::new(&site.hospital).asks(&site.asked(&[])).await;
        assert_eq!((answered.status, answered.header("location")), (400, ""), "{status:?}");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_to_the_app() {
    let site = Site::open().await;
    let plain = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let long = "s".repeat(2049);
    for (what, changed, error) in [
        ("no state", vec![("state", "")], "invalid_request"),
        ("no kind of answer", vec![("response_type", "")], "invalid_request"),
        ("a token at once", vec![("response_type", "token")], "unsupported_response_type"),
        ("a code and a token", vec![("response_type", "code id_token")], "unsupported_response_type"),
        ("no PKCE", vec![("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        ("plain PKCE", vec![("code_challenge", plain), ("code_challenge_method", "plain")], "invalid_request"),
        ("PKCE of no method, which is plain", vec![("code_challenge_method", "")], "invalid_request"),
        ("PKCE in small letters", vec![("code_challenge_method", "s256")], "invalid_request"),
        ("no challenge", vec![("code_challenge", "")], "invalid_request"),
        ("a short challenge", vec![("code_challenge", &CHALLENGE[1..])], "invalid_request"),
        ("no audience", vec![("aud", "")], "invalid_request"),
        ("another's audience", vec![("aud", "https://evil.example/fhir")], "invalid_request"),
        ("an audience that begins alike", vec![("aud", "http://hospital.test/fhir.evil.example")], "invalid_request"),
        ("the issuer for an audience", vec![("aud", BASE)], "invalid_request"),
        ("no scope", vec![("scope", "")], "invalid_scope"),
        ("no scope of its", vec![("scope", "patient/Condition.c system/*.rs")], "invalid_scope"),
        ("words alone", vec![("scope", "launch/patient offline_access")], "invalid_scope"),
        ("a request object", vec![("request", "e30.e30.")], "request_not_supported"),
        ("a request elsewhere", vec![("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
        ("an answer in a fragment", vec![("response_mode", "fragment")], "invalid_request"),
        ("a huge state", vec![("state", &long)], "invalid_request"),
        ("a huge nonce", vec![("nonce", &long)], "invalid_request"),
        ("no question", vec![("prompt", "none")], "interaction_required"),
    ] {
        let answered = Browser::new(&site.hospital).asks(&site.asked(&changed)).await;
        let url = answered.header("location");
        assert_eq!(answered.status, 303, "{what}: {}", answered.text());
        assert!(url.starts_with(&format!("{REDIRECT}?error=")), "{what}: {url}");
        assert_eq!(parameter(url, "error").as_deref(), Some(error), "{what}: {url}");
        assert_eq!(parameter(url, "iss").as_deref(), Some(BASE), "{what}");
        let state = (what != "no state").then_some(if what == "a huge state" { &long } else { "s t&ä" });
        assert_eq!(parameter(url, "state").as_deref(), state, "{what}");
    }
    for name in ["state", "scope", "aud", "code_challenge", "code_challenge_method", "response_type", "nonce"] {
        let query = format!("{}&{name}=x", site.asked(&[]));
        let answered = Browser::new(&site.hospital).asks(&query).await;
        let error = parameter(answered.header("location"), "error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "two of {name}: {}", answered.header("location"));
    }
    // An address that has a query already keeps it.
    let other = "https://app.example/other?tenant=1";
    let answered = Browser::new(&site.hospital).asks(&site.asked(&[("redirect_uri", other), ("state", "")])).await;
    assert!(answered.header("location").starts_with(&format!("{other}&error=")), "{}", answered.header("location"));
}

#[tokio::test]
async fn a_form_is_taken_from_the_browser_it_was_given_to() {
    let site = Site::open().await;
    let browser = Browser::new(&site.hospital);
    let first = browser.asks(&site.asked(&[])).await;
    let (planted, text) = (browser.cookie.lock().unwrap().clone(), first.text());
    let page = browser.logs_in(&first, "ada").await;
    assert_eq!(ticks(&page.text()).len(), 4);
    assert_ne!(*browser.cookie.lock().unwrap(), planted, "the cookie from before the login goes on");
    let (token, request) = (hidden(&page.text(), "token"), hidden(&page.text(), "request"));
    let stranger = Browser::new(&site.hospital);
    let theirs = hidden(&stranger.asks(&site.asked(&[])).await.text(), "token");
    let mut changed = request.clone();
    changed.replace_range(60..61, if &request[60..61] == "a" { "b" } else { "a" });
    let elsewhere = [("sec-fetch-site", "cross-site")];
    for (what, more, fields, status) in [
        ("no token", &[][..], vec![("request", request.as_str())], 403),
        ("an empty token", &[], vec![("token", ""), ("request", &request)], 403),
        ("another browser's token", &[], vec![("token", theirs.as_str()), ("request", &request)], 403),
        ("the token from before the login", &[], vec![("token", &hidden(&text, "token")), ("request", &request)], 403),
        (
            "another's cookie",
            &[("cookie", planted.as_str())],
            vec![("token", token.as_str()), ("request", &request)],
            403,
        ),
        ("no cookie", &[("cookie", "")], vec![("token", token.as_str()), ("request", &request)], 403),
        ("from another site", &elsewhere, vec![("token", token.as_str()), ("request", &request)], 403),
        ("no question", &[], vec![("token", token.as_str())], 400),
        ("a changed question", &[], vec![("token", token.as_str()), ("request", &changed)], 400),
        ("a token for a question", &[], vec![("token", token.as_str()), ("request", &token)], 400),
    ] {
        for path in ["/auth/consent", "/auth/patient", "/auth/login", "/auth/logout"] {
            let mut fields = fields.clone();
            fields.extend([("allow", "yes"), ("scope", "openid"), ("name", "ada"), ("password", PASSWORD)]);
            let answered = stranger_or(&browser, path, more, &form(&fields)).await;
            assert_eq!((answered.0, answered.1.as_str()), (status, ""), "{what} at {path}");
        }
    }
    // None of these ended what the person is at.
    let again = browser.on(&page, "/auth/consent", &[("scope", "openid"), ("allow", "yes")]).await;
    assert!(parameter(again.header("location"), "code").is_some(), "{}", again.text());
    // Logged out is logged out.
    let page = browser.asks(&site.asked(&[])).await;
    let out = browser.on(&page, "/auth/logout", &[]).await;
    assert!(out.text().contains("Password"), "{}", out.text());
    assert!(browser.asks(&site.asked(&[])).await.text().contains("Password"));
}

/// Sends a form without keeping the cookie that comes back.
async fn stranger_or(browser: &Browser<'_>, path: &str, more: &[(&str, &str)], body: &str) -> (u16, String) {
    let kept = browser.cookie.lock().unwrap().clone();
    let answered = browser.send("POST", path, more, body).await;
    *browser.cookie.lock().unwrap() = kept;
    (answered.status, answered.header("location").to_owned())
}

#[tokio::test]
async fn pages_run_nothing_and_stand_in_no_frame() {
    let site = Site::open().await;
    let https = secured(&site.hospital);
    let aud = "https://hospital.test/fhir";
    let odd = site.asked(&[("state", "\"><script>alert(1)</script>"), ("aud", aud)]);
    for (hospital, query, cookie) in
        [(&site.hospital, site.asked(&[]), "chartwell-login="), (&https, odd, "__Host-chartwell-login=")]
    {
        let browser = Browser::new(hospital);
        let page = browser.asks(&query).await;
        let given = page.header("set-cookie");
        assert!(given.starts_with(cookie) && given.contains("; HttpOnly; SameSite=Lax; Path=/"), "{given}");
        assert_eq!(given.contains("; Secure"), cookie.starts_with("__Host-"), "{given}");
        let inside = browser.logs_in(&page, "doctor").await;
        let consent = browser.on(&inside, "/auth/patient", &[("pick", &site.ada)]).await;
        let fault = browser.asks("client_id=x").await;
        for page in [&page, &inside, &consent, &fault] {
            let policy = page.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
            assert!(policy.ends_with("base-uri 'none'; frame-ancestors 'none'"), "{policy}");
            assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));
            assert_eq!(
                (page.header("referrer-policy"), page.header("x-content-type-options")),
                ("no-referrer", "nosniff")
            );
            let text = page.text();
            assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains("javascript:"), "{text}");
        }
        // A form may lead to the app, and to nobody else.
        assert!(consent.header("content-security-policy").contains("form-action 'self' https://app.example;"));
        let url = browser.allows(consent, "").await;
        assert!(url.starts_with(REDIRECT) && !url.contains('<') && !url.contains('"'), "{url}");
    }
    let style = site.hospital.send("GET", "/auth/style.css", &[("authorization", "")], "").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
}

/// The token of the forms was the cookie's secret, sealed and readable, in pages that were compressed with what others chose.
#[tokio::test]
async fn a_page_tells_nothing_of_the_cookie() {
    let site = Site::open().await;
    let browser = Browser::new(&site.hospital);
    let state = "s".repeat(2000);
    for _ in 0..2 {
        let page = browser.asks(&site.asked(&[("state", &state)])).await;
        let (_, secret) =
            browser.cookie.lock().unwrap().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let token = hidden(&page.text(), "token");
        let encoded = record::id::base32(secret.as_bytes());
        assert!(!page.text().contains(&secret) && !page.text().contains(&encoded[4..encoded.len() - 4]), "{token}");
        let bytes = record::id::unbase32(&token).unwrap();
        assert!(bytes.len() == 32 && !bytes.windows(8).any(|part| secret.as_bytes().windows(8).any(|own| own == part)));
        browser.logs_in(&page, "doctor").await;
    }
    for (what, path, zipped) in [
        ("a page", format!("/auth/authorize?{}", site.asked(&[("state", &state)])), false),
        ("FHIR", "/fhir/metadata".to_owned(), true),
    ] {
        let answered = browser.send("GET", &path, &[("accept-encoding", "gzip")], "").await;
        assert!(answered.status == 200 && (zipped || answered.body.len() > 4096), "{what}");
        assert_eq!(answered.header("content-encoding"), if zipped { "gzip" } else { "" }, "{what}");
    }
}

#[tokio::test]
async fn a_password_is_guessed_a_few_times_only() {
    let site = Site::open().await;
    let browser = Browser::new(&site.hospital);
    let page = browser.asks(&site.asked(&[])).await;
    let told = async |name: &str, password: &str| {
        let answered = browser.on(&page, "/auth/login", &[("name", name), ("password", password)]).await;
        (answered.status, answered.text().contains("do not belong together"))
    };
    // Nobody learns which names there are.
    assert_eq!(told("nobody", PASSWORD).await, (403, true));
    assert_eq!(told("", "").await, (403, true));
    assert_eq!(told("ada", &"a".repeat(5000)).await, (403, true));
    for _ in 0..5 {
        assert_eq!(told("doctor", "guess").await, (403, true));
    }
    assert_eq!(told("doctor", "guess").await, (429, false));
    assert_eq!(told("DOCTOR ", PASSWORD).await, (429, false));
    // Somebody else is not kept out by it.
    assert_eq!(told("ada", PASSWORD).await, (200, false));
    site.hospital.node.disable_person(&site.hospital.node.person("parent").await.unwrap().unwrap().id).await.unwrap();
    let browser = Browser::new(&site.hospital);
    let page = browser.asks(&site.asked(&[])).await;
    let answered = browser.logs_in(&page, "parent").await;
    assert_eq!((answered.status, answered.text().contains("do not belong together")), (403, true));
}

/// Each process counted for itself: behind two of them a guesser had twice the tries, and all of them again after a start.
#[tokio::test]
async fn a_password_is_not_guessed_more_often_in_another_process() {
    for database in databases() {
        let site = Site::on(database).await;
        let there = site.hospital.another_process().await;
        let told = async |hospital: &Hospital, name: &str, password: &str| {
            let browser = Browser::new(hospital);
            let page = browser.asks(&site.asked(&[])).await;
            browser.on(&page, "/auth/login", &[("name", name), ("password", password)]).await.status
        };
        for _ in 0..3 {
            assert_eq!(told(&site.hospital, "doctor", "guess").await, 403);
        }
        for _ in 0..2 {
            assert_eq!(told(&there, "Doctor", "guess").await, 403);
        }
        // Five were the person's to have; here it has had three, and there two.
        for hospital in [&site.hospital, &there] {
            assert_eq!(told(hospital, "doctor", PASSWORD).await, 429, "{database:?}");
        }
        // Who logs in after a few failures begins anew, everywhere.
        assert_eq!(told(&site.hospital, "ada", "guess").await, 403);
        assert_eq!(told(&there, "ada", PASSWORD).await, 200);
        let failed = site.hospital.node.failed_logins("ada", "").await.unwrap().map(|failed| failed.times);
        assert_eq!(failed, [0, 1], "{database:?}");
    }
}
