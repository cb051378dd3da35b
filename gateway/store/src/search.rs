//! Searches: one statement per page, narrowed by what may be seen before it runs. Names and values come translated
//! from `node`; every value is bound, no text of a caller enters a statement. Called by `node`.

use crate::db::{Reader, StoreError, Value};
use crate::reach::VISIBLE;
use crate::versions::{COLUMNS, FRAME, StoredVersion, stored};

/// One alternative of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// A code, a system, or both; an empty system means that there must be none.
    Token {
        /// Code.
        code: Option<String>,
        /// System.
        system: Option<String>,
    },
    /// Folded text begins with this.
    TextStarts(String),
    /// Text is this, as written.
    TextExact(String),
    /// Folded text contains this.
    TextContains(String),
    /// A range of time, compared as `Compare` says; microseconds, both ends inside.
    Date(Compare, i64, i64),
    /// A range of numbers; a unit where one was asked for (code or system, empty for any).
    Number(Compare, f64, f64, String, String),
    /// One of these targets, exactly.
    References(Vec<String>),
    /// The parameter has no value at all (`true`) or some value (`false`).
    Missing(bool),
}

/// How a range of the query is compared with a range of the resource (search.html#prefix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The query's range contains the resource's.
    Equal,
    /// It does not.
    NotEqual,
    /// Something of the resource's lies above.
    Greater,
    /// Something lies below.
    Less,
    /// Above, or equal.
    GreaterOrEqual,
    /// Below, or equal.
    LessOrEqual,
    /// All of the resource's lies above.
    StartsAfter,
    /// All lies below.
    EndsBefore,
    /// They overlap.
    Overlaps,
}

/// Alternatives of which one must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// On an indexed parameter.
    Param {
        /// The parameter's number.
        param: u16,
        /// Its table.
        table: ParamTable,
        /// Alternatives.
        any: Vec<Match>,
        /// None of the alternatives must hold, instead of one.
        not: bool,
    },
    /// The resource has one of these ids.
    Ids(Vec<String>),
    /// lastUpdated, microseconds, one of these ranges.
    LastUpdated(Vec<(Compare, i64, i64)>),
    /// Only the current version at this position.
    Position(i64),
    /// One of these holds.
    Any(Vec<Filter>),
}

/// Which index table holds a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamTable {
    /// Tokens and uris.
    Token,
    /// Strings.
    Text,
    /// Dates.
    Date,
    /// References.
    Reference,
    /// Numbers and quantities.
    Number,
}

impl ParamTable {
    fn name(self) -> &'static str {
        match self {
            ParamTable::Token => "cache_token",
            ParamTable::Text => "cache_string",
            ParamTable::Date => "cache_date",
            ParamTable::Reference => "cache_reference",
            ParamTable::Number => "cache_number",
        }
    }

    fn sort_column(self) -> &'static str {
        match self {
            ParamTable::Token => "code",
            ParamTable::Text => "normal",
            ParamTable::Date | ParamTable::Number => "low",
            ParamTable::Reference => "target",
        }
    }
}

/// What rows are ordered by; equal ones stand newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// lastUpdated.
    LastUpdated,
    /// The id.
    Id,
    /// A parameter; resources without a value stand last.
    Param(u16, ParamTable),
}

/// A search of one type.
#[derive(Clone, Debug)]
pub struct Search {
    /// The type's number.
    pub kind: u16,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// Only what this node's identity wrote (conditional interactions).
    pub own_only: bool,
    /// The clock that grants are held against, milliseconds since 1970.
    pub now_ms: u64,
    /// Orders with their direction (`true` descending), first first; none means newest first.
    pub order: Vec<(Order, bool)>,
    /// Only up to this position, so that pages belong together.
    pub snapshot: i64,
    /// Rows to pass over.
    pub skip: i64,
    /// Without an order: only before this position.
    pub before: Option<i64>,
}

impl Search {
    /// Every current resource of one's own that the filters hold for, newest first.
    #[must_use]
    pub fn own(kind: u16, filters: Vec<Filter>, now_ms: u64) -> Self {
        Self { kind, filters, own_only: true, now_ms, order: Vec::new(), snapshot: i64::MAX, skip: 0, before: None }
    }
}

struct Statement {
    sql: String,
    args: Vec<Value>,
}

