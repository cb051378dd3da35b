//! What several hospitals write of one resource: who may, what everybody then sees, and what is said where two wrote at once.

use crate::common::{
    Database, Place, asking, caller, count, create, databases, kind, pair, stays_the_same_after_reindex, until, valid,
};
use crate::meet::{give, meet};
use node::grants::{Approval, GrantState};
use node::write::{Intent, Which};
use node::{Caller, Node, NodeError, Role, Written};
use record::RecordId;
use serde_json::{Value, json};

const TAGGED: &str = "_tag=urn:chartwell:tag%7Cconflict";

fn plan(id: Option<&str>, subject: &str, words: &str) -> Value {
    let mut plan = json!({"resourceType":"CarePlan","status":"active","intent":"plan","title":words,
        "identifier":[{"system":"urn:plan","value":words}],
        "subject":{"reference":format!("Patient/{subject}")}});
    if let Some(id) = id {
        plan["id"] = json!(id);
    }
    plan
}

async fn put(node: &Node, resource: Value, if_match: Option<&str>) -> Result<Written, NodeError> {
    let intent = Intent::Update { resource: valid(resource), if_match: if_match.map(str::to_owned) };
    node.write(&caller(), intent).await
}

async fn read(node: &Node, id: &str) -> Value {
    let served = node.read(&caller(), kind("CarePlan"), id).await.unwrap();
    serde_json::from_slice(&served.json).unwrap()
}

/// Title, versionId, and whether it is tagged.
async fn seen(node: &Node, id: &str) -> (String, String, bool) {
    let json = read(node, id).await;
    let tags = json["meta"]["tag"].as_array().cloned().unwrap_or_default();
    let tagged = tags.iter().any(|tag| tag["system"] == "urn:chartwell:tag" && tag["code"] == "conflict");
    assert_eq!(count(node, "CarePlan", TAGGED).await, usize::from(tagged), "a tag that is served is found");
    let text = |json: &Value| json.as_str().unwrap().to_owned();
    (text(&json["title"]), text(&json["meta"]["versionId"]), tagged)
}

/// Two hospitals that keep one plan, and their patient; nobody dials anybody.
struct Plan {
    a: Place,
    b: Place,
    p: Place,
    record: RecordId,
    at_a: String,
    at_b: String,
    /// The plan's id at A, and at the others.
    id: String,
    named: String,
}

impl Plan {
    async fn kept(database: Database, shared: bool) -> Self {
        let mut a = Place::new(Role::Gateway, "Hospital A", database).await;
        let mut b = Place::new(Role::Gateway, "Hospital B", database).await;
        let mut p = Place::new(Role::Patient, "Clara", database).await;
        for place in [&a, &b, &p] {
            place.connect().await;
        }
        let patient = json!({"resourceType":"Patient"});
        let (at_a, at_b) = (create(&a.node, patient.clone()).await.id, create(&b.node, patient).await.id);
        let id = create(&a.node, plan(None, &at_a, "first")).await.id;
        let address = pair(&a.node, &p.node, &at_a).await;
        let ask = asking(&address, "patient/CarePlan.cruds patient/Patient.rus", "TREAT", "care");
        b.node.request_access(&caller(), &at_b, ask).await.unwrap();
        until("the request is on the page", || async { !p.node.requests().await.unwrap().is_empty() }).await;
        let request = p.node.requests().await.unwrap().remove(0);
        let scopes = request.lines.iter().map(|line| line.scope.clone()).collect();
        let approval = Approval { scopes, end_ms: request.end_ms, shared, ..Approval::default() };
        p.node.approve(&request.id, approval).await.unwrap();
        until("B sees the plan", || async { count(&b.node, "CarePlan", "").await == 1 }).await;
        for place in [&mut a, &mut b, &mut p] {
            place.restart(false).await;
        }
        let record = p.node.records().await.unwrap()[0].record;
        let named = format!("{}.{id}", a.node.identity().id().origin());
        let plan = Self { a, b, p, record, at_a, at_b, id, named };
        plan.meet().await;
        plan
    }

