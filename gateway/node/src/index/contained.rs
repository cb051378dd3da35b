//! The rows of contained resources, and what of a filter they can answer. Called by `index` and by `search`.

use super::made;
use crate::parameters::number_of;
use fhir::json::Doc;
use fhir::reference::Parts;
use fhir::{ResourceType, params};
use store::search::{Filter, Match, ParamTable};
use store::versions::{Index, IndexRow};

/// The rows of what a resource contains: those of each have its place as their group, and one of them is its id.
pub(super) fn rows(doc: &Doc, base: &str) -> Vec<IndexRow> {
    let mut found = Vec::new();
    for contained in fhir::index::contained(doc) {
        let mut rows = made(contained.entries, base);
        rows.extend(id_of(contained.kind).map(|param| IndexRow {
            param,
            group: 0,
            contained: None,
            value: Index::Token { code: contained.id, system: String::new() },
        }));
        let kind = Some(contained.kind.number());
        found.extend(rows.into_iter().map(|row| IndexRow { group: contained.place, contained: kind, ..row }));
    }
    found
}

/// The number of `_id`, under which whole resources have no rows and each contained one has one.
pub(crate) fn id_of(kind: ResourceType) -> Option<u16> {
    params::find(kind, "_id").map(|param| param.id.0)
}

/// Whether the row refers to a resource by its type and id.
pub(super) fn leads(row: &IndexRow) -> bool {
    let Index::Reference { target, .. } = &row.value else { return false };
    matches!(fhir::reference::parse(target), Parts::Relative { .. })
}

/// The filter as contained resources of a type can be asked it; none where their rows cannot tell. As deep as the filter.
pub(crate) fn inside(kind: ResourceType, filter: &Filter) -> Option<Filter> {
    let each = |inner: &[Filter]| inner.iter().map(|one| inside(kind, one)).collect::<Option<Vec<_>>>();
    match filter {
        Filter::Ids(ids) => {
            let any = ids.iter().map(|id| Match::Token { code: Some(id.clone()), system: None }).collect();
            Some(Filter::Param { param: id_of(kind)?, table: ParamTable::Token, any, not: false })
        }
        Filter::Param { table: ParamTable::Content, .. } => None,
        Filter::Param { param, .. } | Filter::Missing { param, .. } | Filter::Refers { param, .. } => {
            number_of(*param).is_none().then(|| filter.clone())
        }
        Filter::LastUpdated(_) => Some(filter.clone()),
        Filter::Any(inner) => each(inner).map(Filter::Any),
        Filter::All(inner) => each(inner).map(Filter::All),
        Filter::Not(inner) => Some(Filter::Not(Box::new(inside(kind, inner)?))),
        Filter::Together(_)
        | Filter::Near { .. }
        | Filter::OwnOf(_)
        | Filter::Referred { .. }
        | Filter::Contained(_)
        | Filter::Of { .. } => None,
    }
}
