//! The two databases behind one interface: pools and transactions. The one place for what differs between them, with
//! `value` for rows, `readers` for connections that read and `table` for inserts. Called by every file of this room.

use crate::readers::Readers;
pub use crate::value::{Row, Value};
use crate::value::{bind, bind_owned, pg_row, sqlite_row};
use crate::versions::{CACHE_TABLES, INDEX_TABLES};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Postgres, Sqlite, SqlitePool};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that read; beyond the cores they only queue in the database instead of here.
pub const READ_CONNECTIONS_MAX: u32 = 8;
/// Longest time a statement of a search may run; the request itself may take longer.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(20);
/// Steps of SQLite's machine between two looks at the clock, some tens of microseconds.
const SQLITE_STEPS: i32 = 20_000;
/// Longest wait for SQLite's write lock, held by another process's group commit.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(20);
/// Longest wait for a connection before the caller is told that the database is busy.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(20);

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is away: nothing was changed; try again later.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The URL names no database this build knows.
    #[error("a database URL begins with postgres:// or sqlite://, this one does not")]
    Url,
    /// A search takes longer than one may: ask for less, or narrow it.
    #[error("the search took longer than {} s", SEARCH_TIME_MAX.as_secs())]
    TooLong,
    /// What a page was begun with is not there any more: begin again.
    #[error("the page is no longer there")]
    PageGone,
    /// What is stored does not read back: restore or reindex.
    #[error("the database holds a {0} that does not read back")]
    Damaged(&'static str),
    /// The database was written by a newer build.
    #[error("the database has migration {found}, this build knows {known}: run the newer build")]
    Newer {
        /// Newest applied.
        found: i64,
        /// Newest known.
        known: i64,
    },
}

/// A database: one pool for reads, and for SQLite one connection that writes.
#[derive(Clone)]
pub struct Store {
    pool: Arc<Pool>,
}

/// The two databases, where a statement differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Postgres.
    Postgres,
    /// SQLite.
    Sqlite,
}

enum Pool {
    Postgres(Readers<Postgres>),
    Sqlite { read: Readers<Sqlite>, write: SqlitePool },
}

