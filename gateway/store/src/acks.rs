//! What each peer has acknowledged, by lane: how far behind it is. Of a lane that forked it may hold several heads: the last
//! of the longest branch is in one table with all other heads, the others in one of their own. Called by `node`.

use crate::db::{Reader, StoreError, Tx, Value};
use crate::ops::{OF_LANE, of_lane};
use crate::table::{Kind, Table};
use record::{Head, IdentityId, Lane, LaneKind, OpId, RecordId};
use std::collections::BTreeMap;

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
const BRANCHES: Table = Table { name: "log_ack_branches", columns: ACKS.columns, suffix: "ON CONFLICT DO NOTHING" };

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
        let mut lanes = BTreeMap::<Lane, Vec<&Head>>::new();
        for head in heads {
            lanes.entry(head.lane).or_default().push(head);
        }
        let (mut last, mut others) = (Vec::with_capacity(lanes.len()), Vec::new());
        for (lane, mut heads) in lanes {
            heads.sort_by_key(|head| (head.seq, head.id));
            last.extend(heads.pop().map(|head| row(peer, record, head)));
            if !heads.is_empty() {
                let sql = format!("DELETE FROM log_ack_branches WHERE {OF_LANE} AND peer = $5");
                self.execute(sql, &of_lane(record, &lane, [peer.bytes().into()])).await?;
                others.extend(heads.into_iter().map(|head| row(peer, record, head)));
            }
        }
        BRANCHES.insert(self, others).await?;
        ACKS.insert(self, last).await
    }
}

fn row(peer: &IdentityId, record: &RecordId, head: &Head) -> Vec<Value> {
    vec![
        peer.bytes().into(),
        record.bytes().into(),
        head.lane.author.bytes().into(),
        Value::Int(head.lane.kind as i64),
        head.lane.instance.into(),
        head.seq.into(),
        head.id.bytes().into(),
    ]
}

impl Reader<'_> {
    /// The heads of a record that `peer` has acknowledged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acknowledged(&mut self, peer: &IdentityId, record: &RecordId) -> Result<Vec<Head>, StoreError> {
        let sql = "SELECT author, lane_kind, lane_instance, seq, id FROM log_acks WHERE peer = $1 AND record = $2 UNION ALL \
                   SELECT author, lane_kind, lane_instance, seq, id FROM log_ack_branches WHERE peer = $1 AND record = $2";
        let mut rows = self.fetch(sql, &[peer.bytes().into(), record.bytes().into()]).await?;
        let head = |row: &mut crate::db::Row| {
            let kind = LaneKind::from_number(row.int(1) as u64).ok_or(StoreError::Damaged("lane"))?;
            let lane = Lane { author: IdentityId(row.id(0)?), kind, instance: row.int(2) as u64 };
            Ok(Head { lane, seq: row.int(3) as u64, id: OpId(row.id(4)?) })
        };
        rows.iter_mut().map(head).collect()
    }
}
