//! Versions held against a token's reach one by one: the current one by a statement, older ones, which no index leads to, by
//! what they would be indexed as. What cannot be told is beyond reach. Called by `read` and `history`.

use super::{Reach, among};
use crate::binary::is_binary;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::read::Served;
use fhir::ResourceType;
use fhir::json::Doc;
use store::db::Reader;
use store::search::{Filter, Match};
use store::versions::{Index, IndexRow, StoredVersion};

impl Node {
    /// Whether a version is within a token's reach; a deletion says nothing of whose it was, and is not.
    pub(crate) async fn is_within(
        &self,
        caller: &Caller,
        reach: &Reach,
        version: &StoredVersion,
    ) -> Result<bool, NodeError> {
        let Reach::Where(filters) = reach else { return Ok(true) };
        let Some(kind) = ResourceType::from_number(version.kind).filter(|_| !version.is_deleted()) else {
            return Ok(false);
        };
        let filters = match is_binary(kind) {
            true => &in_place(filters, &version.id, self.is_in_record(caller, version).await?),
            false => filters,
        };
        if version.current {
            let search = among(kind, std::slice::from_ref(&version.id), filters, self.sight(caller));
            return Ok(!Reader::from(&self.store).search(&search, 1).await?.0.is_empty());
        }
        let Some(served) = self.serve(version.clone()).await? else { return Ok(false) };
        Ok(self.would_be_found(kind, &served, filters))
    }

    /// A Binary is in the record of the patient whose it is.
    async fn is_in_record(&self, caller: &Caller, version: &StoredVersion) -> Result<bool, NodeError> {
        let Some(patient) = caller.patient.as_deref() else { return Ok(false) };
        let homes = Reader::from(&self.store).homes(patient).await?;
        Ok(homes.iter().any(|home| home.record == version.record))
    }

    /// Whether filters would find a version, were it current.
    fn would_be_found(&self, kind: ResourceType, served: &Served, filters: &[Filter]) -> bool {
        let Ok(doc) = Doc::parse(served.json.clone()) else { return false };
        let rows = crate::index::rows(&doc, kind, self.base(), &self.registry());
        let rows = rows.into_iter().filter(|row| row.contained.is_none()).collect::<Vec<_>>();
        filters.iter().all(|filter| holds(filter, &served.id, &rows) == Some(true))
    }
}

/// Filters of a Binary, where those that no index answers are answered by where it lies. As deep as the filters, which have a
/// limit.
fn in_place(filters: &[Filter], id: &str, in_record: bool) -> Vec<Filter> {
    let one = |filter: &Filter| match filter {
        Filter::Ids(ids) if ids.is_empty() && in_record => Filter::Ids(vec![id.to_owned()]),
        Filter::All(inner) => Filter::All(in_place(inner, id, in_record)),
        Filter::Any(inner) => Filter::Any(in_place(inner, id, in_record)),
        other => other.clone(),
    };
    filters.iter().map(one).collect()
}

/// Whether a filter holds for these rows; `None` where only a statement can tell. As deep as the filter, which has a limit.
pub(crate) fn holds(filter: &Filter, id: &str, rows: &[IndexRow]) -> Option<bool> {
    match filter {
        Filter::Ids(ids) => Some(ids.iter().any(|one| one == id)),
        Filter::All(inner) => {
            let all = inner.iter().map(|one| holds(one, id, rows)).collect::<Option<Vec<_>>>()?;
            Some(all.into_iter().all(|holds| holds))
        }
        // One that holds is enough, whatever the others are.
        Filter::Any(inner) => {
            let all = inner.iter().map(|one| holds(one, id, rows)).collect::<Vec<_>>();
            if all.contains(&Some(true)) { Some(true) } else { all.iter().all(Option::is_some).then_some(false) }
        }
        Filter::Not(inner) => holds(inner, id, rows).map(|holds| !holds),
        Filter::Param { param, any, not, .. } => {
            let of_param = rows.iter().filter(|row| row.param == *param);
            let mut found = false;
            for row in of_param {
                for one in any {
                    found |= matches(one, &row.value)?;
                }
            }
            // A way of matching that is not known here decides also where there is no row.
            let known = any.iter().all(|one| matches!(one, Match::Token { .. } | Match::References(_)));
            known.then_some(found != *not)
        }
        _ => None,
    }
}

fn matches(one: &Match, value: &Index) -> Option<bool> {
    match (one, value) {
        (Match::Token { code, system }, Index::Token { code: has_code, system: has_system }) => {
            let same = |wanted: &Option<String>, has: &String| wanted.as_ref().is_none_or(|wanted| wanted == has);
            Some(same(code, has_code) && same(system, has_system))
        }
        (Match::References(targets), Index::Reference { target, .. }) => Some(targets.contains(target)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::search::ParamTable;

    #[test]
    fn what_cannot_be_told_is_beyond_reach() {
        let row = |param, value| IndexRow { param, group: 0, contained: None, value };
        let token = |code: &str| Index::Token { code: code.to_owned(), system: "s".to_owned() };
        let rows = [
            row(1, token("a")),
            row(2, Index::Reference { target: "Patient/p1".to_owned(), kind: 0 }),
            row(3, Index::Date { low: 1, high: 2 }),
        ];
        let is = |param, one: Match, not| Filter::Param { param, table: ParamTable::Token, any: vec![one], not };
        let code = |code: &str| Match::Token { code: Some(code.to_owned()), system: None };
        let to = |target: &str| Match::References(vec![target.to_owned()]);
        let late = Match::Date(store::search::Compare::Greater, 0, 1);
        let check =
            |filter: Filter, expected: Option<bool>| assert_eq!(holds(&filter, "o1", &rows), expected, "{filter:?}");
        check(is(1, code("a"), false), Some(true));
        check(is(1, code("b"), false), Some(false));
        check(is(1, code("b"), true), Some(true));
        check(is(9, code("a"), false), Some(false));
        check(is(2, to("Patient/p1"), false), Some(true));
        check(is(2, to("Patient/p2"), false), Some(false));
        check(is(3, late.clone(), false), None);
        check(is(9, late.clone(), true), None);
        check(Filter::Ids(vec!["o1".to_owned()]), Some(true));
        check(Filter::Ids(Vec::new()), Some(false));
        check(Filter::Any(vec![is(3, late.clone(), false), is(1, code("a"), false)]), Some(true));
        check(Filter::Any(vec![is(3, late.clone(), false), is(1, code("b"), false)]), None);
        check(Filter::All(vec![is(1, code("a"), false), is(3, late.clone(), false)]), None);
        check(Filter::Not(Box::new(is(3, late, false))), None);
    }
}
