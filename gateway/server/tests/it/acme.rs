//! A certificate that the gateway gets by itself: ordered, kept, renewed while connections go on, and what a directory that
//! refuses or is hostile does to it.

mod authority;
mod place;
mod state;
mod validator;

use authority::Authority;
use place::{NAMES, Place, ask, mode, shown, until};
use server::Transport;
use server::acme::{Acme, TRIES_PER_HOUR_MAX};
use server::tls::{Tls, TlsError};
use state::Whim;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::net::TcpListener;
use validator::look;

#[tokio::test]
async fn a_fresh_gateway_gets_its_certificate_and_a_second_start_keeps_it() {
    let place = Place::open().await;
    let gateway = place.start().await;
    place.served(&gateway).await;
    for name in NAMES {
        ask(&mut place.client(gateway.address, name).await.unwrap()).await;
    }
    assert!(place.client(gateway.address, "other.example").await.is_err(), "it is for no other name");
    assert!(look(gateway.address, NAMES[0]).await.is_err(), "no challenge is open any more");
    assert_eq!(place.log.lines("there is no certificate yet").len(), 1);
    assert_eq!(place.log.lines("was issued and is served").len(), 1);
    let asked = {
        let state = place.authority.state();
        assert_eq!(state.proven, NAMES);
        assert_eq!(state.accounts.len(), 1);
        assert_eq!(state.accounts[0].1["contact"], serde_json::json!(["mailto:it@example.org"]));
        assert_eq!(state.accounts[0].1["termsOfServiceAgreed"], true);
        state.asked.len()
    };
    let folder = place.folder.path().join("acme");
    for file in ["account.json", "certificate.json", "tries.json"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    let first = shown(&place.client(gateway.address, NAMES[0]).await.unwrap());
    drop(gateway);
    let again = place.start().await;
    assert_eq!(shown(&place.client(again.address, NAMES[0]).await.unwrap()), first);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(place.authority.state().asked.len(), asked, "nothing more is asked");
    drop(again);
    // Keys that others may have read are not used.
    let file = folder.join("certificate.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let refused = Tls::acme(place.acme()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("certificate.json") && refused.contains("chmod 600"), "{refused}");
    // What is damaged is made anew.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, &std::fs::read(&file).unwrap()[..200]).unwrap();
    let again = place.start().await;
    place.served(&again).await;
    assert_ne!(shown(&place.client(again.address, NAMES[0]).await.unwrap()), first);
    assert_eq!(place.authority.state().accounts.len(), 1, "the account is kept");
}

#[tokio::test]
async fn one_about_to_end_is_renewed_while_a_connection_goes_on() {
    let place = Place::open().await;
    place.aged().await;
    place.authority.state().whim = Whim::Hold;
    place.authority.state().proven.clear();
    let gateway = place.start().await;
    let mut open = place.client(gateway.address, NAMES[0]).await.unwrap();
    let old = shown(&open);
    ask(&mut open).await;
    until("the proofs", async || place.authority.state().proven == NAMES).await;
    // While challenges are open they are answered, beside everybody else, and none but they.
    assert!(look(gateway.address, NAMES[1]).await.is_ok());
    for stranger in ["bank.example", "example.org", "a.fhir.example.org"] {
        assert!(look(gateway.address, stranger).await.is_err(), "{stranger} is not ours");
    }
    assert_eq!(shown(&place.client(gateway.address, NAMES[0]).await.unwrap()), old);
    place.authority.state().whim = Whim::None;
    until("the new one", async || shown(&place.client(gateway.address, NAMES[0]).await.unwrap()) != old).await;
    ask(&mut open).await;
    assert_eq!(place.authority.state().accounts.len(), 1, "the account is kept");
}

#[tokio::test]
async fn a_directory_that_refuses_leaves_the_old_one_served() {
    let place = Place::open().await;
    place.aged().await;
    place.authority.state().whim = Whim::NoOrders;
    let gateway = place.start().await;
    until("the log", async || !place.log.lines("no certificate from").is_empty()).await;
    let said = place.log.lines("rateLimited").join("\n") + &place.log.lines("no certificate from").join("\n");
    for words in ["the one before is served on", "API error: no x", "the next try is in 60 s"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.len() < 2_000, "what the directory says is cut: {}", said.len());
    ask(&mut place.client(gateway.address, NAMES[0]).await.unwrap()).await;
    let tries = place.tries();
    drop(gateway);
    // However often it starts, an hour has so many tries and no more.
    for _ in 0..5 {
        let gateway = place.start().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        ask(&mut place.client(gateway.address, NAMES[0]).await.unwrap()).await;
    }
    assert!(tries < TRIES_PER_HOUR_MAX);
    assert_eq!(place.tries(), TRIES_PER_HOUR_MAX);
    assert!(!place.log.lines("was asked 4 times within an hour").is_empty());
}

#[tokio::test]
async fn a_directory_that_is_not_one_is_an_error_in_words() {
    for (whim, words) in [
        (Whim::NoProof, "could not see that fhir.example.org is ours: API error: it has another face"),
        (Whim::NoChallenge, "no TLS-ALPN-01 challenge for fhir.example.org"),
        (Whim::OtherName, "bank.example is ours, which was not asked for"),
        (Whim::ManyNames, "more names than there are"),
        (Whim::OtherCertificate, "is not used: it is not for fhir.example.org"),
        (Whim::OtherKey, "is not used: "),
        (Whim::Text, "is not used: there is none in it"),
        (Whim::Directory(""), "it is no ACME directory"),
        (Whim::Directory("<html>"), "it is no ACME directory"),
        (Whim::Directory("{\"newNonce\":7}"), "it is no ACME directory"),
        (Whim::Directory("[[[[[[[["), "it is no ACME directory"),
        (Whim::Redirect, "it redirects, with 302"),
        (Whim::Endless, "more than 262144 bytes"),
        (Whim::Broken, "it answers 503 Service Unavailable without saying why"),
        (Whim::OtherHost, "it sends to 10.0.0.1, which is not its own origin"),
        (Whim::NoUrl, "a URL in it is none"),
    ] {
        let place = Place::open().await;
        place.authority.state().whim = whim;
        let gateway = place.start().await;
        until("the log", async || !place.log.lines("no certificate from").is_empty()).await;
        let said = place.log.lines("no certificate from").remove(0);
        assert!(said.contains(words) && said.contains("none is served"), "{whim:?}: {said}");
        assert!(place.client(gateway.address, NAMES[0]).await.is_err(), "{whim:?}");
        assert!(!gateway.running.is_finished(), "{whim:?}");
        assert!(!place.folder.path().join("acme/certificate.json").exists(), "{whim:?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_only_odd_is_borne_with() {
    for whim in [Whim::Later, Whim::BadNonce] {
        let place = Place::open().await;
        place.authority.state().whim = whim;
        let gateway = place.start().await;
        place.served(&gateway).await;
    }
}

#[tokio::test]
async fn one_that_cannot_be_kept_is_served_all_the_same() {
    let place = Place::open().await;
    let file = place.folder.path().join("acme/certificate.json");
    std::fs::create_dir_all(&file).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gateway = place.start().await;
    place.served(&gateway).await;
    assert_eq!(place.log.lines("cannot be kept").len(), 1);
    assert_eq!(place.tries(), 1, "it is not ordered again");
}

#[tokio::test]
async fn what_changed_since_the_last_start_is_ordered_anew() {
    let mut place = Place::open().await;
    let gateway = place.start().await;
    place.served(&gateway).await;
    drop(gateway);
    // Another name, and somebody else to write to.
    let mut acme = place.acme();
    acme.domains.push("new.example.org".to_owned());
    acme.contacts = vec!["mailto:desk@example.org".to_owned()];
    let gateway = place.start_with(acme.clone()).await;
    assert!(place.client(gateway.address, NAMES[0]).await.is_ok(), "what is kept is served meanwhile");
    until("the name", async || place.client(gateway.address, "new.example.org").await.is_ok()).await;
    {
        let state = place.authority.state();
        assert_eq!((state.accounts.len(), &state.accounts[0].1["contact"][0]), (1, &"mailto:desk@example.org".into()));
    }
    drop(gateway);
    // A directory that lost its accounts: the next try makes a new one.
    place.authority.state().accounts.clear();
    acme.domains.pop();
    acme.domains.push("newer.example.org".to_owned());
    let gateway = place.start_with(acme.clone()).await;
    until("the log", async || !place.log.lines("does not know the account").is_empty()).await;
    assert!(place.client(gateway.address, "new.example.org").await.is_ok());
    drop(gateway);
    let gateway = place.start_with(acme).await;
    until("the name", async || place.client(gateway.address, "newer.example.org").await.is_ok()).await;
    drop(gateway);
    // Another directory has another account, and what was tried at the one before does not count there.
    let other = Authority::start().await;
    place.authority = other;
    let gateway = place.start().await;
    place.served(&gateway).await;
    assert_eq!(place.authority.state().accounts.len(), 1);
}

#[tokio::test]
async fn a_directory_of_ones_own_is_known_by_its_root() {
    let mut place = Place::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (issuer, folder) = (Authority::new(String::new()), tempfile::tempdir().unwrap());
    let [cert, key, root] = ["cert", "key", "root"].map(|name| folder.path().join(name));
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&cert, issuer.issue(&["localhost".to_owned()], &pair)).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    std::fs::write(&root, &issuer.root).unwrap();
    let tls = Tls::load(&cert, &key).unwrap_or_else(|error: TlsError| panic!("{error}"));
    place.authority = Authority::new(url);
    let transport = Transport { tls: Some(tls), ..Transport::default() };
    tokio::spawn(server::serve(listener, transport, place.authority.router(), std::future::pending()));
    let gateway = place.start().await;
    until("the log", async || !place.log.lines("no certificate from").is_empty()).await;
    let said = place.log.lines("no certificate from").remove(0);
    assert!(said.contains("it cannot be asked") && said.to_lowercase().contains("certificate"), "{said}");
    drop(gateway);
    let gateway = place.start_with(Acme { ca: Some(root), ..place.acme() }).await;
    place.served(&gateway).await;
}