impl Statement {
    fn hole(&mut self, value: impl Into<Value>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }

    fn holes<'v>(&mut self, values: impl IntoIterator<Item = &'v String>) -> String {
        values.into_iter().map(|value| self.hole(value)).collect::<Vec<_>>().join(",")
    }

    fn compare(&mut self, how: Compare, low_column: &str, high_column: &str, low: Value, high: Value) -> String {
        let (low, high) = (self.hole(low), self.hole(high));
        let (l, h) = (low_column, high_column);
        match how {
            Compare::Equal => format!("({l} >= {low} AND {h} <= {high})"),
            Compare::NotEqual => format!("NOT ({l} >= {low} AND {h} <= {high})"),
            Compare::Greater => format!("({h} > {high} AND {low} <= {high})"),
            Compare::Less => format!("({l} < {low} AND {low} <= {high})"),
            Compare::GreaterOrEqual => format!("({h} > {high} OR ({l} >= {low} AND {h} <= {high}))"),
            Compare::LessOrEqual => format!("({l} < {low} OR ({l} >= {low} AND {h} <= {high}))"),
            Compare::StartsAfter => format!("({l} > {high} AND {low} <= {high})"),
            Compare::EndsBefore => format!("({h} < {low} AND {low} <= {high})"),
            Compare::Overlaps => format!("({l} <= {high} AND {h} >= {low})"),
        }
    }

    fn matching(&mut self, one: &Match) -> String {
        match one {
            Match::Token { code, system } => {
                let mut parts = Vec::new();
                if let Some(code) = code {
                    parts.push(format!("i.code = {}", self.hole(code)));
                }
                if let Some(system) = system {
                    parts.push(format!("i.system = {}", self.hole(system)));
                }
                if parts.is_empty() { "1 = 1".to_owned() } else { format!("({})", parts.join(" AND ")) }
            }
            Match::TextStarts(text) => {
                // A range walks the index; LIKE would not on either database.
                let low = self.hole(text);
                let high = self.hole(format!("{text}\u{10FFFF}"));
                format!("(i.normal >= {low} AND i.normal <= {high})")
            }
            Match::TextExact(text) => format!("i.exact = {}", self.hole(text)),
            Match::TextContains(text) => {
                let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                format!("i.normal LIKE {} ESCAPE '\\'", self.hole(format!("%{escaped}%")))
            }
            Match::Date(how, low, high) => self.compare(*how, "i.low", "i.high", (*low).into(), (*high).into()),
            Match::Number(how, low, high, system, code) => {
                let mut sql = self.compare(*how, "i.low", "i.high", (*low).into(), (*high).into());
                if !system.is_empty() {
                    sql = format!("{sql} AND i.system = {}", self.hole(system));
                }
                if !code.is_empty() {
                    sql = format!("{sql} AND i.code = {}", self.hole(code));
                }
                format!("({sql})")
            }
            Match::References(targets) if targets.is_empty() => "1 = 0".to_owned(),
            Match::References(targets) => format!("i.target IN ({})", self.holes(targets)),
            Match::Missing(_) => "1 = 1".to_owned(),
        }
    }

    fn filter(&mut self, kind: u16, filter: &Filter) -> String {
        match filter {
            Filter::Ids(ids) if ids.is_empty() => "1 = 0".to_owned(),
            Filter::Ids(ids) => format!("v.id IN ({})", self.holes(ids)),
            Filter::Any(filters) if filters.is_empty() => "1 = 0".to_owned(),
            Filter::Any(filters) => {
                let parts = filters.iter().map(|filter| self.filter(kind, filter)).collect::<Vec<_>>();
                format!("({})", parts.join(" OR "))
            }
            Filter::Position(position) => format!("v.position = {}", self.hole(*position)),
            Filter::LastUpdated(ranges) => {
                let one = |(how, low, high): &(Compare, i64, i64)| {
                    self.compare(*how, "v.last_updated", "v.last_updated", (*low).into(), (*high).into())
                };
                let parts = ranges.iter().map(one).collect::<Vec<_>>();
                format!("({})", parts.join(" OR "))
            }
            Filter::Param { param, table, any, not } => {
                if let [Match::Missing(missing)] = any[..] {
                    let rows = format!(
                        "(SELECT 1 FROM {} i WHERE i.position = v.position AND i.param = {})",
                        table.name(),
                        self.hole(*param)
                    );
                    return format!("{}EXISTS {rows}", if missing { "NOT " } else { "" });
                }
                let parts = any.iter().map(|one| self.matching(one)).collect::<Vec<_>>();
                let (kind, param) = (self.hole(kind), self.hole(*param));
                format!(
                    "v.position {}IN (SELECT i.position FROM {} i WHERE i.type = {kind} AND i.param = {param} AND ({}))",
                    if *not { "NOT " } else { "" },
                    table.name(),
                    parts.join(" OR ")
                )
            }
        }
    }
}

