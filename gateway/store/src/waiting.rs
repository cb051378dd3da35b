//! Resources that wait in the house record for what they name as their patient, and ops of one's own that came back
//! after a restore. Called by `node`.

use crate::db::{Reader, StoreError, Tx};
use crate::table::{Kind, Table};
use record::OpId;

const WAITING: Table = Table {
    name: "cache_waiting",
    columns: &[("target", Kind::Text), ("type", Kind::Int), ("id", Kind::Text)],
    suffix: "ON CONFLICT (target, type, id) DO NOTHING",
};
const RETURNED: Table =
    Table { name: "log_returned", columns: &[("op", Kind::Bytes)], suffix: "ON CONFLICT (op) DO NOTHING" };

/// Targets one statement asks for.
const TARGETS_MAX: usize = 500;

/// A resource that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What it waits for: `Type/id`, or `system|value` of a Patient's identifier.
    pub target: String,
    /// Its type.
    pub kind: u16,
    /// Its id.
    pub id: String,
}

impl Tx {
    /// Remembers resources that wait.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_waiting(&mut self, waiting: Vec<Waiting>) -> Result<(), StoreError> {
        let rows = waiting.into_iter().map(|one| vec![one.target.into(), one.kind.into(), one.id.into()]);
        WAITING.insert(self, rows.collect()).await
    }

    /// Forgets what a resource waited for.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn waits_no_more(&mut self, kind: u16, id: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM cache_waiting WHERE type = $1 AND id = $2";
        self.execute(sql, &[kind.into(), id.into()]).await.map(drop)
    }

    /// Remembers ops of one's own that came from a peer.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_returned(&mut self, ops: &[OpId]) -> Result<(), StoreError> {
        RETURNED.insert(self, ops.iter().map(|op| vec![op.bytes().into()]).collect()).await
    }
}

impl Reader<'_> {
    /// What waits for any of `targets`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting_for(&mut self, targets: &[String]) -> Result<Vec<(u16, String)>, StoreError> {
        let mut found = Vec::new();
        for chunk in targets.chunks(TARGETS_MAX) {
            let args = chunk.iter().map(Into::into).collect::<Vec<_>>();
            let holes = (1..=args.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
            let sql =
                format!("SELECT DISTINCT type, id FROM cache_waiting WHERE target IN ({holes}) ORDER BY type, id");
            let mut rows = self.fetch(sql, &args).await?;
            found.extend(rows.iter_mut().map(|row| (row.int(0) as u16, row.text(1))));
        }
        Ok(found)
    }

    /// Whether anything waits at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn anything_waits(&mut self) -> Result<bool, StoreError> {
        Ok(!self.fetch("SELECT 1 FROM cache_waiting LIMIT 1", &[]).await?.is_empty())
    }

    /// Whether an op of one's own came from a peer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_returned(&mut self, op: &OpId) -> Result<bool, StoreError> {
        Ok(!self.fetch("SELECT 1 FROM log_returned WHERE op = $1", &[op.bytes().into()]).await?.is_empty())
    }
}
