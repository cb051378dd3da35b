//! Where a search begins: along the index rows of one filter, with the set of one that few fulfil, or along the type,
//! newest first. The databases' planners know too little of how filters go together; a plan that flips as tables grow is
//! what searches die of, so it is made here, from counts that stop early. Called by `page`.

use super::filter::of_kinds;
use super::page::by_value;
use super::sql::Statement;
use super::{Contained, Filter, Match, ParamTable, Search, Target};
use crate::db::{Reader, StoreError};
use std::future::Future;
use std::pin::Pin;

/// A set this small is surely the best beginning; the count stops here at first.
const FEW: i64 = 200;
/// Rows of one value that are walked at once, whatever the other filters are.
const SOME: i64 = 1_000;
/// Most positions of a set that is made before anything else: beyond it, walking finds a page sooner.
const SET_MAX: i64 = 5_000;
/// Most resources at the other end of a reference for which a chain is followed from there.
const TARGETS_MAX: i64 = 1_000;

/// A page of 50 and a sort that costs six visits for each version: where fewer than count * count / 8 versions are of the
/// type, walking is sooner.
const DENSITY: i64 = 8;
/// Most versions of a type that are counted to find that out.
const WALKED_MAX: i64 = 50_000;

/// Where a search begins; numbers are places in its filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Along the index rows of this filter, newest first: they stop as soon as a page is full.
    Along(usize),
    /// With everything that fulfils this filter.
    Set(usize),
    /// Along the types, in the order asked for.
    Walk,
}

/// Whether its rows stand in the index in the order of positions.
fn is_one_value(filter: &Filter) -> bool {
    match filter {
        Filter::Param { table: ParamTable::Token, any, not: false, .. } => {
            matches!(&any[..], [Match::Token { code: Some(_), .. }])
        }
        Filter::Param { table: ParamTable::Reference, any, not: false, .. } => {
            matches!(&any[..], [Match::References(targets)] if targets.len() == 1)
        }
        _ => false,
    }
}

