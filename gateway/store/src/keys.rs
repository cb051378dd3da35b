//! Keys of records, sealed by `node` under the identity's storage key. Called by `node`.

use crate::db::{Reader, StoreError, Tx};
use crate::table::{Kind, Table};
use record::{OpId, RecordId};

const KEYS: Table = Table {
    name: "log_keys",
    columns: &[("record", Kind::Bytes), ("epoch", Kind::Bytes), ("level", Kind::Text), ("sealed", Kind::Bytes)],
    suffix: "ON CONFLICT (record, epoch, level) DO NOTHING",
};

/// A sealed key of one epoch.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// The record.
    pub record: RecordId,
    /// The epoch.
    pub epoch: OpId,
    /// What it opens, as `node` names it.
    pub level: String,
    /// The sealed secret.
    pub sealed: Vec<u8>,
}

impl Tx {
    /// Adds keys; those that are there stay.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_keys(&mut self, keys: Vec<SealedKey>) -> Result<(), StoreError> {
        let rows = keys
            .into_iter()
            .map(|key| vec![key.record.bytes().into(), key.epoch.bytes().into(), key.level.into(), key.sealed.into()]);
        KEYS.insert(self, rows.collect()).await
    }

    /// Removes every key of a record but those named by `keep`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_keys(&mut self, record: &RecordId, keep: &[(OpId, String)]) -> Result<(), StoreError> {
        let held = crate::db::Reader::Tx(self).keys(record).await?;
        for key in held {
            if !keep.contains(&(key.epoch, key.level.clone())) {
                let args = [record.bytes().into(), key.epoch.bytes().into(), key.level.into()];
                let sql = "DELETE FROM log_keys WHERE record = $1 AND epoch = $2 AND level = $3";
                self.execute(sql, &args).await?;
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Every key of a record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(&mut self, record: &RecordId) -> Result<Vec<SealedKey>, StoreError> {
        let sql = "SELECT epoch, level, sealed FROM log_keys WHERE record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        let key = |row: &mut crate::db::Row| {
            Ok(SealedKey { record: *record, epoch: OpId(row.id(0)?), level: row.text(1), sealed: row.bytes(2) })
        };
        rows.iter_mut().map(key).collect()
    }
}
