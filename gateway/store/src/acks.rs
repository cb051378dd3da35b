//! What each peer has acknowledged, by lane: how far behind it is. Called by `node`.

use crate::db::{Reader, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{Head, IdentityId, Lane, LaneKind, OpId, RecordId};

const ACKS: Table = Table {
    name: "log_acks",
    columns: &[
        ("peer", Kind::Bytes),
        ("record", Kind::Bytes),
        ("author", Kind::Bytes),
        ("lane_kind", Kind::Int),
        ("lane_instance", Kind::Int),
        ("seq", Kind::Int),
        ("id", Kind::Bytes),
    ],
    suffix: "ON CONFLICT (peer, record, author, lane_kind, lane_instance) DO UPDATE \
             SET seq = excluded.seq, id = excluded.id WHERE excluded.seq >= log_acks.seq",
};

impl Tx {
    /// Remembers that `peer` holds these heads of a record.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn acknowledge(
        &mut self,
        peer: &IdentityId,
        record: &RecordId,
        heads: &[Head],
    ) -> Result<(), StoreError> {
        let rows = heads.iter().map(|head| {
            vec![
                peer.bytes().into(),
                record.bytes().into(),
                head.lane.author.bytes().into(),
                Value::Int(head.lane.kind as i64),
                head.lane.instance.into(),
                head.seq.into(),
                head.id.bytes().into(),
            ]
        });
        ACKS.insert(self, rows.collect()).await
    }
}

impl Reader<'_> {
    /// The heads of a record that `peer` has acknowledged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acknowledged(&mut self, peer: &IdentityId, record: &RecordId) -> Result<Vec<Head>, StoreError> {
        let sql = "SELECT author, lane_kind, lane_instance, seq, id FROM log_acks WHERE peer = $1 AND record = $2";
        let mut rows = self.fetch(sql, &[peer.bytes().into(), record.bytes().into()]).await?;
        let head = |row: &mut crate::db::Row| {
            let kind = LaneKind::from_number(row.int(1) as u64).ok_or(StoreError::Damaged("lane"))?;
            let lane = Lane { author: IdentityId(row.id(0)?), kind, instance: row.int(2) as u64 };
            Ok(Head { lane, seq: row.int(3) as u64, id: OpId(row.id(4)?) })
        };
        rows.iter_mut().map(head).collect()
    }
}
