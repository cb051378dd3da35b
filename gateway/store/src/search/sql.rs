//! A statement as it is put together: values that are bound, aliases that are given once, and how one value is matched
//! against the rows of an index table. Called by the other files of this folder.
//!
//! Numbers of types and parameters are this program's own and stand in the text, so that the planner sees them; whatever
//! a caller wrote is bound.

use super::{Compare, Match, ParamTable, Search};
use crate::db::{Dialect, Value};
use crate::reach::Sight;

pub(super) struct Statement {
    pub(super) dialect: Dialect,
    pub(super) args: Vec<Value>,
    /// Positions after this are of no page; none for what is current now.
    snapshot: bool,
    /// Of one's own alone, also what another's edit covers.
    covered: bool,
    aliases: usize,
    sight: Sight,
}

impl Statement {
    /// `$1` is the clock, and with a snapshot `$2` its position.
    pub(super) fn new(dialect: Dialect, search: &Search) -> Self {
        let mut args: Vec<Value> = vec![search.sight.now_ms.into()];
        args.extend(search.snapshot.map(Value::from));
        let snapshot = search.snapshot.is_some();
        Self { dialect, args, snapshot, covered: search.own_only && !snapshot, aliases: 0, sight: search.sight }
    }

    pub(super) fn hole(&mut self, value: impl Into<Value>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }

    pub(super) fn holes<'v>(&mut self, values: impl IntoIterator<Item = &'v String>) -> String {
        values.into_iter().map(|value| self.hole(value)).collect::<Vec<_>>().join(",")
    }

    /// A name that no other part of the statement has.
    pub(super) fn alias(&mut self, letter: char) -> String {
        self.aliases += 1;
        format!("{letter}{}", self.aliases)
    }

    /// That a version is one of those searched: current now, or when the first page was read.
    pub(super) fn live(&self, v: &str) -> String {
        let now = format!("c.type = {v}.type AND c.id = {v}.id AND c.current = 1");
        let covered = match self.sight.covered {
            // What another's edit covers, as long as that may not be seen.
            true if !self.covered => {
                let seen = self.sight.condition("c");
                format!("{v}.current = 3 AND NOT EXISTS (SELECT 1 FROM cache_versions c WHERE {now} AND {seen})")
            }
            _ => String::new(),
        };
        let live = match self.snapshot {
            // Of one's own what one wrote last, also where another's edit covers it.
            false if self.covered => format!(
                "({v}.current = 1 OR ({v}.current = 3 AND EXISTS (SELECT 1 FROM cache_versions c WHERE {now} AND c.method <> 2)))"
            ),
            false if covered.is_empty() => format!("{v}.current = 1"),
            false => format!("({v}.current = 1 OR ({covered}))"),
            true if covered.is_empty() => format!("{v}.position <= $2 AND {v}.retired > $2"),
            true => format!("{v}.position <= $2 AND ({v}.retired > $2 OR ({covered}))"),
        };
        format!("{v}.current > 0 AND {live} AND {v}.method <> 2")
    }

    /// That a version may be seen; `$1` is bound in any case, since Postgres counts what it is told.
    pub(super) fn visible(&self, v: &str, own_only: bool) -> String {
        match own_only {
            true => format!("{v}.own = 1 AND $1 = $1"),
            false => self.sight.condition(v),
        }
    }

    /// Nothing, with the clock and the snapshot in it: they are bound, whether or not a statement speaks of them.
    pub(super) fn bound(&self) -> &'static str {
        if self.snapshot { "$1 = $1 AND $2 = $2" } else { "$1 = $1" }
    }

    /// What keeps Postgres from turning a look at a few rows into a join over all of them. SQLite does not.
    pub(super) fn fence(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => " OFFSET 0",
            Dialect::Sqlite => "",
        }
    }

    /// What tells two rows of a table apart.
    pub(super) fn row_id(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "ctid",
            Dialect::Sqlite => "rowid",
        }
    }

    /// What stands behind the first slash, in the collation of ids: an index on them is of no use to another.
    pub(super) fn id_of(&self, column: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("split_part({column}, '/', 2) COLLATE \"default\""),
            Dialect::Sqlite => format!("substr({column}, instr({column}, '/') + 1)"),
        }
    }

    /// That a row of `i` matches one of `any`.
    pub(super) fn matching(&mut self, i: &str, table: ParamTable, any: &[Match]) -> String {
        let codes = any.iter().filter_map(|one| match one {
            Match::Token { code: Some(code), system: None } => Some(code),
            _ => None,
        });
        let mut parts = match codes.collect::<Vec<_>>() {
            codes if codes.len() > 1 => vec![format!("{i}.code IN ({})", self.holes(codes))],
            _ => Vec::new(),
        };
        let in_list = !parts.is_empty();
        for one in any {
            if !(in_list && matches!(one, Match::Token { code: Some(_), system: None })) {
                parts.push(self.one(i, table, one));
            }
        }
        match parts.len() {
            0 => "1 = 0".to_owned(),
            1 => parts.remove(0),
            _ => joined(&parts, " OR "),
        }
    }

    fn one(&mut self, i: &str, table: ParamTable, one: &Match) -> String {
        match one {
            Match::Token { code, system } => {
                let mut parts = Vec::new();
                if let Some(code) = code {
                    parts.push(format!("{i}.code = {}", self.hole(code)));
                }
                if let Some(system) = system {
                    parts.push(format!("{i}.system = {}", self.hole(system)));
                }
                if parts.is_empty() { "1 = 1".to_owned() } else { format!("({})", parts.join(" AND ")) }
            }
            Match::Codes(codes) => {
                let pairs = codes.iter().map(|(system, code)| serde_json::json!([system, code]));
                let list = self.hole(serde_json::Value::from_iter(pairs).to_string());
                let each = self.alias('e');
                let from = match self.dialect {
                    Dialect::Postgres => format!("jsonb_array_elements(CAST({list} AS JSONB)) AS {each}(value)"),
                    Dialect::Sqlite => format!("json_each({list}) AS {each}"),
                };
                let (pair, code) = (format!("{each}.value ->> 0, {each}.value ->> 1"), format!("{each}.value ->> 1"));
                // The first condition walks the index. An empty system in the list stands for any.
                format!(
                    "({i}.code IN (SELECT {code} FROM {from}) AND (({i}.system, {i}.code) IN (SELECT {pair} FROM {from}) \
                     OR ('', {i}.code) IN (SELECT {pair} FROM {from})))"
                )
            }
            Match::UriBelow(uri) => {
                // A range walks the index; LIKE would not on either database. The digit 0 follows the slash.
                let path = uri.trim_end_matches('/');
                let (exact, low, high) = (self.hole(uri), self.hole(format!("{path}/")), self.hole(format!("{path}0")));
                format!("({i}.code = {exact} OR ({i}.code >= {low} AND {i}.code < {high}))")
            }
            Match::MimeBelow(kind) => {
                // What has parameters stands behind a semicolon, which < follows.
                let (exact, low, high) =
                    (self.hole(kind), self.hole(format!("{kind};")), self.hole(format!("{kind}<")));
                format!("({i}.code = {exact} OR ({i}.code >= {low} AND {i}.code < {high}))")
            }
            Match::UriAbove(uris) => format!("{i}.code IN ({})", self.holes(uris)),
            Match::TextStarts(text) => {
                let (low, high) = (self.hole(text), self.hole(format!("{text}\u{10FFFF}")));
                format!("({i}.normal >= {low} AND {i}.normal <= {high})")
            }
            Match::TextExact { normal, exact } => {
                format!("({i}.normal = {} AND {i}.exact = {})", self.hole(normal), self.hole(exact))
            }
            Match::TextWhole(text) => format!("{i}.normal = {}", self.hole(text)),
            Match::TextContains(text) => self.like(i, &format!("%{}%", escaped(text))),
            Match::WordStarts(word) => self.like(i, &format!("% {}%", escaped(word))),
            Match::TextEnds(text) => self.like(i, &format!("%{}", escaped(text))),
            Match::Date(how, low, high) => self.compare(*how, i, table, (*low).into(), (*high).into()),
            Match::Number { how, low, high, system, code } => {
                let mut sql = self.compare(*how, i, table, (*low).into(), (*high).into());
                if let Some(system) = system {
                    sql = format!("{sql} AND {i}.system = {}", self.hole(system));
                }
                if let Some(code) = code {
                    sql = format!("{sql} AND {i}.code = {}", self.hole(code));
                }
                format!("({sql})")
            }
            Match::References(targets) if targets.is_empty() => "1 = 0".to_owned(),
            Match::References(targets) => format!("{i}.target IN ({})", self.holes(targets)),
        }
    }

    fn like(&mut self, i: &str, pattern: &str) -> String {
        format!("{i}.normal LIKE {} ESCAPE '\\'", self.hole(pattern))
    }

    /// How the range of a row compares with the range asked for. A date's ends are both inside; a number's high end is
    /// outside (search.html#number). Bounds that follow from others are said too: they let an index be walked.
    pub(super) fn compare(&mut self, how: Compare, i: &str, table: ParamTable, low: Value, high: Value) -> String {
        let (low, high) = (self.hole(low), self.hole(high));
        let (l, h) = (format!("{i}.low"), format!("{i}.high"));
        let below = if table == ParamTable::Number { "<" } else { "<=" };
        let inside = format!("{l} >= {low} AND {h} {below} {high}");
        match how {
            Compare::Equal => format!("({inside} AND {l} {below} {high})"),
            Compare::NotEqual => format!("NOT ({inside})"),
            Compare::Greater => format!("({h} > {high} AND {low} <= {high})"),
            Compare::Less => format!("({l} < {low} AND {low} <= {high})"),
            Compare::GreaterOrEqual if table == ParamTable::Number => format!("({h} >= {low} AND {low} <= {high})"),
            Compare::LessOrEqual if table == ParamTable::Number => format!("({l} <= {high} AND {low} <= {high})"),
            Compare::GreaterOrEqual => format!("({h} >= {low} AND ({h} > {high} OR {l} >= {low}))"),
            Compare::LessOrEqual => format!("({l} <= {high} AND ({l} < {low} OR {h} <= {high}))"),
            Compare::StartsAfter => format!("({l} > {high} AND {low} <= {high})"),
            Compare::EndsBefore => format!("({h} < {low} AND {low} <= {high})"),
            Compare::Overlaps => format!("({l} <= {high} AND {h} >= {low})"),
        }
    }
}

/// Parts with a word between, halved and halved again: SQLite takes an expression of 1,000 parts in width, not in depth.
pub(super) fn joined(parts: &[String], between: &str) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        _ => {
            let (first, second) = parts.split_at(parts.len() / 2);
            format!("({}{between}{})", joined(first, between), joined(second, between))
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
