//! The mark of the clients: whatever ends or narrows what a token comes to moves it, in every process, on both databases.

use crate::common::{Place, create, databases};
use node::apps::Grant;
use node::clients::{MARK_AGE_MAX, Mark, NewClient, Quota, Status};
use node::{Node, Role};
use serde_json::json;
use std::time::Duration;

/// Every change there is; `false` for those that end nothing.
const CHANGES: [(&str, bool); 17] = [
    ("a resource is written", false),
    ("a client is added", false),
    ("an assertion is used", false),
    ("a person is added", false),
    ("an app is let in", false),
    ("a session begins", false),
    ("a client is changed", true),
    ("a client is narrowed", true),
    ("a client is kept out", true),
    ("a client has a quota", true),
    ("a client is removed", true),
    ("a token is revoked", true),
    ("what an app was allowed is taken back", true),
    ("a person has another password", true),
    ("a person is kept out", true),
    ("a code is used twice", true),
    ("a key of tokens is made", true),
];

async fn change(node: &Node, what: &str) {
    let client = node.client("lab").await.unwrap();
    let id = client.map(|client| client.id).unwrap_or_default();
    let lab = |scope: &str| NewClient::system("lab", scope, "");
    match what {
        "a resource is written" => drop(create(node, json!({"resourceType":"Patient"})).await),
        "a client is added" => drop(node.register_new(&lab("system/*.rs")).await.unwrap()),
        "an assertion is used" => assert!(node.use_assertion("jti", i64::MAX).await.unwrap()),
        "a person is added" => put_person(node, "correct horse battery").await,
        "an app is let in" => drop(allow(node).await),
        "a session begins" => {
            let person = node.person("ada").await.unwrap().unwrap();
            node.begin_session(&person).await.unwrap();
        }
        "a client is changed" => drop(node.register_client(&lab("system/*.r")).await.unwrap()),
        "a client is narrowed" => drop(node.narrow_client(&id, &lab("system/Patient.r")).await.unwrap()),
        "a client is kept out" => node.set_client_status(&id, Status::Disabled).await.unwrap(),
        "a client has a quota" => {
            let quota = Quota { per_second: 1, burst: 1, at_once: 1 };
            node.set_client_quota(&id, Some(quota)).await.unwrap();
        }
        "a client is removed" => node.remove_client(&id).await.unwrap(),
        "a token is revoked" => node.revoke_token("a-token", u64::MAX / 4).await.unwrap(),
        "what an app was allowed is taken back" => {
            let grants = node.grants_of_apps("app", "", "").await.unwrap();
            assert_eq!(node.revoke_grants(&grants[0].id, "").await.unwrap().len(), 1);
        }
        "a person has another password" => {
            allow(node).await;
            put_person(node, "another horse battery").await;
        }
        "a person is kept out" => {
            allow(node).await;
            let person = node.person("ada").await.unwrap().unwrap();
            node.disable_person(&person.id).await.unwrap();
        }
        "a code is used twice" => {
            let code = allow(node).await;
            assert!(matches!(node.use_code(&code).await.unwrap(), node::apps::Used::Fresh { .. }));
            assert!(matches!(node.use_code(&code).await.unwrap(), node::apps::Used::Again(_)));
        }
        _ => node.add_token_key("ES384", 99, b"secret").await.unwrap(),
    }
}

async fn put_person(node: &Node, password: &str) {
    node.put_person("ada", password, "Ada", "Practitioner/7").await.unwrap();
}

async fn allow(node: &Node) -> String {
    let person = node.person("ada").await.unwrap().unwrap().id;
    let grant = Grant { client: "app".into(), person, scope: "patient/*.rs".into(), ..Grant::default() };
    node.allow(grant, ("https://app.example/cb", "challenge"), None, None).await.unwrap().unwrap()
}

/// What another process serves by: its mark, once the one it read is too old.
async fn later(node: &Node) -> Mark {
    tokio::time::sleep(MARK_AGE_MAX).await;
    node.clients_mark().await.unwrap()
}

#[tokio::test]
async fn whatever_ends_anything_moves_the_mark_in_every_process() {
    for database in databases() {
        let here = Place::new(Role::Gateway, "Hospital", database).await;
        let there = here.beside().await;
        for (what, ends) in CHANGES {
            let before = here.node.clients_mark_now().await.unwrap();
            assert_eq!(there.clients_mark_now().await.unwrap(), before, "{database:?}, before {what}");
            change(&here.node, what).await;
            assert_eq!(here.node.clients_mark().await.unwrap() != before, ends, "{database:?}, {what}, here");
            assert_eq!(later(&there).await != before, ends, "{database:?}, {what}, there");
        }
    }
}

/// A look that began before a change is not taken for one after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_changes_something_sees_it_at_once_whatever_else_is_asked() {
    for database in databases() {
        let here = Place::new(Role::Gateway, "Hospital", database).await;
        let looking = (0..4).map(|_| {
            let node = here.node.clone();
            tokio::spawn(async move {
                for _ in 0..400 {
                    node.clients_mark().await.unwrap();
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            })
        });
        let looking = looking.collect::<Vec<_>>();
        let mut before = here.node.clients_mark().await.unwrap();
        for round in 0..50 {
            here.node.revoke_token(&format!("token-{round}"), u64::MAX / 4).await.unwrap();
            let after = here.node.clients_mark().await.unwrap();
            assert_ne!(after, before, "{database:?}, round {round}");
            assert_eq!(after, here.node.clients_mark_now().await.unwrap(), "{database:?}, round {round}");
            before = after;
        }
        for one in looking {
            one.await.unwrap();
        }
    }
}