    async fn meet(&self) {
        for _ in 0..2 {
            meet(&self.a.node, &self.p.node, self.record).await;
            meet(&self.b.node, &self.p.node, self.record).await;
        }
    }

    /// What A, B and the patient see.
    async fn seen(&self) -> [(String, String, bool); 3] {
        [
            seen(&self.a.node, &self.id).await,
            seen(&self.b.node, &self.named).await,
            seen(&self.p.node, &self.named).await,
        ]
    }

    async fn all_see(&self, title: &str, tagged: bool) {
        for (who, found) in ["A", "B", "patient"].into_iter().zip(self.seen().await) {
            assert_eq!((found.0.as_str(), found.2), (title, tagged), "{who}");
        }
    }

    async fn by_a(&self, words: &str, if_match: Option<&str>) -> Result<Written, NodeError> {
        put(&self.a.node, plan(Some(&self.id), &self.at_a, words), if_match).await
    }

    async fn by_b(&self, words: &str, if_match: Option<&str>) -> Result<Written, NodeError> {
        put(&self.b.node, plan(Some(&self.named), &self.at_b, words), if_match).await
    }

    async fn stays(&self) {
        for (place, id) in [(&self.a, &self.id), (&self.b, &self.named), (&self.p, &self.named)] {
            let before = (seen(&place.node, id).await, history(&place.node, id).await);
            stays_the_same_after_reindex(&place.node).await;
            assert_eq!((seen(&place.node, id).await, history(&place.node, id).await), before);
        }
    }
}

