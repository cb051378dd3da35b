//! Branches: of lanes that forked, the last op of every branch. One of them is the lane's head, in `ops`; the others are
//! here. Called by `node` when it appends beside a head, and when it says what it holds.

use crate::db::{Reader, Row, StoreError, Tx, Value};
use crate::ops::{LANES, LaneHead, OF_LANE, lane_head, of_lane};
use crate::table::Table;
use record::{Head, Header, IdentityId, Lane, LaneKind, OpId, RecordId};
use std::collections::{BTreeMap, HashSet};

const BRANCHES: Table = Table { name: "cache_branches", columns: LANES.columns, suffix: "ON CONFLICT DO NOTHING" };
/// Ids that one statement looks up.
const IDS_AT_ONCE: usize = 500;
/// Places of a lane that one statement reads.
const PLACES_AT_ONCE: i64 = 4096;

impl Tx {
    /// Writes down that `branch` ends a branch of its lane beside the lane's head, and that `previous`, which an op now
    /// follows, ends none any more.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_branch(
        &mut self,
        record: &RecordId,
        branch: &LaneHead,
        previous: Option<&OpId>,
    ) -> Result<(), StoreError> {
        if let Some(previous) = previous {
            let sql = format!("DELETE FROM cache_branches WHERE {OF_LANE} AND id = $5");
            self.execute(sql, &of_lane(record, &branch.head.lane, [previous.bytes().into()])).await?;
        }
        BRANCHES.insert(self, vec![row(record, branch)]).await
    }

    /// Finds the branches of every lane that forked, while caches are rebuilt: forks and heads are there by then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fill_branches(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT DISTINCT record, author, lane_kind, lane_instance FROM cache_forks";
        let lanes = Reader::from(&mut *self).fetch(sql, &[]).await?;
        for mut lane in lanes {
            let kind = LaneKind::from_number(lane.int(2) as u64).ok_or(StoreError::Damaged("lane"))?;
            let (record, author) = (RecordId(lane.id(0)?), IdentityId(lane.id(1)?));
            let lane = Lane { author, kind, instance: lane.int(3) as u64 };
            let ends = Reader::from(&mut *self).ends_of(&record, &lane).await?;
            BRANCHES.insert(self, ends.iter().map(|end| row(&record, end)).collect()).await?;
        }
        Ok(())
    }
}

fn row(record: &RecordId, LaneHead { head, lamport, position }: &LaneHead) -> Vec<Value> {
    let last = [head.seq.into(), head.id.bytes().into(), (*lamport).into(), (*position).into()];
    of_lane(record, &head.lane, last)
}

impl Reader<'_> {
    /// The ends of branches beside the heads of a record's lanes; none where no lane has forked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn branches(&mut self, record: &RecordId) -> Result<Vec<LaneHead>, StoreError> {
        let sql =
            "SELECT author, lane_kind, lane_instance, seq, id, lamport, position FROM cache_branches WHERE record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(lane_head).collect()
    }

    /// The last op of every branch of a record's lanes: one of each, more where it forked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ends(&mut self, record: &RecordId) -> Result<BTreeMap<Lane, Vec<Head>>, StoreError> {
        let mut ends = BTreeMap::<Lane, Vec<Head>>::new();
        for end in self.lanes(record).await?.into_iter().chain(self.branches(record).await?) {
            ends.entry(end.head.lane).or_default().push(end.head);
        }
        Ok(ends)
    }

    /// The place in the log of the first of these ops; none where none is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_position(&mut self, ops: &[OpId]) -> Result<Option<i64>, StoreError> {
        let mut first = None::<i64>;
        for chunk in ops.chunks(IDS_AT_ONCE) {
            let holes = (1..=chunk.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
            let args = chunk.iter().map(|id| id.bytes().into()).collect::<Vec<_>>();
            let sql = format!("SELECT position FROM log_ops WHERE id IN ({holes}) ORDER BY position LIMIT 1");
            for row in self.fetch(sql, &args).await? {
                first = Some(first.map_or(row.int(0), |first| first.min(row.int(0))));
            }
        }
        Ok(first)
    }

    /// The ends of a lane's branches but its head, found by walking it whole.
    async fn ends_of(&mut self, record: &RecordId, lane: &Lane) -> Result<Vec<LaneHead>, StoreError> {
        let sql = format!(
            "SELECT author, lane_kind, lane_instance, seq, id, lamport, position, header FROM log_ops \
             WHERE {OF_LANE} AND seq >= $5 AND seq < $6"
        );
        let mut heads = self.lanes(record).await?;
        heads.retain(|head| head.head.lane == *lane);
        let Some(head) = heads.pop() else { return Ok(Vec::new()) };
        // From the end of the lane, so that what is followed is known before it is met.
        let (mut to, mut ends, mut followed) = (head.head.seq as i64 + 1, Vec::new(), HashSet::new());
        while to > 0 {
            let from = (to - PLACES_AT_ONCE).max(0);
            let mut rows = self.fetch(&sql, &of_lane(record, lane, [from.into(), to.into()])).await?;
            let one = |row: &mut Row| {
                let header = Header::decode(&row.bytes(7)).or(Err(StoreError::Damaged("op")))?;
                Ok((lane_head(row)?, header.previous))
            };
            let page = rows.iter_mut().map(one).collect::<Result<Vec<_>, StoreError>>()?;
            followed.extend(page.iter().filter_map(|(_, previous)| *previous));
            ends.extend(page.into_iter().map(|(end, _)| end).filter(|end| !followed.contains(&end.head.id)));
            to = from;
        }
        ends.retain(|end| end.head.id != head.head.id);
        Ok(ends)
    }
}
