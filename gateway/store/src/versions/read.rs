//! Versions as they are read, with their frames. Called by `node`.

use super::{BARE, COLUMNS, FRAME, StoredVersion, stored};
use crate::db::{Reader, StoreError, Value};
use record::{OpId, RecordId};

/// Resources that one statement asks for.
const CURRENTS_MAX: usize = 64;

impl Reader<'_> {
    /// The current version of a resource, deleted ones included, with its frame.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current(&mut self, kind: u16, id: &str) -> Result<Option<StoredVersion>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.current = 1");
        let mut rows = self.fetch(sql, &[kind.into(), id.into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// The current versions of several resources, deleted ones included, with their frames; in no order, some of them twice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn currents(&mut self, asked: &[(u16, String)]) -> Result<Vec<StoredVersion>, StoreError> {
        let mut found = Vec::with_capacity(asked.len());
        for chunk in asked.chunks(CURRENTS_MAX) {
            // Few lengths of statement, so that each stays prepared: the last pair fills up to a power of two.
            let pairs = chunk.iter().chain(std::iter::repeat(&chunk[chunk.len() - 1]));
            let mut args = Vec::<Value>::new();
            for (kind, id) in pairs.take(chunk.len().next_power_of_two()) {
                args.extend([(*kind).into(), id.into()]);
            }
            let holes =
                (1..=args.len()).step_by(2).map(|at| format!("(CAST(${at} AS BIGINT), CAST(${} AS TEXT))", at + 1));
            let sql = format!(
                "WITH a(type, id) AS (VALUES {}) SELECT {COLUMNS} FROM a CROSS JOIN cache_versions v {FRAME} \
                 WHERE v.type = a.type AND v.id = a.id AND v.current = 1",
                holes.collect::<Vec<_>>().join(",")
            );
            for row in &mut self.fetch(sql, &args).await? {
                found.push(stored(row)?);
            }
        }
        Ok(found)
    }

    /// Current resources of one's own in a record that refer to `target` by this parameter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn referring(
        &mut self,
        record: &RecordId,
        (kind, param): (u16, u16),
        target: &str,
        most: i64,
    ) -> Result<Vec<(u16, String)>, StoreError> {
        let sql = "SELECT DISTINCT v.type, v.id FROM cache_reference r JOIN cache_versions v ON v.position = r.position \
                   WHERE r.type = $1 AND r.param = $2 AND r.target = $3 AND v.record = $4 AND v.own = 1 \
                   AND v.current = 1 ORDER BY v.type, v.id LIMIT $5";
        let args = [kind.into(), param.into(), target.into(), record.bytes().into(), most.into()];
        let mut rows = self.fetch(sql, &args).await?;
        Ok(rows.iter_mut().map(|row| (row.int(0) as u16, row.text(1))).collect())
    }

    /// One version, with its frame.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn version(&mut self, kind: u16, id: &str, version: &str) -> Result<Option<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.version = $3"
        );
        let mut rows = self.fetch(sql, &[kind.into(), id.into(), version.into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// The versions of a resource before `before`, newest first, at most `most`, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
        &mut self,
        kind: u16,
        id: &str,
        before: i64,
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.position < $3 \
             ORDER BY v.position DESC LIMIT $4"
        );
        let mut rows = self.fetch(sql, &[kind.into(), id.into(), before.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// The versions of a record before `before`, newest first, at most `most`, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_versions(
        &mut self,
        record: &RecordId,
        before: i64,
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.record = $1 AND v.position < $2 \
             ORDER BY v.position DESC LIMIT $3"
        );
        let mut rows = self.fetch(sql, &[record.bytes().into(), before.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// The versions of a record, without their frames, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_rows(&mut self, record: &RecordId) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!("SELECT {BARE} FROM cache_versions v WHERE v.record = $1");
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// The versions of a resource in one record, newest first, at most `most`, without their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn siblings(
        &mut self,
        record: &RecordId,
        kind: u16,
        id: &str,
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {BARE} FROM cache_versions v WHERE v.type = $1 AND v.id = $2 AND v.record = $3 \
             ORDER BY v.position DESC LIMIT $4"
        );
        let mut rows = self.fetch(sql, &[kind.into(), id.into(), record.bytes().into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// Current resources of a record that carry a tag, the latest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tagged(
        &mut self,
        record: &RecordId,
        (system, code): (&str, &str),
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {BARE} FROM cache_versions v WHERE v.record = $1 AND v.current = 1 AND EXISTS (SELECT 1 FROM \
             cache_token t WHERE t.position = v.position AND t.type = v.type AND t.code = $2 AND t.system = $3) \
             ORDER BY v.position DESC LIMIT $4"
        );
        let mut rows = self.fetch(sql, &[record.bytes().into(), code.into(), system.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// The last version of a resource that this node wrote, in whatever record, with its frame; of one that was said anew the one that
    /// was written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_own(&mut self, kind: u16, id: &str) -> Result<Option<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.own = 1 \
             AND v.version NOT LIKE '%-%' ORDER BY v.position DESC LIMIT 1"
        );
        let mut rows = self.fetch(sql, &[kind.into(), id.into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// What this node wrote of a resource of its own that another's edit covers, with its frame.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn covered(&mut self, kind: u16, id: &str) -> Result<Option<StoredVersion>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.current = 3");
        let mut rows = self.fetch(sql, &[kind.into(), id.into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// Whether any version of one's own is covered by another's edit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn anything_covered(&mut self) -> Result<bool, StoreError> {
        Ok(!self.fetch("SELECT 1 FROM cache_versions WHERE current = 3 LIMIT 1", &[]).await?.is_empty())
    }

    /// When one frame's version became visible, where that was later than its op: position and time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journaled(&mut self, op: &OpId, place: u32) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT position, last_updated FROM log_journal WHERE op = $1 AND place = $2";
        let rows = self.fetch(sql, &[op.bytes().into(), place.into()]).await?;
        Ok(rows.first().map(|row| (row.int(0), row.int(1))))
    }

    /// When the versions of an op's frames became visible, where that was later than the op.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journal_of(&mut self, record: &RecordId) -> Result<Vec<(OpId, u32, i64, i64)>, StoreError> {
        let sql = "SELECT j.op, j.place, j.position, j.last_updated FROM log_journal j \
                   JOIN log_ops o ON o.id = j.op WHERE o.record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(|row| Ok((OpId(row.id(0)?), row.int(1) as u32, row.int(2), row.int(3)))).collect()
    }

    /// The version a directory copy of a record was made of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn copy_of(&mut self, record: &RecordId, kind: u16, id: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT position FROM cache_copies WHERE record = $1 AND type = $2 AND id = $3";
        let rows = self.fetch(sql, &[record.bytes().into(), kind.into(), id.into()]).await?;
        Ok(rows.first().map(|row| row.int(0)))
    }
}
