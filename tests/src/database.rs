//! Which databases a test runs on, and a fresh one for each place.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file in the place's folder.
    Sqlite,
    /// A database of its own on the server that `tests/run` started.
    Postgres,
}

/// Says where `tests/run` started Postgres.
pub const POSTGRES: &str = "CHARTWELL_TEST_POSTGRES_URL";

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// Both; Postgres where there is one. `tests/run` always has one.
    pub fn all() -> Vec<Self> {
        match std::env::var(POSTGRES) {
            Ok(_) => vec![Self::Sqlite, Self::Postgres],
            Err(_) => vec![Self::Sqlite],
        }
    }

    /// The URL of a fresh database for the place at `data`.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn fresh(self, data: &Path) -> anyhow::Result<String> {
        Ok(match self {
            Self::Sqlite => format!("sqlite://{}", data.join("chartwell.db").display()),
            Self::Postgres => {
                let name = format!("system_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
                store::bench::fresh_database(&std::env::var(POSTGRES)?, &name).await?
            }
        })
    }
}
