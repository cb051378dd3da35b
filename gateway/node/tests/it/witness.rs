//! Breaking the glass where the gateway has no key: a witness that the patient chose opens the record for a day, with the grant it
//! passes on in the record before any key is out.

use crate::common::{
    Database, Place, asking, caller, count, create, databases, kind, stays_the_same_after_reindex, until,
};
use crate::world::{World, clara_at, condition, observation};
use node::grants::{Approval, GrantState};
use node::{Caller, Node, Role};

const SCOPE: &str = "patient/Observation.rs patient/Condition.rs";

async fn ask(node: &Node, patient: &str, address: &str, (scope, purpose, reason): (&str, &str, &str)) -> String {
    let ask = asking(address, scope, purpose, reason);
    node.request_access(&caller(), patient, ask).await.unwrap().id
}

async fn task(node: &Node, id: &str) -> String {
    String::from_utf8(node.read(&caller(), kind("Task"), id).await.unwrap().json).unwrap()
}

struct Town {
    /// The custodian, the witness, and whoever treats in an emergency.
    a: Place,
    w: Place,
    b: Place,
    p: Place,
    at_b: String,
    address: String,
}

/// A patient with a record that one hospital wrote into and another one is let into for emergencies.
async fn town(database: Database, witness: bool) -> Town {
    let world = World::open(database).await;
    let w = Place::connected(Role::Gateway, "W", database).await;
    create(&world.a.node, observation(&world.at_a, "x")).await;
    create(&world.a.node, condition(&world.at_a)).await;
    let World { a, b, p, at_b, address, .. } = world.handed_over().await;
    let at_w = clara_at(&w).await;
    let asked = ask(&w.node, &at_w, &address, (SCOPE, "ETREAT", "emergency department")).await;
    until("the request is on the page", || async { !p.node.requests().await.unwrap().is_empty() }).await;
    let request = p.node.requests().await.unwrap().remove(0);
    let scopes = request.lines.iter().map(|line| line.scope.clone()).collect();
    let approval = Approval { scopes, end_ms: request.end_ms, witness, ..Approval::default() };
    p.node.approve(&request.id, approval).await.unwrap();
    until("the witness is let in", || async { task(&w.node, &asked).await.contains("\"completed\"") }).await;
    let emergency = Caller { purpose: "ETREAT".into(), reason: "test".into(), ..caller() };
    until("the witness has what was written", || async {
        let query = w.node.query(kind("Observation"), &[]).await.unwrap();
        w.node.search(&emergency, query, None).await.unwrap().matches.len() == 1
    })
    .await;
    let address = match witness {
        true => {
            let mut carried = None;
            while carried.is_none() {
                let grants = p.node.grants().await.unwrap();
                carried = grants.into_iter().find_map(|grant| grant.emergency);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            carried.unwrap()
        }
        false => {
            assert!(p.node.grants().await.unwrap().iter().all(|grant| grant.emergency.is_none()));
            // Where W is reached, as an invite of its own says it.
            let invite = w.node.invite(&caller(), &at_w).await.unwrap().code;
            format!("{}?at={}", address.split('?').next().unwrap(), invite.split("?at=").nth(1).unwrap())
        }
    };
    Town { a, w, b, p, at_b, address }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_opens_the_record_while_its_patient_cannot_be_asked() {
    for database in databases() {
        a_witness_opens_the_record_while_its_patient_cannot_be_asked_on(database).await;
    }
}

async fn a_witness_opens_the_record_while_its_patient_cannot_be_asked_on(database: Database) {
    let mut town = town(database, true).await;
    town.p.node.close().await;
    town.a.node.close().await;
    let (w, b) = (&town.w.node, &town.b.node);
    // For another purpose, without a reason, or for more than the witness has, nothing is opened.
    for (what, says) in [
        ((SCOPE, "TREAT", "curious"), "another identity answers"),
        (("patient/Observation.rs", "ETREAT", ""), "an emergency needs its reason"),
        (("patient/*.rs", "ETREAT", "unconscious"), "may open no more than"),
        (("patient/Observation.crs", "ETREAT", "unconscious"), "may open no more than"),
    ] {
        let id = ask(b, &town.at_b, &town.address, what).await;
        until(says, || async {
            let task = task(b, &id).await;
            task.contains("\"failed\"") && task.contains(says)
        })
        .await;
    }
    assert_eq!(count(b, "Observation", "").await, 0);
    let id = ask(b, &town.at_b, &town.address, ("patient/Observation.rs", "ETREAT", "found unconscious")).await;
    until("the record is opened", || async { task(b, &id).await.contains("\"completed\"") }).await;
    let emergency = Caller { purpose: "BTG".into(), reason: "found unconscious".into(), ..caller() };
    let sees = async |by: &Caller, name: &str| {
        let query = b.query(kind(name), &[]).await.unwrap();
        b.search(by, query, None).await.unwrap().matches.len()
    };
    until("what was written is there", || async { sees(&emergency, "Observation").await == 1 }).await;
    assert_eq!(sees(&emergency, "Condition").await, 0, "no more than was asked for");
    assert_eq!(sees(&caller(), "Observation").await, 0, "and for an emergency alone");
    let events = w.query(kind("AuditEvent"), &[]).await.unwrap();
    until("the witness has it in its audit log", || async {
        let found = w.search(&caller(), events.clone(), None).await.unwrap();
        found.matches.iter().any(|event| {
            let text = String::from_utf8_lossy(&event.json);
            text.contains("found unconscious") && text.contains("witness")
        })
    })
    .await;
    stays_the_same_after_reindex(b).await;

    // The patient comes back, is told, and takes it back.
    town.p.restart(true).await;
    let p = &town.p.node;
    until("the patient is told who was let in", || async {
        let grants = p.grants().await.unwrap();
        grants.iter().any(|grant| grant.name == "Hospital B" && grant.through == "W" && grant.purpose == "ETREAT")
    })
    .await;
    let grants = p.grants().await.unwrap();
    let passed = grants.iter().find(|grant| grant.name == "Hospital B").unwrap();
    assert!(passed.end_ms <= node::clock::now_ms() + 24 * 3600 * 1000 && passed.end_ms > 0, "for a day at most");
    assert!(passed.emergency.is_none(), "and it passes nothing on");
    let witness = grants.iter().find(|grant| grant.name == "W").unwrap();
    p.revoke(&witness.id).await.unwrap();
    until("what was passed on is over with it", || async {
        p.grants().await.unwrap().iter().all(|grant| grant.name == "Hospital A" || grant.state != GrantState::Open)
    })
    .await;
    until("and B sees nothing more", || async { sees(&emergency, "Observation").await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_chosen_is_no_witness() {
    let town = town(Database::Sqlite, false).await;
    town.p.node.close().await;
    let id = ask(&town.b.node, &town.at_b, &town.address, (SCOPE, "ETREAT", "unconscious")).await;
    until("it is refused", || async { task(&town.b.node, &id).await.contains("is no witness") }).await;
    assert_eq!(count(&town.b.node, "Observation", "").await, 0);
}
