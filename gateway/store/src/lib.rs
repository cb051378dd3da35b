//! The only room with SQL: the op log and the search index, on Postgres and on SQLite. `log_` tables are the
//! truth, `cache_` tables are rebuilt from it. What ops mean is not known here. Called by `node` alone.

pub mod acks;
pub mod apps;
pub mod attempts;
pub mod audit;
pub mod bench;
pub mod branches;
pub mod clients;
pub mod clock;
pub mod compartment;
pub mod db;
pub mod forks;
pub mod homes;
pub mod identities;
pub mod keys;
pub mod metas;
mod migrate;
pub mod missing;
pub mod ops;
pub mod parameters;
pub mod people;
pub mod quarantine;
pub mod reach;
mod readers;
pub mod reindexes;
pub mod removed;
pub mod search;
pub mod table;
pub mod tasks;
pub mod token_keys;
mod value;
pub mod versions;
pub mod waiting;
pub mod within;

pub use db::{Row, Store, StoreError, Tx, Value};
