//! Where one's own resources stand: for each record that holds one its last version there, unless it was removed since.
//! A removal makes no version at its author's, so it is kept here. Called by `node`.

use crate::db::{Reader, StoreError, Tx};
use crate::table::{Kind, Table};
use record::{Class, RecordId};

const REMOVED: Table = Table {
    name: "cache_removed",
    columns: &[("record", Kind::Bytes), ("type", Kind::Int), ("id", Kind::Text), ("position", Kind::Int)],
    suffix: "ON CONFLICT (record, type, id) DO UPDATE SET position = excluded.position",
};

/// The removal of a resource of one's own from a record or a class of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The record.
    pub record: RecordId,
    /// The resource's type by number.
    pub kind: u16,
    /// Its id.
    pub id: String,
    /// The removal's position: older versions stand there no more.
    pub position: i64,
}

/// The last version of a resource in one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The record.
    pub record: RecordId,
    /// Its class there.
    pub class: Class,
    /// It is deleted there.
    pub deleted: bool,
}

impl Tx {
    /// Remembers removals, each resource of a record named once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_removed(&mut self, removed: Vec<Removed>) -> Result<(), StoreError> {
        let rows = removed
            .into_iter()
            .map(|one| vec![one.record.bytes().into(), one.kind.into(), one.id.into(), one.position.into()]);
        REMOVED.insert(self, rows.collect()).await
    }
}

impl Reader<'_> {
    /// Where a resource of one's own stands: for each record that holds it, the last version there, without frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standings(&mut self, kind: u16, id: &str) -> Result<Vec<Standing>, StoreError> {
        let sql = "SELECT v.record, v.class, v.method FROM cache_versions v WHERE v.type = $1 AND v.id = $2 \
                   AND v.own = 1 AND NOT EXISTS (SELECT 1 FROM cache_removed r WHERE r.record = v.record \
                   AND r.type = v.type AND r.id = v.id AND r.position > v.position) ORDER BY v.position DESC";
        let mut found = Vec::<Standing>::new();
        for row in &mut self.fetch(sql, &[kind.into(), id.into()]).await? {
            let record = RecordId(row.id(0)?);
            if found.iter().all(|other| other.record != record) {
                found.push(Standing { record, class: Class(row.int(1) as u8), deleted: row.int(2) == 2 });
            }
        }
        Ok(found)
    }
}
