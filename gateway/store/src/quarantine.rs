//! Changes of others that do not count: kept in the log, not applied, shown to the patient. Called by `node`, which
//! judges them anew whenever control ops have moved.

use crate::db::{Reader, Row, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{OpId, RecordId};

const QUARANTINE: Table = Table {
    name: "cache_quarantine",
    columns: &[("op", Kind::Bytes), ("record", Kind::Bytes), ("reason", Kind::Int), ("position", Kind::Int)],
    suffix: "ON CONFLICT (op) DO UPDATE SET reason = excluded.reason",
};

/// A change that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The op.
    pub op: OpId,
    /// Its record.
    pub record: RecordId,
    /// Why, as `node` numbers it.
    pub reason: u8,
    /// Its position in the log.
    pub position: i64,
}

impl Tx {
    /// Remembers changes that do not count.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_quarantined(&mut self, ops: Vec<Quarantined>) -> Result<(), StoreError> {
        let rows = ops.into_iter().map(|one| {
            let reason = Value::Int(i64::from(one.reason));
            vec![one.op.bytes().into(), one.record.bytes().into(), reason, one.position.into()]
        });
        QUARANTINE.insert(self, rows.collect()).await
    }

    /// Forgets what does not count in a record, to be judged anew.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_quarantined(&mut self, record: &RecordId) -> Result<(), StoreError> {
        self.execute("DELETE FROM cache_quarantine WHERE record = $1", &[record.bytes().into()]).await.map(drop)
    }
}

impl Reader<'_> {
    /// Changes of a record that do not count, the oldest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantined(&mut self, record: &RecordId, most: i64) -> Result<Vec<Quarantined>, StoreError> {
        let sql =
            "SELECT op, record, reason, position FROM cache_quarantine WHERE record = $1 ORDER BY position LIMIT $2";
        let mut rows = self.fetch(sql, &[record.bytes().into(), most.into()]).await?;
        let one = |row: &mut Row| {
            let reason = u8::try_from(row.int(2)).or(Err(StoreError::Damaged("quarantine")))?;
            Ok(Quarantined { op: OpId(row.id(0)?), record: RecordId(row.id(1)?), reason, position: row.int(3) })
        };
        rows.iter_mut().map(one).collect()
    }

    /// How many changes of a record do not count.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantined_count(&mut self, record: &RecordId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM cache_quarantine WHERE record = $1";
        Ok(self.fetch(sql, &[record.bytes().into()]).await?.first().map_or(0, |row| row.int(0) as u64))
    }
}
