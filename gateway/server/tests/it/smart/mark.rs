//! What is taken away ends: at once in the process that took it, within half a second in the others of the hospital.
//! `docs/decisions/0038-a-mark-of-clients.md`.

use crate::hospital::{Hospital, databases};
use node::clients::{MARK_AGE_MAX, NewClient, Quota, Status};
use server::token;
use std::time::{Duration, Instant};

/// Generous, since machines are shared.
const PATIENCE: Duration = Duration::from_secs(10);

async fn status(hospital: &Hospital, token: &str) -> u16 {
    hospital.send("GET", "/fhir/Patient", &[("authorization", &format!("Bearer {token}"))], "").await.status
}

/// The name of a token and when it ends.
fn jti(token: &str) -> (String, u64) {
    let part = token.split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
    (claims["jti"].as_str().unwrap().to_owned(), claims["exp"].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_taken_away_ends_in_every_process() {
    for database in databases() {
        let here = Hospital::on(database).await;
        let there = here.another_process().await;
        for (what, wanted) in
            [("disabled", 401), ("removed", 401), ("narrowed", 403), ("the token revoked", 401), ("less", 429)]
        {
            let token = here.client(what, "system/*.rs").await;
            let client = here.node.client(what).await.unwrap().unwrap();
            for hospital in [&here, &there] {
                assert_eq!(status(hospital, &token).await, 200, "{what}");
            }
            let (name, until) = jti(&token);
            match what {
                "disabled" => here.node.set_client_status(&client.id, Status::Disabled).await.unwrap(),
                "removed" => here.node.remove_client(&client.id).await.unwrap(),
                "narrowed" => drop(here.node.narrow_client(&client.id, &narrow(what)).await.unwrap()),
                "the token revoked" => here.node.revoke_token(&name, until).await.unwrap(),
                _ => {
                    let one = Quota { per_second: 1, burst: 1, at_once: 1 };
                    here.node.set_client_quota(&client.id, Some(one)).await.unwrap();
                    status(&here, &token).await;
                }
            }
            assert_eq!(status(&here, &token).await, wanted, "{database:?}, {what}, where it was done");
            let begun = Instant::now();
            while status(&there, &token).await != wanted {
                assert!(begun.elapsed() < PATIENCE, "{database:?}, {what}, in another process");
            }
        }
        // And what was not touched goes on.
        for hospital in [&here, &there] {
            assert_eq!(status(hospital, &here.token).await, 200);
        }
    }
}

fn narrow(name: &str) -> NewClient {
    NewClient { status: Status::Pending, ..NewClient::system(name, "system/Observation.rs", "") }
}

/// What was looked up before a change and is remembered after it must not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_under_way_keeps_nothing_alive() {
    for database in databases() {
        let here = std::sync::Arc::new(Hospital::on(database).await);
        let token = here.client("lab", "system/*.rs").await;
        let client = here.node.client("lab").await.unwrap().unwrap();
        let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asking = (0..6).map(|_| {
            let (here, token, end) = (here.clone(), token.clone(), end.clone());
            tokio::spawn(async move {
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!([200, 401].contains(&status(&here, &token).await));
                }
            })
        });
        let asking = asking.collect::<Vec<_>>();
        for round in 0..60 {
            for (to, wanted) in [(Status::Disabled, 401), (Status::Approved, 200)] {
                here.node.set_client_status(&client.id, to).await.unwrap();
                assert_eq!(status(&here, &token).await, wanted, "{database:?}, round {round}");
            }
        }
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        for one in asking {
            one.await.unwrap();
        }
    }
}

/// A thousand clients would be looked up one by one, twice a second each.
#[tokio::test]
async fn a_token_is_looked_up_again_only_when_something_changed() {
    let here = Hospital::open().await;
    assert_eq!(status(&here, &here.token).await, 200);
    let before = here.node.clients_mark().await.unwrap();
    tokio::time::sleep(MARK_AGE_MAX + Duration::from_millis(50)).await;
    // New clients and their tokens end nothing.
    let token = here.client("new", "system/*.rs").await;
    assert_eq!(status(&here, &token).await, 200);
    assert_eq!(here.node.clients_mark().await.unwrap(), before);
    let claims = |token: &str| jti(token).0;
    assert_ne!(claims(&token), claims(&here.token));
    // A client of the same name again: it is changed.
    let again = here.client("new", "system/Observation.rs").await;
    assert_ne!(here.node.clients_mark().await.unwrap(), before);
    assert_eq!([status(&here, &again).await, status(&here, &token).await], [403, 403]);
    token::rotate(&here.node).await.unwrap();
    assert_eq!(status(&here, &here.token).await, 200);
}
