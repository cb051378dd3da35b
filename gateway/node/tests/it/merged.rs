//! What several hospitals write of one resource. Here is the plan that two of them keep; who may change it and who sees that is in
//! `shared`, what is said where two wrote at once in `beside`.

mod beside;
mod shared;

use crate::common::{
    Database, Place, asking, caller, count, create, kind, pair, stays_the_same_after_reindex, until, valid,
};
use crate::meet::meet;
use node::grants::{Approval, GrantState, GrantView};
use node::write::Intent;
use node::{Node, NodeError, Role, Written};
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

impl Plan {
    /// The grant of B's that is open.
    async fn grant_of_b(&self) -> GrantView {
        let grants = self.p.node.grants().await.unwrap();
        grants.into_iter().find(|one| one.name == "Hospital B" && one.state == GrantState::Open).unwrap()
    }

    /// Naming the tagged version ends the conflict.
    async fn stays_named(&self, version: &str) {
        self.by_a("settled", Some(version)).await.unwrap();
        self.meet().await;
        self.all_see("settled", false).await;
        self.stays().await;
    }
}
