//! Grants whose scopes have parameters: what they leave out reaches nobody, not as a frame, not by a count, and never as the
//! version it once was.

use crate::common::{
    Database, Place, asking, caller, count, create, databases, kind, stays_the_same_after_reindex, until, valid,
};
use crate::world::World;
use node::grants::Approval;
use node::history::{Of, Wanted};
use node::write::Intent;
use node::{Caller, NodeError, Role};
use serde_json::{Value, json};
use store::within::{ANYBODY, Found, Held};

const LABORATORY: &str = "patient/Observation.rs?category=laboratory";

async fn ward(database: Database) -> World {
    World::open(database).await.handed_over().await
}

impl World {
    fn observation(&self, category: &str, code: &str) -> Value {
        let system = "http://terminology.hl7.org/CodeSystem/observation-category";
        json!({"resourceType":"Observation","status":"final","code":{"text":code},
            "category":[{"coding":[{"system":system,"code":category}]}],
            "subject":{"reference":format!("Patient/{}", self.at_a)}})
    }

    async fn update(&self, id: &str, category: &str, code: &str) {
        let mut json = self.observation(category, code);
        json["id"] = id.into();
        self.a.node.write(&caller(), Intent::Update { resource: valid(json), if_match: None }).await.unwrap();
    }

    /// How many Observations B finds, and of how many it has a version in its history.
    async fn seen(&self) -> (usize, i64) {
        let wanted = Wanted { count: 100, ..Wanted::default() };
        let history = self.b.node.versions(&caller(), &Of::Type(kind("Observation")), wanted, None).await.unwrap();
        (count(&self.b.node, "Observation", "").await, history.total)
    }

    /// Resource frames of others that B keeps.
    async fn kept(&self) -> u64 {
        let sql =
            "UPDATE log_frames SET place = place WHERE op IN (SELECT op FROM cache_versions WHERE own = 0 AND type = ";
        let sql = format!("{sql}{})", kind("Observation").number());
        self.b.store().await.run(&sql).await.unwrap()
    }

