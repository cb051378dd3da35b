//! Versions that grants with parameters reach, and the handles of their resources. Called by `node`, which evaluates the
//! parameters; read by every statement that looks at what others wrote ([`crate::reach`]).

use crate::db::{StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::RecordId;

const WITHIN: Table = Table {
    name: "cache_within",
    columns: &[("position", Kind::Int), ("grant_id", Kind::Text), ("record", Kind::Bytes), ("handle", Kind::Bytes)],
    suffix: "ON CONFLICT (position, grant_id) DO NOTHING",
};

/// A version that a grant reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The version's.
    pub position: i64,
    /// The grant's name.
    pub grant: String,
    /// The record of both.
    pub record: RecordId,
    /// What the record calls the version's resource.
    pub handle: [u8; 16],
}

/// A resource that a grant reaches no more; without a grant, that none does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// The grant's name.
    pub grant: Option<String>,
    /// The record.
    pub record: RecordId,
    /// What the record calls the resource.
    pub handle: [u8; 16],
}

impl Tx {
    /// Remembers which versions grants reach.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_within(&mut self, within: Vec<Within>) -> Result<(), StoreError> {
        let rows = within.into_iter().map(|one| {
            vec![Value::Int(one.position), one.grant.into(), one.record.bytes().into(), one.handle.as_slice().into()]
        });
        WITHIN.insert(self, rows.collect()).await
    }

    /// Forgets all versions of resources: a newer one is beyond reach, and an older one is never shown in its place.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_within(&mut self, beyond: &[Beyond]) -> Result<(), StoreError> {
        for one in beyond {
            let (record, handle) = (Value::from(one.record.bytes()), Value::from(one.handle.as_slice()));
            match &one.grant {
                Some(grant) => {
                    let sql = "DELETE FROM cache_within WHERE record = $1 AND handle = $2 AND grant_id = $3";
                    self.execute(sql, &[record, handle, grant.as_str().into()]).await?;
                }
                None => {
                    let sql = "DELETE FROM cache_within WHERE record = $1 AND handle = $2";
                    self.execute(sql, &[record, handle]).await?;
                }
            }
        }
        Ok(())
    }
}
