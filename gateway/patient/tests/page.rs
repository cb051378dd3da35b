//! The page over a real node with its own database: who is let in, who is not, and every page once.

use anyhow::Context;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use node::{Config, Node, Role};
use patient::{Login, Settings};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

const BASE: &str = "http://127.0.0.1:9000";
const PAGES: [&str; 11] = [
    "/",
    "/requests",
    "/access",
    "/held-back",
    "/timeline",
    "/audit",
    "/network",
    "/invite",
    "/devices",
    "/devices/join",
    "/phrase",
];

struct House {
    router: Router,
    login: Login,
    node: Node,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"token\" value=\"").expect("every page has a form");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

async fn house() -> anyhow::Result<House> {
    let folder = tempfile::tempdir()?;
    let node = Node::open(Config {
        data: folder.path().to_owned(),
        database_url: format!("sqlite://{}", folder.path().join("record.db").display()),
        identity: folder.path().join("identity.json").into(),
        passphrase: None,
        name: "Aurora".to_owned(),
        role: Role::Patient,
        validation: Default::default(),
    })
    .await?;
    let login = Login::new(BASE);
    let router = patient::app(Settings { base_url: BASE.to_owned(), login: login.clone() }, node.clone());
    Ok(House { router, login, node, _folder: folder })
}

impl House {
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:9000");
        }
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body.to_owned()))?).await?;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await?.to_vec())?;
        Ok(Answer { status: parts.status, headers: parts.headers, text })
    }

    async fn log_in(&self) -> anyhow::Result<String> {
        let url = self.login.login_url();
        let path = url.strip_prefix(BASE).context("the link begins with the base")?;
        let answer = self.send("GET", path, &[], "").await?;
        anyhow::ensure!(answer.status == StatusCode::SEE_OTHER && answer.header("location") == "/");
        Ok(answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn a_link_opens_every_page_once() -> anyhow::Result<()> {
    let house = house().await?;
    let used = house.login.login_url();
    let cookie = house.log_in().await?;
    for page in PAGES {
        let answer = house.send("GET", page, &[("cookie", &cookie)], "").await?;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text);
        assert!(answer.text.contains("id=\"main\""), "{page}");
    }
    let again = house.send("GET", used.strip_prefix(BASE).unwrap_or_default(), &[], "").await?;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.header("set-cookie").is_empty() && again.text.contains("does not work any more"));
    assert_ne!(house.log_in().await?, cookie);
    house.node.close().await;
    Ok(())
}

