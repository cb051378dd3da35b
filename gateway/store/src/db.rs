//! The two databases behind one interface: pools, transactions, values and rows. The one file for what differs
//! between them, with `table` for inserts. Called by every file of this room.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Column, PgPool, Postgres, Row as _, Sqlite, SqlitePool, TypeInfo, ValueRef};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// Connections that read; beyond the cores they only queue in the database instead of here.
pub const READ_CONNECTIONS_MAX: u32 = 8;
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

/// A value in or out.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// BIGINT, INTEGER.
    Int(i64),
    /// DOUBLE PRECISION, REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BYTEA, BLOB.
    Bytes(Vec<u8>),
    /// NULL, only ever read.
    Null,
}

macro_rules! value_from {
    ($($from:ty => $make:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                let make: fn($from) -> Value = $make;
                make(value)
            }
        })*
    };
}
value_from! {
    i64 => Value::Int,
    u64 => |v: u64| Value::Int(v as i64),
    u32 => |v: u32| Value::Int(i64::from(v)),
    u16 => |v: u16| Value::Int(i64::from(v)),
    bool => |v: bool| Value::Int(i64::from(v)),
    f64 => Value::Real,
    String => Value::Text,
    &str => |v: &str| Value::Text(v.to_owned()),
    &String => |v: &String| Value::Text(v.clone()),
    Vec<u8> => Value::Bytes,
    &[u8] => |v: &[u8]| Value::Bytes(v.to_vec()),
    &[u8; 32] => |v: &[u8; 32]| Value::Bytes(v.to_vec()),
}

/// One row that was read.
#[derive(Clone, Debug)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// The integer in column `at`; zero where there is none.
    pub fn int(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Int(value)) => *value,
            _ => 0,
        }
    }

    /// The text in column `at`; empty where there is none.
    pub fn text(&mut self, at: usize) -> String {
        match self.0.get_mut(at) {
            Some(Value::Text(value)) => std::mem::take(value),
            _ => String::new(),
        }
    }

    /// The bytes in column `at`; empty where there are none.
    pub fn bytes(&mut self, at: usize) -> Vec<u8> {
        match self.0.get_mut(at) {
            Some(Value::Bytes(value)) => std::mem::take(value),
            _ => Vec::new(),
        }
    }

    /// Whether column `at` is NULL.
    pub fn is_null(&self, at: usize) -> bool {
        matches!(self.0.get(at), None | Some(Value::Null))
    }

    /// Exactly 32 bytes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn id(&mut self, at: usize) -> Result<[u8; 32], StoreError> {
        self.bytes(at).try_into().or(Err(StoreError::Damaged("32-byte id")))
    }
}

macro_rules! bind {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for value in $args {
            query = match value {
                Value::Int(value) => query.bind(*value),
                Value::Real(value) => query.bind(*value),
                Value::Text(value) => query.bind(crate::table::without_nul(value.clone())),
                Value::Bytes(value) => query.bind(value.clone()),
                Value::Null => query.bind(Option::<String>::None),
            };
        }
        query
    }};
}

fn pg_row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let mut values = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        values.push(match column.type_info().name() {
            "INT8" => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Int),
            "INT4" => row.try_get::<Option<i32>, _>(at)?.map_or(Value::Null, |v| Value::Int(i64::from(v))),
            "FLOAT8" => row.try_get::<Option<f64>, _>(at)?.map_or(Value::Null, Value::Real),
            "BYTEA" => row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Value::Null, Value::Bytes),
            _ => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
        });
    }
    Ok(Row(values))
}

fn sqlite_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let mut values = Vec::with_capacity(row.len());
    for at in 0..row.len() {
        let kind = {
            let raw = row.try_get_raw(at)?;
            if raw.is_null() { "NULL".to_owned() } else { raw.type_info().name().to_owned() }
        };
        values.push(match kind.as_str() {
            "NULL" => Value::Null,
            "INTEGER" => Value::Int(row.try_get_unchecked(at)?),
            "REAL" => Value::Real(row.try_get_unchecked(at)?),
            "BLOB" => Value::Bytes(row.try_get_unchecked(at)?),
            _ => Value::Text(row.try_get_unchecked(at)?),
        });
    }
    Ok(Row(values))
}

/// A database: one pool for reads, and for SQLite one connection that writes.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

#[derive(Clone)]
enum Pool {
    Postgres(PgPool),
    Sqlite { read: SqlitePool, write: SqlitePool },
}

/// An open transaction; dropped without [`Tx::commit`] it changes nothing.
pub enum Tx {
    /// On Postgres.
    Postgres(sqlx::Transaction<'static, Postgres>),
    /// On SQLite, holding the write lock from the start.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
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
                .options([("plan_cache_mode", "force_custom_plan"), ("synchronous_commit", "on")])
                .application_name("chartwell")
                .statement_cache_capacity(512);
            let pool = PgPoolOptions::new().max_connections(READ_CONNECTIONS_MAX + 2).acquire_timeout(ACQUIRE_WAIT_MAX);
            Pool::Postgres(pool.connect_with(options).await?)
        } else if let Some(file) = url.strip_prefix("sqlite://") {
            let options = SqliteConnectOptions::new()
                .filename(Path::new(file))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(LOCK_WAIT_MAX)
                .statement_cache_capacity(512)
                .pragma("cache_size", "-65536")
                .pragma("mmap_size", "268435456")
                .pragma("temp_store", "MEMORY");
            let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_WAIT_MAX);
            let write = write.connect_with(options.clone()).await?;
            let read = SqlitePoolOptions::new().max_connections(READ_CONNECTIONS_MAX).acquire_timeout(ACQUIRE_WAIT_MAX);
            Pool::Sqlite { write, read: read.connect_with(options).await? }
        } else {
            return Err(StoreError::Url);
        };
        let store = Self { pool };
        crate::migrate::run(&store).await?;
        Ok(store)
    }

    /// Opens a transaction that may write.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match &self.pool {
            Pool::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            Pool::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// Reads rows outside any transaction.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn fetch(&self, sql: impl Into<String>, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        Ok(match &self.pool {
            Pool::Postgres(pool) => {
                let rows = bind!(sqlx::query(sql), args).fetch_all(pool).await?;
                rows.iter().map(pg_row).collect::<Result<_, _>>()?
            }
            Pool::Sqlite { read, .. } => {
                let rows = bind!(sqlx::query(sql), args).fetch_all(read).await?;
                rows.iter().map(sqlite_row).collect::<Result<_, _>>()?
            }
        })
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
        match self.pool {
            Pool::Postgres(_) => "postgres",
            Pool::Sqlite { .. } => "sqlite",
        }
    }

    /// Waits for open statements and closes every connection.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Postgres(pool) => pool.close().await,
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
