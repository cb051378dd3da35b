//! A database that falls back while its gateway runs, as when a replica that lags takes over: nothing that was signed is
//! signed again as something else, and what only others still have comes back from them.

use crate::common::{Database, Place, count, create, databases, is_clean, pair, until};
use crate::world::{clara_at, observation};
use node::Role;
use store::Store;

/// Every table that a transaction writes to; the clock last.
const TABLES: [&str; 31] = [
    "log_meta",
    "log_ops",
    "log_frames",
    "log_journal",
    "log_keys",
    "log_identities",
    "log_clients",
    "log_tasks",
    "log_audit",
    "log_acks",
    "log_ack_branches",
    "log_assertions",
    "log_returned",
    "cache_records",
    "cache_homes",
    "cache_lanes",
    "cache_branches",
    "cache_versions",
    "cache_token",
    "cache_string",
    "cache_date",
    "cache_reference",
    "cache_number",
    "cache_content",
    "cache_reach",
    "cache_within",
    "cache_beyond",
    "cache_copies",
    "cache_missing",
    "cache_waiting",
    "log_clock",
];

async fn keep(store: &Store) {
    for table in TABLES {
        store.run(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
}

async fn fall_back(store: &Store) {
    for table in TABLES {
        store.run(&format!("DELETE FROM {table}")).await.unwrap();
        store.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await.unwrap();
    }
}

/// Ops that another op of the same author, lane and number contradicts.
async fn forks(store: &Store) -> u64 {
    let same = ["record", "author", "lane_kind", "lane_instance", "seq"];
    let same = same.map(|column| format!("o.{column} = log_ops.{column}")).join(" AND ");
    let sql = format!(
        "UPDATE log_ops SET seq = seq WHERE EXISTS (SELECT 1 FROM log_ops o WHERE {same} AND o.id <> log_ops.id)"
    );
    store.run(&sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fell_back_gets_new_lanes() {
    for database in databases() {
        for others_go_on in [false, true] {
            a_database_that_fell_back_gets_new_lanes_on(database, others_go_on).await;
        }
    }
}

/// With `others_go_on` another process writes first, as often as was lost: by its positions alone the log looks as before.
async fn a_database_that_fell_back_gets_new_lanes_on(database: Database, others_go_on: bool) {
    let a = Place::connected(Role::Gateway, "Hospital A", database).await;
    let mut p = Place::connected(Role::Patient, "Clara", database).await;
    let id = clara_at(&a).await;
    let observation = |words: &str| observation(&id, words);
    pair(&a.node, &p.node, &id).await;
    create(&a.node, observation("first")).await;
    until("the patient has the first", || async { count(&p.node, "Observation", "").await == 1 }).await;
    let quiet = async || {
        until("nothing is on its way", || async { a.node.peers().await.unwrap().iter().all(|peer| peer.behind == 0) })
            .await;
    };
    quiet().await;
    let (mine, theirs) = (a.store().await, p.store().await);
    keep(&mine).await;
    let kept = mine.position().await.unwrap();

    create(&a.node, observation("lost")).await;
    until("the patient has the second", || async { count(&p.node, "Observation", "").await == 2 }).await;
    quiet().await;
    let lost = mine.position().await.unwrap();
    fall_back(&mine).await;

    let mut wanted = 3;
    if others_go_on {
        let other = a.beside().await;
        while mine.position().await.unwrap() < lost {
            create(&other, observation("by another process")).await;
            wanted += 1;
        }
        assert!(mine.position().await.unwrap() > kept);
    }
    create(&a.node, observation("after")).await;
    is_clean(&a.node).await;

    // What was lost comes back with the next meeting, and the patient has all of it.
    p.restart(true).await;
    until("the patient has everything", || async { count(&p.node, "Observation", "").await == wanted }).await;
    until("so has the hospital", || async { count(&a.node, "Observation", "").await == wanted }).await;
    assert_eq!((forks(&theirs).await, forks(&mine).await), (0, 0), "{database:?} {others_go_on}");
    for place in [&a, &p] {
        is_clean(&place.node).await;
    }
}
