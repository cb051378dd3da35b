//! Contained resources in a statement. Each has one row of `_id` in the token table, and its other rows share that row's
//! position and group; a reference names it by a fragment. Called by `filter`, and by `node` through [`Reader`].
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use super::filter::of_kinds;
use super::sql::{Statement, joined};
use super::{Contained, Filter, Search, Target};
use crate::db::{Dialect, Reader, StoreError};
use crate::versions::CONTAINED;
use std::collections::BTreeSet;

/// Positions that one statement names.
const POSITIONS_MAX: usize = 500;

/// Rows of a statement: where they come from, the condition on them, and the alias that has position and group.
pub(super) struct Rows {
    from: String,
    condition: String,
    alias: String,
}

impl Rows {
    pub(super) fn positions(&self) -> String {
        format!("SELECT {}.position FROM {} WHERE {}", self.alias, self.from, self.condition)
    }
}

impl Contained {
    /// The number that its rows stand under.
    fn number(&self) -> u16 {
        CONTAINED | self.kind
    }

    /// The filter along whose rows such resources are found: one of values before a reference.
    pub(super) fn lead(&self) -> Option<usize> {
        let is_value = |filter: &Filter| matches!(filter, Filter::Param { not: false, .. });
        let is_chain = |filter: &Filter| matches!(filter, Filter::Refers { .. });
        self.filters.iter().position(is_value).or_else(|| self.filters.iter().position(is_chain))
    }
}

impl Statement {
    /// That the version `v` contains such a resource.
    pub(super) fn contains(&mut self, v: &str, contained: &Contained) -> String {
        let c = self.alias('c');
        let (is, fence) = (self.is_contained(&c, contained), self.fence());
        format!("EXISTS (SELECT 1 FROM cache_token {c} WHERE {c}.position = {v}.position AND {is}{fence})")
    }

    /// That the row `c` is the one that such a resource is known by.
    pub(super) fn is_contained(&mut self, c: &str, contained: &Contained) -> String {
        // The plus leads to the few rows of the position.
        let mut parts = vec![format!("+{c}.type = {} AND {c}.param = {}", contained.number(), contained.id)];
        parts.extend(contained.filters.iter().map(|filter| self.within(c, contained.number(), filter)));
        parts.join(" AND ")
    }

    /// That the filter holds for the contained resource that the row `c` is of; as deep as the filter, which has a limit.
    fn within(&mut self, c: &str, kind: u16, filter: &Filter) -> String {
        let at = |i: &str| format!("{i}.position = {c}.position AND +{i}.type = {kind} AND {i}.grp = {c}.grp");
        match filter {
            Filter::Param { param, table, any, not } => {
                let i = self.alias('i');
                let (at, matching, fence) = (at(&i), self.matching(&i, *table, any), self.fence());
                let (no, name) = (if *not { "NOT " } else { "" }, table.name());
                format!(
                    "{no}EXISTS (SELECT 1 FROM {name} {i} WHERE {at} AND {i}.param = {param} AND {matching}{fence})"
                )
            }
            Filter::Missing { param, tables, missing } => {
                let rows = tables.iter().map(|table| {
                    let i = self.alias('i');
                    let (at, name, fence) = (at(&i), table.name(), self.fence());
                    format!("EXISTS (SELECT 1 FROM {name} {i} WHERE {at} AND {i}.param = {param}{fence})")
                });
                let any = joined(&rows.collect::<Vec<_>>(), " OR ");
                format!("{}({any})", if *missing { "NOT " } else { "" })
            }
            Filter::LastUpdated(_) => {
                let w = self.alias('w');
                let (updated, fence) = (self.probe(&w, &[], filter), self.fence());
                format!(
                    "EXISTS (SELECT 1 FROM cache_versions {w} WHERE {w}.position = {c}.position AND {updated}{fence})"
                )
            }
            Filter::Refers { param, targets, within } => self.refers(&at, *param, targets, within),
            Filter::Not(inner) => format!("NOT ({})", self.within(c, kind, inner)),
            Filter::Any(inner) | Filter::All(inner) => {
                let (between, none) = match filter {
                    Filter::Any(_) => (" OR ", "1 = 0"),
                    _ => (" AND ", "1 = 1"),
                };
                let parts = inner.iter().map(|one| self.within(c, kind, one)).collect::<Vec<_>>();
                if parts.is_empty() { none.to_owned() } else { joined(&parts, between) }
            }
            Filter::Together(_)
            | Filter::Near { .. }
            | Filter::Ids(_)
            | Filter::OwnOf(_)
            | Filter::Referred { .. }
            | Filter::Contained(_)
            | Filter::Of { .. } => "1 = 0".to_owned(),
        }
    }

