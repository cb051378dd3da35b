//! The op log: ops, their frames, and the heads of lanes. Only verified ops are appended. Called by `node`.

use crate::db::{Reader, Row, Store, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{Head, Header, IdentityId, Lane, LaneKind, Op, OpId, RecordId, Verified};
use std::collections::HashMap;

pub(crate) const OPS: Table = Table {
    name: "log_ops",
    columns: &[
        ("id", Kind::Bytes),
        ("record", Kind::Bytes),
        ("author", Kind::Bytes),
        ("lane_kind", Kind::Int),
        ("lane_instance", Kind::Int),
        ("seq", Kind::Int),
        ("lamport", Kind::Int),
        ("kind", Kind::Int),
        ("position", Kind::Int),
        ("last_updated", Kind::Int),
        ("header", Kind::Bytes),
        ("signature", Kind::Bytes),
        ("entries", Kind::Bytes),
    ],
    suffix: "",
};
pub(crate) const FRAMES: Table = Table {
    name: "log_frames",
    columns: &[("op", Kind::Bytes), ("place", Kind::Int), ("bytes", Kind::Bytes)],
    suffix: "ON CONFLICT (op, place) DO NOTHING",
};
pub(crate) const LANES: Table = Table {
    name: "cache_lanes",
    columns: &[
        ("record", Kind::Bytes),
        ("author", Kind::Bytes),
        ("lane_kind", Kind::Int),
        ("lane_instance", Kind::Int),
        ("seq", Kind::Int),
        ("id", Kind::Bytes),
        ("lamport", Kind::Int),
        ("position", Kind::Int),
    ],
    suffix: "ON CONFLICT (record, author, lane_kind, lane_instance) DO UPDATE \
             SET seq = excluded.seq, id = excluded.id, lamport = excluded.lamport, \
             position = excluded.position \
             WHERE excluded.seq >= cache_lanes.seq",
};

/// An op to append, with the frames that are here.
pub struct NewOp<'o> {
    /// The op.
    pub op: &'o Verified,
    /// Its frames by place.
    pub frames: Vec<(u32, Vec<u8>)>,
    /// Its first position.
    pub position: i64,
    /// When this server applied it, microseconds since 1970.
    pub last_updated: i64,
}

/// An op as stored.
pub struct StoredOp {
    /// The op. It was verified before it was stored; `verify` checks again.
    pub op: Op,
    /// Its first position.
    pub position: i64,
    /// When this server applied it.
    pub last_updated: i64,
}

/// A lane's head with its Lamport number.
#[derive(Clone, Copy, Debug)]
pub struct LaneHead {
    /// The head.
    pub head: Head,
    /// Its Lamport number.
    pub lamport: u64,
    /// Its position in the log here.
    pub position: i64,
}

impl Tx {
    /// Appends ops with their frames and moves the heads of their lanes. An op that is there already is an error of
    /// the caller's.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn append(&mut self, ops: Vec<NewOp<'_>>) -> Result<(), StoreError> {
        let (mut rows, mut frames) = (Vec::with_capacity(ops.len()), Vec::new());
        let mut lanes = std::collections::BTreeMap::<(Vec<u8>, Lane), (u64, Vec<Value>)>::new();
        for NewOp { op, frames: bytes, position, last_updated } in ops {
            let (header, record) = (op.header(), op.record());
            let lane = header.lane;
            rows.push(vec![
                op.id().bytes().into(),
                record.bytes().into(),
                lane.author.bytes().into(),
                Value::Int(lane.kind as i64),
                lane.instance.into(),
                header.seq.into(),
                header.lamport.into(),
                Value::Int(header.kind as i64),
                position.into(),
                last_updated.into(),
                op.header_bytes().into(),
                op.signature()[..].into(),
                op.entries_bytes().into(),
            ]);
            for (place, bytes) in bytes {
                frames.push(vec![op.id().bytes().into(), place.into(), bytes.into()]);
            }
            // Where a lane forked, ops of several branches may come at once: its head is the last of the longest.
            let (seq, row) = (header.seq, lane_row(op, position));
            let last = lanes.entry((record.0.to_vec(), lane)).or_insert_with(|| (seq, row.clone()));
            if last.0 <= seq {
                *last = (seq, row);
            }
        }
        OPS.insert(self, rows).await?;
        FRAMES.insert(self, frames).await?;
        LANES.insert(self, lanes.into_values().map(|(_, row)| row).collect()).await
    }

    /// Moves the head of an op's lane to it, which stands at `position`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_lane(&mut self, op: &Op, position: i64) -> Result<(), StoreError> {
        LANES.insert(self, vec![lane_row(op, position)]).await
    }

    /// Adds frames of ops that are here.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_frames(&mut self, frames: Vec<(OpId, u32, Vec<u8>)>) -> Result<(), StoreError> {
        let rows = frames.into_iter().map(|(op, place, bytes)| vec![op.bytes().into(), place.into(), bytes.into()]);
        FRAMES.insert(self, rows.collect()).await
    }
}

