//! The keys that tokens are signed with, each sealed by its owner. Called by `node`.

use crate::db::{Reader, StoreError, Tx};

/// A sealed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// What it signs with, as JOSE names it.
    pub algorithm: String,
    /// Counted from 1 for each algorithm; the greatest signs.
    pub number: i64,
    /// Its name in tokens.
    pub kid: String,
    /// Seconds since 1970.
    pub made_s: i64,
    /// The sealed secret.
    pub sealed: Vec<u8>,
}

impl Tx {
    /// Adds a key, unless there is one of its number: then another process made it at the same moment, and it counts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_token_key(&mut self, key: &TokenKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_token_keys (algorithm, number, kid, made, sealed) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (algorithm, number) DO NOTHING";
        let sealed = key.sealed.as_slice().into();
        let args = [(&key.algorithm).into(), key.number.into(), (&key.kid).into(), key.made_s.into(), sealed];
        self.execute(sql, &args).await.map(drop)
    }

    /// Removes the keys of an algorithm below a number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_token_keys(&mut self, algorithm: &str, below: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM log_token_keys WHERE algorithm = $1 AND number < $2";
        self.execute(sql, &[algorithm.into(), below.into()]).await.map(drop)
    }
}

impl Reader<'_> {
    /// Every key, by algorithm, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token_keys(&mut self) -> Result<Vec<TokenKey>, StoreError> {
        let sql = "SELECT algorithm, number, kid, made, sealed FROM log_token_keys ORDER BY algorithm, number DESC";
        let mut rows = self.fetch(sql, &[]).await?;
        let key = |row: &mut crate::db::Row| TokenKey {
            algorithm: row.text(0),
            number: row.int(1),
            kid: row.text(2),
            made_s: row.int(3),
            sealed: row.bytes(4),
        };
        Ok(rows.iter_mut().map(key).collect())
    }
}
