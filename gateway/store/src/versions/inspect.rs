//! Counts and comparisons for `verify`: what there is, what hangs in the air, what a version is found by.

use super::{INDEX_TABLES, Index};
use crate::db::{Row, Store, StoreError, Value};

impl Store {
    /// How many versions and how many index rows there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_counts(&self) -> Result<(i64, i64), StoreError> {
        let versions = self.fetch("SELECT COUNT(*) FROM cache_versions", &[]).await?;
        let mut index = 0;
        for table in INDEX_TABLES {
            let rows = self.fetch(format!("SELECT COUNT(*) FROM {table}"), &[]).await?;
            index += rows.first().map_or(0, |row| row.int(0));
        }
        Ok((versions.first().map_or(0, |row| row.int(0)), index))
    }

    /// Rows of each kind whose op is not in the log: something was lost from under them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn orphans(&self) -> Result<Vec<(&'static str, i64)>, StoreError> {
        let none = "NOT EXISTS (SELECT 1 FROM log_ops o WHERE o.id = t.";
        let mut found = Vec::new();
        for (what, sql) in [
            ("frames", format!("SELECT COUNT(*) FROM log_frames t WHERE {none}op)")),
            ("versions", format!("SELECT COUNT(*) FROM cache_versions t WHERE t.seal <> $1 AND {none}op)")),
            ("heads of lanes", format!("SELECT COUNT(*) FROM cache_lanes t WHERE {none}id)")),
        ] {
            let args = if what == "versions" { vec![Value::Bytes(Vec::new())] } else { Vec::new() };
            let rows = self.fetch(sql, &args).await?;
            found.push((what, rows.first().map_or(0, |row| row.int(0))));
        }
        Ok(found)
    }

    /// The index rows of the version at `position`, in a fixed order, so that they can be compared.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn index_of(&self, position: i64) -> Result<Vec<(u16, Index)>, StoreError> {
        let args = [position.into()];
        let mut found = Vec::new();
        for row in &mut self.fetch("SELECT param, code, system FROM cache_token WHERE position = $1", &args).await? {
            found.push((row.int(0) as u16, Index::Token { code: row.text(1), system: row.text(2) }));
        }
        for row in &mut self.fetch("SELECT param, normal, exact FROM cache_string WHERE position = $1", &args).await? {
            found.push((row.int(0) as u16, Index::Text { normal: row.text(1), exact: row.text(2) }));
        }
        for row in &mut self.fetch("SELECT param, low, high FROM cache_date WHERE position = $1", &args).await? {
            found.push((row.int(0) as u16, Index::Date { low: row.int(1), high: row.int(2) }));
        }
        for row in &mut self.fetch("SELECT param, target, kind FROM cache_reference WHERE position = $1", &args).await?
        {
            found.push((row.int(0) as u16, Index::Reference { target: row.text(1), kind: row.int(2) as u16 }));
        }
        let sql = "SELECT param, low, high, system, code FROM cache_number WHERE position = $1";
        for row in &mut self.fetch(sql, &args).await? {
            let real = |row: &Row, at: usize| match row.0.get(at) {
                Some(Value::Real(value)) => *value,
                Some(Value::Int(value)) => *value as f64,
                _ => 0.0,
            };
            let (low, high) = (real(row, 1), real(row, 2));
            found.push((row.int(0) as u16, Index::Number { low, high, system: row.text(3), code: row.text(4) }));
        }
        Ok(found)
    }
}
