//! The whole way without HTTP: a hospital writes, the patient takes over, another hospital is let in and out again.

use crate::common::{Database, Place, caller, count, create, databases, is_clean, kind, search, until};
use crate::world::{World, clara_at, condition, observation};
use node::grants::Approval;
use node::pairing::PairingState;
use node::requests::AccessRequest;
use node::{NodeError, Role};
use serde_json::json;

async fn text(node: &node::Node, task: &str) -> serde_json::Value {
    let served = node.read(&caller(), kind("Task"), task).await.unwrap();
    serde_json::from_slice(&served.json).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_goes_to_its_patient_and_another_hospital_reads_writes_and_is_let_out() {
    for database in databases() {
        a_record_goes_to_its_patient_and_another_hospital_reads_writes_and_is_let_out_on(database).await;
    }
}

async fn a_record_goes_to_its_patient_and_another_hospital_reads_writes_and_is_let_out_on(database: Database) {
    let World { a, b, mut p, at_a, at_b, .. } = World::open(database).await;
    let practitioner = create(&a.node, json!({"resourceType":"Practitioner","name":[{"family":"Arzt"}]})).await;
    let mut first = observation(&at_a, "height");
    first["performer"] = json!([{"reference": format!("Practitioner/{}", practitioner.id)}]);
    create(&a.node, first).await;
    create(&a.node, condition(&at_a)).await;

    // Step 2: the invite, the digits, both confirm.
    let invite = a.node.invite(&caller(), &at_a).await.unwrap();
    let pairing = p.node.accept_invite(&invite.code).await.unwrap();
    until("both sides have digits", || async {
        p.node.pairing(&pairing).await.unwrap().unwrap().state == PairingState::Digits
    })
    .await;
    let view = p.node.pairing(&pairing).await.unwrap().unwrap();
    assert_eq!(view.hospital, "Hospital A");
    assert_eq!(view.patient_name, "Clara Kreiger");
    let task = text(&a.node, &invite.task).await;
    assert_eq!(task["output"][0]["valueString"], view.digits);
    let keep = vec![true; view.grants.len()];
    p.node.confirm_pairing(&pairing, &keep).await.unwrap();
    a.node.confirm(&caller(), &invite.task, &view.digits).await.unwrap();
    until("the record is the patient's", || async {
        p.node.pairing(&pairing).await.unwrap().unwrap().state == PairingState::Done
    })
    .await;
    assert_eq!(text(&a.node, &invite.task).await["status"], "completed");
    let second = p.node.accept_invite(&invite.code).await.unwrap();
    until("a second use ends in words", || async {
        p.node.pairing(&second).await.unwrap().unwrap().state == PairingState::Ended
    })
    .await;
    let record = p.node.records().await.unwrap().pop().unwrap();
    until("the patient has what A wrote", || async { p.node.records().await.unwrap()[0].resources >= 3 }).await;
    assert_eq!(p.node.records().await.unwrap()[0].title, "Clara Kreiger");

    // A goes on writing, into the patient's record.
    create(&a.node, observation(&at_a, "weight")).await;
    until("what A wrote later arrives", || async { count(&p.node, "Observation", "").await == 2 }).await;

    // Step 3: B asks, the patient narrows.
    let ask = |scope: &str| AccessRequest {
        address: record.address.clone(),
        scope: scope.into(),
        purpose: "TREAT".into(),
        start_ms: None,
        end_ms: None,
        reason: "follow-up".into(),
    };
    let asked =
        b.node.request_access(&caller(), &at_b, ask("patient/Observation.rs patient/Condition.rs")).await.unwrap();
    until("the request is on the page", || async { !p.node.requests().await.unwrap().is_empty() }).await;
    let request = p.node.requests().await.unwrap().remove(0);
    assert_eq!((request.name.as_str(), request.reason.as_str()), ("Hospital B", "follow-up"));
    let wide = Approval { scopes: vec!["patient/*.rs".into()], end_ms: request.end_ms, ..Approval::default() };
    assert!(matches!(p.node.approve(&request.id, wide).await, Err(NodeError::Unprocessable(_))));
    let narrow =
        Approval { scopes: vec!["patient/Observation.rs".into()], end_ms: request.end_ms, ..Approval::default() };
    p.node.approve(&request.id, narrow.clone()).await.unwrap();
    assert!(matches!(p.node.approve(&request.id, narrow).await, Err(NodeError::Unprocessable(_))));

    // Step 4: B finds what A wrote, under its own Patient.
    let query = format!("patient={at_b}&_include=Observation:performer");
    until("B finds A's observations", || async { count(&b.node, "Observation", &query).await == 2 }).await;
    let found = search(&b.node, "Observation", &query).await;
    assert_eq!(found.total, Some(2));
    assert_eq!(found.includes.iter().map(|s| s.kind.name()).collect::<Vec<_>>(), ["Practitioner"]);
    assert_eq!(count(&b.node, "Condition", &format!("patient={at_b}")).await, 0);
    assert_eq!(text(&b.node, &asked.id).await["status"], "completed");
    assert_eq!(count(&b.node, "Consent", &format!("patient={at_b}&status=active")).await, 1);
    let id = found.matches[0].id.clone();
    let put = node::write::Intent::Delete { kind: kind("Observation"), id: id.clone(), if_match: None };
    assert!(matches!(b.node.write(&caller(), put).await, Err(NodeError::Forbidden(_))));

    // Step 5: B writes, first at home, then into the record.
    create(&b.node, observation(&at_b, "at B alone")).await;
    assert_eq!(count(&b.node, "Observation", &format!("patient={at_b}")).await, 3);
    b.node.request_access(&caller(), &at_b, ask("patient/Observation.cu")).await.unwrap();
    until("the second request", || async { p.node.requests().await.unwrap().len() == 2 }).await;
    let request = p.node.requests().await.unwrap().remove(0);
    let scopes = request.lines.iter().map(|line| line.scope.clone()).collect();
    p.node.approve(&request.id, Approval { scopes, end_ms: request.end_ms, ..Approval::default() }).await.unwrap();
    until("B may write", || async { count(&b.node, "Consent", "status=active").await == 2 }).await;
    create(&b.node, observation(&at_b, "from B")).await;
    until("A sees what B wrote", || async { count(&a.node, "Observation", &format!("patient={at_a}")).await == 3 })
        .await;
    until("so does the patient", || async { count(&p.node, "Observation", "").await == 3 }).await;

    // Step 7, in part: a read at B is signed into the record.
    let shown = search(&b.node, "Observation", &query).await;
    b.node
        .audit(node::access::Event {
            caller: Some(&caller()),
            interaction: "search",
            kind: Some(kind("Observation")),
            id: "",
            query: &query,
            status: 200,
            request: "r-1",
            patient: "",
            read: &shown.matches.iter().collect::<Vec<_>>(),
        })
        .await;
    until("the patient sees who looked", || async {
        let (moments, _) = p.node.accesses(record.record, None, 50).await.unwrap();
        moments.iter().any(|moment| moment.who.contains("Hospital B") && moment.why == "TREAT")
    })
    .await;
    assert!(count(&b.node, "AuditEvent", "").await > 0);

    // Step 8: the patient's node is away, A writes, the node comes back.
    p.restart(false).await;
    create(&a.node, observation(&at_a, "while away")).await;
    p.connect().await;
    until("it catches up by itself", || async { count(&p.node, "Observation", "").await == 4 }).await;
    until("and so does B", || async { count(&b.node, "Observation", &format!("patient={at_b}")).await == 5 }).await;

    // Step 6: everything is taken back.
    for grant in p.node.grants().await.unwrap().into_iter().filter(|grant| grant.name == "Hospital B") {
        p.node.revoke(&grant.id).await.unwrap();
    }
    until("B has received it", || async {
        p.node.grants().await.unwrap().iter().filter(|grant| grant.name == "Hospital B").all(|grant| grant.delivered)
    })
    .await;
    assert_eq!(count(&b.node, "Observation", &format!("patient={at_b}")).await, 2);
    assert_eq!(count(&b.node, "Consent", "status=active").await, 0);
    create(&b.node, observation(&at_b, "still writing")).await;
    assert_eq!(count(&b.node, "Observation", &format!("patient={at_b}")).await, 3);
    create(&a.node, observation(&at_a, "after it")).await;
    until("A still reaches the patient", || async { count(&p.node, "Observation", "").await == 5 }).await;

    let (moments, _) = p.node.timeline(record.record, None, 200).await.unwrap();
    assert!(moments.len() > 8, "{moments:#?}");
    for place in [&a, &b, &p] {
        is_clean(&place.node).await;
        let report = place.node.verify().await.unwrap();
        place.node.reindex(std::sync::Arc::new(|_| {})).await.unwrap();
        is_clean(&place.node).await;
        assert_eq!(place.node.verify().await.unwrap(), report);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_digits_end_an_invite_on_both_sides() {
    for database in databases() {
        wrong_digits_end_an_invite_on_both_sides_on(database).await;
    }
}

async fn wrong_digits_end_an_invite_on_both_sides_on(database: Database) {
    let a = Place::connected(Role::Gateway, "A", database).await;
    let p = Place::connected(Role::Patient, "P", database).await;
    let patient = clara_at(&a).await;
    let invite = a.node.invite(&caller(), &patient).await.unwrap();
    assert!(a.node.confirm(&caller(), &invite.task, "000000").await.is_err());
    let pairing = p.node.accept_invite(&invite.code).await.unwrap();
    until("digits", || async { p.node.pairing(&pairing).await.unwrap().unwrap().state == PairingState::Digits }).await;
    let digits = p.node.pairing(&pairing).await.unwrap().unwrap().digits;
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    assert!(matches!(a.node.confirm(&caller(), &invite.task, wrong).await, Err(NodeError::Unprocessable(_))));
    assert_eq!(text(&a.node, &invite.task).await["status"], "failed");
    until("the patient is told", || async {
        p.node.pairing(&pairing).await.unwrap().unwrap().state == PairingState::Ended
    })
    .await;
    assert!(p.node.records().await.unwrap().is_empty());
    assert!(p.node.accept_invite("hello").await.is_err());
}
