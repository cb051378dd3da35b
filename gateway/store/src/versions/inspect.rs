//! Counts and comparisons for `verify`: what there is, what hangs in the air, what a version is found by.

use super::{CONTAINED, INDEX_TABLES, Index, IndexRow};
use crate::db::{Row, Store, StoreError, Value};

impl Store {
    /// How many versions and how many index rows there are, without those that only wait to be swept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_counts(&self) -> Result<(i64, i64), StoreError> {
        let versions = self.fetch("SELECT COUNT(*) FROM cache_versions", &[]).await?;
        let mut index = 0;
        for table in INDEX_TABLES {
            let swept = format!(
                "SELECT (SELECT COUNT(*) FROM {table}) - (SELECT COUNT(*) FROM cache_versions v JOIN {table} i \
                 ON i.position = v.position WHERE v.current = 2)"
            );
            index += self.fetch(swept, &[]).await?.first().map_or(0, |row| row.int(0));
        }
        Ok((versions.first().map_or(0, |row| row.int(0)), index))
    }

    /// How many resources are current.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current_count(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM cache_versions WHERE current = 1 AND method <> 2";
        Ok(self.fetch(sql, &[]).await?.first().map_or(0, |row| row.int(0)))
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
    pub async fn index_of(&self, position: i64) -> Result<Vec<IndexRow>, StoreError> {
        let args = [position.into()];
        let mut found = Vec::new();
        for (columns, table) in [
            ("code, system", "cache_token"),
            ("normal, exact", "cache_string"),
            ("normal", "cache_content"),
            ("low, high", "cache_date"),
            ("target, kind", "cache_reference"),
            ("low, high, system, code", "cache_number"),
        ] {
            // What only waits to be swept is found by nothing that is asked now.
            let sql = format!(
                "SELECT param, grp, type, {columns} FROM {table} WHERE position = $1 AND EXISTS \
                 (SELECT 1 FROM cache_versions v WHERE v.position = $1 AND v.current = 1)"
            );
            for row in &mut self.fetch(sql, &args).await? {
                let value = match table {
                    "cache_token" => Index::Token { code: row.text(3), system: row.text(4) },
                    "cache_string" => Index::Text { normal: row.text(3), exact: row.text(4) },
                    "cache_content" => Index::Content { normal: row.text(3) },
                    "cache_date" => Index::Date { low: row.int(3), high: row.int(4) },
                    "cache_reference" => Index::Reference { target: row.text(3), kind: row.int(4) as u16 },
                    _ => {
                        Index::Number { low: real(row, 3), high: real(row, 4), system: row.text(5), code: row.text(6) }
                    }
                };
                let kind = row.int(2) as u16;
                let contained = (kind & CONTAINED != 0).then_some(kind & !CONTAINED);
                found.push(IndexRow { param: row.int(0) as u16, group: row.int(1) as u16, contained, value });
            }
        }
        Ok(found)
    }
}

fn real(row: &Row, at: usize) -> f64 {
    match row.0.get(at) {
        Some(Value::Real(value)) => *value,
        Some(Value::Int(value)) => *value as f64,
        _ => 0.0,
    }
}
