//! The one way data is written: create, update, delete, one or a whole transaction of them. Prepared outside, checked
//! and signed inside the group commit's transaction. Called by `server`, `transaction` and `cli`.

mod copies;
mod moves;
mod sign;

use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::prepare::Prepared;
use fhir::{Parsed, ResourceType, Valid};
use record::body::access::Agent;
use record::frame::{Method, Packer};
use record::scope::Interactions;
use std::sync::Arc;
use store::search::Search;
use store::versions::StoredVersion;

/// What a caller wants written.
pub enum Intent {
    /// A new resource under an id this server gives.
    Create {
        /// The resource; its own id is ignored.
        resource: Valid,
        /// `If-None-Exist`: the query part.
        if_none_exist: Option<String>,
    },
    /// A resource under an id the caller names.
    Update {
        /// The resource.
        resource: Valid,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
    /// Away with it.
    Delete {
        /// Its type.
        kind: ResourceType,
        /// Its id.
        id: String,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
}

/// What was written, or found already there.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its type.
    pub kind: ResourceType,
    /// Its id.
    pub id: String,
    /// Its versionId; empty where nothing was there to delete.
    pub version: String,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// Whether it was not there before.
    pub created: bool,
    /// Whether anything was written; `false` for a conditional create that found its match.
    pub changed: bool,
    /// The served JSON; empty for a deletion.
    pub json: Vec<u8>,
    /// The Patient whose record it went into; empty for none.
    pub patient: String,
}

/// One prepared step of a write.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) if_match: Option<String>,
    /// Must still find what it found: for a create nothing or the one match.
    pub(crate) if_none_exist: Option<Search>,
    /// What a conditional create of a transaction found while references were resolved: it must still hold.
    pub(crate) planned: Option<Option<String>>,
}

/// Conditions that were resolved before the transaction and must still hold in it.
#[derive(Clone)]
pub(crate) struct Resolved {
    pub(crate) search: Search,
    pub(crate) id: String,
}

/// What a step did, once its checks passed.
pub(crate) enum Decision {
    /// Write it; the version before, if any.
    Write(Option<Box<StoredVersion>>),
    /// A conditional create found its match.
    Found(Box<StoredVersion>),
    /// Nothing to delete.
    Nothing,
}

impl Node {
    /// Writes one resource or deletion.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is changed then.
    pub async fn write(&self, caller: &Caller, intent: Intent) -> Result<Written, NodeError> {
        let step = self.prepare(caller, intent, &mut Packer::default())?;
        let mut written = self.write_steps(caller, vec![step], Vec::new()).await?;
        written.pop().ok_or(NodeError::Internal("a write without its result"))
    }

    /// Checks what can be checked outside the transaction, and prepares the rest.
    pub(crate) fn prepare(&self, caller: &Caller, intent: Intent, packer: &mut Packer) -> Result<Step, NodeError> {
        match intent {
            Intent::Create { resource, if_none_exist } => {
                caller.permit(resource.kind(), Interactions::CREATE)?;
                let condition =
                    if_none_exist.map(|query| self.condition(caller, resource.kind(), &query)).transpose()?;
                let id = crate::clock::fresh_id();
                self.put(&resource.into_parsed(), &id, Method::Create, condition, None, packer)
            }
            Intent::Update { resource, if_match } => {
                caller.permit(resource.kind(), Interactions::UPDATE)?;
                let id = resource.id().unwrap_or_default().to_owned();
                self.check_local_id(resource.kind(), &id)?;
                self.put(&resource.into_parsed(), &id, Method::Update, None, if_match, packer)
            }
            Intent::Delete { kind, id, if_match } => {
                caller.permit(kind, Interactions::DELETE)?;
                self.check_local_id(kind, &id)?;
                let prepared = Prepared::delete(self.identity.id(), kind, &id, packer);
                Ok(Step { prepared: Arc::new(prepared), if_match, if_none_exist: None, planned: None })
            }
        }
    }

    pub(crate) fn put(
        &self,
        resource: &Parsed,
        id: &str,
        method: Method,
        if_none_exist: Option<Search>,
        if_match: Option<String>,
        packer: &mut Packer,
    ) -> Result<Step, NodeError> {
        let prepared = Prepared::put(self.identity.id(), resource, id, method, packer)?;
        Ok(Step { prepared: Arc::new(prepared), if_match, if_none_exist, planned: None })
    }

