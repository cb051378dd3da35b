//! Connections that read, kept beside sqlx's pool. Called by `db`.
//!
//! The pool asks a connection for a sign of life before each use and after it: three ways to the database for one
//! statement. Here a connection that has just answered is used again as it is; one that turns out to be dead is
//! replaced, and the statement, which only reads, runs once more.

use sqlx::pool::PoolConnection;
use sqlx::{Database, Error, Pool};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a connection is used before it goes back to the pool, which may then end it.
const KEPT_MAX: Duration = Duration::from_secs(600);

/// Connections of one database.
pub(crate) struct Readers<DB: Database> {
    pool: Pool<DB>,
    kept: Mutex<Vec<Kept<DB>>>,
    turns: Semaphore,
}

/// A connection in use; one that is dropped half way goes back to the pool, which tests it.
pub(crate) struct Lent<'a, DB: Database> {
    kept: Kept<DB>,
    #[expect(dead_code, reason = "its drop gives the turn to the next")]
    turn: SemaphorePermit<'a>,
}

impl<DB: Database> Lent<'_, DB> {
    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.kept.connection
    }
}

struct Kept<DB: Database> {
    connection: PoolConnection<DB>,
    since: Instant,
}

impl<DB: Database> Readers<DB> {
    /// At most `most` connections read at once; the pool has at least as many.
    pub(crate) fn new(pool: Pool<DB>, most: u32) -> Self {
        Self { pool, kept: Mutex::default(), turns: Semaphore::new(most as usize) }
    }

    /// The pool itself.
    pub(crate) fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    /// A connection to read with: one that was kept, unless the last of them turned out to be dead.
    pub(crate) async fn lend(&self, fresh: bool) -> Result<Lent<'_, DB>, Error> {
        let turn = self.turns.acquire().await.map_err(|_| Error::PoolClosed)?;
        let kept = match self.take().filter(|_| !fresh) {
            Some(kept) => kept,
            None => Kept { connection: self.pool.acquire().await?, since: Instant::now() },
        };
        Ok(Lent { kept, turn })
    }

    /// Takes back a connection after its statement: to be used again, or not where it is dead. Whether the statement
    /// should run once more on another one.
    pub(crate) fn take_back<T>(&self, lent: Lent<'_, DB>, result: &Result<T, Error>) -> bool {
        let dead = result.as_ref().is_err_and(is_dead);
        if !dead && lent.kept.since.elapsed() < KEPT_MAX && !self.pool.is_closed() {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(lent.kept);
        }
        dead
    }

    fn take(&self) -> Option<Kept<DB>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Waits for open statements and ends every connection.
    pub(crate) async fn close(&self) {
        // Nothing is kept once the pool is closed, and what was kept before is given back here.
        let closing = self.pool.close();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        closing.await;
    }
}

/// Whether the connection is gone, so that another one may do better.
fn is_dead(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Protocol(_) | Error::WorkerCrashed => true,
        // The classes of PostgreSQL for connections that were lost, and for servers that are shutting down.
        Error::Database(error) => error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        _ => false,
    }
}