/// The versions of a plan, newest first.
async fn history(node: &Node, id: &str) -> Vec<(String, i64)> {
    let page = node.history(&caller(), kind("CarePlan"), id, None, 100).await.unwrap();
    page.versions.into_iter().map(|version| (version.version, version.last_updated)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_change_what_is_not_its_own_does_so_under_its_name() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        let written = plan.by_b("by B", None).await.unwrap();
        assert_eq!((written.id.as_str(), written.created), (plan.named.as_str(), false));
        plan.meet().await;
        plan.all_see("by B", false).await;
        let json = read(&plan.a.node, &plan.id).await;
        assert_eq!(json["subject"]["reference"], format!("Patient/{}", plan.at_a), "as A knows the patient");
        // A goes on from it, and its own conditions match it still.
        let seen = seen(&plan.a.node, &plan.id).await.1;
        plan.by_a("by A again", Some(&seen)).await.unwrap();
        plan.meet().await;
        plan.all_see("by A again", false).await;
        plan.by_b("by B again", None).await.unwrap();
        plan.meet().await;
        let unless = async |words: &str| {
            let resource = valid(self::plan(None, &plan.at_a, "another"));
            let if_none_exist = Some(format!("identifier=urn:plan%7C{}", words.replace(' ', "%20")));
            plan.a.node.write(&caller(), Intent::Create { resource, if_none_exist }).await.unwrap()
        };
        // What A wrote last is matched, and stands for what it is now; no identifier that B made up swallows a write of A's.
        let found = unless("by A again").await;
        assert_eq!((found.id.as_str(), found.changed), (plan.id.as_str(), false));
        assert!(String::from_utf8(found.json).unwrap().contains("by B again"));
        for nobodys in ["by B again", "first"] {
            let made = unless(nobodys).await;
            assert!(made.changed && made.id != plan.id, "{nobodys}");
            let gone = Intent::Delete { kind: kind("CarePlan"), id: made.id, if_match: None };
            plan.a.node.write(&caller(), gone).await.unwrap();
        }
        plan.stays().await;

        // A patch, a transaction's entry and a deletion are changes like others.
        let title = br#"[{"op":"replace","path":"/title","value":"patched"}]"#.to_vec();
        let patch = Intent::Patch {
            kind: kind("CarePlan"),
            which: Which::Id(plan.named.clone()),
            patch: node::patch::Patch::Json(title),
            if_match: None,
        };
        plan.b.node.write(&caller(), patch).await.unwrap();
        plan.meet().await;
        plan.all_see("patched", false).await;
        let delete = Intent::Delete { kind: kind("CarePlan"), id: plan.named.clone(), if_match: None };
        plan.b.node.write(&caller(), delete).await.unwrap();
        plan.meet().await;
        for (node, id) in [(&plan.a.node, &plan.id), (&plan.b.node, &plan.named), (&plan.p.node, &plan.named)] {
            let found = node.read(&caller(), kind("CarePlan"), id).await;
            assert!(matches!(found, Err(NodeError::Gone(_))), "{found:?}");
            stays_the_same_after_reindex(node).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_word_what_is_not_ones_own_is_refused() {
    let plan = Plan::kept(Database::Sqlite, false).await;
    let refused = |result: Result<Written, NodeError>| match result {
        Err(NodeError::Forbidden(text)) => assert!(text.contains("only its origin changes it"), "{text}"),
        other => panic!("{other:?}"),
    };
    refused(plan.by_b("by B", None).await);
    let absent = format!("{}.absent", plan.a.node.identity().id().origin());
    refused(put(&plan.b.node, self::plan(Some(&absent), &plan.at_b, "x"), None).await);
    plan.meet().await;
    plan.all_see("first", false).await;

    // Nor with it where the scope lacks the type, the class changes, or it was taken away.
    let plan = Plan::kept(Database::Sqlite, true).await;
    let mut labelled = self::plan(Some(&plan.named), &plan.at_b, "hidden");
    labelled["meta"] =
        json!({"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]});
    match put(&plan.b.node, labelled, None).await {
        Err(NodeError::Forbidden(text)) => assert!(text.contains("how it is protected"), "{text}"),
        other => panic!("{other:?}"),
    }
    // Who the patient is says A alone.
    let patient = format!("{}.{}", plan.a.node.identity().id().origin(), plan.at_a);
    plan.b.node.read(&caller(), kind("Patient"), &patient).await.unwrap();
    refused(put(&plan.b.node, json!({"resourceType":"Patient","id":patient}), None).await);
    plan.by_b("by B", None).await.unwrap();
    plan.meet().await;
    let grants = plan.p.node.grants().await.unwrap();
    let grant = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
    assert!(grant.shared);
    let scopes = grant.lines.iter().map(|line| line.scope.clone()).collect();
    let less = Approval { scopes, end_ms: grant.end_ms, shared: false, ..Approval::default() };
    plan.p.node.narrow(&grant.id, less).await.unwrap();
    plan.meet().await;
    refused(plan.by_b("by B, too late", None).await);
    plan.all_see("by B", false).await;
    plan.stays().await;
}

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

impl Plan {
    /// Naming the tagged version ends the conflict.
    async fn stays_named(&self, version: &str) {
        self.by_a("settled", Some(version)).await.unwrap();
        self.meet().await;
        self.all_see("settled", false).await;
        self.stays().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_beside_and_does_not_count_is_no_conflict() {
    let plan = Plan::kept(Database::Sqlite, true).await;
    let (by_a, _) = (plan.by_a("by A", None).await.unwrap(), plan.by_b("by B", None).await.unwrap());
    // The patient ends it before B's edit comes: it is kept apart.
    let grants = plan.p.node.grants().await.unwrap();
    let grant = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
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

/// A hospital's own stays its own: who may not see what another made of it sees it as it was written, and writes on.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_an_edit_sees_what_it_covers() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        let (by_a, id) = (plan.by_a("by A", None).await.unwrap(), plan.id.as_str());
        plan.meet().await;
        plan.by_b("by B", None).await.unwrap();
        plan.meet().await;
        let billing = Caller { purpose: "HPAYMT".into(), ..caller() };
        let title =
            |json: Vec<u8>| serde_json::from_slice::<Value>(&json).unwrap()["title"].as_str().unwrap().to_owned();
        let read = async |who: &Caller| {
            let served = plan.a.node.read(who, kind("CarePlan"), id).await.unwrap();
            (title(served.json), served.version)
        };
        let found = async |who: &Caller, query: &str| {
            let query = plan.a.node.query(kind("CarePlan"), &node::search::pairs(query)).await.unwrap();
            let found = plan.a.node.search(who, query, None).await.unwrap();
            found.matches.into_iter().map(|served| title(served.json)).collect::<Vec<_>>()
        };
        assert_eq!(read(&caller()).await.0, "by B");
        assert_eq!(read(&billing).await, ("by A".to_owned(), by_a.version.clone()));
        for (who, title, other) in [(&caller(), "by B", "by A"), (&billing, "by A", "by B")] {
            assert_eq!(found(who, "").await, [title]);
            assert_eq!(found(who, &format!("identifier=urn:plan%7C{}", title.replace(' ', "%20"))).await, [title]);
            assert!(found(who, &format!("identifier=urn:plan%7C{}", other.replace(' ', "%20"))).await.is_empty());
        }
        let unless = Intent::Create {
            resource: valid(self::plan(None, &plan.at_a, "another")),
            if_none_exist: Some("identifier=urn:plan%7Cby%20A".to_owned()),
        };
        let known = plan.a.node.write(&billing, unless).await.unwrap();
        assert_eq!(
            (known.changed, title(known.json)),
            (false, "by A".to_owned()),
            "nothing that may not be seen is told"
        );
        stays_the_same_after_reindex(&plan.a.node).await;
        // It names the version that it sees, and its patch is made of that.
        let patch = |test: &str| {
            Intent::Patch {
            kind: kind("CarePlan"),
            which: Which::Id(id.to_owned()),
            patch: node::patch::Patch::Json(
                format!(r#"[{{"op":"test","path":"/title","value":"{test}"}},{{"op":"add","path":"/description","value":"x"}}]"#)
                    .into_bytes(),
            ),
            if_match: Some(by_a.version.clone()),
        }
        };
        assert!(
            plan.a.node.write(&billing, patch("by B")).await.is_err(),
            "a patch tells nothing of what is not shown"
        );
        plan.a.node.write(&billing, patch("by A")).await.unwrap();
        plan.meet().await;
        plan.all_see("by A", false).await;
        plan.stays().await;
    }
}

/// What a hospital made of another's is matched by none of its own conditions, and is not served once the other's is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_of_anothers_is_nobodys_match_and_never_stale() {
    for database in databases() {
        let plan = Plan::kept(database, true).await;
        plan.by_b("by B", None).await.unwrap();
        plan.meet().await;
        let unless = Intent::Create {
            resource: valid(self::plan(None, &plan.at_b, "its own")),
            if_none_exist: Some("identifier=urn:plan%7Cby%20B".to_owned()),
        };
        let made = plan.b.node.write(&caller(), unless).await.unwrap();
        assert!(made.changed && made.id != plan.named, "no identifier in another's swallows a write");
        plan.by_a("later", None).await.unwrap();
        plan.meet().await;
        let grants = plan.p.node.grants().await.unwrap();
        let grant = grants.iter().find(|grant| grant.name == "Hospital B" && grant.state == GrantState::Open).unwrap();
        plan.p.node.revoke(&grant.id).await.unwrap();
        give(&plan.p.node, &plan.b.node, plan.record).await;
        let found = plan.b.node.read(&caller(), kind("CarePlan"), &plan.named).await;
        assert!(matches!(found, Err(NodeError::NotFound(_))), "{found:?}");
        assert_eq!(count(&plan.b.node, "CarePlan", "").await, 1, "its own stays its own");
        stays_the_same_after_reindex(&plan.b.node).await;
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
