//! Edits that did not know each other: kept, told, and ended by a person; in whatever order they come.

use super::{Plan, history, put, read, seen};
use crate::common::{Database, caller, databases, kind, stays_the_same_after_reindex};
use crate::meet::meet;
use node::write::Intent;
use node::{Node, NodeError};
use record::RecordId;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn two_that_write_at_once_are_told_until_somebody_brings_it_together() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        let (by_a, by_b) = (plan.by_a("by A", None).await.unwrap(), plan.by_b("by B", None).await.unwrap());
        plan.meet().await;
        let [at_a, at_b, at_p] = plan.seen().await;
        assert!(at_a.2 && at_b.2 && at_p.2, "{at_a:?} {at_b:?} {at_p:?}");
        assert_eq!((&at_a.0, &at_a.0), (&at_b.0, &at_p.0), "one of them is current, everywhere the same");
        // Whoever had the current one already is told by another versionId and time.
        let (winner, id) = match at_a.0.as_str() {
            "by A" => (&plan.a.node, &plan.id),
            _ => (&plan.b.node, &plan.named),
        };
        let written = if at_a.0 == "by A" { &by_a } else { &by_b };
        let told = seen(winner, id).await;
        assert_eq!(told.1, format!("{}-2", written.version));
        let versions = history(winner, id).await;
        assert_eq!(versions[0].0, told.1);
        assert!(versions[0].1 > versions.iter().find(|one| one.0 == written.version).unwrap().1);
        let before = winner.vread(&caller(), kind("CarePlan"), id, &written.version).await.unwrap();
        assert!(!String::from_utf8(before.json).unwrap().contains("conflict"), "as it was served");
        plan.stays().await;

        // A write that names no version goes on from one of them, and the other still stands beside it.
        plan.by_b("unaware", None).await.unwrap();
        plan.meet().await;
        plan.all_see("unaware", true).await;
        // One that names the version from before is refused, one that names the tagged version ends it.
        let stale = plan.by_b("stale", Some(&by_b.version)).await;
        assert!(matches!(stale, Err(NodeError::Precondition(_))), "{stale:?}");
        // What the reader got is sent back with its tag, which says nothing.
        let mut together = read(&plan.b.node, &plan.named).await;
        together["title"] = json!("together");
        let version = together["meta"]["versionId"].as_str().unwrap().to_owned();
        put(&plan.b.node, together, Some(&version)).await.unwrap();
        plan.meet().await;
        plan.all_see("together", false).await;
        plan.by_a("and on", None).await.unwrap();
        plan.meet().await;
        plan.all_see("and on", false).await;
        plan.stays().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_beside_an_edit_is_told_too() {
    let plan = Plan::kept(Database::Sqlite, true).await;
    plan.by_b("once", None).await.unwrap();
    plan.meet().await;
    plan.by_a("edited", None).await.unwrap();
    let delete = Intent::Delete { kind: kind("CarePlan"), id: plan.named.clone(), if_match: None };
    plan.b.node.write(&caller(), delete).await.unwrap();
    plan.meet().await;
    let gone = plan.a.node.read(&caller(), kind("CarePlan"), &plan.id).await.is_err();
    for (node, id) in [(&plan.b.node, &plan.named), (&plan.p.node, &plan.named)] {
        assert_eq!(node.read(&caller(), kind("CarePlan"), id).await.is_err(), gone, "everywhere the same");
    }
    match gone {
        true => drop(plan.by_a("back", None).await.unwrap()),
        false => assert!(seen(&plan.a.node, &plan.id).await.2),
    }
    plan.meet().await;
    let [a, b, p] = plan.seen().await;
    assert_eq!((a.0.clone(), a.2, b.2), (b.0, true, p.2));
    plan.stays_named(&a.1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_beside_and_does_not_count_is_no_conflict() {
    let plan = Plan::kept(Database::Sqlite, true).await;
    let (by_a, _) = (plan.by_a("by A", None).await.unwrap(), plan.by_b("by B", None).await.unwrap());
    // The patient ends it before B's edit comes: it is kept apart.
    let grant = plan.grant_of_b().await;
    plan.p.node.revoke(&grant.id).await.unwrap();
    meet(&plan.b.node, &plan.p.node, plan.record).await;
    meet(&plan.a.node, &plan.p.node, plan.record).await;
    assert_eq!(seen(&plan.a.node, &plan.id).await, ("by A".to_owned(), by_a.version.clone(), false));
    assert_eq!(seen(&plan.p.node, &plan.named).await.0, "by A");
    let (held, _) = plan.p.node.held_back().await.unwrap();
    assert_eq!(held.iter().map(|held| held.ops.len()).sum::<usize>(), 1);
    // Taken in, it stands beside A's.
    plan.p.node.take_in(plan.record, held[0].ops.clone()).await.unwrap();
    meet(&plan.a.node, &plan.p.node, plan.record).await;
    let (at_a, at_p) = (seen(&plan.a.node, &plan.id).await, seen(&plan.p.node, &plan.named).await);
    assert!(at_a.2 && at_p.2 && at_a.0 == at_p.0, "{at_a:?} {at_p:?}");
    for node in [&plan.a.node, &plan.p.node] {
        stays_the_same_after_reindex(node).await;
    }
    assert_eq!(seen(&plan.a.node, &plan.id).await, at_a);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_keeps_one_of_several_edits_for_everybody() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        assert!(plan.p.node.conflicts().await.unwrap().is_empty());
        plan.by_a("by A", None).await.unwrap();
        plan.by_b("by B", None).await.unwrap();
        plan.meet().await;
        let found = plan.p.node.conflicts().await.unwrap();
        let [one] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (one.resource_type.as_str(), one.id.as_str(), one.sides.len()),
            ("CarePlan", plan.named.as_str(), 2)
        );
        let of = |name: &str| one.sides.iter().find(|side| side.name == name).unwrap().clone();
        assert!(of("Hospital A").text.unwrap().contains("by A") && of("Hospital B").text.unwrap().contains("by B"));
        // The one that nobody sees just now.
        let (other, title) = (&one.sides[0], if one.sides[0].name == "Hospital A" { "by A" } else { "by B" });
        let keep =
            async |shown: &str, version: &str| plan.p.node.keep(&one.resource_type, &one.id, shown, version).await;
        assert!(matches!(keep("elder", &other.version).await, Err(NodeError::Unprocessable(_))));
        assert!(matches!(keep(&one.version, "none").await, Err(NodeError::NotFound(_))));
        keep(&one.version, &other.version).await.unwrap();
        assert!(keep(&one.version, &other.version).await.is_err(), "it is decided");
        plan.meet().await;
        plan.all_see(title, false).await;
        assert!(plan.p.node.conflicts().await.unwrap().is_empty());
        for (node, id, at) in [(&plan.a.node, &plan.id, &plan.at_a), (&plan.b.node, &plan.named, &plan.at_b)] {
            assert_eq!(read(node, id).await["subject"]["reference"], format!("Patient/{at}"));
        }
        plan.stays().await;
        // A deletion is kept as well.
        plan.by_a("edited", None).await.unwrap();
        let delete = Intent::Delete { kind: kind("CarePlan"), id: plan.named.clone(), if_match: None };
        plan.b.node.write(&caller(), delete).await.unwrap();
        plan.meet().await;
        let found = plan.p.node.conflicts().await.unwrap().remove(0);
        let gone = found.sides.iter().find(|side| side.deleted).unwrap();
        plan.p.node.keep("CarePlan", &found.id, &found.version, &gone.version).await.unwrap();
        plan.meet().await;
        for (node, id) in [(&plan.a.node, &plan.id), (&plan.b.node, &plan.named), (&plan.p.node, &plan.named)] {
            let found = node.read(&caller(), kind("CarePlan"), id).await;
            assert!(matches!(found, Err(NodeError::Gone(_))), "{found:?}");
            stays_the_same_after_reindex(node).await;
        }
    }
}

