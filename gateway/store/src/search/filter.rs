//! A filter in the two forms a statement can use it in: as a look at the index for one version (`probe`), and as the set
//! of all positions that fulfil it (`set`). Called by `plan` and `page`.

use super::contained::Rows;
use super::sql::{Statement, joined};
use super::{Filter, Near, Part, Target};
use crate::db::Dialect;
use crate::search::ParamTable;
use fhir::ResourceType;

const UNION: &str = " UNION ALL ";

/// Most sets made one of; SQLite takes 500.
const UNIONS_MAX: usize = 400;

/// The condition on types, as numbers of this program's own.
pub(super) fn of_kinds(i: &str, kinds: &[u16]) -> String {
    match kinds {
        [] => "1 = 0".to_owned(),
        [only] => format!("{i}.type = {only}"),
        several => {
            let list = several.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            format!("{i}.type IN ({list})")
        }
    }
}

fn name(kind: u16) -> &'static str {
    ResourceType::from_number(kind).map_or("", ResourceType::name)
}

impl Statement {
    /// That the version `v` of one of `kinds` fulfils the filter.
    pub(super) fn probe(&mut self, v: &str, kinds: &[u16], filter: &Filter) -> String {
        match filter {
            Filter::Ids(ids) if ids.is_empty() => "1 = 0".to_owned(),
            Filter::Ids(ids) => format!("{v}.id IN ({})", self.holes(ids)),
            Filter::OwnOf(kinds) => format!("({v}.own = 1 OR NOT ({}))", of_kinds(v, kinds)),
            Filter::LastUpdated(ranges) => self.updated(v, ranges),
            Filter::Not(inner) => format!("NOT ({})", self.probe(v, kinds, inner)),
            Filter::Any(inner) => self.each(v, kinds, inner, " OR ", "1 = 0"),
            Filter::All(inner) => self.each(v, kinds, inner, " AND ", "1 = 1"),
            Filter::Missing { param, tables, missing } => {
                let rows = tables.iter().map(|table| {
                    let i = self.alias('i');
                    let (of, name, fence) = (of_kinds(&i, kinds), table.name(), self.fence());
                    // The plus keeps the types out of the choice of an index.
                    format!(
                        "EXISTS (SELECT 1 FROM {name} {i} WHERE {i}.position = {v}.position AND +{of} AND {i}.param = \
                         {param}{fence})"
                    )
                });
                let any = joined(&rows.collect::<Vec<_>>(), " OR ");
                format!("{}({any})", if *missing { "NOT " } else { "" })
            }
            Filter::Param { param, table, any, not } => {
                let i = self.alias('i');
                let (of, matching) = (of_kinds(&i, kinds), self.matching(&i, *table, any));
                let (no, name, fence) = (if *not { "NOT " } else { "" }, table.name(), self.fence());
                format!(
                    "{no}EXISTS (SELECT 1 FROM {name} {i} WHERE {i}.position = {v}.position AND {of} \
                     AND {i}.param = {param} AND {matching}{fence})"
                )
            }
            Filter::Together(alternatives) => {
                let found = alternatives.iter().map(|parts| {
                    let (from, condition, first) = self.together(kinds, parts);
                    let fence = self.fence();
                    format!(
                        "EXISTS (SELECT 1 FROM {from} WHERE {first}.position = {v}.position AND {condition}{fence})"
                    )
                });
                joined(&found.collect::<Vec<_>>(), " OR ")
            }
            Filter::Near { param, third, any } => {
                let found = any.iter().map(|near| {
                    let (from, condition, first) = self.near(kinds, (*param, *third), near);
                    let fence = self.fence();
                    format!(
                        "EXISTS (SELECT 1 FROM {from} WHERE {first}.position = {v}.position AND {condition}{fence})"
                    )
                });
                joined(&found.collect::<Vec<_>>(), " OR ")
            }
            Filter::Refers { param, targets, within } => self.refers(
                &|i| format!("{i}.position = {v}.position AND {}", of_kinds(i, kinds)),
                *param,
                targets,
                within,
            ),
            Filter::Contained(contained) => self.contains(v, contained),
            Filter::Of { kinds, filters } => {
                let of = of_kinds(v, kinds);
                format!("({of} AND {})", self.each(v, kinds, filters, " AND ", "1 = 1"))
            }
            Filter::Referred { param, from } => {
                let i = self.alias('i');
                let of = of_kinds(&i, &from.kinds);
                let (s, inner) = self.target(from, false);
                let (target, fence) = (self.named(v, kinds), self.fence());
                format!(
                    "EXISTS (SELECT 1 FROM cache_reference {i} CROSS JOIN cache_versions {s} WHERE {of} AND {i}.param = \
                     {param} AND {i}.target = {target} AND {s}.position = {i}.position AND {inner}{fence})"
                )
            }
        }
    }