    /// That a row of references, which `at` says the place of, leads to one of these.
    pub(super) fn refers(
        &mut self,
        at: &dyn Fn(&str) -> String,
        param: u16,
        targets: &[Target],
        within: &[Contained],
    ) -> String {
        let mut found = Vec::with_capacity(targets.len() + within.len());
        for target in targets {
            let i = self.alias('i');
            let (t, inner) = self.target(target, false);
            let (at, id, fence) = (at(&i), self.id_of(&format!("{i}.target")), self.fence());
            found.push(format!(
                "EXISTS (SELECT 1 FROM cache_reference {i} CROSS JOIN cache_versions {t} WHERE {at} AND {i}.param = {param} \
                 AND {t}.id = {id} AND {t}.type = {i}.kind - 1 AND {inner}{fence})"
            ));
        }
        for contained in within {
            let (i, c) = (self.alias('i'), self.alias('c'));
            let (at, is, fence) = (at(&i), self.is_contained(&c, contained), self.fence());
            found.push(format!(
                "EXISTS (SELECT 1 FROM cache_reference {i} CROSS JOIN cache_token {c} WHERE {at} AND {i}.param = {param} \
                 AND {c}.position = {i}.position AND {i}.target = '#' || {c}.code AND {is}{fence})"
            ));
        }
        if found.is_empty() { "1 = 0".to_owned() } else { joined(&found, " OR ") }
    }

    /// Rows of every such resource, some of them several times, and perhaps of versions that are no longer current.
    pub(super) fn contained_rows(&mut self, contained: &Contained) -> Vec<Rows> {
        let lead = contained.lead();
        let mut found = match lead.map(|at| &contained.filters[at]) {
            Some(Filter::Param { param, table, any, .. }) => {
                let i = self.alias('i');
                let (of, matching) = (of_kinds(&i, &[contained.number()]), self.matching(&i, *table, any));
                let condition = format!("{of} AND {i}.param = {param} AND {matching}");
                vec![Rows { from: format!("{} {i}", table.name()), condition, alias: i }]
            }
            Some(Filter::Refers { param, targets, within }) => {
                self.referring(&[contained.number()], *param, targets, within)
            }
            _ => {
                let i = self.alias('c');
                let condition = format!("{} AND {i}.param = {}", of_kinds(&i, &[contained.number()]), contained.id);
                vec![Rows { from: format!("cache_token {i}"), condition, alias: i }]
            }
        };
        for rows in &mut found {
            for (_, filter) in contained.filters.iter().enumerate().filter(|(at, _)| lead != Some(*at)) {
                let inner = self.within(&rows.alias, contained.number(), filter);
                rows.condition.push_str(&format!(" AND {inner}"));
            }
        }
        found
    }