    async fn shows(&self, what: &str, expected: (usize, i64)) {
        until(what, || async { self.seen().await == expected }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_parameters_leave_out_reaches_nobody() {
    for database in databases() {
        what_parameters_leave_out_reaches_nobody_on(database).await;
    }
}

async fn what_parameters_leave_out_reaches_nobody_on(database: Database) {
    let ward = ward(database).await;
    let mine = format!("{}.", ward.a.node.identity().id().origin());
    let first = create(&ward.a.node, ward.observation("laboratory", "glucose")).await.id;
    let vital = create(&ward.a.node, ward.observation("vital-signs", "height")).await.id;
    ward.let_in(LABORATORY).await;
    ward.shows("B sees the laboratory's", (1, 1)).await;
    // What comes after the grant, in one transaction with what is beyond it.
    create(&ward.a.node, ward.observation("vital-signs", "weight")).await;
    let second = create(&ward.a.node, ward.observation("laboratory", "sodium")).await.id;
    ward.shows("and what comes later", (2, 2)).await;
    assert_eq!(count(&ward.b.node, "Observation", "category=vital-signs").await, 0);
    let read = async |id: &str| ward.b.node.read(&caller(), kind("Observation"), &format!("{mine}{id}")).await;
    assert!(read(&first).await.is_ok());
    assert!(matches!(read(&vital).await, Err(NodeError::NotFound(_))), "as if it were not there");
    // Two frames each are its agents' words and the Observation: of the others B has no frame at all.
    assert_eq!(ward.kept().await, 4);

    // What was within and is not any more is gone with all it was; what comes within is there.
    ward.update(&first, "vital-signs", "glucose").await;
    ward.shows("the one that left is hidden", (1, 1)).await;
    assert!(matches!(read(&first).await, Err(NodeError::NotFound(_))), "and not shown as it was");
    ward.update(&vital, "laboratory", "height").await;
    ward.shows("the one that came is there, without what it was", (2, 2)).await;
    ward.update(&first, "laboratory", "glucose").await;
    ward.shows("and the one that came back", (3, 3)).await;
    let gone = Intent::Delete { kind: kind("Observation"), id: second.clone(), if_match: None };
    ward.a.node.write(&caller(), gone).await.unwrap();
    ward.shows("what is deleted is hidden", (2, 2)).await;
    assert!(matches!(read(&second).await, Err(NodeError::NotFound(_))));

    stays_the_same_after_reindex(&ward.b.node).await;
    assert_eq!(ward.seen().await.0, 2, "after a reindex too");
    assert!(matches!(read(&second).await, Err(NodeError::NotFound(_))));
    // For another purpose than the grant's there is nothing.
    let research = Caller { purpose: "HRESCH".into(), ..caller() };
    let query = ward.b.node.query(kind("Observation"), &[]).await.unwrap();
    assert_eq!(ward.b.node.search(&research, query, None).await.unwrap().matches.len(), 0);
    stays_the_same_after_reindex(&ward.p.node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_narrows_access_to_what_parameters_name() {
    for database in databases() {
        a_patient_narrows_access_to_what_parameters_name_on(database).await;
    }
}

async fn a_patient_narrows_access_to_what_parameters_name_on(database: Database) {
    let ward = ward(database).await;
    for category in ["laboratory", "vital-signs", "laboratory", "imaging"] {
        create(&ward.a.node, ward.observation(category, "x")).await;
    }
    ward.let_in("patient/Observation.rs").await;
    ward.shows("B sees all", (4, 4)).await;
    let grants = ward.p.node.grants().await.unwrap();
    let grant = grants.iter().find(|grant| grant.name == "Hospital B").unwrap();
    let say = |scope: &str| Approval { scopes: vec![scope.into()], end_ms: grant.end_ms, ..Approval::default() };
    for bad in ["patient/Observation.rs?date=gt2020", "patient/Observation.rs?category:not=laboratory"] {
        let refused = ward.p.node.narrow(&grant.id, say(bad)).await;
        assert!(matches!(refused, Err(NodeError::Unprocessable(_))), "{bad}: {refused:?}");
    }
    // What B has a frame of and the narrower grant leaves out is shown to nobody there.
    ward.p.node.narrow(&grant.id, say(LABORATORY)).await.unwrap();
    ward.shows("B sees the laboratory's", (2, 2)).await;
    create(&ward.a.node, ward.observation("imaging", "y")).await;
    create(&ward.a.node, ward.observation("laboratory", "y")).await;
    ward.shows("and what comes of it", (3, 3)).await;
    stays_the_same_after_reindex(&ward.b.node).await;
    assert_eq!(ward.seen().await, (3, 3));
    // Another grant that opens all opens what was never sent, too.
    ward.let_in("patient/Observation.r").await;
    ward.shows("B sees all again", (6, 6)).await;
}

/// What a member had no frames of comes afterwards, and not in the order it was written: still nothing is shown as it was before a
/// version that never comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_shows_nothing_that_was_ended_before() {
    for database in databases() {
        let ward = ward(database).await;
        ward.let_in("patient/Condition.rs").await;
        let moved = create(&ward.a.node, ward.observation("laboratory", "moved")).await.id;
        ward.update(&moved, "vital-signs", "moved").await;
        let deleted = create(&ward.a.node, ward.observation("laboratory", "deleted")).await.id;
        let gone = Intent::Delete { kind: kind("Observation"), id: deleted, if_match: None };
        ward.a.node.write(&caller(), gone).await.unwrap();
        let came = create(&ward.a.node, ward.observation("vital-signs", "came")).await.id;
        ward.update(&came, "laboratory", "came").await;
        create(
            &ward.a.node,
            json!({"resourceType":"Condition","subject":{"reference":format!("Patient/{}", ward.at_a)}}),
        )
        .await;
        until("B has all ops", || async { count(&ward.b.node, "Condition", "").await == 1 }).await;
        ward.let_in(LABORATORY).await;
        ward.shows("B sees the one that came, as it is", (1, 1)).await;
        create(&ward.a.node, ward.observation("laboratory", "more")).await;
        ward.shows("and what comes later", (2, 2)).await;
        stays_the_same_after_reindex(&ward.b.node).await;
        assert_eq!(ward.seen().await, (2, 2), "after a reindex too");
    }
}

/// A deletion that its holder has a frame of ends what was before it, also once the grant was narrowed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_before_access_was_narrowed_stays_gone() {
    for database in databases() {
        let ward = ward(database).await;
        let first = create(&ward.a.node, ward.observation("laboratory", "x")).await.id;
        create(&ward.a.node, ward.observation("laboratory", "y")).await;
        ward.let_in("patient/Observation.rs").await;
        ward.shows("B sees both", (2, 2)).await;
        let gone = Intent::Delete { kind: kind("Observation"), id: first, if_match: None };
        ward.a.node.write(&caller(), gone).await.unwrap();
        ward.shows("B sees that one was deleted", (1, 3)).await;
        let grants = ward.p.node.grants().await.unwrap();
        let grant = grants.iter().find(|grant| grant.name == "Hospital B").unwrap();
        let scopes = vec![LABORATORY.to_owned()];
        let narrower = Approval { scopes, end_ms: grant.end_ms, ..Approval::default() };
        ward.p.node.narrow(&grant.id, narrower).await.unwrap();
        ward.shows("of what was deleted nothing is left", (1, 1)).await;
    }
}

/// In whatever order versions are noted, nothing stands before what is beyond it, and nobody hides another's, but who may change it.
#[tokio::test]
async fn what_is_beyond_hides_what_its_resource_was_before_and_nothing_else() {
    for database in databases() {
        let place = Place::new(Role::Gateway, "B", database).await;
        let store = place.store().await;
        let (one, other) = (record::IdentityId([1; 32]), record::IdentityId([2; 32]));
        let held = |origin, lamport: u64, found| Held {
            record: record::RecordId([7; 32]),
            handle: [3; 16],
            origin,
            lamport,
            op: record::OpId([lamport as u8; 32]),
            found,
        };
        let within = |origin, lamport: u64| held(origin, lamport, Found::Within("g".into(), lamport as i64));
        let check = async |notes: Vec<Held>, expected: u64| {
            let mut tx = store.begin().await.unwrap();
            tx.note_held(&notes).await.unwrap();
            tx.commit().await.unwrap();
            let left = store.run("UPDATE cache_within SET position = position").await.unwrap();
            assert_eq!(left, expected, "{notes:?}");
            for table in ["cache_within", "cache_beyond"] {
                store.run(&format!("DELETE FROM {table}")).await.unwrap();
            }
        };
        let (beyond, withheld) = (|| Found::Beyond("g".into()), || Found::Withheld);
        check(vec![within(one, 1), within(one, 2)], 2).await;
        check(vec![within(one, 1), held(one, 2, beyond())], 0).await;
        check(vec![held(one, 2, withheld()), within(one, 1)], 0).await;
        check(vec![held(one, 2, withheld()), within(one, 1), within(one, 3)], 1).await;
        check(vec![held(one, 2, withheld()), within(one, 2)], 1).await;
        check(vec![within(one, 1), held(other, 2, withheld())], 1).await;
        check(vec![held(other, 2, beyond()), within(one, 1)], 1).await;
        check(vec![within(one, 1), held(one, 2, Found::Beyond("h".into()))], 1).await;
        // Who may change what is not its own may have changed anybody's.
        check(vec![within(one, 1), held(ANYBODY, 2, withheld())], 0).await;
        check(vec![held(ANYBODY, 2, withheld()), within(one, 1), within(other, 3)], 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_for_what_cannot_be_evaluated() {
    let ward = ward(Database::Sqlite).await;
    for scope in [
        "patient/Observation.rs?date=gt2020",
        "patient/Observation.cr?category=laboratory",
        "patient/*.rs?category=laboratory",
        "patient/Observation.rs patient/Condition.rs?subject.name=x",
    ] {
        let ask = asking(&ward.address, scope, "TREAT", "care");
        let refused = ward.b.node.request_access(&caller(), &ward.at_b, ask).await;
        let Err(NodeError::Unprocessable(why)) = refused else { panic!("{scope}: {refused:?}") };
        assert!(why.starts_with("scope: patient/"), "{why}");
    }
}

/// A hospital's value sets close what no label closes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sensitive_by_its_code_stays_closed() {
    for database in databases() {
        let ward = ward(database).await;
        let set =
            r#"{"resourceType":"ValueSet","compose":{"include":[{"system":"urn:icd","concept":[{"code":"F11.2"}]}]}}"#;
        let mut sensitive = fhir::sensitive::Sensitive::default();
        let doc = fhir::json::Doc::parse(set.as_bytes().to_vec()).unwrap();
        sensitive.add(fhir::class::Class::SubstanceUse, &doc).unwrap();
        ward.a.node.set_sensitive(sensitive);
        let condition = |code: &str| {
            json!({"resourceType":"Condition","subject":{"reference":format!("Patient/{}", ward.at_a)},
                "code":{"coding":[{"system":"urn:icd","code":code}]}})
        };
        let closed = create(&ward.a.node, condition("F11.2")).await.id;
        create(&ward.a.node, condition("J45.0")).await;
        ward.let_in("patient/Condition.rs").await;
        until("B sees the one", || async { count(&ward.b.node, "Condition", "").await == 1 }).await;
        assert_eq!(count(&ward.a.node, "Condition", "").await, 2, "a hospital's own is its own");
        // Written anew without the code it is nobody's secret any more, and the other way round.
        let mut open = condition("J45.1");
        open["id"] = closed.as_str().into();
        ward.a.node.write(&caller(), Intent::Update { resource: valid(open), if_match: None }).await.unwrap();
        until("B sees both", || async { count(&ward.b.node, "Condition", "").await == 2 }).await;
        let mut again = condition("F11.2");
        again["id"] = closed.as_str().into();
        ward.a.node.write(&caller(), Intent::Update { resource: valid(again), if_match: None }).await.unwrap();
        until("and the one again", || async { count(&ward.b.node, "Condition", "").await == 1 }).await;
        stays_the_same_after_reindex(&ward.a.node).await;
        stays_the_same_after_reindex(&ward.b.node).await;
    }
}
