//! `:above` and `:below` of references: a resource and all it is part of, or all that is part of it. Called by `terms`
//! before a filter is read, since the store asks for names.
//! Spec: <https://hl7.org/fhir/R4/search.html#reference>.

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use fhir::query::{Filter as Asked, Modifier, Wanted};
use fhir::reference::Parts;
use fhir::{Code, Issue, ResourceType, params};
use record::scope::Interactions;
use std::collections::{BTreeSet, HashMap};
use store::db::Reader;
use store::search::{Filter, Match, ParamTable, Search};

/// Most resources of all hierarchies that a search names; a hospital group has fewer places and departments.
const HIERARCHY_MAX: usize = 1_000;
/// Most resources a search begins to walk from.
const BEGINNINGS_MAX: usize = 32;
/// Most steps up or down from one; parts of parts are nested five deep in life.
const LEVELS_MAX: usize = 32;

/// By modifier (`true` above) and `Type/id`: what is above or below, `Type/id` each.
pub(super) type Hierarchies = HashMap<(bool, String), Vec<String>>;

/// The resources that `asked` begins from, each with its type.
pub(super) fn beginnings(asked: &Asked) -> impl Iterator<Item = (ResourceType, &String)> {
    let walks = matches!(asked.modifier, Modifier::Above | Modifier::Below);
    asked.values.iter().filter(move |_| walks).filter_map(|value| match value {
        Wanted::Reference { kind: Some(kind), id: Some(id), .. } => Some((*kind, id)),
        _ => None,
    })
}

impl Node {
    /// `Type/id` of a resource and of everything above or below it that may be seen. A circle is walked once. `known` is what
    /// the search has walked before.
    pub(super) async fn hierarchy(
        &self,
        caller: &Caller,
        modifier: Modifier,
        (kind, id): (ResourceType, &str),
        known: &Hierarchies,
    ) -> Result<Vec<String>, NodeError> {
        caller.permit(kind, Interactions::SEARCH)?;
        let param = params::part_of(kind).ok_or(NodeError::Internal("a hierarchy of a type that has none"))?;
        if known.len() >= BEGINNINGS_MAX {
            return Err(too_many(format!(
                "more than {BEGINNINGS_MAX} resources are asked for what is above or below them"
            )));
        }
        let room = HIERARCHY_MAX.saturating_sub(known.values().map(Vec::len).sum());
        let mut found = BTreeSet::from([id.to_owned()]);
        let mut edge = vec![id.to_owned()];
        for level in 0.. {
            if edge.is_empty() {
                break;
            }
            if level == LEVELS_MAX {
                return Err(too_many(format!("a hierarchy has more than {LEVELS_MAX} levels")));
            }
            let next = match modifier {
                Modifier::Above => self.wholes(caller, kind, param.id.0, &edge).await?,
                _ => self.parts(caller, kind, param.id.0, &edge).await?,
            };
            edge = next.into_iter().filter(|id| found.insert(id.clone())).collect();
            if found.len() > room {
                return Err(too_many(format!("the hierarchies have more than {HIERARCHY_MAX} resources")));
            }
        }
        Ok(found.into_iter().map(|id| format!("{kind}/{id}")).collect())
    }

    /// What is part of one of these.
    async fn parts(
        &self,
        caller: &Caller,
        kind: ResourceType,
        param: u16,
        ids: &[String],
    ) -> Result<Vec<String>, NodeError> {
        let any = vec![Match::References(ids.iter().map(|id| format!("{kind}/{id}")).collect())];
        let filter = Filter::Param { param, table: ParamTable::Reference, any, not: false };
        let search = Search::all(kind.number(), vec![filter], self.sight(caller));
        let rows = Reader::from(&self.store).search(&search, HIERARCHY_MAX + 1).await?.0;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// What these are part of.
    async fn wholes(
        &self,
        caller: &Caller,
        kind: ResourceType,
        param: u16,
        ids: &[String],
    ) -> Result<Vec<String>, NodeError> {
        let mut reader = Reader::from(&self.store);
        let rows = reader.visible(kind.number(), ids, self.sight(caller)).await?;
        let positions = rows.iter().map(|row| row.position).collect::<Vec<_>>();
        let targets = reader.targets(&positions, Some(param)).await?;
        let named = targets.iter().filter_map(|target| match fhir::reference::parse(target) {
            Parts::Relative { kind: of, id, .. } if of == kind => Some(id.to_owned()),
            _ => None,
        });
        Ok(named.collect())
    }
}

fn too_many(text: String) -> NodeError {
    NodeError::Invalid(Issue::error(Code::TooCostly, text).into())
}
