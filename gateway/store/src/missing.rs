//! Resource frames that were withheld or have not come yet, and wraps of the keys that open them. Called by `node`.

use crate::db::{Reader, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{Class, OpId, RecordId};

const MISSING: Table = Table {
    name: "cache_missing",
    columns: &[
        ("op", Kind::Bytes),
        ("place", Kind::Int),
        ("record", Kind::Bytes),
        ("type", Kind::Text),
        ("class", Kind::Int),
    ],
    suffix: "ON CONFLICT (op, place) DO NOTHING",
};

/// A frame that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its op.
    pub op: OpId,
    /// Its place.
    pub place: u32,
    /// The record.
    pub record: RecordId,
    /// The resource's type.
    pub resource_type: String,
    /// Its class.
    pub class: Class,
}

impl Tx {
    /// Remembers frames that are not here.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_missing(&mut self, missing: Vec<Missing>) -> Result<(), StoreError> {
        let rows = missing.into_iter().map(|frame| {
            vec![
                frame.op.bytes().into(),
                frame.place.into(),
                frame.record.bytes().into(),
                frame.resource_type.into(),
                Value::Int(i64::from(frame.class.0)),
            ]
        });
        MISSING.insert(self, rows.collect()).await
    }

    /// Forgets that a frame is not here.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn found(&mut self, op: &OpId, place: u32) -> Result<(), StoreError> {
        let sql = "DELETE FROM cache_missing WHERE op = $1 AND place = $2";
        self.execute(sql, &[op.bytes().into(), place.into()]).await.map(drop)
    }

    /// Deletes the frame at a place: what may no longer be seen is not kept.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn delete_frame(&mut self, op: &OpId, place: u32) -> Result<(), StoreError> {
        let sql = "DELETE FROM log_frames WHERE op = $1 AND place = $2";
        self.execute(sql, &[op.bytes().into(), place.into()]).await.map(drop)
    }
}

impl Reader<'_> {
    /// The types and classes of a record's frames that are not here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn missing_kinds(&mut self, record: &RecordId) -> Result<Vec<(String, Class)>, StoreError> {
        let sql = "SELECT DISTINCT type, class FROM cache_missing WHERE record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        Ok(rows.iter_mut().map(|row| (row.text(0), Class(row.int(1) as u8))).collect())
    }

    /// The frames of a record of one type and class that are not here, at most `most`, beginning with those of the op `from`
    /// and around: what a peer never gives does not stand in the way of the others. Of each op the last come first, since the
    /// wraps of its own keys come last and open the others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn missing(
        &mut self,
        record: &RecordId,
        (resource_type, class): (&str, Class),
        from: &OpId,
        most: i64,
    ) -> Result<Vec<Missing>, StoreError> {
        let mut missing = Vec::new();
        for side in [">=", "<"] {
            let sql = format!(
                "SELECT op, place FROM cache_missing WHERE record = $1 AND type = $2 AND class = $3 AND op {side} $4 \
                 ORDER BY op, place DESC LIMIT $5"
            );
            let class_number = Value::Int(i64::from(class.0));
            let left = most - missing.len() as i64;
            let args = [record.bytes().into(), resource_type.into(), class_number, from.bytes().into(), left.into()];
            for row in &mut self.fetch(sql, &args).await? {
                missing.push(Missing {
                    op: OpId(row.id(0)?),
                    place: row.int(1) as u32,
                    record: *record,
                    resource_type: resource_type.to_owned(),
                    class,
                });
            }
        }
        Ok(missing)
    }
}
