//! Forks: pairs of different ops that one author signed for one place of one lane. Found when the second of them is
//! appended. Called by `node`, which judges what they change and shows them.

use crate::db::{Reader, StoreError, Tx};
use crate::ops::{OF_LANE, of_lane};
use record::{IdentityId, Lane, LaneKind, OpId, RecordId};

/// Most forks of a record that are shown; whoever forks more often is flagged all the same.
pub const FORKS_MAX: i64 = 256;

/// A pair of ops at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Whose lane forked.
    pub lane: Lane,
    /// Where: the sequence number both ops have.
    pub seq: u64,
    /// The op with the lesser id.
    pub one: OpId,
    /// The other.
    pub other: OpId,
}

impl Tx {
    /// Writes down that the log holds other ops beside `op` at its place of its lane; `true` if it does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_forks(
        &mut self,
        record: &RecordId,
        lane: &Lane,
        seq: u64,
        op: &OpId,
    ) -> Result<bool, StoreError> {
        let beside = Reader::from(&mut *self).lane_at(record, lane, seq).await?;
        let beside = beside.into_iter().map(|stored| stored.op.id()).filter(|id| id != op).collect::<Vec<_>>();
        let sql = "INSERT INTO cache_forks (record, author, lane_kind, lane_instance, seq, one, other) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        for id in &beside {
            let (one, other) = if id < op { (id, op) } else { (op, id) };
            let args = of_lane(record, lane, [seq.into(), one.bytes().into(), other.bytes().into()]);
            self.execute(sql, &args).await?;
        }
        Ok(!beside.is_empty())
    }
}

impl Tx {
    /// Finds every fork in the log, while caches are rebuilt.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn fill_forks(&mut self) -> Result<(), StoreError> {
        let sql = "INSERT INTO cache_forks (record, author, lane_kind, lane_instance, seq, one, other) \
                   SELECT a.record, a.author, a.lane_kind, a.lane_instance, a.seq, a.id, b.id FROM log_ops a \
                   JOIN log_ops b ON b.record = a.record AND b.author = a.author AND b.lane_kind = a.lane_kind \
                   AND b.lane_instance = a.lane_instance AND b.seq = a.seq AND a.id < b.id";
        self.execute(sql, &[]).await.map(drop)
    }
}

impl Reader<'_> {
    /// The forks of a record, the first [`FORKS_MAX`] in the order of authors and places.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forks(&mut self, record: &RecordId) -> Result<Vec<Fork>, StoreError> {
        let sql = "SELECT author, lane_kind, lane_instance, seq, one, other FROM cache_forks WHERE record = $1 \
                   ORDER BY author, lane_kind, lane_instance, seq LIMIT $2";
        let mut rows = self.fetch(sql, &[record.bytes().into(), FORKS_MAX.into()]).await?;
        let fork = |row: &mut crate::db::Row| {
            let kind = LaneKind::from_number(row.int(1) as u64).ok_or(StoreError::Damaged("lane"))?;
            let lane = Lane { author: IdentityId(row.id(0)?), kind, instance: row.int(2) as u64 };
            Ok(Fork { lane, seq: row.int(3) as u64, one: OpId(row.id(4)?), other: OpId(row.id(5)?) })
        };
        rows.iter_mut().map(fork).collect()
    }

    /// Whether a lane has forked, wherever.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_forked(&mut self, record: &RecordId, lane: &Lane) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM cache_forks WHERE {OF_LANE} LIMIT 1");
        Ok(!self.fetch(sql, &of_lane(record, lane, [])).await?.is_empty())
    }
}
