//! Writes that only their transaction can make: patches, and updates and deletions of whatever matches. What they find
//! is looked up under the log's clock, so no two of them decide on the same state. Prepared outside as far as the
//! state seen there allows, made anew inside where it has changed. Called by `write`, planned by `transaction` too.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#cond-update>, <https://hl7.org/fhir/R4/http.html#patch>

use super::{Decision, Step, Which, Written};
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::patch::Patch;
use crate::permit::Guards;
use crate::prepare::{Foreign, Prepared};
use fhir::{Code, Parsed, ResourceType};
use record::frame::{Method, Packer};
use record::scope::Interactions;
use std::sync::Arc;
use store::db::Reader;
use store::reach::Sight;
use store::search::Search;
use store::versions::StoredVersion;

/// Most resources one conditional deletion takes, where several are allowed: they share one transaction.
pub const DELETES_MAX: usize = 1_000;

/// A write whose resource is found in its transaction.
#[derive(Clone)]
pub(crate) struct Late {
    pub(crate) kind: ResourceType,
    pub(crate) select: Select,
    pub(crate) if_match: Option<String>,
    /// Whose the resource is, where it is not this node's.
    pub(crate) foreign: Option<Foreign>,
    pub(crate) change: Change,
}

/// What it is done to.
#[derive(Clone)]
pub(crate) enum Select {
    Id(String),
    /// `planned` is what a transaction's plan found: it must still hold.
    Where {
        search: Search,
        planned: Option<Option<String>>,
    },
}

impl Select {
    pub(crate) fn search(&self) -> Option<&Search> {
        match self {
            Self::Id(_) => None,
            Self::Where { search, .. } => Some(search),
        }
    }
}

/// What is done to it.
#[derive(Clone)]
pub(crate) enum Change {
    Patch {
        patch: Arc<Patch>,
        /// What it makes of the version of this versionId.
        ready: Option<(String, Arc<Prepared>)>,
    },
    Put {
        resource: Arc<Parsed>,
        /// Under this id, as an update if it was there.
        ready: Option<Arc<Prepared>>,
        /// The id of what is made anew, where the resource names none.
        fresh: String,
        /// The token permits a create under an id of this server's.
        may_create: bool,
    },
    Delete {
        multiple: bool,
    },
}

impl Late {
    /// The result where nothing matched.
    pub(super) fn nothing(&self, last_updated: i64) -> Written {
        Written {
            kind: self.kind,
            id: String::new(),
            version: String::new(),
            last_updated,
            created: false,
            changed: false,
            json: Vec::new(),
            patient: String::new(),
            also: Vec::new(),
            issues: Vec::new(),
        }
    }
}

impl Node {
    /// A patch, tried on what is current now.
    pub(crate) async fn late_patch(
        &self,
        caller: &Caller,
        kind: ResourceType,
        which: Which,
        patch: Patch,
        if_match: Option<String>,
    ) -> Result<Late, NodeError> {
        let reach = self.reach(caller, kind, Interactions::UPDATE).await?;
        let mut foreign = None;
        let (select, current) = match which {
            Which::Id(id) => {
                foreign = self.named(caller, kind, &id, Method::Update).await?;
                let current = self.seen_current(caller, kind.number(), &id).await?;
                (Select::Id(id), current)
            }
            Which::Where(criteria) => {
                let search = self.condition(caller, kind, &criteria).await?;
                let mut found = Reader::from(&self.store).search(&search, 2).await?.0;
                let only = if found.len() == 1 { found.pop() } else { None };
                (Select::Where { search, planned: None }, only)
            }
        };
        let patch = Arc::new(patch);
        let mut ready = None;
        // What it makes of a resource beyond reach would tell what that says.
        let current = match current {
            Some(current) if self.is_within(caller, &reach, &current).await? => Some(current),
            _ => None,
        };
        let changes = |current: &StoredVersion| {
            let origin = foreign.as_ref().map_or(self.identity.id(), |foreign| foreign.origin);
            current.origin == origin && current.op.0 != [0; 32] && !current.is_deleted()
        };
        if let Some(current) = current.filter(changes)
            && let Some(served) = self.serve(current).await?
        {
            // A patch can test what it cannot show.
            self.check_context(caller, &served, true).await?;
            let (node, tried, version) = (self.clone(), patch.clone(), served.version.clone());
            let of = foreign.clone();
            let work = move || {
                let patched = node.patched(kind, &served.id, served.json, &tried)?;
                Ok(patched.of(of, &mut Packer::default()))
            };
            // A patch of many operations takes long enough to hold up other requests of this thread.
            match tokio::task::spawn_blocking(work).await {
                Ok(Ok(prepared)) => ready = Some((version, Arc::new(prepared))),
                Ok(Err(NodeError::Invalid(outcome))) => return Err(NodeError::Invalid(outcome)),
                // It may fit what is current when its turn comes.
                Ok(Err(_)) => {}
                Err(_) => return Err(NodeError::Internal("a patch that could not be tried")),
            }
        }
        Ok(Late { kind, select, if_match, foreign, change: Change::Patch { patch, ready } })
    }

