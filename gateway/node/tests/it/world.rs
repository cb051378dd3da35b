//! What most tests begin with: two hospitals that both know Clara, and her own node, all connected. Called by the tests.

use crate::common::{Database, Place, create, let_in, pair};
use node::Role;
use node::grants::{GrantState, GrantView};
use serde_json::{Value, json};

/// Hospital A that has Clara's record, hospital B, and Clara.
pub struct World {
    pub a: Place,
    pub b: Place,
    pub p: Place,
    /// Clara's Patient at A.
    pub at_a: String,
    /// And at B.
    pub at_b: String,
    /// The record's address, once it was handed over.
    pub address: String,
}

impl World {
    /// Nothing is written but the Patients, and nothing handed over.
    pub async fn open(database: Database) -> Self {
        let a = Place::connected(Role::Gateway, "Hospital A", database).await;
        let b = Place::connected(Role::Gateway, "Hospital B", database).await;
        let p = Place::connected(Role::Patient, "Clara", database).await;
        let (at_a, at_b) = (clara_at(&a).await, clara_at(&b).await);
        Self { a, b, p, at_a, at_b, address: String::new() }
    }

    /// A hands its record to Clara.
    pub async fn handed_over(self) -> Self {
        let address = pair(&self.a.node, &self.p.node, &self.at_a).await;
        Self { address, ..self }
    }

    /// Clara lets B in.
    pub async fn let_in(&self, scope: &str) {
        let_in(&self.b.node, &self.p.node, &self.at_b, &self.address, scope).await;
    }

    /// Clara's grants to B that are in this state.
    pub async fn grants(&self, state: GrantState) -> Vec<GrantView> {
        let grants = self.p.node.grants().await.unwrap();
        grants.into_iter().filter(|grant| grant.name == "Hospital B" && grant.state == state).collect()
    }
}

/// Clara as a Patient of a place; its id.
pub async fn clara_at(place: &Place) -> String {
    let patient = json!({"resourceType":"Patient","name":[{"family":"Kreiger","given":["Clara"]}]});
    create(&place.node, patient).await.id
}

pub fn observation(subject: &str, words: &str) -> Value {
    json!({"resourceType":"Observation","status":"final","code":{"text":words},
        "subject":{"reference":format!("Patient/{subject}")}})
}

pub fn condition(subject: &str) -> Value {
    json!({"resourceType":"Condition","subject":{"reference":format!("Patient/{subject}")},"code":{"text":"flu"}})
}
