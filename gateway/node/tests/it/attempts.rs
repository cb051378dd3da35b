//! Logins that failed, as every process of a hospital counts them.

use crate::common::{Place, databases};
use node::Role;
use node::people::FAILURES_KEPT_S;
use store::attempts::Failures;
use store::db::Reader;

#[tokio::test]
async fn every_process_counts_the_failures_of_all() {
    for database in databases() {
        let here = Place::new(Role::Gateway, "Hospital", database).await;
        let there = here.beside().await;
        let times =
            async |name: &str, from: &str| there.failed_logins(name, from).await.unwrap().map(|failed| failed.times);
        for _ in 0..3 {
            here.node.count_failed_login(" Ada", "192.0.2.1", 5).await.unwrap();
        }
        there.count_failed_login("ada", "192.0.2.2", 5).await.unwrap();
        assert_eq!(times("ADA ", "192.0.2.1").await, [3, 4], "{database:?}");
        assert_eq!(times("ada", "192.0.2.2").await, [1, 4]);
        assert_eq!(times("ada", "").await, [0, 4]);
        assert_eq!(times("bo", "192.0.2.1").await, [0, 0]);
        here.node.forget_failed_logins("ada", "192.0.2.1").await.unwrap();
        assert_eq!(times("ada", "192.0.2.1").await, [0, 4], "what failed elsewhere was somebody else");
        let both = tokio::join!(
            here.node.count_failed_login("cy", "192.0.2.3", 5),
            there.count_failed_login("cy", "192.0.2.3", 5),
        );
        assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
        assert_eq!(times("cy", "192.0.2.3").await, [2, 2], "{database:?}");
        // Nothing that was typed is in the database.
        let found = Reader::from(&here.store().await).failures(["ada", "at 192.0.2.1 ada"]).await.unwrap();
        assert_eq!(found, [Failures::default(); 2]);
    }
}

#[tokio::test]
async fn failures_are_forgotten_and_no_more_than_so_many_are_kept() {
    for database in databases() {
        let here = Place::new(Role::Gateway, "Hospital", database).await;
        let store = here.store().await;
        let mut tx = store.begin().await.unwrap();
        for (hash, now) in [("old", 100), ("many", 5_000), ("many", 5_001), ("few", 5_002), ("new", 5_003)] {
            tx.count_failure(hash, now, now - FAILURES_KEPT_S, true).await.unwrap();
        }
        tx.sweep_failures(5_003 - FAILURES_KEPT_S, 2, 2).await.unwrap();
        tx.commit().await.unwrap();
        let of = async |hashes| {
            Reader::from(&store).failures(hashes).await.unwrap().map(|found| (found.times, found.since_s))
        };
        assert_eq!(of(["old", "few"]).await, [(0, 0), (0, 0)], "{database:?}");
        assert_eq!(of(["many", "new"]).await, [(2, 5_001), (1, 5_003)], "{database:?}");
        // An hour later it begins anew; of a name everywhere the first moment stays.
        let mut tx = store.begin().await.unwrap();
        tx.count_failure("many", 9_000, 9_000 - FAILURES_KEPT_S, true).await.unwrap();
        for now in [9_000, 9_100] {
            tx.count_failure("everywhere", now, now - FAILURES_KEPT_S, false).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(of(["many", "everywhere"]).await, [(1, 9_000), (2, 9_000)], "{database:?}");
    }
}
