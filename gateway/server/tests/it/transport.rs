//! How connections and callers are held within bounds: TLS, slow heads, quotas, other origins' scripts, what browsers are told.

use crate::hospital::{BASE, Hospital};
use server::quota::Rate;
use server::tls::{Tls, TlsError};
use server::{Limits, Settings, Transport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serving(hospital: &Hospital, transport: Transport) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server::serve(listener, transport, hospital.router.clone(), std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_to_say_what_it_wants_is_cut() {
    let hospital = Hospital::open().await;
    let head_time_max = Duration::from_millis(300);
    let address = serving(&hospital, Transport { head_time_max, ..Transport::default() }).await;
    for said in ["", "G", "GET /health/live HTTP/1.1\r\n", "GET /health/live HTTP/1.1\r\nx: ", "PRI * HTTP/2.0\r\n"] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(said.as_bytes()).await.unwrap();
        let (begun, mut answer) = (Instant::now(), Vec::new());
        let read = tokio::time::timeout(Duration::from_secs(30), client.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "{said:?} is cut after {:?}", begun.elapsed());
    }
    // Whoever says it in time is answered, once and again.
    let address = serving(&hospital, Transport::default()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        client.write_all(b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = [0; 4096];
        let _ = client.read(&mut rest).await.unwrap();
    }
}

/// Forms that were sent slowly, by nobody known, took every turn of the server for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn slow_forms_keep_nobody_from_fhir() {
    let limits = Limits { requests_max: 2, queue_time_max: Duration::from_millis(300), ..Limits::default() };
    let hospital = Hospital::with(limits).await;
    let address = serving(&hospital, Transport::default()).await;
    let mut slow = Vec::new();
    for (path, kind) in [
        ("/auth/token", "application/x-www-form-urlencoded"),
        ("/auth/register", "application/json"),
        ("/auth/login", "application/x-www-form-urlencoded"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: {kind}\r\ncontent-length: 100\r\n\r\ng");
        client.write_all(head.as_bytes()).await.unwrap();
        slow.push((path, client, Instant::now()));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(hospital.get("/fhir/Patient").await.status, 200);
    for (path, mut client, begun) in slow {
        let mut answer = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(15), client.read_exact(&mut answer)).await;
        assert!(read.is_ok(), "{path} still waits after {:?}", begun.elapsed());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(["HTTP/1.1 4", "HTTP/1.1 503"].iter().any(|begin| answer.starts_with(begin)), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_clients_is_held_up() {
    let hospital = Hospital::open().await;
    let address = serving(&hospital, Transport::default()).await;
    let client = reqwest::Client::new();
    let mut held = false;
    for at in 0..300 {
        let form = format!("grant_type=client_credentials&scope=system/*.rs&client_id=x&client_secret={at}");
        let request = client.post(format!("http://{address}/auth/token")).body(form);
        let answered = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        held = answered.status().as_u16() == 429;
        if held {
            break;
        }
        assert_eq!(answered.status().as_u16(), 401);
    }
    assert!(held);
    assert_eq!(hospital.get("/fhir/Patient").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_with_the_certificate_of_the_files() {
    let hospital = Hospital::open().await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let missing = Tls::load(&cert, &key);
    assert!(matches!(missing, Err(TlsError::Unreadable { .. })), "a file that is not there is named");
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, "nothing").unwrap();
    assert!(matches!(Tls::load(&cert, &key), Err(TlsError::Unreadable { .. })), "a key that is none");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    assert!(matches!(Tls::load(&key, &key), Err(TlsError::NoCertificate(_))), "a chain that is none");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("other.pem"), other.signing_key.serialize_pem()).unwrap();
    let mixed = Tls::load(&cert, &folder.path().join("other.pem"));
    assert!(matches!(mixed, Err(TlsError::Unusable(_))), "a key of another certificate");
    let tls = Tls::load(&cert, &key).unwrap();
    let address = serving(&hospital, Transport { tls: Some(tls), ..Transport::default() }).await;
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).resolve("localhost", address).build().unwrap();
    let url = format!("https://localhost:{}/health/live", address.port());
    let answered = client.get(&url).send().await.unwrap();
    assert_eq!(answered.status().as_u16(), 200);
    let strangers = reqwest::Client::builder().resolve("localhost", address).build().unwrap();
    assert!(strangers.get(&url).send().await.is_err(), "nobody else vouches for it");
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!String::from_utf8_lossy(&answer).contains("200"), "nothing is told without TLS");
}

#[tokio::test]
async fn a_client_has_its_share_and_no_more() {
    let limits = Limits { client_rate: Rate { per_second: 1, burst: 3 }, ..Limits::default() };
    let hospital = Hospital::with(limits).await;
    let other = format!("Bearer {}", hospital.client("other", "system/*.rs").await);
    // On a busy machine some of a second's share comes back meanwhile.
    let (mut refused, mut answered) = (hospital.get("/fhir/Patient").await, 0);
    while refused.status == 200 && answered < 1000 {
        (refused, answered) = (hospital.get("/fhir/Patient").await, answered + 1);
    }
    assert!(answered >= 3, "a burst is answered: {answered}");
    assert_eq!((refused.status, refused.code().as_str()), (429, "throttled"));
    assert_eq!(refused.header("retry-after"), "1");
    let others = hospital.send("GET", "/fhir/Patient", &[("authorization", &other)], "").await;
    assert_eq!(others.status, 200, "another client has a share of its own");
    assert_eq!(hospital.get("/fhir/metadata").await.status, 200, "what needs no token is nobody's share");
}

#[tokio::test]
async fn browsers_are_told_to_run_frame_and_pass_on_nothing() {
    let hospital = Hospital::open().await;
    let secure = server::app(Settings::new("https://hospital.test"), hospital.node.clone());
    let secure = Hospital { router: secure, ..hospital.beside() };
    for path in ["/fhir/metadata", "/fhir/Patient", "/nowhere", "/metrics", "/health/live"] {
        let answered = hospital.get(path).await;
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(answered.header(name), expected, "{path} {name}");
        }
        assert_eq!(secure.get(path).await.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
}

#[tokio::test]
async fn scripts_of_named_origins_may_call_and_no_others() {
    let hospital = Hospital::open().await;
    let origins = ["https://app.example.org/", "*", "null"].map(str::to_owned).to_vec();
    let settings = Settings { cors_origins: origins, ..Settings::new(BASE) };
    let open = Hospital { router: server::app(settings, hospital.node.clone()), ..hospital.beside() };
    let asks = [("access-control-request-method", "PUT"), ("access-control-request-headers", "authorization,if-match")];
    for (at, origin, path, allowed) in [
        (&open, "https://app.example.org", "/fhir/Patient/1", true),
        (&open, "https://app.example.org", "/auth/token", true),
        (&open, "https://app.example.org", "/auth/authorize", false),
        (&open, "https://app.example.org", "/metrics", false),
        (&open, "https://app.example.org.evil.test", "/fhir/Patient/1", false),
        (&open, "http://app.example.org", "/fhir/Patient/1", false),
        (&open, "null", "/fhir/Patient/1", false),
        (&hospital, "https://app.example.org", "/fhir/Patient/1", false),
    ] {
        let expected = if allowed { origin } else { "" };
        let headers = [&[("origin", origin)][..], &asks].concat();
        let asked = at.send("OPTIONS", path, &headers, "").await;
        assert_eq!(asked.header("access-control-allow-origin"), expected, "{origin} {path}");
        let method = if path == "/auth/token" { "POST" } else { "GET" };
        let called = at.send(method, path, &[("origin", origin)], "").await;
        assert_eq!(called.header("access-control-allow-origin"), expected, "{origin} {path}");
        assert_eq!(called.header("access-control-allow-credentials"), "", "no cookie is sent along");
    }
}
