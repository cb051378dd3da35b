//! SQL that only benchmarks and tests need: fresh databases, and the bare statements that ours are held against. Called
//! by `chartwell bench` and by tests.

use crate::db::{Store, StoreError, Value};
use crate::ops::{FRAMES, OPS};
use crate::table::Table;
use crate::versions::{DATES, NUMBERS, REFERENCES, STRINGS, TOKENS, VERSIONS};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Makes a database of this name beside the one at `url`, dropping one that is there, and returns its URL.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Url`] for a name that is not plain.
pub async fn fresh_database(url: &str, name: &str) -> Result<String, StoreError> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let (base, rest) = url.rsplit_once('/').ok_or(StoreError::Url)?;
    if !plain || !url.starts_with("postgres") {
        return Err(StoreError::Url);
    }
    let mut connection = PgConnection::connect(url).await?;
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    connection.close().await?;
    let options = rest.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
    Ok(format!("{base}/{name}{options}"))
}

impl Store {
    /// Runs `sql` as it is: tests damage a database with it on purpose, benches refresh its statistics.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn run(&self, sql: &str) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let changed = tx.execute(sql, &[]).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Copies every row of the log and cache tables into tables without meaning, by bare multi-row inserts of
    /// `rows_per_commit` frames each: what the same rows cost without us. Returns how many rows were written.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn bare_insert(&self, into: &Store, frames_per_commit: usize) -> Result<u64, StoreError> {
        let mut written = 0;
        for Table { name, columns, .. } in TABLES {
            let list = columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
            let rows = self.fetch(format!("SELECT {list} FROM {name}"), &[]).await?;
            let rows = rows.into_iter().map(|row| row.0).collect::<Vec<Vec<Value>>>();
            for chunk in rows.chunks(frames_per_commit) {
                let mut tx = into.begin().await?;
                Table { name, columns, suffix: "" }.insert(&mut tx, chunk.to_vec()).await?;
                tx.commit().await?;
                written += chunk.len() as u64;
            }
        }
        Ok(written)
    }

    /// The bytes of a frame by the primary key of its version: the least that a read can do.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn bare_read(&self, position: i64) -> Result<Vec<u8>, StoreError> {
        let sql = "SELECT f.bytes FROM cache_versions v JOIN log_frames f ON f.op = v.op AND f.place = v.place \
                   WHERE v.position = $1";
        let mut rows = self.fetch(sql, &[position.into()]).await?;
        Ok(rows.first_mut().map(|row| row.bytes(0)).unwrap_or_default())
    }

    /// Positions of current versions, at most `most`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn positions(&self, most: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT position FROM cache_versions WHERE current = 1 AND place > 0 ORDER BY position LIMIT $1";
        Ok(self.fetch(sql, &[most.into()]).await?.iter().map(|row| row.int(0)).collect())
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn bytes_on_disk(&self) -> Result<i64, StoreError> {
        let sql = match self.kind() {
            "postgres" => "SELECT pg_database_size(current_database())",
            _ => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        };
        Ok(self.fetch(sql, &[]).await?.first().map_or(0, |row| row.int(0)))
    }
}

/// The tables that a write fills.
const TABLES: [&Table; 8] = [&OPS, &FRAMES, &VERSIONS, &TOKENS, &STRINGS, &DATES, &REFERENCES, &NUMBERS];