    /// Rows of references of `kinds` that lead to one of these: the other ends are found first.
    pub(super) fn referring(
        &mut self,
        kinds: &[u16],
        param: u16,
        targets: &[Target],
        within: &[Contained],
    ) -> Vec<Rows> {
        let mut found = Vec::with_capacity(targets.len() + within.len());
        for target in targets {
            let i = self.alias('i');
            let (of, (t, inner)) = (of_kinds(&i, kinds), self.target(target, true));
            let named = self.named(&t, &target.kinds);
            let condition = format!(
                "{of} AND {i}.param = {param} AND {i}.target IN (SELECT {named} FROM cache_versions {t} WHERE {inner})"
            );
            found.push(Rows { from: format!("cache_reference {i}"), condition, alias: i });
        }
        for contained in within {
            for rows in self.contained_rows(contained) {
                let (i, c) = (self.alias('i'), self.alias('c'));
                let (of, d) = (of_kinds(&i, kinds), rows.alias);
                let condition = format!(
                    "{} AND {c}.position = {d}.position AND +{c}.type = {} AND {c}.grp = {d}.grp AND {c}.param = {} AND \
                     {i}.position = {d}.position AND +{of} AND {i}.param = {param} AND {i}.target = '#' || {c}.code",
                    rows.condition,
                    contained.number(),
                    contained.id
                );
                let from = format!("{} CROSS JOIN cache_token {c} CROSS JOIN cache_reference {i}", rows.from);
                found.push(Rows { from, condition, alias: i });
            }
        }
        found
    }
}

impl Reader<'_> {
    /// Which of these types have contained resources here; `id` is the number of `_id`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contained_kinds(&mut self, kinds: &BTreeSet<u16>, id: u16) -> Result<BTreeSet<u16>, StoreError> {
        if kinds.is_empty() {
            return Ok(BTreeSet::new());
        }
        let fence = match self.dialect() {
            Dialect::Postgres => " OFFSET 0",
            Dialect::Sqlite => "",
        };
        // Numbers of this program's own: no text of a caller.
        let rows = kinds.iter().map(|kind| format!("({})", CONTAINED | kind)).collect::<Vec<_>>().join(",");
        let sql = format!(
            "WITH p(type) AS (VALUES {rows}) SELECT p.type FROM p WHERE EXISTS \
             (SELECT 1 FROM cache_token t WHERE t.type = p.type AND t.param = {id}{fence})"
        );
        let rows = self.fetch(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.int(0) as u16 & !CONTAINED).collect())
    }

    /// The places of such resources in the versions at `positions`, in order.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub async fn contained_places(
        &mut self,
        search: &Search,
        contained: &Contained,
        positions: &[i64],
    ) -> Result<Vec<(i64, u16)>, StoreError> {
        let mut found = Vec::new();
        for chunk in positions.chunks(POSITIONS_MAX) {
            let mut statement = Statement::new(self.dialect(), search);
            let holes = chunk.iter().map(|position| statement.hole(*position)).collect::<Vec<_>>().join(",");
            let (is, bound) = (statement.is_contained("c", contained), statement.bound());
            let sql = format!(
                "SELECT c.position, c.grp FROM cache_token c WHERE c.position IN ({holes}) AND {is} AND {bound} \
                 ORDER BY c.position, c.grp"
            );
            let rows = self.fetch_bounded(sql, &statement.args).await?;
            found.extend(rows.iter().map(|row| (row.int(0), row.int(1) as u16)));
        }
        Ok(found)
    }

    /// Those of `positions` whose version fulfils the filter.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub async fn fulfilled(
        &mut self,
        search: &Search,
        filter: &Filter,
        positions: &[i64],
    ) -> Result<BTreeSet<i64>, StoreError> {
        let mut found = BTreeSet::new();
        for chunk in positions.chunks(POSITIONS_MAX) {
            let mut statement = Statement::new(self.dialect(), search);
            let holes = chunk.iter().map(|position| statement.hole(*position)).collect::<Vec<_>>().join(",");
            let (holds, bound) = (statement.probe("v", &search.kinds, filter), statement.bound());
            let sql = format!(
                "SELECT v.position FROM cache_versions v WHERE v.position IN ({holes}) AND {holds} AND {bound}"
            );
            let rows = self.fetch_bounded(sql, &statement.args).await?;
            found.extend(rows.iter().map(|row| row.int(0)));
        }
        Ok(found)
    }
}
