//! Logins that failed, by hash: how often, and since when. What a hash is of, and how long one waits, is the caller's. Called by `node`.

use crate::db::{Reader, StoreError, Tx};

/// Failures of one hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How often.
    pub times: i64,
    /// The moment that was noted, seconds since 1970.
    pub since_s: i64,
}

impl Tx {
    /// Counts a failure. What is older than `oldest` begins anew; `is_last` says whether the moment of the last failure is noted or
    /// that of the first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn count_failure(&mut self, hash: &str, now: i64, oldest: i64, is_last: bool) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_attempts (hash, times, since) VALUES ($1, 1, $2) ON CONFLICT (hash) DO UPDATE SET \
                   times = CASE WHEN log_attempts.since < $3 THEN 1 ELSE log_attempts.times + 1 END, \
                   since = CASE WHEN log_attempts.since < $3 OR $4 = 1 THEN excluded.since ELSE log_attempts.since END";
        self.execute(sql, &[hash.into(), now.into(), oldest.into(), is_last.into()]).await.map(drop)
    }

    /// Forgets failures older than `oldest`; and beyond `most`, those of the hashes with fewer than `few`, and the oldest.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sweep_failures(&mut self, oldest: i64, most: i64, few: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_attempts WHERE since < $1", &[oldest.into()]).await?;
        let rows = self.fetch("SELECT COUNT(*) FROM log_attempts", &[]).await?;
        let over = rows.first().map_or(0, |row| row.int(0)) - most;
        if over > 0 {
            let sql = "DELETE FROM log_attempts WHERE hash IN (SELECT hash FROM log_attempts \
                       ORDER BY CASE WHEN times < $1 THEN 0 ELSE 1 END, since, hash LIMIT $2)";
            self.execute(sql, &[few.into(), over.into()]).await?;
        }
        Ok(())
    }

    /// Forgets the failures of a hash.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_failures(&mut self, hash: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_attempts WHERE hash = $1", &[hash.into()]).await.map(drop)
    }
}

impl Reader<'_> {
    /// The failures of each of two hashes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failures(&mut self, hashes: [&str; 2]) -> Result<[Failures; 2], StoreError> {
        let sql = "SELECT hash, times, since FROM log_attempts WHERE hash = $1 OR hash = $2";
        let mut found = [Failures::default(); 2];
        for row in &mut self.fetch(sql, &hashes.map(Into::into)).await? {
            let (hash, failures) = (row.text(0), Failures { times: row.int(1), since_s: row.int(2) });
            for (place, _) in found.iter_mut().zip(hashes).filter(|(_, wanted)| *wanted == hash) {
                *place = failures;
            }
        }
        Ok(found)
    }
}
