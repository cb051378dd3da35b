//! How many match in all, as far as few enough versions must be looked at, and about how many otherwise. Called by `node`
//! through [`Reader`].

use super::filter::of_kinds;
use super::plan::Plan;
use super::sql::Statement;
use super::{Search, Tally};
use crate::db::{Reader, StoreError};

/// Versions that an estimate counts at most.
const ESTIMATE_MAX: i64 = 2_000_000;

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
        let mut statement = Statement::new(self.dialect(), search);
        let (visited, held) = statement.visited(search, plan);
        let (of, conditions) = (of_kinds("v", &search.kinds), statement.conditions("v", search, held));
        // The limit comes before the rows are told apart: to find each once, all of them would have to be read.
        let sql = format!(
            "WITH r AS MATERIALIZED (SELECT d.position FROM ({visited}) d LIMIT {}) SELECT (SELECT COUNT(*) FROM r), \
             COUNT(*) FROM (SELECT DISTINCT r.position FROM r) d CROSS JOIN cache_versions v WHERE v.position = d.position \
             AND +{of} AND {conditions}",
            visits_max.saturating_add(1)
        );
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        let (visits, count) = rows.first().map_or((0, 0), |row| (row.int(0), row.int(1)));
        Ok(if visits > visits_max { Tally::AtLeast(count) } else { Tally::Exactly(count) })
    }

    /// About how many match, where `count` of the first `visits` versions did.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub async fn estimate(&mut self, search: &Search, count: i64, visits: i64) -> Result<i64, StoreError> {
        let plan = self.plan(search).await?;
        let mut statement = Statement::new(self.dialect(), search);
        let (visited, _) = statement.visited(search, plan);
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT d.position FROM ({visited}) d WHERE {} LIMIT {ESTIMATE_MAX}) d",
            statement.bound()
        );
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        let all = rows.first().map_or(0, |row| row.int(0));
        Ok((count as f64 * all as f64 / visits.max(1) as f64) as i64)
    }
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