    fn each(&mut self, v: &str, kinds: &[u16], inner: &[Filter], between: &str, none: &str) -> String {
        if inner.is_empty() {
            return none.to_owned();
        }
        let parts = inner.iter().map(|one| self.probe(v, kinds, one)).collect::<Vec<_>>();
        joined(&parts, between)
    }

    /// What is asked of a version at the other end of a reference: its alias and the condition.
    pub(super) fn target(&mut self, target: &Target, sets: bool) -> (String, String) {
        let t = self.alias('t');
        let mut parts = vec![of_kinds(&t, &target.kinds), self.live(&t), self.visible(&t, target.own_only)];
        for filter in &target.filters {
            let set = if sets { self.set(&target.kinds, filter) } else { None };
            parts.push(match set {
                Some(set) => format!("{t}.position IN ({set})"),
                None => self.probe(&t, &target.kinds, filter),
            });
        }
        (t, parts.join(" AND "))
    }

    /// Tables and conditions of components that stand in one element; the alias of the first.
    fn together(&mut self, kinds: &[u16], parts: &[Part]) -> (String, String, String) {
        let aliases = parts.iter().map(|_| self.alias('i')).collect::<Vec<_>>();
        let first = aliases.first().cloned().unwrap_or_default();
        let (mut from, mut conditions) = (Vec::new(), Vec::new());
        for (i, part) in aliases.iter().zip(parts) {
            from.push(format!("{} {i}", part.table.name()));
            conditions.push(of_kinds(i, kinds));
            conditions.push(format!("{i}.param = {}", part.param));
            conditions.push(self.matching(i, part.table, &part.any));
            if *i != first {
                conditions.push(format!("{i}.position = {first}.position AND {i}.grp = {first}.grp"));
            }
        }
        (from.join(" CROSS JOIN "), conditions.join(" AND "), first)
    }

    /// Tables and condition of a place near another; the alias of the first. The cube around walks the index.
    fn near(&mut self, kinds: &[u16], (param, third): (u16, u16), near: &Near) -> (String, String, String) {
        let (i, t) = (self.alias('i'), self.alias('i'));
        let of = of_kinds(&i, kinds);
        let mut within = |column: &str, at: f64| {
            let (low, high) = (self.hole(at - near.chord), self.hole(at + near.chord));
            format!("{column} >= {low} AND {column} <= {high}")
        };
        let cube = [
            within(&format!("{i}.low"), near.x),
            within(&format!("{i}.high"), near.y),
            within(&format!("{t}.low"), near.z),
        ];
        let (x, y, z) = (self.hole(near.x), self.hole(near.y), self.hole(near.z));
        let chord = self.hole(near.chord * near.chord);
        let condition = format!(
            "{of} AND {i}.param = {param} AND {t}.position = {i}.position AND {t}.param = {third} AND {} AND ({i}.low - {x}) \
             * ({i}.low - {x}) + ({i}.high - {y}) * ({i}.high - {y}) + ({t}.low - {z}) * ({t}.low - {z}) <= {chord}",
            cube.join(" AND ")
        );
        (format!("cache_number {i} CROSS JOIN cache_number {t}"), condition, i)
    }

    /// `SELECT position` of everything that fulfils the filter, and perhaps of versions that are no longer current; none
    /// where only a look at each version can tell.
    pub(super) fn set(&mut self, kinds: &[u16], filter: &Filter) -> Option<String> {
        let set = self.whole_set(kinds, filter)?;
        (set.matches(UNION).count() < UNIONS_MAX).then_some(set)
    }

