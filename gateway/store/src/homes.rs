//! Records as this node knows them, and which local Patient each is about. Called by `node`.

use crate::db::{Reader, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{IdentityId, RecordId};

const RECORDS: Table = Table {
    name: "cache_records",
    columns: &[("record", Kind::Bytes), ("purpose", Kind::Int), ("authority", Kind::Bytes), ("control", Kind::Int)],
    suffix: "ON CONFLICT (record) DO UPDATE SET purpose = excluded.purpose, authority = excluded.authority, \
             control = excluded.control",
};
const HOMES: Table = Table {
    name: "cache_homes",
    columns: &[("patient", Kind::Text), ("record", Kind::Bytes), ("bound", Kind::Int)],
    suffix: "ON CONFLICT (patient, record) DO UPDATE SET bound = excluded.bound",
};

/// A record as known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRecord {
    /// The record.
    pub record: RecordId,
    /// 0 custodial, 1 house, 2 patient's own.
    pub purpose: u8,
    /// Whoever is in charge.
    pub authority: IdentityId,
    /// Position of its last control op: what is remembered of the record is stale when this moves.
    pub control: i64,
}

/// A local Patient's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The Patient's id here.
    pub patient: String,
    /// The record.
    pub record: RecordId,
    /// The record is the patient's, bound by a grant; otherwise it is custodial and was opened here.
    pub bound: bool,
}

impl Tx {
    /// Records what is known of records, each named once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_records(&mut self, records: Vec<KnownRecord>) -> Result<(), StoreError> {
        let rows = records.into_iter().map(|known| {
            vec![
                known.record.bytes().into(),
                Value::Int(i64::from(known.purpose)),
                known.authority.bytes().into(),
                known.control.into(),
            ]
        });
        RECORDS.insert(self, rows.collect()).await
    }

    /// Says which local Patients records are about, each pair named once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_homes(&mut self, homes: Vec<Home>) -> Result<(), StoreError> {
        let rows =
            homes.into_iter().map(|home| vec![home.patient.into(), home.record.bytes().into(), home.bound.into()]);
        HOMES.insert(self, rows.collect()).await
    }
}

fn home(row: &mut crate::db::Row) -> Result<Home, StoreError> {
    Ok(Home { patient: row.text(0), record: RecordId(row.id(1)?), bound: row.int(2) != 0 })
}

fn known(row: &mut crate::db::Row) -> Result<KnownRecord, StoreError> {
    Ok(KnownRecord {
        record: RecordId(row.id(0)?),
        purpose: row.int(1) as u8,
        authority: IdentityId(row.id(2)?),
        control: row.int(3),
    })
}

impl Reader<'_> {
    /// One record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record(&mut self, record: &RecordId) -> Result<Option<KnownRecord>, StoreError> {
        let sql = "SELECT record, purpose, authority, control FROM cache_records WHERE record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.first_mut().map(known).transpose()
    }

    /// Every record but the unclaimed ones of `own`, which concern nobody else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shared_records(&mut self, own: &IdentityId) -> Result<Vec<KnownRecord>, StoreError> {
        let sql = "SELECT record, purpose, authority, control FROM cache_records WHERE authority <> $1 OR purpose = 2 \
                   OR EXISTS (SELECT 1 FROM log_ops o WHERE o.record = cache_records.record AND o.kind IN (3, 6))";
        let mut rows = self.fetch(sql, &[own.bytes().into()]).await?;
        rows.iter_mut().map(known).collect()
    }

    /// Every record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn records(&mut self) -> Result<Vec<KnownRecord>, StoreError> {
        let mut rows = self.fetch("SELECT record, purpose, authority, control FROM cache_records", &[]).await?;
        rows.iter_mut().map(known).collect()
    }

    /// The records of a local Patient.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn homes(&mut self, patient: &str) -> Result<Vec<Home>, StoreError> {
        let sql = "SELECT patient, record, bound FROM cache_homes WHERE patient = $1 ORDER BY bound DESC, record";
        let mut rows = self.fetch(sql, &[patient.into()]).await?;
        rows.iter_mut().map(home).collect()
    }

    /// The local Patients a record is about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn homes_of(&mut self, record: &RecordId) -> Result<Vec<Home>, StoreError> {
        let sql = "SELECT patient, record, bound FROM cache_homes WHERE record = $1 ORDER BY patient";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(home).collect()
    }
}
