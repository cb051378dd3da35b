//! How many match in all, as far as few enough versions must be looked at, and about how many otherwise. Called by `node`
//! through [`Reader`].

use super::filter::of_kinds;
use super::plan::Plan;
use super::sql::Statement;
use super::{Filter, Search, Tally};
use crate::db::{Reader, StoreError};

/// Versions that an estimate counts at most.
const ESTIMATE_MAX: i64 = 2_000_000;
/// Versions of those that an estimate looks at.
const SAMPLE_MAX: i64 = 2_000;

/// What a look at the other end of a reference costs, in looks at an index row of the version itself.
const CHAIN_COST: i64 = 8;

impl Search {
    /// What counting one version costs, in looks at an index, by the plan it has.
    #[must_use]
    pub fn cost_of_count(&self) -> i64 {
        self.cost(match self.plan {
            Some(Plan::Along(at) | Plan::Set(at)) => Some(at),
            Some(Plan::Walk) | None => None,
        })
    }

    /// 1 for the version, and what its filters ask beyond the one that is `held` already.
    pub(super) fn cost(&self, held: Option<usize>) -> i64 {
        let asked = self.filters.iter().enumerate().filter(|(at, _)| held != Some(*at));
        1 + asked.map(|(_, filter)| cost(filter)).sum::<i64>()
    }
}

/// As deep as the filter itself, which has a limit.
fn cost(filter: &Filter) -> i64 {
    let own = match filter {
        Filter::Param { .. } | Filter::Missing { .. } => 1,
        Filter::Together(alternatives) => 2 * alternatives.len() as i64,
        Filter::Near { any, .. } => 2 * any.len() as i64,
        // Each contained resource is known by a row of its own.
        Filter::Refers { within, .. } => CHAIN_COST + within.len() as i64,
        Filter::Contained(_) => 1,
        Filter::Referred { .. } => CHAIN_COST,
        Filter::Ids(_)
        | Filter::OwnOf(_)
        | Filter::LastUpdated(_)
        | Filter::Of { .. }
        | Filter::Any(_)
        | Filter::All(_)
        | Filter::Not(_) => 0,
    };
    own + filter.inner().into_iter().map(cost).sum::<i64>()
}

impl Reader<'_> {
    /// How many match: all of them if no more than `visits_max` versions must be looked at.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub async fn count(&mut self, search: &Search, visits_max: i64) -> Result<Tally, StoreError> {
        if search.kinds.is_empty() {
            return Ok(Tally::Exactly(0));
        }
        let plan = self.plan(search).await?;
        // How many there are to look at shows the index alone; what would come to nothing is not begun.
        if self.visits(search, plan, visits_max.saturating_add(1)).await? > visits_max {
            return Ok(Tally::TooMany);
        }
        let mut statement = Statement::new(self.dialect(), search);
        let (visited, held) = statement.visited(search, plan);
        let sql = counting(&mut statement, search, &format!("SELECT DISTINCT d.position FROM ({visited}) d"), held);
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        Ok(Tally::Exactly(rows.first().map_or(0, |row| row.int(0))))
    }

    /// About how many match: as many of all as of a sample of the newest.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub async fn estimate(&mut self, search: &Search) -> Result<i64, StoreError> {
        let plan = self.plan(search).await?;
        let all = self.visits(search, plan, ESTIMATE_MAX).await?;
        let mut statement = Statement::new(self.dialect(), search);
        let (visited, held) = statement.visited(search, plan);
        let sample =
            format!("SELECT DISTINCT d.position FROM (SELECT d.position FROM ({visited}) d LIMIT {SAMPLE_MAX}) d");
        let sql = counting(&mut statement, search, &sample, held);
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        let count = rows.first().map_or(0, |row| row.int(0));
        Ok((count as f64 * all as f64 / all.clamp(1, SAMPLE_MAX) as f64) as i64)
    }

    /// How many versions there are to look at, up to `most`; some perhaps twice.
    async fn visits(&mut self, search: &Search, plan: Plan, most: i64) -> Result<i64, StoreError> {
        let mut statement = Statement::new(self.dialect(), search);
        let (visited, _) = statement.visited(search, plan);
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT d.position FROM ({visited}) d WHERE {} LIMIT {most}) d",
            statement.bound()
        );
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }
}

/// How many of `positions` all filters hold for, but the one that is held already.
fn counting(statement: &mut Statement, search: &Search, positions: &str, held: Option<usize>) -> String {
    let (of, conditions) = (of_kinds("v", &search.kinds), statement.conditions("v", search, held));
    format!(
        "WITH r AS MATERIALIZED ({positions}) SELECT COUNT(*) FROM r CROSS JOIN cache_versions v WHERE v.position = \
         r.position AND +{of} AND {conditions}"
    )
}

impl Statement {
    /// `SELECT position` of what must be looked at to count, some of it perhaps twice, and the filter that it holds already.
    fn visited(&mut self, search: &Search, plan: Plan) -> (String, Option<usize>) {
        let set = match plan {
            Plan::Along(at) | Plan::Set(at) => self.set(&search.kinds, &search.filters[at]).map(|set| (at, set)),
            Plan::Walk => None,
        };
        match set {
            Some((at, set)) => (set, Some(at)),
            None => {
                let (of, live) = (of_kinds("w", &search.kinds), self.live("w"));
                (format!("SELECT w.position FROM cache_versions w WHERE {of} AND {live}"), None)
            }
        }
    }
}
