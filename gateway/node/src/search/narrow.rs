//! From the conditions of a query to the store's filters, as far as the token reaches: a chain is followed only to types
//! that the caller may search. Called by `search`.

use crate::caller::Caller;
use crate::error::NodeError;
use crate::history::own_listed;
use crate::index::Reading;
use crate::index::contained::id_of;
use crate::node::Node;
use crate::permit::{Reach, Reaches};
use crate::search::{contained, pairs};
use fhir::query::{Condition, Contained, Query};
use fhir::{Code, Issue, ResourceType, Severity};
use record::scope::Interactions;
use std::collections::BTreeSet;
use std::sync::PoisonError;
use store::db::Reader;
use store::search::{Filter, Order, Search, Target};

impl Node {
    /// What the store is to find.
    pub(super) async fn statement(&self, caller: &Caller, query: &Query) -> Result<Search, NodeError> {
        let contained = self.contained_targets(&query.conditions).await?;
        let mut filters = self.filters(caller, &query.conditions, contained).await?;
        if query.contained != Contained::False {
            // Containers are of any type, and each would have to be narrowed.
            query.kinds.iter().try_for_each(|kind| caller.permit(*kind, Interactions::SEARCH))?;
            return self.contained_statement(caller, query, filters);
        }
        let own_only = is_own_only(&query.kinds, &query.conditions);
        if query.kinds.len() > 1 && !is_named(&query.conditions) {
            let own = query.kinds.iter().filter(|kind| own_listed(**kind)).map(|kind| kind.number());
            filters.push(Filter::OwnOf(own.collect()));
        }
        filters.extend(self.within_reach(caller, &query.kinds).await?);
        let kinds = query.kinds.iter().map(|kind| kind.number()).collect();
        Ok(Search { own_only, order: order(query), ..self.search_of(caller, kinds, filters) })
    }

    /// What narrows a search of these types to what the token reaches.
    async fn within_reach(&self, caller: &Caller, kinds: &[ResourceType]) -> Result<Vec<Filter>, NodeError> {
        let (mut whole, mut narrowed) = (Vec::new(), Vec::new());
        for kind in kinds {
            match self.reach(caller, *kind, Interactions::SEARCH).await {
                Ok(Reach::Whole) => whole.push(kind.number()),
                Ok(Reach::Where(filters)) if kinds.len() == 1 => return Ok(filters),
                Ok(Reach::Where(filters)) => narrowed.push(Filter::Of { kinds: vec![kind.number()], filters }),
                // A search across types is of those that may be searched.
                Err(NodeError::Forbidden(_)) if kinds.len() > 1 => {}
                Err(error) => return Err(error),
            }
        }
        if whole.len() == kinds.len() {
            return Ok(Vec::new());
        }
        if !whole.is_empty() {
            narrowed.push(Filter::Of { kinds: whole, filters: Vec::new() });
        }
        Ok(vec![Filter::Any(narrowed)])
    }

    /// A search of these types as it begins, newest first.
    pub(super) fn search_of(&self, caller: &Caller, kinds: Vec<u16>, filters: Vec<Filter>) -> Search {
        let plan = *self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        Search { kinds, filters, plan, ..Search::all(0, Vec::new(), self.sight(caller)) }
    }

    /// The statement of a conditional interaction: only what this hospital wrote, and nothing unknown is passed over.
    ///
    /// A condition answers as a search does, so the token must permit one.
    pub(crate) async fn condition(&self, caller: &Caller, kind: ResourceType, text: &str) -> Result<Search, NodeError> {
        let reach = self.reach(caller, kind, Interactions::SEARCH).await?;
        let query = self.query(kind, &pairs(text)).await?;
        if let Some(issue) = query.unknown.into_iter().next() {
            return Err(NodeError::Invalid(Issue { severity: Severity::Error, ..issue }.into()));
        }
        if query.contained != Contained::False {
            let text = "a condition is not asked of contained resources";
            return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).into()));
        }
        if query.conditions.is_empty() {
            let text = "a condition needs at least one search parameter";
            return Err(NodeError::Invalid(Issue::error(Code::Required, text).into()));
        }
        // What another process writes before it is asked may be the first that is contained: nothing is left out.
        let mut filters = self.filters(caller, &query.conditions, chained(&query.conditions)).await?;
        if let Reach::Where(narrower) = reach {
            filters.extend(narrower);
        }
        Ok(Search::own(kind.number(), filters))
    }

    /// The types that chains lead to and that something here contains: where there are none, no search looks for them.
    async fn contained_targets(&self, conditions: &[Condition]) -> Result<BTreeSet<u16>, NodeError> {
        let kinds = chained(conditions);
        let first = kinds.first().and_then(|kind| ResourceType::from_number(*kind));
        let Some(id) = first.and_then(id_of) else { return Ok(kinds) };
        Ok(Reader::from(&self.store).contained_kinds(&kinds, id).await?)
    }

    /// The store's filters of conditions that must all hold; chains look for contained resources of these types.
    pub(crate) async fn filters(
        &self,
        caller: &Caller,
        conditions: &[Condition],
        contained: BTreeSet<u16>,
    ) -> Result<Vec<Filter>, NodeError> {
        let terms = self.terms(caller, conditions).await?;
        let reaches = self.reaches(caller, conditions).await?;
        let reading =
            Reading { base: self.base(), now_us: crate::clock::now_us(), terms: &terms, contained: &contained };
        let mut filters = Vec::with_capacity(conditions.len());
        for condition in conditions {
            // What must hold together is held apart: a plan may begin with any part of it.
            match narrow(&reaches, &reading, condition)? {
                Filter::All(inner) => filters.extend(inner),
                only => filters.push(only),
            }
            // Each hop of a chain asks inside and outside, so that what is asked doubles with every one.
            if filters.iter().map(leaves).sum::<usize>() > LEAVES_MAX {
                let text = format!(
                    "the search asks more than {LEAVES_MAX} conditions, chains into contained resources among them"
                );
                return Err(NodeError::Invalid(Issue::error(Code::TooCostly, text).into()));
            }
        }
        Ok(filters)
    }
}