impl Search {
    fn conditions(&self) -> Statement {
        let mut statement = Statement { sql: String::new(), args: vec![self.now_ms.into()] };
        let kind = statement.hole(self.kind);
        let visible = if self.own_only { "v.own = 1 AND $1 = $1" } else { VISIBLE };
        let mut sql = format!("v.type = {kind} AND v.current = 1 AND v.method <> 2 AND {visible}");
        if self.snapshot != i64::MAX {
            sql = format!("{sql} AND v.position <= {}", statement.hole(self.snapshot));
        }
        for filter in &self.filters {
            let part = statement.filter(self.kind, filter);
            sql = format!("{sql} AND {part}");
        }
        statement.sql = sql;
        statement
    }
}

impl Reader<'_> {
    /// One page: at most `most` current versions, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search(&mut self, search: &Search, most: i64) -> Result<Vec<StoredVersion>, StoreError> {
        let mut statement = search.conditions();
        if let Some(before) = search.before {
            let before = statement.hole(before);
            statement.sql.push_str(&format!(" AND v.position < {before}"));
        }
        let mut order = Vec::new();
        for (by, descending) in &search.order {
            let direction = if *descending { "DESC" } else { "ASC" };
            order.push(match by {
                Order::LastUpdated => format!("v.position {direction}"),
                Order::Id => format!("v.id {direction}"),
                Order::Param(param, table) => {
                    let least = if *descending { "MAX" } else { "MIN" };
                    let (name, column) = (table.name(), table.sort_column());
                    let param = statement.hole(*param);
                    format!(
                        "(SELECT {least}(s.{column}) FROM {name} s WHERE s.position = v.position AND s.param = {param}) \
                         {direction} NULLS LAST"
                    )
                }
            });
        }
        if !search.order.iter().any(|(by, _)| *by == Order::LastUpdated) {
            order.push("v.position DESC".to_owned());
        }
        let (most, skip) = (statement.hole(most), statement.hole(search.skip));
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE {} ORDER BY {} LIMIT {most} OFFSET {skip}",
            statement.sql,
            order.join(", ")
        );
        self.fetch(sql, &statement.args).await?.iter_mut().map(stored).collect()
    }

    /// How many resources match.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&mut self, search: &Search) -> Result<i64, StoreError> {
        let statement = search.conditions();
        let sql = format!("SELECT COUNT(*) FROM cache_versions v WHERE {}", statement.sql);
        let rows = self.fetch(sql, &statement.args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }

    /// The targets of references of the versions at `positions`, of one parameter or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn targets(&mut self, positions: &[i64], param: Option<u16>) -> Result<Vec<String>, StoreError> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = Statement { sql: String::new(), args: Vec::new() };
        let holes = positions.iter().map(|position| statement.hole(*position)).collect::<Vec<_>>().join(",");
        let mut sql = format!("SELECT DISTINCT target FROM cache_reference WHERE position IN ({holes})");
        if let Some(param) = param {
            sql = format!("{sql} AND param = {}", statement.hole(param));
        }
        Ok(self.fetch(sql, &statement.args).await?.iter_mut().map(|row| row.text(0)).collect())
    }

    /// Current versions by `(type, id)` that may be seen, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn visible(&mut self, kind: u16, ids: &[String], now_ms: u64) -> Result<Vec<StoredVersion>, StoreError> {
        let search = Search {
            kind,
            filters: vec![Filter::Ids(ids.to_vec())],
            own_only: false,
            now_ms,
            order: Vec::new(),
            snapshot: i64::MAX,
            skip: 0,
            before: None,
        };
        self.search(&search, ids.len() as i64).await
    }
}
