//! Derived resources: what the record and this node's own business look like in FHIR. They share index, total and paging
//! with stored resources and cannot be written. Called by `apply`, `invite`, `pairing`, `requests` and `reindex`.

pub(crate) mod audit;
mod consent;
pub(crate) mod task;

use crate::batch::Batch;
use crate::context::Context;
use crate::error::NodeError;
use crate::index;
use crate::node::Role;
use fhir::ResourceType;
use record::{Class, OpId, RecordId};
use serde_json::Value;
use std::sync::Arc;
use store::tasks::StoredTask;
use store::versions::{By, Version};

impl Batch {
    /// Brings what follows from a record's control state up to date: consents, and requests that were answered.
    pub(crate) async fn derive(&mut self, context: &Arc<Context>) -> Result<(), NodeError> {
        if self.node.role != Role::Gateway {
            return Ok(());
        }
        let me = self.node.identity.id();
        let given = context.state.grants().filter(|given| given.grant.to.id() == me).cloned().collect::<Vec<_>>();
        let last_updated = self.last_updated;
        // A Consent that an op changes stands at the op's own places, so that a reindex puts it there again.
        let mut used = 0;
        for given in &given {
            let patient = context.local.clone().unwrap_or_default();
            let json = consent::json(given, context.state.period(given), &patient, &context.record);
            let id = consent::id(&given.id);
            let changed = self.put_derived("Consent", &id, json, context.control + used, last_updated).await?;
            used += i64::from(changed);
            if !given.grant.request.is_empty() {
                self.answered(&given.grant.request, context).await?;
            }
        }
        Ok(())
    }

    async fn answered(&mut self, task: &str, context: &Context) -> Result<(), NodeError> {
        let stored = self.reader().await?.task(task).await?;
        let Some(mut stored) = stored.filter(|task| task.kind == "request" && task.status != "completed") else {
            return Ok(());
        };
        debug_assert!(stored.body.contains(&context.record.to_string()));
        stored.status = "completed".to_owned();
        self.put_task(stored).await
    }

    /// Writes a task and the FHIR Task it is.
    pub(crate) async fn put_task(&mut self, mut stored: StoredTask) -> Result<(), NodeError> {
        stored.version += 1;
        stored.position = self.positions(1)?;
        stored.last_updated = self.last_updated;
        self.tx().await?.put_task(&stored).await?;
        if self.node.role == Role::Gateway {
            let json = task::json(&stored);
            self.put_derived("Task", &stored.id, json, stored.position, stored.last_updated).await?;
        }
        Ok(())
    }

    /// Adds a version of a derived resource; `false` where it says what the current one says.
    pub(crate) async fn put_derived(
        &mut self,
        kind: &str,
        id: &str,
        json: Value,
        position: i64,
        last_updated: i64,
    ) -> Result<bool, NodeError> {
        let kind = ResourceType::parse(kind).ok_or(NodeError::Internal("a derived type without a name"))?;
        let json = serde_json::to_vec(&json).or(Err(NodeError::Internal("a derived resource that is no JSON")))?;
        let before = self.current(kind.number(), id).await?;
        if before.as_ref().is_some_and(|before| before.json == json) {
            return Ok(false);
        }
        let doc = fhir::json::Doc::parse(json.clone());
        let index = doc.map(|doc| index::rows(&doc, kind, "", self.registry())).unwrap_or_default();
        let seal = record::seal::mac(&[0; 32], &json);
        self.add_version(
            Version {
                position,
                kind: kind.number(),
                id: id.to_owned(),
                version: format!("{}.{position}", &record::id::base32(&seal)[..20]),
                op: OpId([0; 32]),
                place: 0,
                record: RecordId([0; 32]),
                origin: self.node.identity.id(),
                by: By::Own,
                class: Class::NORMAL,
                method: 1,
                current: true,
                lamport: 0,
                last_updated,
                seal: Vec::new(),
                json,
                index,
            },
            before.filter(|before| before.current).map(|before| before.position),
        );
        Ok(true)
    }
}

/// Milliseconds since 1970 as an instant; what others wrote may be any number, and FHIR's years end at 9999.
fn instant(ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    fhir::datetime::format_instant(ms.min(LAST_MS) as i64 * 1000)
}