#[tokio::test]
async fn without_a_session_no_page_answers() -> anyhow::Result<()> {
    let house = house().await?;
    for path in PAGES.iter().chain(&["/events", "/entry/Patient/1", "/invite/x", "/nothing"]) {
        for cookie in ["", "chartwell-patient-9000=", "chartwell-patient-9000=aaaa", "other=1"] {
            let answer = house.send("GET", path, &[("cookie", cookie)], "").await?;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {cookie}");
            assert!(answer.text.contains("login link") && !answer.text.contains("id=\"menu\""), "{path}");
        }
    }
    for path in [
        "/requests/approve",
        "/requests/refuse",
        "/access/revoke",
        "/access/narrow",
        "/held-back/take-in",
        "/invite",
        "/invite/x/confirm",
        "/devices/add",
        "/devices/add/x/confirm",
        "/devices/join",
        "/devices/x/suspend",
        "/phrase/noted",
        "/logout",
    ] {
        let answer = house.send("POST", path, &[], "token=x").await?;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_form_needs_its_place_and_its_token() -> anyhow::Result<()> {
    let house = house().await?;
    let cookie = house.log_in().await?;
    let csrf = house.send("GET", "/invite", &[("cookie", &cookie)], "").await?.csrf();
    let good = format!("token={csrf}&code=nonsense");
    let check = async |headers: &[(&str, &str)], body: &str, expected: u16| -> anyhow::Result<()> {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        let answer = house.send("POST", "/invite", &headers, body).await?;
        assert_eq!(answer.status.as_u16(), expected, "{headers:?} {body}");
        Ok(())
    };
    // A form of this page's own is read; this one's invite is none.
    check(&[], &good, 422).await?;
    check(&[("sec-fetch-site", "same-origin")], &good, 422).await?;
    check(&[("origin", BASE)], &good, 422).await?;
    check(&[("sec-fetch-site", "cross-site")], &good, 403).await?;
    check(&[("sec-fetch-site", "same-site")], &good, 403).await?;
    check(&[("origin", "https://evil.example")], &good, 403).await?;
    check(&[("origin", "http://127.0.0.1:9001")], &good, 403).await?;
    check(&[("origin", "null")], &good, 403).await?;
    check(&[], "code=nonsense", 403).await?;
    check(&[], "token=&code=nonsense", 403).await?;
    check(&[], &format!("token={csrf}x&code=nonsense"), 403).await?;
    check(&[], &format!("token={csrf}&code="), 422).await?;
    check(&[], &format!("token={csrf}&code={}", "a".repeat(20_000)), 422).await?;
    check(&[], &format!("token={csrf}&code={}", "a".repeat(70_000)), 413).await?;
    check(&[], "token=%FF%FF", 403).await?;
    Ok(())
}

#[tokio::test]
async fn one_session_s_token_is_no_other_s() -> anyhow::Result<()> {
    let house = house().await?;
    let (first, second) = (house.log_in().await?, house.log_in().await?);
    let csrf = house.send("GET", "/invite", &[("cookie", &first)], "").await?.csrf();
    let answer = house.send("POST", "/logout", &[("cookie", &second)], &format!("token={csrf}")).await?;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = house.send("POST", "/logout", &[("cookie", &first)], &format!("token={csrf}")).await?;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(house.send("GET", "/", &[("cookie", &first)], "").await?.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.send("GET", "/", &[("cookie", &second)], "").await?.status, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_foreign_name_is_not_answered() -> anyhow::Result<()> {
    let house = house().await?;
    let cookie = house.log_in().await?;
    for (host, expected) in [
        ("127.0.0.1:9000", StatusCode::OK),
        ("localhost:9000", StatusCode::OK),
        ("[::1]:9000", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example:9000", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::MISDIRECTED_REQUEST),
    ] {
        for path in ["/", "/static/style.css"] {
            let answer = house.send("GET", path, &[("host", host), ("cookie", &cookie)], "").await?;
            assert_eq!(answer.status, expected, "{host} {path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_be_careful() -> anyhow::Result<()> {
    let house = house().await?;
    let cookie = house.log_in().await?;
    for (path, store) in
        [("/", "no-store"), ("/nothing", "no-store"), ("/login/x", "no-store"), ("/static/live.js", "no-cache")]
    {
        let answer = house.send("GET", path, &[("cookie", &cookie)], "").await?;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), store, "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(!answer.text.contains(" style=") && !answer.text.contains(" onclick="), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_look_ahead_does_not_use_the_link_up() -> anyhow::Result<()> {
    let house = house().await?;
    let url = house.login.login_url();
    let path = url.strip_prefix(BASE).context("the link begins with the base")?;
    let ahead = house.send("GET", path, &[("sec-purpose", "prefetch;prerender")], "").await?;
    assert_eq!(ahead.status, StatusCode::NO_CONTENT);
    let from_a_mail = house.send("GET", path, &[("sec-fetch-site", "cross-site")], "").await?;
    assert_eq!(from_a_mail.status, StatusCode::OK);
    assert!(from_a_mail.header("set-cookie").contains("HttpOnly; SameSite=Strict; Path=/"));
    assert!(from_a_mail.text.contains("http-equiv=\"refresh\""));
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_says_so() -> anyhow::Result<()> {
    let house = house().await?;
    let cookie = house.log_in().await?;
    let csrf = house.send("GET", "/", &[("cookie", &cookie)], "").await?.csrf();
    for path in [
        "/nothing",
        "/invite/nothing",
        "/devices/nothing/suspend",
        "/devices/add/nothing",
        "/devices/join/nothing",
        "/entry/Patient/nothing",
        "/entry/Nonsense/1",
        "/entry/%2e%2e/%00",
        "/timeline?record=aaaa&before=x",
    ] {
        let answer = house.send("GET", path, &[("cookie", &cookie)], "").await?;
        let expected = if path.starts_with("/timeline") { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(answer.status, expected, "{path}");
    }
    for (path, fields) in [
        ("/requests/approve", "request=x&scope=y"),
        ("/requests/refuse", "request=x"),
        ("/access/revoke", "grant=x"),
        ("/invite/x/confirm", ""),
        ("/invite/x/stop", ""),
        ("/devices/x/suspend", ""),
        ("/devices/add/x/stop", ""),
        ("/devices/add/x/confirm", "digits=1"),
        ("/devices/join/x/stop", ""),
        ("/devices/join/x/confirm", ""),
    ] {
        let answer = house.send("POST", path, &[("cookie", &cookie)], &format!("token={csrf}&{fields}")).await?;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn open_windows_do_not_keep_a_page_from_ending() -> anyhow::Result<()> {
    let house = house().await?;
    let cookie = house.log_in().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(patient::serve(listener, house.router.clone(), async move { drop(stopped.await) }));
    let mut window = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET /events HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n");
    window.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    while !text.contains("event: change\ndata: now\n\n") {
        let mut part = [0; 1024];
        let length = window.read(&mut part).await?;
        anyhow::ensure!(length > 0, "the stream ended early: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(text.contains("text/event-stream"));
    drop(stop);
    tokio::time::timeout(Duration::from_secs(5), serving).await???;
    Ok(())
}

#[tokio::test]
async fn the_words_leave_the_page_once_three_of_them_were_typed_back() -> anyhow::Result<()> {
    let house = house().await?;
    let cookie = house.log_in().await?;
    let page = async || house.send("GET", "/phrase", &[("cookie", &cookie)], "").await;
    let shown = page().await?;
    assert_eq!(shown.header("cache-control"), "no-store");
    let (_, list) = shown.text.split_once("id=\"words\"").context("the words are shown")?;
    let list = list.split("</ol>").next().unwrap_or_default();
    let words = list.split("<li>").skip(1).filter_map(|item| item.split('<').next()).map(str::to_owned);
    let words = words.collect::<Vec<_>>();
    anyhow::ensure!(words.len() == 24 && words.iter().all(|word| !word.is_empty()), "{} words", words.len());
    assert!(house.send("GET", "/", &[("cookie", &cookie)], "").await?.text.contains("data-kind=\"words\""));
    let asked = shown.text.split("name=\"place\" value=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let asked = asked.map(|place| place.parse::<usize>()).collect::<Result<Vec<_>, _>>()?;
    let typed = |wrong: bool| {
        let fields = asked.iter().map(|at| {
            let word = if wrong { "zzz" } else { words[at - 1].as_str() };
            format!("&place={at}&word={word}")
        });
        format!("token={}{}", shown.csrf(), fields.collect::<String>())
    };
    let answer = house.send("POST", "/phrase/noted", &[("cookie", &cookie)], &typed(true)).await?;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("the words are still here") && !answer.text.contains(&words[asked[0] - 1]));
    assert!(page().await?.text.contains("id=\"words\""));
    for bad in ["", "&place=1&word=a", "&place=x&word=a&place=y&word=b&place=z&word=c"] {
        let body = format!("token={}{bad}", shown.csrf());
        let answer = house.send("POST", "/phrase/noted", &[("cookie", &cookie)], &body).await?;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let answer = house.send("POST", "/phrase/noted", &[("cookie", &cookie)], &typed(false)).await?;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let after = page().await?;
    assert!(after.text.contains("id=\"words-noted\"") && !after.text.contains("id=\"words\""));
    assert!(!house.send("GET", "/", &[("cookie", &cookie)], "").await?.text.contains("data-kind=\"words\""));
    house.node.close().await;
    Ok(())
}