fn lane_row(op: &Op, position: i64) -> Vec<Value> {
    let header = op.header();
    vec![
        op.record().bytes().into(),
        header.lane.author.bytes().into(),
        Value::Int(header.lane.kind as i64),
        header.lane.instance.into(),
        header.seq.into(),
        op.id().bytes().into(),
        header.lamport.into(),
        position.into(),
    ]
}

/// A lane of a record, as [`of_lane`] binds it.
pub(crate) const OF_LANE: &str = "record = $1 AND author = $2 AND lane_kind = $3 AND lane_instance = $4";

/// What [`OF_LANE`] binds, and what `more` conditions do.
pub(crate) fn of_lane<const N: usize>(record: &RecordId, lane: &Lane, more: [Value; N]) -> Vec<Value> {
    let (kind, instance) = (Value::Int(lane.kind as i64), lane.instance.into());
    let own = [record.bytes().into(), lane.author.bytes().into(), kind, instance];
    own.into_iter().chain(more).collect()
}

pub(crate) fn lane_head(row: &mut Row) -> Result<LaneHead, StoreError> {
    let author = IdentityId(row.id(0)?);
    let kind = LaneKind::from_number(row.int(1) as u64).ok_or(StoreError::Damaged("lane"))?;
    let lane = Lane { author, kind, instance: row.int(2) as u64 };
    let head = Head { lane, seq: row.int(3) as u64, id: OpId(row.id(4)?) };
    Ok(LaneHead { head, lamport: row.int(5) as u64, position: row.int(6) })
}

const STORED: &str = "SELECT header, signature, entries, position, last_updated FROM log_ops";

fn stored(row: &mut Row) -> Result<StoredOp, StoreError> {
    let signature = row.bytes(1).try_into().or(Err(StoreError::Damaged("signature")))?;
    let op = Op::decode(row.bytes(0), signature, row.bytes(2)).or(Err(StoreError::Damaged("op")))?;
    Ok(StoredOp { op, position: row.int(3), last_updated: row.int(4) })
}

/// Ops whose frames one statement reads.
const FRAMES_OF_MAX: usize = 100;