    /// Refuses ids under which others' resources are served.
    pub(crate) fn check_local_id(&self, kind: ResourceType, id: &str) -> Result<(), NodeError> {
        if let Some(origin) = crate::rewrite::origin_of(id) {
            return Err(NodeError::Forbidden(format!(
                "{}/{id} belongs to {origin}; only its origin changes it",
                kind.name()
            )));
        }
        Ok(())
    }

    /// Runs prepared steps in one transaction.
    pub(crate) async fn write_steps(
        &self,
        caller: &Caller,
        steps: Vec<Step>,
        resolved: Vec<Resolved>,
    ) -> Result<Vec<Written>, NodeError> {
        let (steps, resolved) = (Arc::new(steps), Arc::new(resolved));
        let agent = caller.agent();
        self.commit(move |batch| {
            let (steps, resolved, agent) = (steps.clone(), resolved.clone(), agent.clone());
            Box::pin(async move { batch.write(&steps, &resolved, &agent).await })
        })
        .await
    }
}

impl Batch {
    async fn write(&mut self, steps: &[Step], resolved: &[Resolved], agent: &Agent) -> Result<Vec<Written>, NodeError> {
        for condition in resolved {
            let found = self.reader().await?.search(&condition.search, 2).await?;
            if !matches!(&found[..], [only] if only.id == condition.id) {
                return Err(NodeError::Conflict("a conditional reference changed its meaning meanwhile".to_owned()));
            }
        }
        let mut decisions = Vec::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            let decision = self.decide(step).await;
            decisions.push(decision.map_err(|error| if steps.len() > 1 { within_entry(error, at) } else { error })?);
        }
        self.sign_steps(steps, decisions, agent).await
    }

    async fn decide(&mut self, step: &Step) -> Result<Decision, NodeError> {
        let resource = &step.prepared;
        let name = format!("{}/{}", resource.kind.name(), resource.id);
        if let Some(search) = &step.if_none_exist {
            let mut found = self.reader().await?.search(search, 2).await?;
            let found_id = found.first().map(|found| found.id.clone());
            if step.planned.as_ref().is_some_and(|planned| *planned != found_id) {
                return Err(NodeError::Conflict("a conditional create changed its meaning meanwhile".to_owned()));
            }
            return match (found.pop(), found.is_empty()) {
                (None, _) => Ok(Decision::Write(None)),
                (Some(only), true) => Ok(Decision::Found(Box::new(only))),
                (Some(_), false) => {
                    Err(NodeError::Precondition("more than one resource matches If-None-Exist".to_owned()))
                }
            };
        }
        if resource.method == Method::Create {
            return Ok(Decision::Write(None));
        }
        let current = self.current(resource.kind.number(), &resource.id).await?;
        if let Some(current) = &current {
            if current.op.0 == [0; 32] {
                return Err(NodeError::ReadOnly(format!("{name} is derived from the record and cannot be written")));
            }
            if !current.own {
                return Err(NodeError::Forbidden(format!(
                    "{name} belongs to another origin; only its origin changes it"
                )));
            }
        }
        if let Some(expected) = &step.if_match {
            match &current {
                Some(current) if current.version == *expected => {}
                Some(_) => {
                    return Err(NodeError::Precondition(format!(
                        "{name} has changed: it is no longer the version named"
                    )));
                }
                None => return Err(NodeError::Precondition(format!("{name} does not exist"))),
            }
        }
        match (resource.method, current) {
            (Method::Delete, None) => Ok(Decision::Nothing),
            (Method::Delete, Some(current)) if current.is_deleted() => Ok(Decision::Nothing),
            (_, current) => Ok(Decision::Write(current.map(Box::new))),
        }
    }
}

/// Says which entry of a transaction failed.
fn within_entry(error: NodeError, at: usize) -> NodeError {
    let place = format!("Bundle.entry[{at}]");
    match error {
        NodeError::Precondition(text) => NodeError::Precondition(format!("{place}: {text}")),
        NodeError::Forbidden(text) => NodeError::Forbidden(format!("{place}: {text}")),
        NodeError::Conflict(text) => NodeError::Conflict(format!("{place}: {text}")),
        NodeError::ReadOnly(text) => NodeError::ReadOnly(format!("{place}: {text}")),
        other => other,
    }
}