    /// An update of the one match, prepared for what matches now.
    pub(crate) async fn late_update(
        &self,
        caller: &Caller,
        resource: Parsed,
        criteria: &str,
        if_match: Option<String>,
    ) -> Result<Late, NodeError> {
        let kind = resource.kind();
        caller.may(kind, Interactions::UPDATE)?;
        let search = self.condition(caller, kind, criteria).await?;
        if let Some(id) = resource.id() {
            self.check_local_id(kind, id)?;
        }
        let found = Reader::from(&self.store).search(&search, 2).await?.0;
        let fresh = crate::clock::fresh_id();
        let (id, method) = match (found.first(), resource.id()) {
            (Some(found), _) => (found.id.clone(), Method::Update),
            (None, Some(id)) => (id.to_owned(), Method::Update),
            (None, None) => (fresh.clone(), Method::Create),
        };
        let ready = Prepared::put(self, &resource, &id, method, &mut Packer::default())?;
        let change = Change::Put {
            resource: Arc::new(resource),
            ready: Some(Arc::new(ready)),
            fresh,
            may_create: may_create(caller, kind),
        };
        Ok(Late { kind, select: Select::Where { search, planned: None }, if_match, foreign: None, change })
    }

    /// A deletion of what matches.
    pub(crate) async fn late_delete(
        &self,
        caller: &Caller,
        kind: ResourceType,
        criteria: &str,
        if_match: Option<String>,
    ) -> Result<Late, NodeError> {
        caller.may(kind, Interactions::DELETE)?;
        let search = self.condition(caller, kind, criteria).await?;
        let change = Change::Delete { multiple: self.deletes_multiple() };
        Ok(Late { kind, select: Select::Where { search, planned: None }, if_match, foreign: None, change })
    }
}

/// Whether the token permits a create.
pub(crate) fn may_create(caller: &Caller, kind: ResourceType) -> bool {
    caller.may(kind, Interactions::CREATE).is_ok()
}

impl Batch {
    /// What a late write comes to, now that nobody else writes.
    pub(super) async fn settle(&mut self, late: &Late, guards: &Guards) -> Result<Vec<(Step, Decision)>, NodeError> {
        let mut found = match &late.select {
            Select::Id(id) => self.current(late.kind.number(), id).await?.into_iter().collect::<Vec<_>>(),
            Select::Where { search, planned } => {
                let multiple = matches!(late.change, Change::Delete { multiple: true });
                let most = if multiple { DELETES_MAX + 1 } else { 2 };
                let found = self.search(search, most).await?;
                if !multiple && found.len() > 1 {
                    return Err(NodeError::Precondition(format!(
                        "more than one {} matches the criteria",
                        late.kind.name()
                    )));
                }
                let first = found.first().map(|found| &found.id);
                if planned.as_ref().is_some_and(|planned| planned.as_ref() != first) {
                    return Err(NodeError::Conflict("criteria changed their meaning meanwhile".to_owned()));
                }
                found
            }
        };
        let interaction = match late.change {
            Change::Delete { .. } => Interactions::DELETE,
            Change::Patch { .. } | Change::Put { .. } => Interactions::UPDATE,
        };
        let narrowed = guards.narrows(late.kind, interaction);
        if narrowed {
            let mut within = Vec::with_capacity(found.len());
            for one in found {
                if self.is_within(guards, late.kind, &one.id, interaction).await? {
                    within.push(one);
                }
            }
            found = within;
        }
        match &late.change {
            Change::Put { resource, .. } if narrowed && found.is_empty() && resource.id().is_some() => {
                let text = "a token that does not reach the whole type does not choose the id of what is made";
                Err(NodeError::Forbidden(text.to_owned()))
            }
            Change::Patch { patch, ready } => {
                Ok(vec![self.settle_patch(late, found.pop(), patch, ready, guards.sight).await?])
            }
            Change::Put { resource, ready, fresh, may_create } => {
                let only = found.pop();
                Ok(vec![self.settle_put(late, only, resource, ready.as_ref(), fresh, *may_create).await?])
            }
            Change::Delete { .. } => self.settle_delete(late, found),
        }
    }

