//! One page of a search, and how many match in all. Positions are found first, in one narrow statement; the versions and
//! their frames are read for the page alone. Called by `node` through [`Reader`].

use super::filter::of_kinds;
use super::plan::Plan;
use super::sql::Statement;
use super::{Filter, From, Order, ParamTable, Search};
use crate::db::{Dialect, Reader, StoreError, Value};
use crate::versions::{COLUMNS, FRAME, StoredVersion, stored};
use std::collections::HashMap;

/// Versions one statement reads by their positions.
const LOAD_MAX: usize = 500;

impl Reader<'_> {
    /// One page: at most `most` versions, with their frames, and where the next begins if there is more.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::TooLong`] for a search that takes longer than one may.
    pub async fn search(
        &mut self,
        search: &Search,
        most: usize,
    ) -> Result<(Vec<StoredVersion>, Option<From>), StoreError> {
        let (positions, next) = self.search_positions(search, most).await?;
        let found = self.at_positions(&positions).await?;
        match search.own_only {
            true => Ok((self.uncovered(found).await?, next)),
            false => Ok((found, next)),
        }
    }

    /// What stands now in the place of those that another's edit covers.
    async fn uncovered(&mut self, found: Vec<StoredVersion>) -> Result<Vec<StoredVersion>, StoreError> {
        let mut now = Vec::with_capacity(found.len());
        for one in found {
            match one.current {
                true => now.push(one),
                false => now.extend(self.current(one.kind, &one.id).await?),
            }
        }
        Ok(now)
    }

    /// The page as [`Reader::search`] finds it, without what stands there.
    ///
    /// # Errors
    /// As there.
    pub async fn search_positions(
        &mut self,
        search: &Search,
        most: usize,
    ) -> Result<(Vec<i64>, Option<From>), StoreError> {
        if search.kinds.is_empty() {
            return Ok((Vec::new(), None));
        }
        let plan = match search.from {
            // Pages after the first go on as it began, whatever a plan would be now: a place in one is none in another.
            From { beyond: None, valueless: false, .. } => self.plan_of_page(search).await?,
            _ if by_value(search).is_some() => Plan::Walk,
            _ => self.plan(search).await?,
        };
        if let (Some((by, descending)), Plan::Walk, 0) = (by_value(search), plan, search.from.skip) {
            return self.walk_values(search, by, descending, most).await;
        }
        let (sql, args) = page(self.dialect(), search, plan, most + 1);
        let rows = self.fetch_bounded(sql, &args).await?;
        let mut positions = rows.iter().map(|row| row.int(0)).collect::<Vec<_>>();
        let more = positions.len() > most;
        positions.truncate(most);
        let by_position = matches!(search.order[..], [] | [(Order::LastUpdated, _)]);
        let next = more.then(|| match positions.last() {
            Some(last) if by_position => From { beyond: Some(*last), ..From::default() },
            _ => From { skip: search.from.skip + most as i64, ..From::default() },
        });
        Ok((positions, next))
    }

    /// Along the index of the parameter that sorts: first what has a value, by the least or greatest one, then the rest.
    async fn walk_values(
        &mut self,
        search: &Search,
        (kind, param, table): (u16, u16, ParamTable),
        descending: bool,
        most: usize,
    ) -> Result<(Vec<i64>, Option<From>), StoreError> {
        let mut found = Vec::new();
        if !search.from.valueless {
            let last = match search.from.beyond {
                Some(position) => Some(self.key_of((kind, param, table), descending, position).await?),
                None => None,
            };
            let mut statement = Statement::new(self.dialect(), search);
            let sql = valued(&mut statement, search, (kind, param, table), descending, last, most + 1);
            let rows = self.fetch_bounded(sql, &statement.args).await?;
            found.extend(rows.iter().map(|row| row.int(0)));
            if found.len() > most {
                found.truncate(most);
                let beyond = found.last().copied();
                return Ok((found, Some(From { beyond, ..From::default() })));
            }
        }
        let room = most - found.len();
        let mut statement = Statement::new(self.dialect(), search);
        let mut conditions = statement.conditions("v", search, None);
        let (than, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
        if let Some(beyond) = search.from.beyond.filter(|_| search.from.valueless) {
            conditions.push_str(&format!(" AND v.position {than} {}", statement.hole(beyond)));
        }
        let (name, fence) = (table.name(), statement.fence());
        let sql = format!(
            "SELECT v.position FROM cache_versions v WHERE v.type = {kind} AND {conditions} AND NOT EXISTS (SELECT 1 FROM \
             {name} s WHERE s.position = v.position AND +s.type = {kind} AND s.param = {param}{fence}) ORDER BY v.position \
             {direction} LIMIT {}",
            room + 1
        );
        let rows = self.fetch_bounded(sql, &statement.args).await?;
        let rest = rows.iter().map(|row| row.int(0)).collect::<Vec<_>>();
        let more = rest.len() > room;
        found.extend(rest.into_iter().take(room));
        // A page that ends with the last value is followed by all that have none.
        let beyond = if room == 0 { None } else { found.last().copied() };
        Ok((found, more.then_some(From { beyond, valueless: true, skip: 0 })))
    }

    /// What a version is sorted by, with its position.
    async fn key_of(
        &mut self,
        (kind, param, table): (u16, u16, ParamTable),
        descending: bool,
        position: i64,
    ) -> Result<Vec<Value>, StoreError> {
        let direction = if descending { "DESC" } else { "ASC" };
        let columns = table.order();
        let order = columns.iter().map(|column| format!("{column} {direction}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {} FROM {} WHERE position = $1 AND +type = {kind} AND param = {param} ORDER BY {order} LIMIT 1",
            columns.join(", "),
            table.name()
        );
        let rows = self.fetch(sql, &[position.into()]).await?;
        // Access to it ended, or the page is older than versions are kept for pages.
        let row = rows.into_iter().next().ok_or(StoreError::PageGone)?;
        let mut key = row.0;
        key.push(position.into());
        Ok(key)
    }

    /// Versions by their positions, in this order, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn at_positions(&mut self, positions: &[i64]) -> Result<Vec<StoredVersion>, StoreError> {
        let mut found = HashMap::with_capacity(positions.len());
        for chunk in positions.chunks(LOAD_MAX) {
            let args = chunk.iter().map(|position| (*position).into()).collect::<Vec<Value>>();
            let holes = (1..=chunk.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
            let sql = format!("SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.position IN ({holes})");
            for row in &mut self.fetch(sql, &args).await? {
                let version = stored(row)?;
                found.insert(version.position, version);
            }
        }
        Ok(positions.iter().filter_map(|position| found.remove(position)).collect())
    }
}

/// The statement of a page that is read along positions, or sorted whole.
fn page(dialect: Dialect, search: &Search, plan: Plan, most: usize) -> (String, Vec<Value>) {
    let mut statement = Statement::new(dialect, search);
    let ascending = search.order.first() == Some(&(Order::LastUpdated, false));
    let by_position = matches!(search.order[..], [] | [(Order::LastUpdated, _)]);
    let beyond = search.from.beyond.filter(|_| by_position).map(|beyond| {
        let than = if ascending { ">" } else { "<" };
        format!(" AND v.position {than} {}", statement.hole(beyond))
    });
    let beyond = beyond.unwrap_or_default();
    let order = order(&mut statement, search);
    let skip = if search.from.skip > 0 { format!(" OFFSET {}", search.from.skip) } else { String::new() };
    let sql = match plan {
        Plan::Along(at) => along(&mut statement, search, at, &beyond, most),
        Plan::Set(at) => {
            let of_set = statement.of_set("v", search, &search.filters[at]);
            let of_set = of_set.unwrap_or_else(|| of_kinds("v", &search.kinds));
            let conditions = statement.conditions("v", search, Some(at));
            format!(
                "SELECT v.position FROM cache_versions v WHERE {of_set} AND {conditions}{beyond} ORDER BY {order} \
                 LIMIT {most}{skip}"
            )
        }
        Plan::Walk if by_position && search.kinds.len() > 1 && search.filters.iter().all(is_free) => {
            // Each type is walked along its index; together they are no more than a page of each.
            let each = search.kinds.iter().map(|kind| {
                let one = Search { kinds: vec![*kind], ..search.clone() };
                let conditions = statement.conditions("v", &one, None);
                format!(
                    "SELECT * FROM (SELECT v.position FROM cache_versions v WHERE v.type = {kind} AND {conditions}{beyond} \
                     ORDER BY {order} LIMIT {most}) t{kind}"
                )
            });
            let each = each.collect::<Vec<_>>().join(" UNION ALL ");
            format!("SELECT v.position FROM ({each}) v ORDER BY {order} LIMIT {most}")
        }
        Plan::Walk => {
            let (of, conditions) = (of_kinds("v", &search.kinds), statement.conditions("v", search, None));
            // Several types in one order: along the positions, whatever stands there.
            let plus = if search.kinds.len() > 1 { "+" } else { "" };
            format!(
                "SELECT v.position FROM cache_versions v WHERE {plus}{of} AND {conditions}{beyond} ORDER BY {order} \
                 LIMIT {most}{skip}"
            )
        }
    };
    (sql, statement.args)
}

/// Whether a filter binds nothing and is asked of the version alone.
fn is_free(filter: &Filter) -> bool {
    matches!(filter, Filter::OwnOf(_))
}

/// Along the rows of one value, newest first.
fn along(statement: &mut Statement, search: &Search, at: usize, beyond: &str, most: usize) -> String {
    let Filter::Param { param, table, any, .. } = &search.filters[at] else { return String::new() };
    let (of, name) = (of_kinds("i", &search.kinds), table.name());
    let matching = statement.matching("i", *table, any);
    let conditions = statement.conditions("v", search, Some(at));
    let beyond = beyond.replace("v.position", "i.position");
    // One version has as many rows as it has equal codes.
    format!(
        "SELECT DISTINCT i.position FROM {name} i CROSS JOIN cache_versions v WHERE {of} AND i.param = {param} AND \
         {matching}{beyond} AND v.position = i.position AND {conditions} ORDER BY i.position DESC LIMIT {most}"
    )
}

/// Along the values of the parameter that sorts, one row for each version.
fn valued(
    statement: &mut Statement,
    search: &Search,
    (kind, param, table): (u16, u16, ParamTable),
    descending: bool,
    last: Option<Vec<Value>>,
    most: usize,
) -> String {
    let conditions = statement.conditions("v", search, None);
    let (than, direction) = if descending { ("<", "DESC") } else { (">", "ASC") };
    let columns = |i: &str| table.order().iter().map(|column| format!("{i}.{column}")).collect::<Vec<_>>();
    let keys = [columns("s"), vec!["s.position".to_owned()]].concat();
    let beyond = last.map(|last| {
        let holes = last.into_iter().map(|value| statement.hole(value)).collect::<Vec<_>>();
        format!(" AND ({}) {than} ({})", keys.join(", "), holes.join(", "))
    });
    let (row, name, fence) = (statement.row_id(), table.name(), statement.fence());
    let order = keys.iter().map(|key| format!("{key} {direction}")).collect::<Vec<_>>().join(", ");
    // Of several values of one version only the first in the order counts.
    let before = if descending { ">" } else { "<" };
    format!(
        "SELECT s.position FROM {name} s CROSS JOIN cache_versions v WHERE s.type = {kind} AND s.param = {param}{} AND \
         v.position = s.position AND {conditions} AND NOT EXISTS (SELECT 1 FROM {name} o WHERE o.position = s.position AND \
         +o.type = {kind} AND o.param = {param} AND ({}, o.{row}) {before} ({}, s.{row}){fence}) ORDER BY {order} LIMIT {most}",
        beyond.unwrap_or_default(),
        columns("o").join(", "),
        columns("s").join(", "),
    )
}

/// What a page is ordered by; resources without a value stand last.
fn order(statement: &mut Statement, search: &Search) -> String {
    let mut order = Vec::new();
    for (by, descending) in &search.order {
        let direction = if *descending { "DESC" } else { "ASC" };
        match by {
            Order::LastUpdated => order.push(format!("v.position {direction}")),
            Order::Id => order.push(format!("v.id {direction}")),
            Order::Param(param, table) => {
                let (name, s) = (table.name(), statement.alias('s'));
                let columns = table.order().iter().map(|column| format!("{s}.{column}")).collect::<Vec<_>>();
                let first = columns.iter().map(|column| format!("{column} {direction}")).collect::<Vec<_>>().join(", ");
                order.extend(columns.iter().map(|column| {
                    format!(
                        "(SELECT {column} FROM {name} {s} WHERE {s}.position = v.position AND +{s}.type = v.type AND {s}.param = \
                         {param} ORDER BY {first} LIMIT 1) {direction} NULLS LAST"
                    )
                }));
            }
        }
    }
    if !search.order.iter().any(|(by, _)| *by == Order::LastUpdated) {
        let ascending = search.order.first().is_some_and(|(_, descending)| !descending);
        order.push(format!("v.position {}", if ascending { "ASC" } else { "DESC" }));
    }
    order.join(", ")
}

/// The type and the one parameter that a search is sorted by, and whether it descends.
pub(super) fn by_value(search: &Search) -> Option<((u16, u16, ParamTable), bool)> {
    match (&search.order[..], &search.kinds[..]) {
        ([(Order::Param(param, table), descending)], [kind]) => Some(((*kind, *param, *table), *descending)),
        _ => None,
    }
}
