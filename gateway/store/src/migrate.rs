//! Migrations: the scripts of `migrations/`, in pairs of the same name, forward only. Called when a store opens.

use crate::db::{Store, StoreError, Tx};

const POSTGRES: [&str; 15] = [
    include_str!("../../../migrations/postgres/0001_log.sql"),
    include_str!("../../../migrations/postgres/0002_cache.sql"),
    include_str!("../../../migrations/postgres/0003_moves.sql"),
    include_str!("../../../migrations/postgres/0004_memory.sql"),
    include_str!("../../../migrations/postgres/0005_search.sql"),
    include_str!("../../../migrations/postgres/0006_parameters.sql"),
    include_str!("../../../migrations/postgres/0007_content.sql"),
    include_str!("../../../migrations/postgres/0008_authority.sql"),
    include_str!("../../../migrations/postgres/0009_smart.sql"),
    include_str!("../../../migrations/postgres/0010_audit.sql"),
    include_str!("../../../migrations/postgres/0011_narrowed.sql"),
    include_str!("../../../migrations/postgres/0012_quotas.sql"),
    include_str!("../../../migrations/postgres/0013_branches.sql"),
    include_str!("../../../migrations/postgres/0014_origins.sql"),
    include_str!("../../../migrations/postgres/0015_tokens_and_logins.sql"),
];
const SQLITE: [&str; 15] = [
    include_str!("../../../migrations/sqlite/0001_log.sql"),
    include_str!("../../../migrations/sqlite/0002_cache.sql"),
    include_str!("../../../migrations/sqlite/0003_moves.sql"),
    include_str!("../../../migrations/sqlite/0004_memory.sql"),
    include_str!("../../../migrations/sqlite/0005_search.sql"),
    include_str!("../../../migrations/sqlite/0006_parameters.sql"),
    include_str!("../../../migrations/sqlite/0007_content.sql"),
    include_str!("../../../migrations/sqlite/0008_authority.sql"),
    include_str!("../../../migrations/sqlite/0009_smart.sql"),
    include_str!("../../../migrations/sqlite/0010_audit.sql"),
    include_str!("../../../migrations/sqlite/0011_narrowed.sql"),
    include_str!("../../../migrations/sqlite/0012_quotas.sql"),
    include_str!("../../../migrations/sqlite/0013_branches.sql"),
    include_str!("../../../migrations/sqlite/0014_origins.sql"),
    include_str!("../../../migrations/sqlite/0015_tokens_and_logins.sql"),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT PRIMARY KEY)";

/// Applies what is missing, in one transaction; several processes may start at once.
pub(crate) async fn run(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let scripts = match &tx {
        Tx::Postgres(_) => POSTGRES,
        Tx::Sqlite(_) => SQLITE,
    };
    if let Tx::Postgres(_) = &tx {
        // The lock's number is the letters "chartwel"; it only has to be the same in every process.
        tx.fetch("SELECT pg_advisory_xact_lock(7163386519166578028)::text", &[]).await?;
    }
    tx.execute(TABLE, &[]).await?;
    let found = tx.fetch("SELECT COALESCE(MAX(number), 0) FROM schema_migrations", &[]).await?;
    let found = found.first().map_or(0, |row| row.int(0));
    let known = scripts.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (number, script) in (1_i64..).zip(scripts).skip(found as usize) {
        tx.script(script).await?;
        tx.execute("INSERT INTO schema_migrations (number) VALUES ($1)", &[number.into()]).await?;
    }
    tx.commit().await
}