impl Reader<'_> {
    /// The heads of every lane of a record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lanes(&mut self, record: &RecordId) -> Result<Vec<LaneHead>, StoreError> {
        let sql =
            "SELECT author, lane_kind, lane_instance, seq, id, lamport, position FROM cache_lanes WHERE record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(lane_head).collect()
    }

    /// The control ops of a record, in the order they were stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn control_ops(&mut self, record: &RecordId) -> Result<Vec<StoredOp>, StoreError> {
        let sql = format!("{STORED} WHERE record = $1 AND lane_kind = 0 ORDER BY position");
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// Ops of a record after `position`, at most `most`, in the order they were stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ops_after(
        &mut self,
        record: &RecordId,
        position: i64,
        most: i64,
    ) -> Result<Vec<StoredOp>, StoreError> {
        let sql = format!("{STORED} WHERE record = $1 AND position > $2 ORDER BY position LIMIT $3");
        let mut rows = self.fetch(sql, &[record.bytes().into(), position.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// Ops of a record before `position`, at most `most`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ops_before(
        &mut self,
        record: &RecordId,
        position: i64,
        most: i64,
    ) -> Result<Vec<StoredOp>, StoreError> {
        let sql = format!("{STORED} WHERE record = $1 AND position < $2 ORDER BY position DESC LIMIT $3");
        let mut rows = self.fetch(sql, &[record.bytes().into(), position.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// Ops of every record after `position`, at most `most`, in the order they were stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn all_ops_after(&mut self, position: i64, most: i64) -> Result<Vec<StoredOp>, StoreError> {
        let sql = format!("{STORED} WHERE position > $1 ORDER BY position LIMIT $2");
        let mut rows = self.fetch(sql, &[position.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// How many ops a record has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn op_count(&mut self, record: &RecordId) -> Result<i64, StoreError> {
        let rows = self.fetch("SELECT COUNT(*) FROM log_ops WHERE record = $1", &[record.bytes().into()]).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }

    /// One op.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn op(&mut self, id: &OpId) -> Result<Option<StoredOp>, StoreError> {
        let mut rows = self.fetch(format!("{STORED} WHERE id = $1"), &[id.bytes().into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// The Lamport numbers of those of `ids` that are here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lamports(&mut self, ids: &[OpId]) -> Result<Vec<(OpId, u64)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let holes = (1..=ids.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
        let args = ids.iter().map(|id| id.bytes().into()).collect::<Vec<_>>();
        let mut rows = self.fetch(format!("SELECT id, lamport FROM log_ops WHERE id IN ({holes})"), &args).await?;
        rows.iter_mut().map(|row| Ok((OpId(row.id(0)?), row.int(1) as u64))).collect()
    }

    /// The frames of an op that are here, by place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn frames(&mut self, op: &OpId) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
        let sql = "SELECT place, bytes FROM log_frames WHERE op = $1 ORDER BY place";
        let mut rows = self.fetch(sql, &[op.bytes().into()]).await?;
        Ok(rows.iter_mut().map(|row| (row.int(0) as u32, row.bytes(1))).collect())
    }

    /// The frames of several ops that are here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn frames_of(&mut self, ops: &[OpId]) -> Result<HashMap<OpId, Vec<(u32, Vec<u8>)>>, StoreError> {
        let mut found = HashMap::<OpId, Vec<(u32, Vec<u8>)>>::new();
        for chunk in ops.chunks(FRAMES_OF_MAX) {
            let holes = (1..=chunk.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
            let args = chunk.iter().map(|id| id.bytes().into()).collect::<Vec<_>>();
            let sql = format!("SELECT op, place, bytes FROM log_frames WHERE op IN ({holes}) ORDER BY op, place");
            for row in &mut self.fetch(sql, &args).await? {
                found.entry(OpId(row.id(0)?)).or_default().push((row.int(1) as u32, row.bytes(2)));
            }
        }
        Ok(found)
    }

    /// One frame.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn frame(&mut self, op: &OpId, place: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM log_frames WHERE op = $1 AND place = $2";
        let mut rows = self.fetch(sql, &[op.bytes().into(), place.into()]).await?;
        Ok(rows.first_mut().map(|row| row.bytes(0)))
    }

    /// The ops of a lane in a range of places, each with the one it follows, in any order; of a lane that has forked there
    /// may be several at one place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_between(
        &mut self,
        record: &RecordId,
        lane: &Lane,
        (from, to): (u64, u64),
    ) -> Result<Vec<(OpId, Option<OpId>)>, StoreError> {
        let sql = format!("SELECT id, header FROM log_ops WHERE {OF_LANE} AND seq >= $5 AND seq <= $6");
        let mut rows = self.fetch(sql, &of_lane(record, lane, [from.into(), to.into()])).await?;
        let one = |row: &mut Row| {
            let header = Header::decode(&row.bytes(1)).or(Err(StoreError::Damaged("op")))?;
            Ok((OpId(row.id(0)?), header.previous))
        };
        rows.iter_mut().map(one).collect()
    }

    /// The changes of a record from a Lamport number on, those before first that may stand before others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changes_from(&mut self, record: &RecordId, lamport: u64) -> Result<Vec<(OpId, Header)>, StoreError> {
        let sql = "SELECT id, header FROM log_ops WHERE record = $1 AND lane_kind = $2 AND lamport >= $3 \
                   ORDER BY lamport, id";
        let kind = Value::Int(LaneKind::Change as i64);
        let mut rows = self.fetch(sql, &[record.bytes().into(), kind, lamport.into()]).await?;
        let one = |row: &mut Row| {
            let header = Header::decode(&row.bytes(1)).or(Err(StoreError::Damaged("op")))?;
            Ok((OpId(row.id(0)?), header))
        };
        rows.iter_mut().map(one).collect()
    }

    /// Those of `ids` that are changes of a lane: the greatest of their sequence numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_of_lane(
        &mut self,
        record: &RecordId,
        lane: &Lane,
        ids: &[OpId],
    ) -> Result<Option<u64>, StoreError> {
        let holes = (5..5 + ids.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
        let mut args = of_lane(record, lane, []);
        args.extend(ids.iter().map(|id| Value::from(id.bytes())));
        let sql = format!("SELECT seq FROM log_ops WHERE {OF_LANE} AND id IN ({holes}) ORDER BY seq DESC LIMIT 1");
        let rows = self.fetch(sql, &args).await?;
        Ok(rows.first().map(|row| row.int(0) as u64))
    }

    /// The ops at one place of a lane; more than one where it forked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_at(&mut self, record: &RecordId, lane: &Lane, seq: u64) -> Result<Vec<StoredOp>, StoreError> {
        let sql = format!("{STORED} WHERE {OF_LANE} AND seq = $5");
        let mut rows = self.fetch(sql, &of_lane(record, lane, [seq.into()])).await?;
        rows.iter_mut().map(stored).collect()
    }
}

impl Store {
    /// How many ops there are of each kind, by the kind's number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn op_counts(&self) -> Result<Vec<(i64, i64)>, StoreError> {
        let rows = self.fetch("SELECT kind, COUNT(*) FROM log_ops GROUP BY kind ORDER BY kind", &[]).await?;
        Ok(rows.iter().map(|row| (row.int(0), row.int(1))).collect())
    }

    /// How many frames there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn frame_count(&self) -> Result<i64, StoreError> {
        let rows = self.fetch("SELECT COUNT(*) FROM log_frames", &[]).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }
}