/// An open transaction; dropped without [`Tx::commit`] it changes nothing.
pub enum Tx {
    /// On Postgres.
    Postgres(sqlx::Transaction<'static, Postgres>),
    /// On SQLite, holding the write lock from the start.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

/// Reads rows with a lent connection; where it turns out to be dead, once more with a fresh one.
macro_rules! read {
    ($readers:expr, $sql:expr, $args:expr, $row:expr) => {{
        let mut fresh = false;
        loop {
            let mut lent = $readers.lend(fresh).await?;
            let query = bind!(sqlx::query(AssertSqlSafe($sql.clone())), $args);
            let result = query.fetch_all(lent.connection()).await;
            if $readers.take_back(lent, &result) && !fresh {
                fresh = true;
                continue;
            }
            break result?.iter().map($row).collect::<Result<_, _>>()?;
        }
    }};
}

impl Store {
    /// Opens the database at `url` (`postgres://...` or `sqlite://FILE`) and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed where a newer build has been.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pool = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // Generic plans flip at size; every search is planned for its own values.
            let options = PgConnectOptions::from_str(url)?
                .options([
                    ("plan_cache_mode", "force_custom_plan"),
                    ("synchronous_commit", "on"),
                    // A statement whose connection was given up ends soon after.
                    ("client_connection_check_interval", "500ms"),
                    // Searches are many and short: compiling one costs more than it saves.
                    ("jit", "off"),
                ])
                .application_name("chartwell")
                .statement_cache_capacity(512);
            let pool = PgPoolOptions::new().max_connections(READ_CONNECTIONS_MAX + 2).acquire_timeout(ACQUIRE_WAIT_MAX);
            Pool::Postgres(Readers::new(pool.connect_with(options).await?, READ_CONNECTIONS_MAX))
        } else if let Some(file) = url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new()
                .filename(Path::new(file))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(LOCK_WAIT_MAX)
                .statement_cache_capacity(512)
                .pragma("cache_size", "-65536")
                // 32 MiB of log between checkpoints: a page that many commits change is copied back once for all.
                .pragma("wal_autocheckpoint", "8192")
                .pragma("mmap_size", "268435456")
                .pragma("temp_store", "MEMORY")
                // With a limit SQLite gathers no samples of values. With samples it plans each statement anew for each
                // argument, which cost a third of a read by id; without a limit it reads whole tables.
                .pragma("analysis_limit", "1000");
            let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_WAIT_MAX);
            let write = write.connect_with(options.clone()).await?;
            let read = SqlitePoolOptions::new().max_connections(READ_CONNECTIONS_MAX).acquire_timeout(ACQUIRE_WAIT_MAX);
            let read = Readers::new(read.connect_with(options).await?, READ_CONNECTIONS_MAX);
            Pool::Sqlite { write, read }
        } else {
            return Err(StoreError::Url);
        };
        let store = Self { pool: Arc::new(pool) };
        crate::migrate::run(&store).await?;
        Ok(store)
    }

    /// Opens a transaction that may write.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match &*self.pool {
            Pool::Postgres(readers) => Tx::Postgres(readers.pool().begin().await?),
            Pool::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// Reads rows outside any transaction.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn fetch(&self, sql: impl Into<String>, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into();
        Ok(match &*self.pool {
            Pool::Postgres(readers) => read!(readers, sql, args, pg_row),
            Pool::Sqlite { read, .. } => read!(read, sql, args, sqlite_row),
        })
    }

    /// Reads rows as [`Store::fetch`] does, but no longer than a search may take.
    async fn fetch_bounded(&self, sql: String, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        match &*self.pool {
            Pool::Postgres(_) => {
                // Given up half way, the connection is closed, and Postgres ends the statement.
                tokio::time::timeout(SEARCH_TIME_MAX, self.fetch(sql, args)).await.or(Err(StoreError::TooLong))?
            }
            Pool::Sqlite { read, .. } => {
                let mut lent = read.lend(false).await?;
                let until = Instant::now() + SEARCH_TIME_MAX;
                let mut handle = lent.connection().lock_handle().await?;
                handle.set_progress_handler(SQLITE_STEPS, move || Instant::now() < until);
                drop(handle);
                let query = bind!(sqlx::query(AssertSqlSafe(sql)), args);
                let result = query.fetch_all(lent.connection()).await;
                lent.connection().lock_handle().await?.remove_progress_handler();
                read.take_back(lent, &result);
                let interrupted = |error: &sqlx::Error| {
                    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("9"))
                };
                match result {
                    Err(error) if interrupted(&error) => Err(StoreError::TooLong),
                    result => Ok(result?.iter().map(sqlite_row).collect::<Result<_, _>>()?),
                }
            }
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match *self.pool {
            Pool::Postgres(_) => Dialect::Postgres,
            Pool::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    /// Gives the planner its statistics: after a reindex, and on SQLite, which has no maintenance of its own, from time
    /// to time.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn refresh_statistics(&self) -> Result<(), StoreError> {
        // One table after the other: on SQLite whoever writes waits for the one that is looked at, not for all of them.
        for table in INDEX_TABLES.iter().chain(&CACHE_TABLES).chain(&["log_ops", "log_frames"]) {
            let mut tx = self.begin().await?;
            tx.execute(format!("ANALYZE {table}"), &[]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.fetch("SELECT position FROM log_clock", &[]).await.map(drop)
    }

    /// `postgres` or `sqlite`.
    pub fn kind(&self) -> &'static str {
        match *self.pool {
            Pool::Postgres(_) => "postgres",
            Pool::Sqlite { .. } => "sqlite",
        }
    }

    /// Waits for open statements and closes every connection.
    pub async fn close(&self) {
        match &*self.pool {
            Pool::Postgres(readers) => readers.close().await,
            Pool::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

impl Tx {
    /// Runs one statement.
    pub(crate) async fn execute(&mut self, sql: impl Into<String>, args: &[Value]) -> Result<u64, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        Ok(match self {
            Tx::Postgres(tx) => bind!(sqlx::query(sql), args).execute(&mut **tx).await?.rows_affected(),
            Tx::Sqlite(tx) => bind!(sqlx::query(sql), args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Runs one statement whose arguments are not needed after it.
    pub(crate) async fn execute_with(&mut self, sql: String, args: Vec<Value>) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(sql);
        match self {
            Tx::Postgres(tx) => bind_owned!(sqlx::query(sql), args).execute(&mut **tx).await.map(drop)?,
            Tx::Sqlite(tx) => bind_owned!(sqlx::query(sql), args).execute(&mut **tx).await.map(drop)?,
        }
        Ok(())
    }

    /// Reads rows inside the transaction.
    pub(crate) async fn fetch(&mut self, sql: impl Into<String>, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        Ok(match self {
            Tx::Postgres(tx) => {
                let rows = bind!(sqlx::query(sql), args).fetch_all(&mut **tx).await?;
                rows.iter().map(pg_row).collect::<Result<_, _>>()?
            }
            Tx::Sqlite(tx) => {
                let rows = bind!(sqlx::query(sql), args).fetch_all(&mut **tx).await?;
                rows.iter().map(sqlite_row).collect::<Result<_, _>>()?
            }
        })
    }

    /// Runs a script of several statements without arguments.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Tx::Postgres(tx) => {
                sqlx::raw_sql(sql).execute(&mut **tx).await?;
            }
            Tx::Sqlite(tx) => {
                sqlx::raw_sql(sql).execute(&mut **tx).await?;
            }
        }
        Ok(())
    }

    /// Makes everything durable: returns after the database has it on disk.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then nothing was changed.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Tx::Postgres(tx) => tx.commit().await?,
            Tx::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Most values one statement of a search binds: SQLite takes 32,766, Postgres 65,535.
const ARGS_MAX: usize = 30_000;

/// What reads run on: the pool, or a transaction that must see its own writes.
pub enum Reader<'r> {
    /// Outside any transaction.
    Pool(&'r Store),
    /// Inside one.
    Tx(&'r mut Tx),
}

impl Reader<'_> {
    /// Reads rows.
    pub(crate) async fn fetch(&mut self, sql: impl Into<String>, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        match self {
            Reader::Pool(store) => store.fetch(sql, args).await,
            Reader::Tx(tx) => tx.fetch(sql, args).await,
        }
    }

    /// Reads rows of a search: outside a transaction no longer than one may take.
    pub(crate) async fn fetch_bounded(&mut self, sql: String, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        if args.len() > ARGS_MAX {
            return Err(StoreError::TooLong);
        }
        match self {
            Reader::Pool(store) => store.fetch_bounded(sql, args).await,
            Reader::Tx(tx) => tx.fetch(sql, args).await,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Reader::Pool(store) => store.dialect(),
            Reader::Tx(Tx::Postgres(_)) => Dialect::Postgres,
            Reader::Tx(Tx::Sqlite(_)) => Dialect::Sqlite,
        }
    }
}

impl<'r> From<&'r Store> for Reader<'r> {
    fn from(store: &'r Store) -> Self {
        Reader::Pool(store)
    }
}

impl<'r> From<&'r mut Tx> for Reader<'r> {
    fn from(tx: &'r mut Tx) -> Self {
        Reader::Tx(tx)
    }
}
