//! Versions that grants with parameters reach, and those that are beyond them or withheld: in whatever order they come, of a
//! resource nothing is within reach that stands before what is beyond it. Called by `node`, which evaluates the parameters; read by
//! every statement that looks at what others wrote ([`crate::reach`]).

use crate::db::{StoreError, Tx, Value};
use record::{IdentityId, OpId, RecordId};

/// A version that was held against a grant's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The record.
    pub record: RecordId,
    /// What the record calls the resource.
    pub handle: [u8; 16],
    /// Whose the resource is: nothing that is another's hides it. [`ANYBODY`] where that is not known.
    pub origin: IdentityId,
    /// Its op's Lamport number.
    pub lamport: u64,
    /// Its op.
    pub op: OpId,
    /// What came of it.
    pub found: Found,
}

/// No identity: of a version that is not here and may be of anybody's resource.
pub const ANYBODY: IdentityId = IdentityId([0; 32]);

/// What came of holding a version against a grant's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The grant reaches it; it stands at this position.
    Within(String, i64),
    /// The grant does not reach it.
    Beyond(String),
    /// It is not here, does not open, or ends the resource: no grant with parameters reaches what was before.
    Withheld,
}

impl Tx {
    /// Notes what came of versions, in this order.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn note_held(&mut self, held: &[Held]) -> Result<(), StoreError> {
        for one in held {
            match &one.found {
                Found::Within(grant, position) => self.note_within(one, grant, *position).await?,
                Found::Beyond(grant) => self.note_beyond(one, grant).await?,
                Found::Withheld => self.note_beyond(one, "").await?,
            }
        }
        Ok(())
    }

    async fn note_within(&mut self, one: &Held, grant: &str, position: i64) -> Result<(), StoreError> {
        let (record, handle) = (Value::from(one.record.bytes()), Value::from(one.handle.as_slice()));
        let (op, lamport) = (Value::from(one.op.bytes()), Value::from(one.lamport));
        // It is here now, whatever was noted of it before.
        let sql = "DELETE FROM cache_beyond WHERE record = $1 AND handle = $2 AND op = $3 AND grant_id IN ($4, '')";
        self.execute(sql, &[record.clone(), handle.clone(), op.clone(), grant.into()]).await?;
        let sql = "SELECT 1 FROM cache_beyond WHERE record = $1 AND handle = $2 AND origin IN ($3, $7) AND grant_id IN ($4, '') \
                   AND (lamport > $5 OR (lamport = $5 AND op > $6)) LIMIT 1";
        let origin = Value::from(one.origin.bytes());
        let args = [
            record.clone(),
            handle.clone(),
            origin.clone(),
            grant.into(),
            lamport.clone(),
            op.clone(),
            ANYBODY.bytes().into(),
        ];
        if !self.fetch(sql, &args).await?.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO cache_within (position, grant_id, record, handle, origin, lamport, op) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (position, grant_id) DO NOTHING";
        self.execute(sql, &[position.into(), grant.into(), record, handle, origin, lamport, op]).await.map(drop)
    }

    async fn note_beyond(&mut self, one: &Held, grant: &str) -> Result<(), StoreError> {
        let (record, handle) = (Value::from(one.record.bytes()), Value::from(one.handle.as_slice()));
        let origin = Value::from(one.origin.bytes());
        let (op, lamport) = (Value::from(one.op.bytes()), Value::from(one.lamport));
        let mut args = vec![record, handle, origin, Value::from(grant), lamport, op];
        let sql = "INSERT INTO cache_beyond (record, handle, origin, grant_id, lamport, op) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (record, handle, grant_id, op) DO NOTHING";
        self.execute(sql, &args).await?;
        let sql = "DELETE FROM cache_within WHERE record = $1 AND handle = $2 AND (origin = $3 OR $3 = $7) \
                   AND (grant_id = $4 OR $4 = '') AND (lamport < $5 OR (lamport = $5 AND op <= $6))";
        args.push(ANYBODY.bytes().into());
        self.execute(sql, &args).await.map(drop)
    }
}