    fn whole_set(&mut self, kinds: &[u16], filter: &Filter) -> Option<String> {
        Some(match filter {
            Filter::Param { not: true, .. }
            | Filter::Param { table: ParamTable::Content, .. }
            | Filter::Missing { .. }
            | Filter::Not(_)
            | Filter::OwnOf(_)
            | Filter::All(_) => return None,
            Filter::Param { param, table, any, not: false } => {
                let i = self.alias('i');
                let (of, matching, name) = (of_kinds(&i, kinds), self.matching(&i, *table, any), table.name());
                format!("SELECT {i}.position FROM {name} {i} WHERE {of} AND {i}.param = {param} AND {matching}")
            }
            Filter::Any(inner) if inner.is_empty() => return None,
            Filter::Any(inner) => inner.iter().map(|one| self.set(kinds, one)).collect::<Option<Vec<_>>>()?.join(UNION),
            Filter::Together(alternatives) => {
                let sets = alternatives.iter().map(|parts| {
                    let (from, condition, first) = self.together(kinds, parts);
                    format!("SELECT {first}.position FROM {from} WHERE {condition}")
                });
                sets.collect::<Vec<_>>().join(UNION)
            }
            Filter::Near { param, third, any } => {
                let sets = any.iter().map(|near| {
                    let (from, condition, first) = self.near(kinds, (*param, *third), near);
                    format!("SELECT {first}.position FROM {from} WHERE {condition}")
                });
                sets.collect::<Vec<_>>().join(UNION)
            }
            Filter::Ids(_) | Filter::LastUpdated(_) => {
                let v = self.alias('v');
                let (of, live, condition) = (of_kinds(&v, kinds), self.live(&v), self.probe(&v, kinds, filter));
                format!("SELECT {v}.position FROM cache_versions {v} WHERE {of} AND {live} AND {condition}")
            }
            Filter::Refers { param, targets, within } => {
                let rows = self.referring(kinds, *param, targets, within);
                rows.iter().map(Rows::positions).collect::<Vec<_>>().join(UNION)
            }
            Filter::Contained(contained) => {
                let rows = self.contained_rows(contained);
                rows.iter().map(Rows::positions).collect::<Vec<_>>().join(UNION)
            }
            Filter::Of { kinds, filters } => {
                let v = self.alias('v');
                let (of, mut parts, mut led) = (of_kinds(&v, kinds), Vec::with_capacity(filters.len() + 1), false);
                for filter in filters {
                    let set = if led { None } else { self.set(kinds, filter) };
                    led |= set.is_some();
                    parts.push(match set {
                        Some(set) => format!("{v}.position IN ({set})"),
                        None => self.probe(&v, kinds, filter),
                    });
                }
                parts.push(if led { format!("+{of}") } else { format!("{of} AND {}", self.live(&v)) });
                format!("SELECT {v}.position FROM cache_versions {v} WHERE {}", parts.join(" AND "))
            }
            Filter::Referred { param, from } => {
                let (v, i) = (self.alias('v'), self.alias('i'));
                let (of, live, sources) = (of_kinds(&v, kinds), self.live(&v), of_kinds(&i, &from.kinds));
                let (s, inner) = self.target(from, true);
                let (id, which) = (self.id_of(&format!("{i}.target")), which(&i, kinds));
                format!(
                    "SELECT {v}.position FROM cache_versions {v} WHERE {of} AND {live} AND {v}.id IN (SELECT {id} FROM \
                     cache_versions {s} CROSS JOIN cache_reference {i} WHERE {inner} AND {i}.position = {s}.position AND \
                     {sources} AND {i}.param = {param} AND {which})"
                )
            }
        })
    }

    /// `Type/id` of the version `v`, in the collation of targets.
    pub(super) fn named(&self, v: &str, kinds: &[u16]) -> String {
        let name = match kinds {
            [only] => format!("'{}/' || {v}.id", name(*only)),
            several => {
                let cases = several.iter().map(|kind| format!("WHEN {kind} THEN '{}/'", name(*kind)));
                format!("CASE {v}.type {} END || {v}.id", cases.collect::<Vec<_>>().join(" "))
            }
        };
        match self.dialect {
            Dialect::Postgres => format!("({name}) COLLATE \"C\""),
            Dialect::Sqlite => name,
        }
    }

    fn updated(&mut self, v: &str, ranges: &[(super::Compare, i64, i64)]) -> String {
        let parts = ranges.iter().map(|(how, low, high)| {
            let (low, high) = (self.hole(*low), self.hole(*high));
            let at = format!("{v}.last_updated");
            super::Compare::instant(*how, &at, &low, &high)
        });
        joined(&parts.collect::<Vec<_>>(), " OR ")
    }
}

/// That the reference in row `i` names one of `kinds`.
fn which(i: &str, kinds: &[u16]) -> String {
    let list = kinds.iter().map(|kind| (kind + 1).to_string()).collect::<Vec<_>>().join(",");
    format!("{i}.kind IN ({list})")
}

impl ParamTable {
    /// The table's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ParamTable::Token => "cache_token",
            ParamTable::Text => "cache_string",
            ParamTable::Date => "cache_date",
            ParamTable::Reference => "cache_reference",
            ParamTable::Number => "cache_number",
            ParamTable::Content => "cache_content",
        }
    }

    /// The columns that its values are ordered by, as its index has them.
    pub(super) fn order(self) -> &'static [&'static str] {
        match self {
            ParamTable::Token => &["code"],
            ParamTable::Text | ParamTable::Content => &["normal"],
            ParamTable::Date | ParamTable::Number => &["low", "high"],
            ParamTable::Reference => &["target"],
        }
    }
}
