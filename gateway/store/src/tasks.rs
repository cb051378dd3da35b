//! One's own invites, pairings and requests until their op exists: small JSON rows. Called by `node`.

use crate::db::{Reader, StoreError, Tx};

/// A task as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTask {
    /// Its id, which the FHIR Task keeps.
    pub id: String,
    /// `invite`, `pairing`, `request`.
    pub kind: String,
    /// The FHIR Task's status.
    pub status: String,
    /// What `node` keeps, as JSON.
    pub body: String,
    /// Counted from 1; each change is a version.
    pub version: i64,
    /// Position of its last change.
    pub position: i64,
    /// When it was last changed, microseconds since 1970.
    pub last_updated: i64,
}

const COLUMNS: &str = "SELECT id, kind, status, body, version, position, last_updated FROM log_tasks";

fn task(row: &mut crate::db::Row) -> StoredTask {
    StoredTask {
        id: row.text(0),
        kind: row.text(1),
        status: row.text(2),
        body: row.text(3),
        version: row.int(4),
        position: row.int(5),
        last_updated: row.int(6),
    }
}

impl Tx {
    /// Writes the next version of a task.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_task(&mut self, task: &StoredTask) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_tasks (id, kind, status, body, version, position, last_updated) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let args = [
            (&task.id).into(),
            (&task.kind).into(),
            (&task.status).into(),
            (&task.body).into(),
            task.version.into(),
            task.position.into(),
            task.last_updated.into(),
        ];
        self.execute(sql, &args).await.map(drop)
    }
}

impl Reader<'_> {
    /// One task. Inside a transaction its row stays locked until the end, where the database has row locks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn task(&mut self, id: &str) -> Result<Option<StoredTask>, StoreError> {
        let lock = if matches!(self, Reader::Tx(Tx::Postgres(_))) { " FOR UPDATE" } else { "" };
        let sql = format!("{COLUMNS} WHERE id = $1 ORDER BY version DESC LIMIT 1{lock}");
        let mut rows = self.fetch(sql, &[id.into()]).await?;
        Ok(rows.first_mut().map(task))
    }

    /// Every task of a kind, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tasks(&mut self, kind: &str) -> Result<Vec<StoredTask>, StoreError> {
        let sql = format!(
            "{COLUMNS} t WHERE kind = $1 AND version = (SELECT MAX(version) FROM log_tasks u WHERE u.id = t.id) \
             ORDER BY position DESC"
        );
        let mut rows = self.fetch(sql, &[kind.into()]).await?;
        Ok(rows.iter_mut().map(task).collect())
    }

    /// Every version of every task, in the order they were written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn task_versions(&mut self) -> Result<Vec<StoredTask>, StoreError> {
        let mut rows = self.fetch(format!("{COLUMNS} ORDER BY position"), &[]).await?;
        Ok(rows.iter_mut().map(task).collect())
    }
}
