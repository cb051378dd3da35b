//! The clock of the log: positions and lastUpdated in commit order. Called by whoever appends.

use crate::db::{Store, StoreError, Tx};

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The first position of the batch; the batch owns as many as it asked for.
    pub position: i64,
    /// `lastUpdated` of the batch, microseconds since 1970; greater than any before.
    pub last_updated: i64,
    /// What the transaction before this one wrote as its token.
    pub before: i64,
    /// Drawn at every change of what is to be indexed: rows prepared under another one are made anew.
    pub parameters: i64,
}

impl Tx {
    /// Takes `count` positions, and leaves `token` for the next transaction to see. The row stays locked until this one
    /// ends, on every process, so whoever sees a position committed can see no smaller one appear later.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn tick(&mut self, count: u64, now_us: i64, token: i64) -> Result<Tick, StoreError> {
        // lastUpdated has milliseconds in FHIR: two batches never share one.
        let sql = "UPDATE log_clock SET position = position + $1, \
                   last_updated = CASE WHEN $2 > last_updated + 999 THEN $2 ELSE last_updated + 1000 END, \
                   token_before = token, token = $3 WHERE one = 1 RETURNING position, last_updated, token_before, parameters";
        let rows = self.fetch(sql, &[count.into(), now_us.into(), token.into()]).await?;
        let row = rows.first().ok_or(StoreError::Damaged("clock"))?;
        let position = row.int(0) - count as i64 + 1;
        Ok(Tick { position, last_updated: row.int(1), before: row.int(2), parameters: row.int(3) })
    }
}

impl Store {
    /// The last position committed.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn position(&self) -> Result<i64, StoreError> {
        let rows = self.fetch("SELECT position FROM log_clock WHERE one = 1", &[]).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }

    /// A fact about this database, for example whose it is.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut rows = self.fetch("SELECT value FROM log_meta WHERE name = $1", &[name.into()]).await?;
        Ok(rows.first_mut().map(|row| row.bytes(0)))
    }
}

impl Tx {
    /// Records a fact; one that is there stays, and the one in force is returned.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_meta(&mut self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sql = "INSERT INTO log_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.execute(sql, &[name.into(), value.into()]).await?;
        let mut rows = self.fetch("SELECT value FROM log_meta WHERE name = $1", &[name.into()]).await?;
        rows.first_mut().map(|row| row.bytes(0)).ok_or(StoreError::Damaged("fact"))
    }

    /// Replaces a fact.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_meta (name, value) VALUES ($1, $2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.execute(sql, &[name.into(), value.into()]).await.map(drop)
    }
}
