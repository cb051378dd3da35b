//! Jobs that fill the index for stored search parameters: where each stands. Called by `node`.

use crate::db::{Reader, Row, StoreError, Tx};

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Somebody works on it, or will.
    Running = 0,
    /// It went to its end.
    Done = 1,
    /// Somebody called it off.
    Cancelled = 2,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub state: JobState,
    /// When it was begun, microseconds since 1970.
    pub started: i64,
    /// When a process last worked on it, milliseconds since 1970.
    pub touched: i64,
    /// Versions up to here have their rows.
    pub position: i64,
    /// The last version that may lack them.
    pub last: i64,
    /// Versions gone through.
    pub done: i64,
    /// Versions to go through, as counted when it began.
    pub total: i64,
    /// What `node` keeps for the answer, as JSON.
    pub notes: String,
}

const COLUMNS: &str = "SELECT id, state, started, touched, position, last, done, total, notes FROM log_reindexes";

fn job(row: &mut Row) -> Job {
    let state = match row.int(1) {
        0 => JobState::Running,
        1 => JobState::Done,
        _ => JobState::Cancelled,
    };
    Job {
        id: row.text(0),
        state,
        started: row.int(2),
        touched: row.int(3),
        position: row.int(4),
        last: row.int(5),
        done: row.int(6),
        total: row.int(7),
        notes: row.text(8),
    }
}

impl Reader<'_> {
    /// One job.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reindex(&mut self, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.fetch(format!("{COLUMNS} WHERE id = $1"), &[id.into()]).await?.first_mut().map(job))
    }

    /// The job that runs; there is at most one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn running_reindex(&mut self) -> Result<Option<Job>, StoreError> {
        Ok(self.fetch(format!("{COLUMNS} WHERE state = 0"), &[]).await?.first_mut().map(job))
    }
}

impl Tx {
    /// Writes a job, or where it stands.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_reindex(&mut self, job: &Job) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_reindexes (id, state, started, touched, position, last, done, total, notes) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET state = excluded.state, \
                   touched = excluded.touched, position = excluded.position, done = excluded.done, \
                   notes = excluded.notes";
        let args = [
            (&job.id).into(),
            (job.state as i64).into(),
            job.started.into(),
            job.touched.into(),
            job.position.into(),
            job.last.into(),
            job.done.into(),
            job.total.into(),
            (&job.notes).into(),
        ];
        self.execute(sql, &args).await.map(drop)
    }

    /// Forgets all jobs but the `kept` that began last, and those that run.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_reindexes(&mut self, kept: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM log_reindexes WHERE state <> 0 AND id NOT IN \
                   (SELECT id FROM log_reindexes ORDER BY started DESC LIMIT $1)";
        self.execute(sql, &[kept.into()]).await.map(drop)
    }
}
