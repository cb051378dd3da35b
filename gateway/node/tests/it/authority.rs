//! What a patient decides holds when others are offline or late: access narrowed, over by the clock, taken back while its
//! holder wrote on; and what was written late is kept apart until the patient takes it in.

use crate::common::{Database, asking, caller, count, create, databases, kind, stays_the_same_after_reindex, until};
use crate::world::{World, condition, observation};
use node::grants::{Approval, GrantState};
use node::requests::AccessRequest;
use node::{Caller, NodeError};
use record::state::Quarantine;
use record::{OpId, Verified};

async fn house(database: Database) -> World {
    let world = World::open(database).await;
    create(&world.a.node, observation(&world.at_a, "height")).await;
    create(&world.a.node, condition(&world.at_a)).await;
    let world = world.handed_over().await;
    until("the patient has what A wrote", || async { count(&world.p.node, "Condition", "").await == 1 }).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn narrowed_access_opens_what_is_left_and_nothing_else() {
    for database in databases() {
        let house = house(database).await;
        house.let_in("patient/Observation.rs patient/Condition.rs").await;
        until("B sees both", || async {
            count(&house.b.node, "Observation", "").await == 1 && count(&house.b.node, "Condition", "").await == 1
        })
        .await;
        let grant = house.grants(GrantState::Open).await.remove(0);
        let say = |scopes: &[&str], end_ms| Approval {
            scopes: scopes.iter().map(|s| s.to_string()).collect(),
            end_ms,
            ..Approval::default()
        };
        for (scopes, end_ms) in [
            (&["patient/*.rs"][..], grant.end_ms),
            (&["patient/Observation.cruds"], grant.end_ms),
            (&[], grant.end_ms),
            (&["patient/Observation.rs", "patient/Condition.rs"], grant.end_ms),
            (&["patient/Observation.rs"], 1),
        ] {
            let refused = house.p.node.narrow(&grant.id, say(scopes, end_ms)).await;
            assert!(matches!(refused, Err(NodeError::Unprocessable(_))), "{scopes:?} {end_ms}: {refused:?}");
        }
        house.p.node.narrow(&grant.id, say(&["patient/Observation.rs"], grant.end_ms)).await.unwrap();
        assert_eq!(house.grants(GrantState::Replaced).await.len(), 1);
        let left = house.grants(GrantState::Open).await;
        assert_eq!(left.iter().map(|grant| grant.scope.as_str()).collect::<Vec<_>>(), ["patient/Observation.rs"]);
        until("B no longer sees the condition", || async { count(&house.b.node, "Condition", "").await == 0 }).await;
        create(&house.a.node, observation(&house.at_a, "weight")).await;
        create(&house.a.node, condition(&house.at_a)).await;
        until("what is left goes on", || async { count(&house.b.node, "Observation", "").await == 2 }).await;
        assert_eq!(count(&house.b.node, "Condition", "").await, 0);
        let again = house.p.node.narrow(&grant.id, say(&["patient/Observation.r"], grant.end_ms)).await;
        assert!(matches!(again, Err(NodeError::Unprocessable(_))), "what was replaced is not narrowed: {again:?}");
        stays_the_same_after_reindex(&house.p.node).await;
        stays_the_same_after_reindex(&house.b.node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_late_is_kept_apart_until_the_patient_takes_it_in() {
    for database in databases() {
        let mut house = house(database).await;
        house.let_in("patient/Observation.cruds").await;
        create(&house.b.node, observation(&house.at_b, "in time")).await;
        until("what B wrote in time is there", || async { count(&house.p.node, "Observation", "").await == 2 }).await;
        house.b.restart(false).await;
        let grant = house.grants(GrantState::Open).await.remove(0);
        house.p.node.revoke(&grant.id).await.unwrap();
        create(&house.b.node, observation(&house.at_b, "late")).await;
        create(&house.b.node, observation(&house.at_b, "later")).await;
        house.b.connect().await;
        until("what B wrote late is kept apart", || async {
            house.p.node.held_back().await.unwrap().0.iter().map(|held| held.ops.len()).sum::<usize>() == 2
        })
        .await;
        let held = house.p.node.held_back().await.unwrap().0.remove(0);
        assert_eq!((held.name.as_str(), held.reason), ("Hospital B", Quarantine::BeyondTheLine));
        assert_eq!(held.counts, [("Observation".to_owned(), 2)]);
        assert_eq!(count(&house.p.node, "Observation", "").await, 2);
        assert_eq!(count(&house.a.node, "Observation", "").await, 2);
        until("its own stay its own", || async { count(&house.b.node, "Observation", "").await == 3 }).await;
        stays_the_same_after_reindex(&house.p.node).await;
        assert_eq!(house.p.node.held_back_count().await.unwrap(), 2);
        // The first of them, then both.
        house.p.node.take_in(held.record, vec![held.ops[0]]).await.unwrap();
        let twice = house.p.node.take_in(held.record, vec![held.ops[0]]).await;
        assert!(matches!(twice, Err(NodeError::NotFound(_))), "what counts is not taken in: {twice:?}");
        assert_eq!(house.p.node.held_back_count().await.unwrap(), 1);
        assert_eq!(count(&house.p.node, "Observation", "").await, 3);
        until("A sees what was taken in", || async { count(&house.a.node, "Observation", "").await == 3 }).await;
        let nothing = house.p.node.take_in(held.record, Vec::new()).await;
        assert!(matches!(nothing, Err(NodeError::Unprocessable(_))));
        house.p.node.take_in(held.record, vec![held.ops[1]]).await.unwrap();
        until("and the other", || async { count(&house.a.node, "Observation", "").await == 4 }).await;
        stays_the_same_after_reindex(&house.p.node).await;
        stays_the_same_after_reindex(&house.a.node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_over_is_closed_with_a_line_and_new_keys() {
    for database in databases() {
        let house = house(database).await;
        house.let_in("patient/Observation.cruds").await;
        create(&house.b.node, observation(&house.at_b, "in time")).await;
        until("what B wrote is there", || async { count(&house.p.node, "Observation", "").await == 2 }).await;
        assert_eq!(house.p.node.close_expired().await.unwrap(), 0);
        let grant = house.grants(GrantState::Open).await.remove(0);
        let end_ms = node::clock::now_ms() + 5000;
        let scopes = vec![grant.scope.clone()];
        house.p.node.narrow(&grant.id, Approval { scopes, end_ms, ..Approval::default() }).await.unwrap();
        until("its time is over", || async { node::clock::now_ms() > end_ms }).await;
        // The node looks by itself as well: whoever comes first closes it.
        house.p.node.close_expired().await.unwrap();
        assert_eq!(house.p.node.close_expired().await.unwrap(), 0);
        assert_eq!(house.grants(GrantState::Ended).await.len(), 1);
        assert_eq!(house.grants(GrantState::Revoked).await.len(), 0);
        create(&house.a.node, observation(&house.at_a, "afterwards")).await;
        until("A goes on", || async { count(&house.p.node, "Observation", "").await == 3 }).await;
        until("B sees its own alone", || async { count(&house.b.node, "Observation", "").await == 1 }).await;
        assert_eq!(house.p.node.held_back_count().await.unwrap(), 0);
        stays_the_same_after_reindex(&house.p.node).await;
    }
}

/// Hospital B signed an op in each of more lanes than a line can name, each as small as it gets.
async fn write_in_very_many_lanes(house: &World) {
    let lanes = "INSERT INTO cache_lanes \
        (record, author, lane_kind, lane_instance, seq, id, lamport, position) \
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17000) \
        SELECT l.record, l.author, 2, n.i, 0, l.id, 1, 0 FROM n CROSS JOIN \
        (SELECT record, author, id FROM cache_lanes WHERE lane_kind = 2 AND author IN \
        (SELECT id FROM log_identities WHERE name = 'Hospital B') LIMIT 1) l";
    let store = house.p.store().await;
    assert_eq!(store.run(lanes).await.unwrap(), 17_000);
    store.close().await;
}

/// A holder that signs in ever new lanes became irrevocable: a line named too many, and nothing could be narrowed, taken
/// back or closed, for it and for all whose time was over with it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_irrevocable_by_writing_in_very_many_lanes() {
    for database in databases() {
        let mut house = house(database).await;
        house.let_in("patient/Observation.cruds").await;
        house.let_in("patient/Condition.rs").await;
        create(&house.b.node, observation(&house.at_b, "in time")).await;
        until("what B wrote is there", || async { count(&house.p.node, "Observation", "").await == 2 }).await;
        house.b.node.close().await;
        write_in_very_many_lanes(&house).await;
        house.p.restart(false).await;
        let grants = house.grants(GrantState::Open).await;
        let of = |scope: &str| grants.iter().find(|grant| grant.scope.contains(scope)).unwrap().clone();
        let (writes, reads) = (of("Observation"), of("Condition"));
        let end_ms = node::clock::now_ms() + 1000;
        let narrower = Approval { scopes: vec![reads.scope.clone()], end_ms, ..Approval::default() };
        house.p.node.narrow(&reads.id, narrower).await.unwrap();
        house.p.node.revoke(&writes.id).await.unwrap();
        assert_eq!(house.grants(GrantState::Revoked).await.len(), 1, "and the revoke opens, and counts");
        until("the time of the other is over", || async { node::clock::now_ms() > end_ms }).await;
        house.p.node.close_expired().await.unwrap();
        assert_eq!(house.grants(GrantState::Ended).await.len(), 1);
        assert_eq!(house.p.node.close_expired().await.unwrap(), 0, "nothing is left to be closed");
        assert_eq!(house.p.node.held_back_count().await.unwrap(), 0, "the newest lane is kept before the others");
        assert_eq!(count(&house.p.node, "Observation", "").await, 2);
        house.p.node.reindex(std::sync::Arc::new(|_| {})).await.unwrap();
        stays_the_same_after_reindex(&house.p.node).await;
    }
}

/// What Hospital B is called where the patient's node keeps it.
async fn name_of_b(house: &World) -> String {
    let b = house.b.node.identity().id();
    let store = house.p.store().await;
    let known = store::db::Reader::from(&store).identity(&b).await.unwrap();
    store.close().await;
    known.unwrap().name
}

/// A grant's name took the place of the known one of any identity, at every member of the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_names_only_whom_nothing_else_names() {
    for database in databases() {
        let house = house(database).await;
        let ask = asking(&house.address, "patient/Condition.rs", "TREAT", "care");
        house.b.node.request_access(&caller(), &house.at_b, ask).await.unwrap();
        until("the request is on the page", || async { !house.p.node.requests().await.unwrap().is_empty() }).await;
        house.b.node.close().await;
        for (known, expected) in [("Clinic B", "Clinic B"), ("", "Hospital B")] {
            let renamed = format!("UPDATE log_identities SET name = '{known}' WHERE name LIKE '% B'");
            let store = house.p.store().await;
            assert_eq!(store.run(&renamed).await.unwrap(), 1);
            store.close().await;
            if known.is_empty() {
                let grant = house.grants(GrantState::Open).await.remove(0);
                house.p.node.revoke(&grant.id).await.unwrap();
            } else {
                let request = house.p.node.requests().await.unwrap().remove(0);
                let approval = Approval { scopes: vec![request.scope], end_ms: request.end_ms, ..Approval::default() };
                house.p.node.approve(&request.id, approval).await.unwrap();
            }
            assert_eq!(name_of_b(&house).await, expected);
        }
    }
}

/// Two histories of one lane of Hospital B, as only a broken or a stolen B signs them: one op, and three others.
async fn forked(house: &World, grant: &str) -> (OpId, [OpId; 3]) {
    let identity = node::identity_file::load(&house.b.dir.path().join("identity.json"), None).unwrap();
    let record = house.p.node.records().await.unwrap()[0].record;
    let store = house.b.store().await;
    let controls = store::db::Reader::from(&store).control_ops(&record).await.unwrap();
    let headers = controls.iter().map(|stored| stored.op.header()).collect::<Vec<_>>();
    let cited = headers.iter().flat_map(|header| header.cited()).collect::<Vec<_>>();
    let heads = controls.iter().map(|stored| stored.op.id()).filter(|id| !cited.contains(&id)).collect::<Vec<_>>();
    let lamport = headers.iter().map(|header| header.lamport).max().unwrap() + 1;
    let one = |wall_ms, previous: Option<&Verified>| {
        let agent = record::body::access::Agent { who: "B".into(), client: "b".into(), purpose: "TREAT".into() };
        let body = record::body::Body::Agent(agent);
        let draft = record::draft::Draft {
            record,
            lane: record::Lane { author: identity.id(), kind: record::LaneKind::Change, instance: 77 },
            seq: previous.map_or(0, |before| before.header().seq + 1),
            previous: previous.map(|before| before.id()),
            control_heads: heads.clone(),
            data_heads: Vec::new(),
            lamport: previous.map_or(lamport, |before| before.header().lamport + 1),
            wall_ms,
            kind: record::Kind::Change,
            authority: record::Authority::Grant(record::GrantId::parse(grant).unwrap()),
            frames: vec![record::draft::DraftFrame::Body { body, key_name: record::entry::KeyName::Plain, key: None }],
        };
        draft.sign(&identity, &mut node::clock::entropy()).unwrap()
    };
    let (short, first) = (one(1, None), one(2, None));
    let second = one(3, Some(&first.0));
    let third = one(4, Some(&second.0));
    let ops = [first, short, second, third];
    let mut tx = store.begin().await.unwrap();
    for (position, (op, frames)) in (1 << 40..).zip(&ops) {
        let frames = (0..).zip(frames.clone()).collect();
        tx.append(vec![store::ops::NewOp { op, frames, position, last_updated: 1 }]).await.unwrap();
    }
    tx.commit().await.unwrap();
    store.close().await;
    let [first, short, second, third] = ops.map(|(op, _)| op.id());
    (short, [first, second, third])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_two_histories_is_flagged_and_a_line_keeps_one_of_them() {
    for database in databases() {
        let mut house = house(database).await;
        house.let_in("patient/Observation.cruds").await;
        assert_eq!(house.p.node.forks().await.unwrap(), []);
        let grant = house.grants(GrantState::Open).await.remove(0);
        house.b.node.close().await;
        let (short, long) = forked(&house, &grant.id).await;
        house.b.restart(true).await;
        until("the fork is told", || async { house.p.node.forks().await.unwrap().len() == 1 }).await;
        let record = house.p.node.records().await.unwrap()[0].record;
        let last = async || {
            let store = house.p.store().await;
            let last = store::db::Reader::from(&store).op(&long[2]).await.unwrap();
            store.close().await;
            last
        };
        until("both histories are here", || async { last().await.is_some_and(|last| last.op.record() == record) })
            .await;
        let fork = house.p.node.forks().await.unwrap().remove(0);
        assert_eq!((fork.name.as_str(), fork.places), ("Hospital B", 1));
        assert_eq!(house.p.node.held_back_count().await.unwrap(), 0, "a fork un-applies nothing");
        house.p.node.revoke(&grant.id).await.unwrap();
        let held = house.p.node.held_back().await.unwrap().0.remove(0);
        assert_eq!(held.ops, [short], "the line keeps what leads to the last op it names");
        stays_the_same_after_reindex(&house.p.node).await;
        assert_eq!(house.p.node.held_back().await.unwrap().0[0].ops, held.ops);
        house.p.node.take_in(held.record, held.ops).await.unwrap();
        assert_eq!(house.p.node.held_back_count().await.unwrap(), 0);
        stays_the_same_after_reindex(&house.p.node).await;
    }
}

fn used_for(purpose: &str) -> Caller {
    Caller { purpose: purpose.to_owned(), ..caller() }
}

async fn seen(node: &node::Node, by: &Caller, name: &str) -> usize {
    let query = node.query(kind(name), &[]).await.unwrap();
    node.search(by, query, None).await.unwrap().matches.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_for_what_it_is_for_and_an_emergency_is_told_at_once() {
    for database in databases() {
        let house = house(database).await;
        let ask = asking(&house.address, "patient/Condition.rs", "ETREAT", "in case of an emergency");
        let nonsense = AccessRequest { purpose: "CURIOSITY".to_owned(), ..ask.clone() };
        let refused = house.b.node.request_access(&caller(), &house.at_b, nonsense).await;
        assert!(matches!(refused, Err(NodeError::Unprocessable(_))), "{refused:?}");
        house.b.node.request_access(&caller(), &house.at_b, ask).await.unwrap();
        until("the request is on the page", || async { !house.p.node.requests().await.unwrap().is_empty() }).await;
        let request = house.p.node.requests().await.unwrap().remove(0);
        let scopes = vec![request.scope.clone()];
        let sensitive = vec!["normal".to_owned()];
        let unknown = Approval { scopes: scopes.clone(), end_ms: request.end_ms, sensitive, ..Approval::default() };
        let refused = house.p.node.approve(&request.id, unknown).await;
        assert!(matches!(refused, Err(NodeError::Unprocessable(_))), "only sensitive classes are named: {refused:?}");
        let approval = Approval { scopes, end_ms: request.end_ms, ..Approval::default() };
        house.p.node.approve(&request.id, approval).await.unwrap();
        let emergency = Caller { reason: "found unconscious".to_owned(), ..used_for("BTG") };
        until("in an emergency B sees it", || async { seen(&house.b.node, &emergency, "Condition").await == 1 }).await;
        for purpose in ["TREAT", "HRESCH", "CURIOSITY", ""] {
            assert_eq!(seen(&house.b.node, &used_for(purpose), "Condition").await, 0, "{purpose}");
        }
        house.let_in("patient/Observation.rs").await;
        until("for treatment B sees this", || async { count(&house.b.node, "Observation", "").await == 1 }).await;
        for (purpose, expected) in [("ETREAT", 1), ("COC", 1), ("HRESCH", 0), ("HPAYMT", 0), ("nothing", 0)] {
            assert_eq!(seen(&house.b.node, &used_for(purpose), "Observation").await, expected, "{purpose}");
        }
        for asked in ["_summary=count", "_count=0", "subject:Patient.name=kreiger", "_has:Provenance:target:agent=x"] {
            let query = house.b.node.query(kind("Condition"), &node::search::pairs(asked)).await.unwrap();
            let refused = house.b.node.search(&emergency, query, None).await;
            assert!(
                matches!(refused, Err(NodeError::Invalid(_))),
                "what is not shown is not told: {asked} {refused:?}"
            );
        }
        let query = house.b.node.query(kind("Condition"), &[]).await.unwrap();
        let shown = house.b.node.search(&emergency, query, None).await.unwrap();
        let id = shown.matches[0].id.clone();
        house.b.node.read(&emergency, kind("Condition"), &id).await.unwrap();
        let refused = house.b.node.read(&caller(), kind("Condition"), &id).await;
        assert!(matches!(refused, Err(NodeError::NotFound(_))), "{refused:?}");
        let event = node::access::Event {
            caller: Some(&emergency),
            // As `$everything` is called.
            interaction: "operation",
            kind: Some(kind("Condition")),
            id: "",
            query: "",
            status: 200,
            request: "r-1",
            patient: "",
            read: &shown.matches.iter().collect::<Vec<_>>(),
        };
        house.b.node.audit(event).await;
        let record = house.p.node.records().await.unwrap()[0].record;
        until("the patient is told", || async { !house.p.node.emergencies(record, 0).await.unwrap().is_empty() }).await;
        let told = house.p.node.emergencies(record, 0).await.unwrap().remove(0);
        assert_eq!((told.why.as_str(), told.reason.as_str()), ("BTG", "found unconscious"));
        assert!(house.p.node.emergencies(record, u64::MAX).await.unwrap().is_empty());
    }
}