/// A small generator of its own, so that a printed seed says everything.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How many resources of a record are in conflict, as its ops alone have it.
async fn in_conflict(node: &Node, record: RecordId) -> u64 {
    let report = node.verify().await.unwrap();
    let found = report.records.iter().find(|one| one.record == record).unwrap();
    found.conflicts.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_order_it_comes_everybody_says_what_the_ops_say() {
    for database in databases() {
        let mut plan = Plan::kept(database, true).await;
        let seed = u64::from_le_bytes(node::clock::random());
        println!("seed {seed}");
        let (mut dice, mut tagged) = (Dice(seed), 0);
        for step in 0..40 {
            match dice.below(10) {
                0..=2 => drop(plan.by_a(&format!("A {step}"), None).await.unwrap()),
                3..=5 => drop(plan.by_b(&format!("B {step}"), None).await.unwrap()),
                // Whoever names what it sees resolves what it knows of.
                6 => {
                    let version = seen(&plan.a.node, &plan.id).await.1;
                    plan.by_a(&format!("A resolves {step}"), Some(&version)).await.unwrap();
                }
                7 => drop(meet(&plan.a.node, &plan.p.node, plan.record).await),
                8 => drop(meet(&plan.b.node, &plan.p.node, plan.record).await),
                // Another process writes into another lane.
                _ if dice.below(2) == 0 => plan.a.restart(false).await,
                _ => plan.b.restart(false).await,
            }
            for (node, id) in [(&plan.a.node, &plan.id), (&plan.b.node, &plan.named), (&plan.p.node, &plan.named)] {
                let says = seen(node, id).await.2;
                assert_eq!(in_conflict(node, plan.record).await, u64::from(says), "seed {seed}, step {step}");
                tagged += u64::from(says);
            }
        }
        println!("{tagged} of 120 looks found a conflict");
        plan.meet().await;
        let [a, b, p] = plan.seen().await;
        assert_eq!([(&a.0, a.2), (&b.0, b.2)], [(&p.0, p.2), (&p.0, p.2)], "seed {seed}");
        plan.stays().await;
    }
}
