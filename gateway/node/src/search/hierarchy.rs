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
use std::collections::BTreeSet;
use store::db::Reader;
use store::search::{Filter, Match, ParamTable, Search};

/// Most resources of one hierarchy that a search names; a hospital group has fewer places and departments.
const HIERARCHY_MAX: usize = 1_000;

/// The resources that `asked` begins from, each with its type.
pub(super) fn beginnings(asked: &Asked) -> impl Iterator<Item = (ResourceType, &String)> {
    let walks = matches!(asked.modifier, Modifier::Above | Modifier::Below);
    asked.values.iter().filter(move |_| walks).filter_map(|value| match value {
        Wanted::Reference { kind: Some(kind), id: Some(id), .. } => Some((*kind, id)),
        _ => None,
    })
}

impl Node {
    /// `Type/id` of a resource and of everything above or below it that may be seen. A circle is walked once.
    pub(super) async fn hierarchy(
        &self,
        caller: &Caller,
        modifier: Modifier,
        (kind, id): (ResourceType, &str),
    ) -> Result<Vec<String>, NodeError> {
        caller.permit(kind, Interactions::SEARCH)?;
        let param = params::part_of(kind).ok_or(NodeError::Internal("a hierarchy of a type that has none"))?;
        let mut found = BTreeSet::from([id.to_owned()]);
        let mut edge = vec![id.to_owned()];
        while !edge.is_empty() {
            let next = match modifier {
                Modifier::Above => self.wholes(kind, param.id.0, &edge).await?,
                _ => self.parts(kind, param.id.0, &edge).await?,
            };
            edge = next.into_iter().filter(|id| found.insert(id.clone())).collect();
            if found.len() > HIERARCHY_MAX {
                let text = format!("the hierarchy has more than {HIERARCHY_MAX} resources");
                return Err(NodeError::Invalid(Issue::error(Code::TooCostly, text).into()));
            }
        }
        Ok(found.into_iter().map(|id| format!("{kind}/{id}")).collect())
    }

    /// What is part of one of these.
    async fn parts(&self, kind: ResourceType, param: u16, ids: &[String]) -> Result<Vec<String>, NodeError> {
        let any = vec![Match::References(ids.iter().map(|id| format!("{kind}/{id}")).collect())];
        let filter = Filter::Param { param, table: ParamTable::Reference, any, not: false };
        let search = Search::all(kind.number(), vec![filter], crate::clock::now_ms());
        let rows = Reader::from(&self.store).search(&search, HIERARCHY_MAX + 1).await?.0;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// What these are part of.
    async fn wholes(&self, kind: ResourceType, param: u16, ids: &[String]) -> Result<Vec<String>, NodeError> {
        let mut reader = Reader::from(&self.store);
        let rows = reader.visible(kind.number(), ids, crate::clock::now_ms()).await?;
        let positions = rows.iter().map(|row| row.position).collect::<Vec<_>>();
        let targets = reader.targets(&positions, Some(param)).await?;
        let named = targets.iter().filter_map(|target| match fhir::reference::parse(target) {
            Parts::Relative { kind: of, id, .. } if of == kind => Some(id.to_owned()),
            _ => None,
        });
        Ok(named.collect())
    }
}
