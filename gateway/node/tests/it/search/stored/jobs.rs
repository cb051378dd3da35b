//! Jobs while others write, broken off, and called off; on one process and on two of one database.

use super::{EYE, definition, delete, ended, patient, put, refusal, reindex};
use crate::common::{Place, caller, count, databases, is_clean, kind, stays_the_same_after_reindex, until, valid};
use node::parameters::Job;
use node::write::Intent;
use node::{Node, NodeError, Role};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A definition that takes about a millisecond on each Patient, so that a job over hundreds of them can be met on its way.
fn slow(id: &str) -> Value {
    let nine = "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9)";
    let all = format!("{nine}.select({nine}.select({nine})).count()");
    definition(id, id, "number", &["Patient"], &all)
}

/// Waits until a job has done something and has something to do.
async fn half_way(node: &Node, job: &Job) {
    until("the job is half way", async || {
        let job = node.reindex_job(&caller(), &job.id).await.unwrap();
        assert!(job.is_running, "the job is too fast for this test");
        job.done > 0
    })
    .await;
}

/// Two processes of one database: what either writes at any moment of a job of the other has its rows.
#[tokio::test(flavor = "multi_thread")]
async fn writes_while_a_job_runs_lack_nothing_on_any_process() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        let (one, other) = (place.node.clone(), place.beside().await);
        for id in 0..250 {
            put(&one, patient(&format!("p{id}"), "blue")).await;
        }
        put(&one, definition("eye", "eye", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
        put(&one, slow("slow")).await;
        let over = Arc::new(AtomicBool::new(false));
        let writers = [&one, &other].map(|node| {
            let (node, over, at) = (node.clone(), over.clone(), usize::from(std::ptr::eq(node, &other)));
            tokio::spawn(async move {
                let mut written = 0;
                while !over.load(Ordering::SeqCst) {
                    // Half of them are updates of what the job goes through.
                    let id = if written % 2 == 0 {
                        format!("n{at}x{written}")
                    } else {
                        format!("p{}", (written * 7 + at) % 250)
                    };
                    put(&node, patient(&id, "green")).await;
                    written += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        });
        let job = one.begin_reindex(&caller()).await.unwrap();
        assert_eq!(other.begin_reindex(&caller()).await.unwrap().id, job.id, "the one that runs");
        half_way(&other, &job).await;
        assert!(refusal(&other, "Patient", "eye=blue").await.contains("is being indexed"));
        ended(&other, &job.id).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        over.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        // Another process learns of it within a second.
        until("the other process finds by it", async || refusal(&other, "Patient", "eye=blue").await.is_empty()).await;
        let all = count(&one, "Patient", "_count=1000").await;
        for node in [&one, &other] {
            let found = count(node, "Patient", "eye=blue&_count=1000").await
                + count(node, "Patient", "eye=green&_count=1000").await;
            assert_eq!(found, all);
            assert_eq!(count(node, "Patient", "eye:missing=true").await, 0);
        }
        delete(&one, "SearchParameter", "slow").await;
        reindex(&one).await;
        stays_the_same_after_reindex(&one).await;
        other.close().await;
    }
}

/// A process that ends in the middle of a job goes on where it was; a job that was called off leaves nothing to find, and
/// the next one begins anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_broken_off_goes_on_and_one_called_off_does_not() {
    for database in databases() {
        let mut place = Place::new(Role::Gateway, "A", database).await;
        for id in 0..250 {
            put(&place.node, patient(&format!("p{id}"), "blue")).await;
        }
        put(&place.node, definition("eye", "eye", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
        put(&place.node, slow("slow")).await;
        let job = place.node.begin_reindex(&caller()).await.unwrap();
        half_way(&place.node, &job).await;
        place.restart(false).await;
        assert!(place.node.reindex_job(&caller(), &job.id).await.unwrap().is_running);
        ended(&place.node, &job.id).await;
        assert_eq!(count(&place.node, "Patient", "eye=blue&_count=1000").await, 250);
        is_clean(&place.node).await;
        delete(&place.node, "SearchParameter", "slow").await;
        put(&place.node, definition("more", "more", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
        put(&place.node, slow("slower")).await;
        let job = place.node.begin_reindex(&caller()).await.unwrap();
        half_way(&place.node, &job).await;
        assert!(refusal(&place.node, "Patient", "more=blue").await.contains("is being indexed"));
        place.node.cancel_reindex(&caller(), &job.id).await.unwrap();
        assert!(place.node.reindex_job(&caller(), &job.id).await.unwrap().is_cancelled);
        assert!(refusal(&place.node, "Patient", "more=blue").await.contains("is not indexed"));
        is_clean(&place.node).await;
        put(&place.node, patient("p1", "green")).await;
        delete(&place.node, "SearchParameter", "slower").await;
        reindex(&place.node).await;
        assert_eq!(count(&place.node, "Patient", "more=blue&_count=1000").await, 249);
        stays_the_same_after_reindex(&place.node).await;
    }
}

/// A whole reindex does what is left of a job, and ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_reindex_ends_the_job_that_runs() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        let node = &place.node;
        for id in 0..150 {
            put(node, patient(&format!("p{id}"), "blue")).await;
        }
        put(node, definition("eye", "eye", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
        put(node, slow("slow")).await;
        let job = node.begin_reindex(&caller()).await.unwrap();
        half_way(node, &job).await;
        delete(node, "SearchParameter", "slow").await;
        let done = node.reindex(Arc::new(|_| {})).await.unwrap();
        let ended = node.reindex_job(&caller(), &job.id).await.unwrap();
        assert!(!ended.is_running && !ended.is_cancelled);
        assert_eq!((done.notes.len(), &done.notes), (1, &ended.notes));
        assert_eq!(count(node, "Patient", "eye=blue&_count=1000").await, 150);
        stays_the_same_after_reindex(node).await;
    }
}

/// Another process may have read a condition by a parameter that is gone by the time it writes: nothing matches it then, and
/// a conditional create that trusted in that would make a second one.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_by_a_parameter_that_is_gone_creates_nothing() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "A", database).await;
        let (one, other) = (place.node.clone(), place.beside().await);
        put(&one, patient("p", "blue")).await;
        put(&one, definition("eye", "eye", "token", &["Patient"], &format!("Patient.{EYE}"))).await;
        reindex(&one).await;
        until("the other process finds by it", async || refusal(&other, "Patient", "eye=blue").await.is_empty()).await;
        delete(&one, "SearchParameter", "eye").await;
        reindex(&one).await;
        for _ in 0..20 {
            let resource = valid(patient("p", "blue"));
            let intent = Intent::Create { resource, if_none_exist: Some("eye=blue".to_owned()) };
            let refused = other.write(&caller(), intent).await.unwrap_err();
            assert!(matches!(refused, NodeError::Conflict(_) | NodeError::Invalid(_)), "{refused}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            one.search(&caller(), one.query(kind("Patient"), &[]).await.unwrap(), None).await.unwrap().matches.len(),
            1
        );
        other.close().await;
    }
}
