//! Writes of a token that does not reach a whole type: what is changed must be within its reach before, and what is written
//! must be afterwards. What lies beyond is for such a token as if it were not there. Called by `write`, inside its
//! transaction, so that the same statements decide as in a search.

use super::{Reach, among, holds};
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::write::{Asked, Change, Decision, Step, Work, Written, identifiers, identifiers_in};
use fhir::ResourceType;
use fhir::json::Doc;
use record::frame::Method;
use record::scope::Interactions;
use std::collections::{BTreeSet, HashMap};
use store::reach::Sight;
use store::search::Filter;
use store::versions::StoredVersion;

/// What narrows the writes of one request, by type and interaction; nothing for a token that writes whole types.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    narrowed: HashMap<(ResourceType, Interactions), Vec<Filter>>,
    /// The token narrows nothing.
    pub(crate) plain: bool,
    /// By whose eyes the writer looks.
    pub(crate) sight: Sight,
}

impl Node {
    /// What narrows these writes.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] for a type that the token does not write.
    pub(crate) async fn guards(&self, caller: &Caller, asked: &[Asked]) -> Result<Guards, NodeError> {
        let mut guards = Guards { sight: self.sight(caller), plain: caller.is_plain(), ..Guards::default() };
        if caller.is_plain() {
            return Ok(guards);
        }
        for (kind, interaction) in asked.iter().flat_map(writes) {
            match self.reach(caller, kind, interaction).await {
                Ok(Reach::Whole) => {}
                Ok(Reach::Where(filters)) => drop(guards.narrowed.insert((kind, interaction), filters)),
                // An update may turn out to be a create: whether it may is asked where it does.
                Err(NodeError::Forbidden(_)) if interaction == Interactions::CREATE => {}
                Err(error) => return Err(error),
            }
        }
        Ok(guards)
    }
}

/// The interactions that a request may come to.
fn writes(asked: &Asked) -> Vec<(ResourceType, Interactions)> {
    let update = |kind| vec![(kind, Interactions::UPDATE), (kind, Interactions::CREATE)];
    match &asked.work {
        Work::Ready(step) => match (step.prepared.kind, step.prepared.method) {
            (kind, Method::Create) => vec![(kind, Interactions::CREATE)],
            (kind, Method::Delete) => vec![(kind, Interactions::DELETE)],
            (kind, _) => update(kind),
        },
        Work::Late(late) => match late.change {
            Change::Patch { .. } => vec![(late.kind, Interactions::UPDATE)],
            Change::Put { .. } => update(late.kind),
            Change::Delete { .. } => vec![(late.kind, Interactions::DELETE)],
        },
    }
}

impl Guards {
    /// Whether a write of this kind is narrowed.
    pub(crate) fn narrows(&self, kind: ResourceType, interaction: Interactions) -> bool {
        self.narrowed.contains_key(&(kind, interaction))
    }
}

fn beyond(kind: ResourceType, interaction: Interactions) -> NodeError {
    NodeError::Forbidden(format!("the token's scopes for {}.{interaction} do not reach this resource", kind.name()))
}

impl Batch {
    /// Whether a resource is within reach as it is now; what no guard narrows always is.
    pub(crate) async fn is_within(
        &mut self,
        guards: &Guards,
        kind: ResourceType,
        id: &str,
        interaction: Interactions,
    ) -> Result<bool, NodeError> {
        let Some(filters) = guards.narrowed.get(&(kind, interaction)) else { return Ok(true) };
        let search = among(kind, &[id.to_owned()], filters, guards.sight);
        Ok(!self.search(&search, 1).await?.is_empty())
    }

    /// Refuses what would be written beyond the token's reach as far as its index rows tell, before anything is signed: what
    /// is refused later makes others who share the transaction write again.
    pub(crate) async fn check_prepared(
        &mut self,
        guards: &Guards,
        steps: &[Step],
        decisions: &[Decision],
    ) -> Result<(), NodeError> {
        for (step, decision) in steps.iter().zip(decisions) {
            let (resource, Decision::Write(before)) = (&step.prepared, decision) else { continue };
            let there = before.as_deref().filter(|before| !before.is_deleted());
            let interaction = if there.is_some() { Interactions::UPDATE } else { Interactions::CREATE };
            let Some(filters) = guards.narrowed.get(&(resource.kind, interaction)) else { continue };
            if resource.method == Method::Delete {
                continue;
            }
            let told = filters.iter().map(|filter| holds(filter, &resource.id, &resource.index));
            if told.into_iter().any(|holds| holds == Some(false)) {
                return Err(beyond(resource.kind, interaction));
            }
            // What waits for an identifier would move into the record of whoever claims it.
            if let (Some(there), "Patient") = (there, resource.kind.name())
                && self.identifiers_of(there).await? != identifiers(resource).collect::<BTreeSet<_>>()
            {
                let text = "a token that reaches one patient alone does not change the identifiers of a Patient";
                return Err(NodeError::Forbidden(text.to_owned()));
            }
        }
        Ok(())
    }

    async fn identifiers_of(&mut self, version: &StoredVersion) -> Result<BTreeSet<String>, NodeError> {
        let Some(kind) = ResourceType::from_number(version.kind) else { return Ok(BTreeSet::new()) };
        let json = self.stored_json(version).await?;
        let doc = Doc::parse(json).or(Err(NodeError::Internal("a resource of one's own that does not parse")))?;
        let index = crate::index::rows(&doc, kind, self.node.base(), self.registry());
        Ok(identifiers_in(kind, &index).collect())
    }

    /// Refuses what was written beyond the token's reach; nothing of it is kept.
    pub(crate) async fn check_within(&mut self, guards: &Guards, written: &[Written]) -> Result<(), NodeError> {
        for one in written.iter().filter(|one| one.changed && !one.json.is_empty()) {
            let interaction = if one.created { Interactions::CREATE } else { Interactions::UPDATE };
            if !self.is_within(guards, one.kind, &one.id, interaction).await? {
                return Err(beyond(one.kind, interaction));
            }
        }
        Ok(())
    }
}