/// Most looks at the index that a statement has in all its branches.
const LEAVES_MAX: usize = 1_500;

/// As deep as the filter, which has a limit.
fn leaves(filter: &Filter) -> usize {
    let own = !matches!(filter, Filter::Any(_) | Filter::All(_) | Filter::Of { .. } | Filter::Not(_));
    usize::from(own) + filter.inner().into_iter().map(leaves).sum::<usize>()
}

/// What the matches are sorted by.
pub(super) fn order(query: &Query) -> Vec<(Order, bool)> {
    let mut order = Vec::new();
    for sort in &query.sort {
        let by = match crate::index::table_of(sort.param.kind) {
            _ if sort.param.is_last_updated() => Order::LastUpdated,
            _ if sort.param.is_id() => Order::Id,
            Some(table) => Order::Param(sort.param.id.0, table),
            None => continue,
        };
        order.push((by, sort.descending));
    }
    // No two are equal in it, so what stands behind decides nothing.
    if let Some(at) = order.iter().position(|(by, _)| *by == Order::LastUpdated) {
        order.truncate(at + 1);
    }
    if order == [(Order::LastUpdated, true)] {
        order.clear();
    }
    order
}

/// The numbers of the types that chains lead to.
fn chained(conditions: &[Condition]) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    conditions.iter().for_each(|condition| gather(condition, &mut found));
    found
}

/// As deep as the condition, which has a limit.
fn gather(condition: &Condition, found: &mut BTreeSet<u16>) {
    match condition {
        Condition::Is(_) => {}
        Condition::Refers { targets, .. } => {
            for (kind, inner) in targets {
                found.insert(kind.number());
                gather(inner, found);
            }
        }
        Condition::Referred { condition, .. } | Condition::Not(condition) => gather(condition, found),
        Condition::All(inner) | Condition::Any(inner) => inner.iter().for_each(|inner| gather(inner, found)),
    }
}

/// Others' Patient resources for one's own Patient appear by id, by `_source` and by `_include` only.
fn is_own_only(kinds: &[ResourceType], conditions: &[Condition]) -> bool {
    kinds.iter().all(|kind| own_listed(*kind)) && !is_named(conditions)
}

/// Whether a search says which resources, or whose.
pub(super) fn is_named(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| match condition {
        Condition::Is(filter) => filter.param.is_id() || filter.param.code == "_source",
        _ => false,
    })
}

/// As deep as the condition itself, which has a limit.
fn narrow(reaches: &Reaches<'_>, reading: &Reading<'_>, condition: &Condition) -> Result<Filter, NodeError> {
    let all =
        |inner: &[Condition]| inner.iter().map(|one| narrow(reaches, reading, one)).collect::<Result<Vec<_>, _>>();
    match condition {
        Condition::Is(filter) => reading.filter(filter),
        Condition::All(inner) => Ok(Filter::All(all(inner)?)),
        Condition::Any(inner) => Ok(Filter::Any(all(inner)?)),
        Condition::Not(inner) => Ok(Filter::Not(Box::new(narrow(reaches, reading, inner)?))),
        Condition::Referred { source, param, condition } => {
            let mut from = target(reaches, reading, *source, condition)?;
            from.filters.extend_from_slice(reaches.of(*source)?);
            Ok(Filter::Referred { param: param.id.0, from })
        }
        Condition::Refers { param, targets } => {
            let (mut found, mut within) = (Vec::<Target>::new(), Vec::new());
            for (kind, condition) in targets {
                let Ok(narrower) = reaches.of(*kind) else { continue };
                let mut target = target(reaches, reading, *kind, condition)?;
                if reading.contained.contains(&kind.number()) {
                    within.extend(contained::of(*kind, &target.filters));
                }
                target.filters.extend_from_slice(narrower);
                // Types that are asked the same are asked together.
                match found
                    .iter_mut()
                    .find(|other| (&other.filters, other.own_only) == (&target.filters, target.own_only))
                {
                    Some(other) => other.kinds.extend(target.kinds),
                    None => found.push(target),
                }
            }
            if let (true, Some((kind, _))) = (found.is_empty(), targets.first()) {
                reaches.of(*kind)?;
            }
            Ok(Filter::Refers { param: param.id.0, targets: found, within })
        }
    }
}

fn target(
    reaches: &Reaches<'_>,
    reading: &Reading<'_>,
    kind: ResourceType,
    condition: &Condition,
) -> Result<Target, NodeError> {
    let filters = match narrow(reaches, reading, condition)? {
        Filter::All(inner) => inner,
        only => vec![only],
    };
    Ok(Target { kinds: vec![kind.number()], filters, own_only: is_own_only(&[kind], std::slice::from_ref(condition)) })
}
