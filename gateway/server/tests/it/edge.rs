//! What surrounds every request: ids, compression, limits, health, metrics, and the end.

use crate::bundle::SYNTHEA;
use crate::hospital::Hospital;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use server::Limits;
use std::io::{Read, Write};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENT: &str = r#"{"resourceType":"Patient","name":[{"family":"Doe"}]}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_are_gzipped_both_ways() {
    let hospital = Hospital::open().await;
    let created =
        hospital.send("POST", "/fhir/Patient", &[("content-encoding", "gzip")], gzip(PATIENT.as_bytes())).await;
    assert_eq!(created.status, 201, "{}", created.text());
    // A small answer is not worth the time; a large one is packed.
    let path = format!("/fhir/Patient/{}", created.json()["id"].as_str().unwrap());
    let small = hospital.send("GET", &path, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(small.header("content-encoding"), "");
    let plain = hospital.get("/fhir/metadata").await;
    let packed = hospital.send("GET", "/fhir/metadata", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut text = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
}

#[tokio::test]
async fn a_body_stays_within_its_limit_packed_or_not() {
    let limits = Limits { body_bytes_max: 1024 * 1024, ..Limits::default() };
    let hospital = Hospital::with(limits).await;
    let fitting = format!("{PATIENT}{}", " ".repeat(1024 * 1024 - PATIENT.len()));
    let over = format!("{fitting} ");
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 128 * 1024);
    for (body, encoding, status) in [
        (fitting.clone().into_bytes(), "", 201),
        (over.clone().into_bytes(), "", 413),
        (gzip(fitting.as_bytes()), "gzip", 201),
        (gzip(over.as_bytes()), "gzip", 413),
        (bomb, "gzip", 413),
    ] {
        let answered = hospital.send("POST", "/fhir/Patient", &[("content-encoding", encoding)], body).await;
        assert_eq!(answered.status, status, "{}", answered.text());
        if status == 413 {
            assert_eq!(answered.code(), "too-long");
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_requests_id() {
    let hospital = Hospital::open().await;
    for path in
        ["/fhir/metadata", "/fhir/Patient", "/fhir/Nothing", "/health/live", "/metrics", "/nowhere", "/auth/token"]
    {
        let own = hospital.send("GET", path, &[("x-request-id", "own-1")], "").await;
        assert_eq!(own.header("x-request-id"), "own-1", "{path}");
        assert_eq!(own.header("x-content-type-options"), "nosniff");
        let bad = hospital.send("GET", path, &[("x-request-id", "not good")], "").await;
        let fresh = bad.header("x-request-id").to_owned();
        assert!(fresh.len() == 32 && fresh != hospital.get(path).await.header("x-request-id"), "{path}: {fresh}");
    }
}

// On one thread the clock may tick only once the answer is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_says_so_and_stays_watched() {
    let limits = Limits { requests_max: 0, queue_time_max: Duration::from_millis(10), ..Limits::default() };
    let hospital = Hospital::with(limits).await;
    let answered = hospital.get("/fhir/Patient").await;
    assert_eq!((answered.status, answered.code().as_str()), (503, "throttled"));
    assert!(!answered.header("retry-after").is_empty());
    assert_eq!(hospital.get("/health/ready").await.status, 200);
    let limits = Limits { request_time_max: Duration::ZERO, ..Limits::default() };
    let slow = Hospital::with(limits).await;
    // The clock ticks once in a millisecond, and a small answer may be there before it does.
    let answered = slow.post("/fhir", SYNTHEA).await;
    assert_eq!((answered.status, answered.code().as_str()), (503, "timeout"));
}

#[tokio::test]
async fn health_names_each_check_and_metrics_count() {
    let hospital = Hospital::open().await;
    let ready = hospital.get("/health/ready").await;
    assert_eq!(ready.status, 200);
    for check in ["database", "migrations", "signer"] {
        assert_eq!(ready.json()["checks"][check], "up");
    }
    hospital.create(PATIENT).await;
    hospital.get("/fhir/Patient/nobody").await;
    let text = hospital.get("/metrics").await.text();
    for line in [
        r#"chartwell_http_requests_total{interaction="create",status="201"} 1"#,
        r#"chartwell_http_requests_total{interaction="read",status="404"} 1"#,
        r#"database="sqlite""#,
        "chartwell_up 1",
        "chartwell_database_up 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("nobody"));
    hospital.node.close().await;
    let ready = hospital.get("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["checks"]["database"]), (503, &"down".into()));
    let read = hospital.get("/fhir/Patient/a").await;
    assert_eq!(read.status, 503, "{}", read.text());
}

#[tokio::test]
async fn the_end_waits_for_running_requests() {
    let hospital = Hospital::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let server = tokio::spawn(server::serve(listener, server::Transport::default(), hospital.router.clone(), shutdown));
    let mut client = TcpStream::connect(address).await.unwrap();
    let (first, rest) = PATIENT.split_at(10);
    let head = format!(
        "POST /fhir/Patient HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{first}",
        hospital.token,
        PATIENT.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let busy = format!("chartwell_http_turns_free {}", server::settings::REQUESTS_MAX - 1);
    while !hospital.get("/metrics").await.text().contains(&busy) {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    // No new connection is taken from here on, soon.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    client.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    server.await.unwrap().unwrap();
}