impl Reader<'_> {
    /// The search with the place where it begins, so that its page and its count need not look for it twice.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub async fn planned(&mut self, search: Search) -> Result<Search, StoreError> {
        let plan = self.plan(&search).await?;
        Ok(Search { plan: Some(plan), ..search })
    }

    pub(super) async fn plan(&mut self, search: &Search) -> Result<Plan, StoreError> {
        let along = |at: usize| search.order.is_empty() && search.kinds.len() == 1 && is_one_value(&search.filters[at]);
        if let Some(plan) = search.plan {
            let mut statement = Statement::new(self.dialect(), search);
            let is_possible = match plan {
                Plan::Along(at) => at < search.filters.len() && along(at),
                Plan::Set(at) => {
                    search.filters.get(at).is_some_and(|filter| statement.set(&search.kinds, filter).is_some())
                }
                Plan::Walk => true,
            };
            if is_possible {
                return Ok(plan);
            }
        }
        if search.filters.len() == 1 && along(0) {
            return Ok(Plan::Along(0));
        }
        let mut least: Option<(i64, usize)> = None;
        // One value is counted along its index rows; what others come to may take as long as it saves.
        for (at, filter) in search.filters.iter().enumerate().filter(|(_, filter)| is_one_value(filter)) {
            let count = self.fulfilling(search, &search.kinds, filter, SOME).await?;
            if let Some(count) = count.filter(|count| *count < least.map_or(SOME, |(other, _)| other)) {
                least = Some((count, at));
            }
        }
        // What is asked of each of them besides may cost more than to look for a better beginning.
        let is_cheap = |(count, at): (i64, usize)| count * (search.cost(Some(at)) - 1) <= SOME;
        'caps: for cap in [FEW, SET_MAX] {
            if least.is_some_and(is_cheap) || (cap > FEW && least.is_some()) {
                break;
            }
            for (at, filter) in search.filters.iter().enumerate() {
                let Some(count) = self.fulfilling(search, &search.kinds, filter, cap).await? else { continue };
                if count < cap && least.is_none_or(|(other, _)| count < other) {
                    least = Some((count, at));
                }
                if least.is_some_and(|(count, _)| count < FEW) {
                    break 'caps;
                }
            }
        }
        let walked = || (0..search.filters.len()).filter(|at| along(*at));
        // Of several values that are common, a reference leads to fewer than a code.
        let reference = |at: &usize| matches!(search.filters[*at], Filter::Param { table: ParamTable::Reference, .. });
        Ok(match least {
            Some((_, at)) if along(at) => Plan::Along(at),
            Some((_, at)) => Plan::Set(at),
            None => walked().find(reference).or_else(|| walked().next()).map_or(Plan::Walk, Plan::Along),
        })
    }

    /// Where a page begins. In the order of a parameter it may be found sooner along that than by sorting a set: the one visits
    /// about as many versions for each match as there are of the type for each of the set, the other looks at every version's
    /// keys.
    pub(super) async fn plan_of_page(&mut self, search: &Search) -> Result<Plan, StoreError> {
        let plan = self.plan(search).await?;
        match plan {
            Plan::Set(at) if by_value(search).is_some() && self.is_sooner_walked(search, at).await? => Ok(Plan::Walk),
            _ => Ok(plan),
        }
    }

    async fn is_sooner_walked(&mut self, search: &Search, at: usize) -> Result<bool, StoreError> {
        let count = self.fulfilling(search, &search.kinds, &search.filters[at], SET_MAX).await?.unwrap_or(0);
        if count < FEW {
            return Ok(false);
        }
        let statement = Statement::new(self.dialect(), search);
        let most = (count * count / DENSITY).min(WALKED_MAX);
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM cache_versions v WHERE {} AND {} AND {} LIMIT {most}) c",
            of_kinds("v", &search.kinds),
            statement.live("v"),
            statement.bound()
        );
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)) < most)
    }

    /// How many versions fulfil a filter, up to `cap`; none where only a look at each can tell. As deep as chains are.
    fn fulfilling<'f>(
        &'f mut self,
        search: &'f Search,
        kinds: &'f [u16],
        filter: &'f Filter,
        cap: i64,
    ) -> Pin<Box<dyn Future<Output = Result<Option<i64>, StoreError>> + Send + 'f>> {
        Box::pin(async move {
            // What contained resources are found by, if that is a chain.
            let lead = match filter {
                Filter::Contained(contained) => contained.lead().map_or(filter, |at| &contained.filters[at]),
                _ => filter,
            };
            let small = match lead {
                Filter::Refers { targets, within, .. } => {
                    self.are_few(search, targets).await? && self.are_few_within(search, within).await?
                }
                Filter::Referred { from, .. } => self.are_few(search, std::slice::from_ref(from)).await?,
                _ => true,
            };
            let mut statement = Statement::new(self.dialect(), search);
            let Some(set) = small.then(|| statement.set(kinds, filter)).flatten() else { return Ok(None) };
            let bound = statement.bound();
            let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM ({set}) s WHERE {bound} LIMIT {cap}) c");
            let rows = self.fetch_bounded(sql, &statement.args).await?;
            Ok(Some(rows.first().map_or(0, |row| row.int(0))))
        })
    }

    /// Whether each of the other ends can be found first, and is few.
    async fn are_few(&mut self, search: &Search, targets: &[Target]) -> Result<bool, StoreError> {
        for target in targets {
            let mut few = false;
            for filter in &target.filters {
                let count = self.fulfilling(search, &target.kinds, filter, TARGETS_MAX).await?;
                if count.is_some_and(|count| count < TARGETS_MAX) {
                    few = true;
                    break;
                }
            }
            if !few {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether such contained resources are few.
    async fn are_few_within(&mut self, search: &Search, within: &[Contained]) -> Result<bool, StoreError> {
        for contained in within {
            let filter = Filter::Contained(contained.clone());
            let count = self.fulfilling(search, &[], &filter, TARGETS_MAX).await?;
            if count.is_none_or(|count| count >= TARGETS_MAX) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Statement {
    /// Every condition on the version `v`, but the filter that the plan began with and has held already.
    pub(super) fn conditions(&mut self, v: &str, search: &Search, held: Option<usize>) -> String {
        let mut parts = vec![self.live(v), self.visible(v, search.own_only)];
        for (at, filter) in search.filters.iter().enumerate() {
            if held != Some(at) {
                parts.push(self.probe(v, &search.kinds, filter));
            }
        }
        parts.join(" AND ")
    }

    /// That `v` is of the set and of the types; the set is made first.
    pub(super) fn of_set(&mut self, v: &str, search: &Search, filter: &Filter) -> Option<String> {
        let set = self.set(&search.kinds, filter)?;
        let among = match self.dialect {
            crate::db::Dialect::Postgres => format!("{v}.position = ANY (ARRAY({set}))"),
            crate::db::Dialect::Sqlite => format!("{v}.position IN ({set})"),
        };
        // The plus keeps the types out of the choice of an index.
        Some(format!("{among} AND +{}", of_kinds(v, &search.kinds)))
    }
}