    async fn settle_patch(
        &mut self,
        late: &Late,
        current: Option<StoredVersion>,
        patch: &Patch,
        ready: &Option<(String, Arc<Prepared>)>,
        sight: Sight,
    ) -> Result<(Step, Decision), NodeError> {
        let Some(current) = current else {
            return Err(NodeError::NotFound(match &late.select {
                Select::Id(id) => format!("{}/{id}", late.kind.name()),
                Select::Where { .. } => format!("a {} that matches the criteria", late.kind.name()),
            }));
        };
        let name = format!("{}/{}", late.kind.name(), current.id);
        if current.is_deleted() {
            return Err(NodeError::Gone(name));
        }
        let foreign = late.foreign.as_ref();
        let node = self.node.clone();
        let seen = node.seen(&mut self.reader().await?, current.clone(), sight).await?;
        let Some(seen) = seen else { return Err(NodeError::NotFound(name)) };
        self.may_change(late.kind, &current.id, Some(&seen), late.if_match.as_deref(), foreign)?;
        let prepared = match ready {
            Some((version, prepared)) if *version == seen.version => prepared.clone(),
            _ => {
                let json = self.stored_json(&seen).await?;
                let served = crate::conflict::served_version(&json, &seen);
                let patched = self.node.patched(late.kind, &current.id, served, patch)?;
                Arc::new(patched.of(late.foreign.clone(), &mut Packer::default()))
            }
        };
        Ok((step(prepared, late), Decision::Write(Some(Box::new(current)))))
    }

    async fn settle_put(
        &mut self,
        late: &Late,
        current: Option<StoredVersion>,
        resource: &Parsed,
        ready: Option<&Arc<Prepared>>,
        fresh: &str,
        may_create: bool,
    ) -> Result<(Step, Decision), NodeError> {
        let (kind, named) = (late.kind, resource.id());
        let (id, method, before) = match (current, named) {
            (Some(found), Some(id)) if found.id != id => {
                let text = "the resource's id is not that of the one resource that matches the criteria";
                return Err(NodeError::invalid(Code::Invalid, text, &format!("{}.id", kind.name())));
            }
            (Some(found), _) => (found.id.clone(), Method::Update, Some(found)),
            (None, Some(id)) => {
                let there = self.current(kind.number(), id).await?;
                if let Some(there) = &there
                    && !there.is_deleted()
                {
                    self.may_change(kind, id, Some(there), None, None)?;
                    let text = format!("{}/{id} exists and does not match the criteria", kind.name());
                    return Err(NodeError::Conflict(text));
                }
                (id.to_owned(), Method::Update, there)
            }
            (None, None) if !may_create => {
                let text = format!("the token has no scope for {}.{}", kind.name(), Interactions::CREATE);
                return Err(NodeError::Forbidden(text));
            }
            (None, None) => (fresh.to_owned(), Method::Create, None),
        };
        let there = before.as_ref().filter(|before| !before.is_deleted());
        self.may_change(kind, &id, there, late.if_match.as_deref(), None)?;
        let prepared = match ready {
            Some(ready) if ready.id == id && ready.method == method => ready.clone(),
            _ => {
                let issues = ready.map(|ready| ready.issues.clone()).unwrap_or_default();
                let anew = Prepared::put(&self.node, resource, &id, method, &mut Packer::default())?;
                Arc::new(Prepared { issues, ..anew })
            }
        };
        Ok((step(prepared, late), Decision::Write(before.map(Box::new))))
    }

    fn settle_delete(&mut self, late: &Late, found: Vec<StoredVersion>) -> Result<Vec<(Step, Decision)>, NodeError> {
        if found.len() > DELETES_MAX {
            let text = format!("more than {DELETES_MAX} resources match the criteria; one request deletes no more");
            return Err(NodeError::Precondition(text));
        }
        if found.is_empty() && late.if_match.is_some() {
            return Err(NodeError::Precondition("nothing matches the criteria".to_owned()));
        }
        let (origin, mut packer) = (self.node.identity.id(), Packer::default());
        let each = found.into_iter().map(|current| {
            self.may_change(late.kind, &current.id, Some(&current), late.if_match.as_deref(), None)?;
            let prepared = Prepared::delete(origin, late.kind, &current.id, &mut packer);
            Ok((step(Arc::new(prepared), late), Decision::Write(Some(Box::new(current)))))
        });
        each.collect()
    }
}

fn step(prepared: Arc<Prepared>, late: &Late) -> Step {
    Step { prepared, if_match: late.if_match.clone(), if_none_exist: None, planned: None }
}
