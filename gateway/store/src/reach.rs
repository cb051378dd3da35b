//! What others let us see: rows folded from their grants, joined into every search with the request's clock and purpose.
//! Called by `node`; read by `search`.

use crate::db::{Reader, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{Class, RecordId};

const REACH: Table = Table {
    name: "cache_reach",
    columns: &[
        ("record", Kind::Bytes),
        ("type", Kind::Int),
        ("class", Kind::Int),
        ("start_ms", Kind::Int),
        ("end_ms", Kind::Int),
        ("grant_id", Kind::Text),
        ("purposes", Kind::Int),
        ("narrowed", Kind::Int),
    ],
    suffix: "",
};

/// One line of what may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The record.
    pub record: RecordId,
    /// The type's number, `None` for every type.
    pub kind: Option<u16>,
    /// The class.
    pub class: Class,
    /// From, milliseconds since 1970.
    pub start_ms: u64,
    /// Until, `None` for no end.
    pub end_ms: Option<u64>,
    /// The grant it follows from.
    pub grant: String,
    /// The purposes it serves, a bit for each.
    pub purposes: u8,
    /// Whether it opens only the versions of [`crate::within`].
    pub narrowed: bool,
}

/// By whose eyes a statement looks at what others wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The clock that grants are held against, milliseconds since 1970.
    pub now_ms: u64,
    /// What the request is for, as one bit; none sees one's own alone.
    pub purpose: u8,
    /// Something of one's own is covered by another's edit: where that may not be seen, what it covers is.
    pub covered: bool,
}

impl Sight {
    /// The condition on a version `v` that it is one's own or may be seen; `$1` is the clock.
    pub(crate) fn condition(self, v: &str) -> String {
        format!(
            "({v}.own > 0 OR EXISTS (SELECT 1 FROM cache_reach r WHERE r.record = {v}.record \
             AND r.type IN ({v}.type, -1) AND r.class = {v}.class AND r.start_ms <= $1 AND r.end_ms > $1 \
             AND (r.purposes & {}) <> 0 AND (r.narrowed = 0 OR EXISTS (SELECT 1 FROM cache_within w \
             WHERE w.position = {v}.position AND w.grant_id = r.grant_id))))",
            self.purpose
        )
    }
}

impl Tx {
    /// Replaces what may be seen of a record.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_reach(&mut self, record: &RecordId, reach: Vec<Reach>) -> Result<(), StoreError> {
        self.execute("DELETE FROM cache_reach WHERE record = $1", &[record.bytes().into()]).await?;
        let rows = reach.into_iter().map(|line| {
            vec![
                line.record.bytes().into(),
                line.kind.map_or(Value::Int(-1), Value::from),
                Value::Int(i64::from(line.class.0)),
                line.start_ms.into(),
                line.end_ms.map_or(Value::Int(i64::MAX), Value::from),
                line.grant.into(),
                Value::Int(i64::from(line.purposes)),
                Value::Int(i64::from(line.narrowed)),
            ]
        });
        REACH.insert(self, rows.collect()).await
    }
}

impl Reader<'_> {
    /// Whether the version at `position` may be seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_visible(&mut self, position: i64, sight: Sight) -> Result<bool, StoreError> {
        let sql = format!("SELECT v.position FROM cache_versions v WHERE v.position = $2 AND {}", sight.condition("v"));
        Ok(!self.fetch(sql, &[sight.now_ms.into(), position.into()]).await?.is_empty())
    }
}
