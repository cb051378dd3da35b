//! The one way data is written: create, update, delete, one or a whole transaction of them. Prepared outside, checked
//! and signed inside the group commit's transaction. Called by `server`, `transaction` and `cli`.

mod copies;
mod entries;
mod intent;
mod late;
mod moves;
mod own_keys;
mod shared;
mod sign;
mod together;

use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::permit::Guards;
use crate::prepare::{Foreign, Prepared};
pub(crate) use entries::within_entry;
use fhir::validate::Mode;
use fhir::{Issue, Parsed, ResourceType, Valid};
pub use intent::{Intent, Which, Written};
pub use late::DELETES_MAX;
pub(crate) use late::{Change, Late, Select, may_create};
pub(crate) use moves::{identifiers, identifiers_in};
use record::body::access::Agent;
use record::frame::{Method, Packer};
use record::scope::Interactions;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::search::Search;
use store::versions::StoredVersion;

/// One request of a write, before its transaction.
#[derive(Clone)]
pub(crate) struct Asked {
    /// The entry of the Bundle it stands in.
    pub(crate) entry: Option<usize>,
    pub(crate) work: Work,
}

/// What a request needs from its transaction.
#[derive(Clone)]
pub(crate) enum Work {
    /// To hold it against what is there.
    Ready(Step),
    /// To make it of what is there.
    Late(Late),
}

impl From<Step> for Asked {
    fn from(step: Step) -> Self {
        Self { entry: None, work: Work::Ready(step) }
    }
}

impl From<Late> for Asked {
    fn from(late: Late) -> Self {
        Self { entry: None, work: Work::Late(late) }
    }
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

impl Step {
    /// Under the name that the resource's origin gave it.
    pub(crate) fn of(self, foreign: Option<Foreign>, packer: &mut Packer) -> Self {
        match foreign {
            None => self,
            Some(_) => Self { prepared: Arc::new(Prepared::clone(&self.prepared).of(foreign, packer)), ..self },
        }
    }

    /// With what validation found in its resource.
    pub(crate) fn telling(mut self, issues: Vec<Issue>) -> Self {
        if !issues.is_empty() {
            Arc::make_mut(&mut self.prepared).issues = issues;
        }
        self
    }
}

/// Conditions that were resolved before the transaction and must still hold in it.
#[derive(Clone)]
pub(crate) struct Resolved {
    pub(crate) search: Search,
    /// The one it finds in the database; none where only the transaction itself has it.
    pub(crate) id: Option<String>,
}

/// What a step did, once its checks passed.
pub(crate) enum Decision {
    /// Write it; the version before, if any.
    Write(Option<Box<StoredVersion>>),
    /// A conditional create found its match.
    Found(Box<StoredVersion>),
    /// Nothing to delete here; what was deleted before may stand in other records still.
    Nothing(Option<Box<StoredVersion>>),
}

impl Node {
    /// Writes one resource or deletion.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is changed then.
    pub async fn write(&self, caller: &Caller, intent: Intent) -> Result<Written, NodeError> {
        let asked = self.ask(caller, intent, &mut Packer::default()).await?;
        let mut written = self.write_steps(caller, vec![asked], Vec::new()).await?;
        written.pop().ok_or(NodeError::Internal("a write without its result"))
    }

