//! Multi-row inserts: arrays through `UNNEST` on Postgres, rows of `VALUES` on SQLite. Called by the files of
//! this room that write many rows in one transaction.

use crate::db::{StoreError, Tx, Value};
use sqlx::AssertSqlSafe;

/// The type of a column, as arrays need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIGINT.
    Int,
    /// DOUBLE PRECISION.
    Real,
    /// TEXT.
    Text,
    /// BYTEA.
    Bytes,
}

/// A table and the columns an insert fills, in order.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
    /// What follows the insert, for example `ON CONFLICT DO NOTHING`; empty for nothing.
    pub suffix: &'static str,
}

/// Values one SQLite statement binds; its limit is 32,766.
const SQLITE_VALUES_MAX: usize = 1_000;

/// The same for rows that come by the thousand: each statement is a way to another thread and back.
const SQLITE_MANY_MAX: usize = 8_000;

impl Table {
    fn columns(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Inserts all rows; each has one value per column.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert(&self, tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        match tx {
            Tx::Postgres(_) => self.insert_arrays(tx, rows.len(), rows.into_iter().flatten()).await,
            Tx::Sqlite(_) => self.insert_values(tx, rows.len(), rows.into_iter().flatten(), SQLITE_VALUES_MAX).await,
        }
    }

    /// Inserts many rows, whose values follow each other.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_many(&self, tx: &mut Tx, values: Vec<Value>) -> Result<(), StoreError> {
        let rows = values.len() / self.columns.len();
        match tx {
            _ if rows == 0 => Ok(()),
            Tx::Postgres(_) => self.insert_arrays(tx, rows, values.into_iter()).await,
            Tx::Sqlite(_) => self.insert_values(tx, rows, values.into_iter(), SQLITE_MANY_MAX).await,
        }
    }

    async fn insert_values(
        &self,
        tx: &mut Tx,
        rows: usize,
        mut values: impl Iterator<Item = Value>,
        values_max: usize,
    ) -> Result<(), StoreError> {
        let width = self.columns.len();
        let most = values_max / width;
        let one = format!("({})", vec!["?"; width].join(","));
        let mut left = rows;
        while left > 0 {
            // Few lengths of statement, so that each stays prepared: full ones, then powers of two.
            let take = if left >= most { most } else { 1 << left.ilog2() };
            let sql = format!(
                "INSERT INTO {} ({}) VALUES {} {}",
                self.name,
                self.columns(),
                vec![one.as_str(); take].join(","),
                self.suffix
            );
            tx.execute_with(sql, values.by_ref().take(take * width).collect()).await?;
            left -= take;
        }
        Ok(())
    }

    async fn insert_arrays(
        &self,
        tx: &mut Tx,
        rows: usize,
        mut values: impl Iterator<Item = Value>,
    ) -> Result<(), StoreError> {
        let casts = self.columns.iter().enumerate().map(|(at, (_, kind))| {
            let kind = match kind {
                Kind::Int => "bigint",
                Kind::Real => "float8",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{kind}[]", at + 1)
        });
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) {}",
            self.name,
            self.columns(),
            casts.collect::<Vec<_>>().join(","),
            self.suffix
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        let mut columns = self.columns.iter().map(|_| Vec::with_capacity(rows)).collect::<Vec<_>>();
        for _ in 0..rows {
            for (column, value) in columns.iter_mut().zip(values.by_ref()) {
                column.push(value);
            }
        }
        for ((_, kind), column) in self.columns.iter().zip(columns) {
            query = match kind {
                Kind::Int => query.bind(column.into_iter().map(int).collect::<Vec<_>>()),
                Kind::Real => query.bind(column.into_iter().map(real).collect::<Vec<_>>()),
                Kind::Text => query.bind(column.into_iter().map(text).collect::<Vec<_>>()),
                Kind::Bytes => query.bind(column.into_iter().map(bytes).collect::<Vec<_>>()),
            };
        }
        if let Tx::Postgres(tx) = tx {
            query.execute(&mut **tx).await?;
        }
        Ok(())
    }
}

/// Postgres has no NUL in a TEXT: both databases hold the replacement character instead.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}

fn int(value: Value) -> i64 {
    if let Value::Int(value) = value { value } else { 0 }
}

fn real(value: Value) -> f64 {
    if let Value::Real(value) = value { value } else { 0.0 }
}

fn text(value: Value) -> String {
    if let Value::Text(value) = value { without_nul(value) } else { String::new() }
}

fn bytes(value: Value) -> Vec<u8> {
    if let Value::Bytes(value) = value { value } else { Vec::new() }
}