    /// Checks what can be checked outside the transaction, and prepares the rest.
    async fn ask(&self, caller: &Caller, intent: Intent, packer: &mut Packer) -> Result<Asked, NodeError> {
        match intent {
            Intent::Create { resource, if_none_exist } => {
                caller.may(resource.kind(), Interactions::CREATE)?;
                let condition = match if_none_exist {
                    Some(query) => Some(self.condition(caller, resource.kind(), &query).await?),
                    None => None,
                };
                let id = crate::clock::fresh_id();
                Ok(self.put(&resource.into_parsed(), &id, Method::Create, condition, None, packer)?.into())
            }
            Intent::Update { resource, if_match } => {
                caller.may(resource.kind(), Interactions::UPDATE)?;
                let id = resource.id().unwrap_or_default().to_owned();
                let foreign = self.named(caller, resource.kind(), &id, Method::Update).await?;
                let step = self.put(&resource.into_parsed(), &id, Method::Update, None, if_match, packer)?;
                Ok(step.of(foreign, packer).into())
            }
            Intent::Delete { kind, id, if_match } => {
                caller.may(kind, Interactions::DELETE)?;
                let foreign = self.named(caller, kind, &id, Method::Delete).await?;
                let prepared = Prepared::delete(self.identity.id(), kind, &id, packer).of(foreign, packer);
                Ok(Step { prepared: Arc::new(prepared), if_match, if_none_exist: None, planned: None }.into())
            }
            Intent::Patch { kind, which, patch, if_match } => {
                Ok(self.late_patch(caller, kind, which, patch, if_match).await?.into())
            }
            Intent::UpdateWhere { resource, criteria, if_match } => {
                Ok(self.late_update(caller, resource.into_parsed(), &criteria, if_match).await?.into())
            }
            Intent::DeleteWhere { kind, criteria, if_match } => {
                Ok(self.late_delete(caller, kind, &criteria, if_match).await?.into())
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
        let prepared = Prepared::put(self, resource, id, method, packer)?;
        Ok(Step { prepared: Arc::new(prepared), if_match, if_none_exist, planned: None })
    }

    /// Takes a resource as this node's mode of validation says, with what the answer should tell of it.
    ///
    /// Where rules are enforced, those that only warn cost time and are looked at for `$validate` and single writes.
    pub(crate) fn admit(&self, resource: Parsed) -> Result<(Valid, Vec<Issue>), fhir::Outcome> {
        match self.validation {
            Mode::Enforce => fhir::validate::check(resource).map(|valid| (valid, Vec::new())),
            mode => fhir::validate::admit(resource, mode),
        }
    }

    /// Lets one conditional deletion take several resources, or no longer.
    pub fn allow_multiple_deletes(&self, allowed: bool) {
        self.multiple_deletes.store(allowed, Ordering::Relaxed);
    }

    /// Whether one conditional deletion may take several resources.
    pub fn deletes_multiple(&self) -> bool {
        self.multiple_deletes.load(Ordering::Relaxed)
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

    /// Writes what a patient decided on a page of the patient's own.
    pub(crate) async fn write_for_patient(&self, asked: Asked, agent: Agent) -> Result<(), NodeError> {
        self.write_asked(vec![asked], Vec::new(), agent, Guards::default()).await.map(drop)
    }

    /// Runs what was prepared in one transaction; one result for each.
    pub(crate) async fn write_steps(
        &self,
        caller: &Caller,
        asked: Vec<Asked>,
        resolved: Vec<Resolved>,
    ) -> Result<Vec<Written>, NodeError> {
        let guards = self.guards(caller, &asked).await?;
        self.write_asked(asked, resolved, caller.agent(), guards).await
    }

    async fn write_asked(
        &self,
        asked: Vec<Asked>,
        resolved: Vec<Resolved>,
        agent: Agent,
        guards: Guards,
    ) -> Result<Vec<Written>, NodeError> {
        let (asked, resolved, guards) = (Arc::new(asked), Arc::new(resolved), Arc::new(guards));
        self.commit(move |batch| {
            let (asked, resolved, agent, guards) = (asked.clone(), resolved.clone(), agent.clone(), guards.clone());
            Box::pin(async move { batch.write(&asked, &resolved, &agent, &guards).await })
        })
        .await
    }
}

impl Batch {
    async fn write(
        &mut self,
        asked: &[Asked],
        resolved: &[Resolved],
        agent: &Agent,
        guards: &Guards,
    ) -> Result<Vec<Written>, NodeError> {
        for condition in resolved {
            let found = self.search(&condition.search, 2).await?;
            if found.len() > 1 || found.first().map(|found| &found.id) != condition.id.as_ref() {
                return Err(NodeError::Conflict("a conditional reference changed its meaning meanwhile".to_owned()));
            }
        }
        let (mut steps, mut decisions) = (Vec::with_capacity(asked.len()), Vec::with_capacity(asked.len()));
        let (mut ends, mut written, mut conditions) = (Vec::with_capacity(asked.len()), HashSet::new(), HashSet::new());
        for one in asked {
            let settled = match &one.work {
                Work::Ready(step) => self.decide(step, guards).await.map(|decision| vec![(step.clone(), decision)]),
                Work::Late(late) => self.settle(late, guards).await,
            };
            let settled = settled.and_then(|settled| {
                if asked.len() > 1 {
                    entries::apart(one, &settled, &mut written, &mut conditions)?;
                }
                Ok(settled)
            });
            let settled = settled.map_err(|error| match one.entry {
                Some(entry) => within_entry(error, entry),
                None => error,
            })?;
            for (step, decision) in settled {
                steps.push(step);
                decisions.push(decision);
            }
            ends.push(steps.len());
        }
        self.check_prepared(guards, &steps, &decisions).await?;
        let results = self.sign_steps(&steps, decisions, agent).await?;
        self.check_within(guards, &results).await?;
        let mut results = results.into_iter();
        let mut from = 0;
        let ends = asked.iter().zip(ends).map(|(one, end)| {
            let mut own = results.by_ref().take(end - from);
            from = end;
            let first = own.next();
            let also = own.collect::<Vec<_>>();
            match (first, &one.work) {
                (Some(first), _) => Ok(Written { also, ..first }),
                (None, Work::Late(late)) => Ok(late.nothing(self.last_updated)),
                (None, Work::Ready(_)) => Err(NodeError::Internal("a write without its result")),
            }
        });
        ends.collect()
    }

    async fn decide(&mut self, step: &Step, guards: &Guards) -> Result<Decision, NodeError> {
        let resource = &step.prepared;
        if let Some(search) = &step.if_none_exist {
            let mut found = self.search(search, 2).await?;
            let found_id = found.first().map(|found| found.id.clone());
            if step.planned.as_ref().is_some_and(|planned| *planned != found_id) {
                return Err(NodeError::Conflict("a conditional create changed its meaning meanwhile".to_owned()));
            }
            return match (found.pop(), found.is_empty()) {
                (None, _) => Ok(Decision::Write(None)),
                (Some(only), true) => Ok(Decision::Found(Box::new(self.as_found(only, guards).await?))),
                (Some(_), false) => {
                    Err(NodeError::Precondition("more than one resource matches If-None-Exist".to_owned()))
                }
            };
        }
        if resource.method == Method::Create {
            return Ok(Decision::Write(None));
        }
        let current = self.current(resource.kind.number(), &resource.id).await?;
        let deletes = resource.method == Method::Delete;
        let interaction = if deletes { Interactions::DELETE } else { Interactions::UPDATE };
        if guards.narrows(resource.kind, interaction) {
            let there = current.as_ref().is_some_and(|current| !current.is_deleted());
            if !there || !self.is_within(guards, resource.kind, &resource.id, interaction).await? {
                self.may_change(resource.kind, &resource.id, None, step.if_match.as_deref(), None)?;
                // Whether it is beyond reach or not there at all is told to nobody, so nobody makes it under this id either.
                let name = format!("{}/{}", resource.kind.name(), resource.id);
                return if deletes { Ok(Decision::Nothing(None)) } else { Err(NodeError::NotFound(name)) };
            }
        }
        // What a caller names is the version that it sees.
        let seen = match &current {
            Some(current) if step.if_match.is_some() => {
                let node = self.node.clone();
                node.seen(&mut self.reader().await?, current.clone(), guards.sight).await?
            }
            _ => None,
        };
        let (seen, foreign) = (seen.as_ref().or(current.as_ref()), resource.foreign.as_ref());
        self.may_change(resource.kind, &resource.id, seen, step.if_match.as_deref(), foreign)?;
        match (resource.method, current) {
            (Method::Delete, None) => Ok(Decision::Nothing(None)),
            (Method::Delete, Some(current)) if current.is_deleted() => Ok(Decision::Nothing(Some(Box::new(current)))),
            (_, current) => Ok(Decision::Write(current.map(Box::new))),
        }
    }

    /// What a conditional create found, as its caller may see it: where somebody else edited it, as this node wrote it, unless the
    /// caller sees all of the type and the edit.
    async fn as_found(&mut self, found: StoredVersion, guards: &Guards) -> Result<StoredVersion, NodeError> {
        if found.own || (guards.plain && self.reader().await?.is_visible(found.position, guards.sight).await?) {
            return Ok(found);
        }
        let own = self.reader().await?.covered(found.kind, &found.id).await?;
        own.ok_or(NodeError::Internal("a match that this node never wrote"))
    }

    /// Refuses to change what is derived, what is another's and not meant as such, and another version than the caller means.
    pub(crate) fn may_change(
        &self,
        kind: ResourceType,
        id: &str,
        current: Option<&StoredVersion>,
        if_match: Option<&str>,
        foreign: Option<&Foreign>,
    ) -> Result<(), NodeError> {
        let name = format!("{}/{id}", kind.name());
        if let Some(current) = current {
            if current.op.0 == [0; 32] {
                return Err(NodeError::ReadOnly(format!("{name} is derived from the record and cannot be written")));
            }
            let origin = foreign.map_or(self.node.identity.id(), |foreign| foreign.origin);
            if current.origin != origin {
                return Err(NodeError::Forbidden(format!(
                    "{name} belongs to another origin; only its origin changes it"
                )));
            }
        }
        match (if_match, current) {
            (Some(expected), Some(current)) if current.version != expected => {
                Err(NodeError::Precondition(format!("{name} has changed: it is no longer the version named")))
            }
            (Some(_), None) => Err(NodeError::Precondition(format!("{name} does not exist"))),
            _ => Ok(()),
        }
    }
}
