//! Versions and index rows as they are written, always inside a transaction. Called by `node`.

use super::{
    CACHE_TABLES, CONTAINED, CONTENTS, DATES, INDEX_TABLES, Index, IndexRow, NUMBERS, REFERENCES, STRINGS, TOKENS,
    VERSIONS, Version,
};
use crate::db::{StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{OpId, RecordId};

/// Versions one statement retires.
const RETIRE_MAX: usize = 500;

/// Rows of the index tables.
#[derive(Default)]
pub(super) struct IndexRows {
    tokens: Vec<Vec<Value>>,
    strings: Vec<Vec<Value>>,
    dates: Vec<Vec<Value>>,
    references: Vec<Vec<Value>>,
    numbers: Vec<Vec<Value>>,
    contents: Vec<Vec<Value>>,
}

impl IndexRows {
    pub(super) fn add(&mut self, kind: u16, position: i64, index: Vec<IndexRow>) {
        for IndexRow { param, group, contained, value } in index {
            let of = contained.map_or(kind, |inner| CONTAINED | inner);
            let mut row = vec![of.into(), param.into()];
            let into = match value {
                Index::Token { code, system } => {
                    row.extend([code.into(), system.into()]);
                    &mut self.tokens
                }
                Index::Text { normal, exact } => {
                    row.extend([normal.into(), exact.into()]);
                    &mut self.strings
                }
                Index::Content { normal } => {
                    row.push(normal.into());
                    &mut self.contents
                }
                Index::Date { low, high } => {
                    row.extend([low.into(), high.into()]);
                    &mut self.dates
                }
                Index::Reference { target, kind } => {
                    row.extend([target.into(), kind.into()]);
                    &mut self.references
                }
                Index::Number { low, high, system, code } => {
                    row.extend([low.into(), high.into(), system.into(), code.into()]);
                    &mut self.numbers
                }
            };
            row.extend([position.into(), group.into()]);
            into.push(row);
        }
    }

    pub(super) async fn insert(self, tx: &mut Tx) -> Result<(), StoreError> {
        TOKENS.insert(tx, self.tokens).await?;
        STRINGS.insert(tx, self.strings).await?;
        DATES.insert(tx, self.dates).await?;
        REFERENCES.insert(tx, self.references).await?;
        NUMBERS.insert(tx, self.numbers).await?;
        CONTENTS.insert(tx, self.contents).await
    }
}

impl Tx {
    /// Adds versions and their index rows. Versions that were current before must be retired first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_versions(&mut self, versions: Vec<Version>) -> Result<(), StoreError> {
        let (mut rows, mut index) = (Vec::with_capacity(versions.len()), IndexRows::default());
        for version in versions {
            index.add(version.kind, version.position, version.index);
            rows.push(vec![
                version.position.into(),
                version.kind.into(),
                version.id.into(),
                version.version.into(),
                version.op.bytes().into(),
                version.place.into(),
                version.record.bytes().into(),
                version.origin.bytes().into(),
                Value::Int(version.by as i64),
                Value::Int(i64::from(version.class.0)),
                Value::Int(i64::from(version.method)),
                version.current.into(),
                version.lamport.into(),
                version.last_updated.into(),
                version.seal.into(),
                version.json.into(),
            ]);
        }
        VERSIONS.insert(self, rows).await?;
        index.insert(self).await
    }

    /// Takes away the current mark of the versions at `positions`; they stay readable. Their index rows stay too, for
    /// pages that were begun before `at`, until [`Tx::sweep`] takes them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn retire(&mut self, positions: &[i64], at: i64) -> Result<(), StoreError> {
        for chunk in positions.chunks(RETIRE_MAX) {
            let (holes, mut args) = holes(chunk);
            args.push(at.into());
            let sql = format!(
                "UPDATE cache_versions SET current = 2, retired = ${} WHERE position IN ({holes}) AND current = 1",
                args.len()
            );
            self.execute(sql, &args).await?;
        }
        Ok(())
    }

    /// Takes away the current mark of versions that this node wrote and another's edit took the place of: conditionals still match
    /// them, since they match what this node wrote.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn cover(&mut self, position: i64, at: i64) -> Result<(), StoreError> {
        let sql = "UPDATE cache_versions SET current = 3, retired = $2 WHERE position = $1 AND current = 1";
        self.execute(sql, &[position.into(), at.into()]).await.map(drop)
    }

    /// This node wrote a resource again, or nobody's edit covers what it wrote any more.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn uncover(&mut self, kind: u16, id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE cache_versions SET current = 2 WHERE type = $1 AND id = $2 AND current = 3";
        self.execute(sql, &[kind.into(), id.into()]).await.map(drop)
    }

    /// Takes away the current mark and the index rows at once: no page was begun before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn retire_now(&mut self, positions: &[i64]) -> Result<(), StoreError> {
        for chunk in positions.chunks(RETIRE_MAX) {
            let (holes, args) = holes(chunk);
            self.bury(&holes, &args).await?;
        }
        Ok(())
    }

    async fn bury(&mut self, holes: &str, args: &[Value]) -> Result<(), StoreError> {
        for table in INDEX_TABLES {
            self.execute(format!("DELETE FROM {table} WHERE position IN ({holes})"), args).await?;
        }
        self.execute(format!("UPDATE cache_versions SET current = 0 WHERE position IN ({holes})"), args).await.map(drop)
    }

    /// Takes away the index rows of versions that were retired at or before `until`, at most `most` of them. How many
    /// that were: fewer than `most` where nothing is left.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sweep(&mut self, until: i64, most: i64) -> Result<usize, StoreError> {
        let sql = "SELECT position FROM cache_versions WHERE current = 2 AND retired <= $1 LIMIT $2";
        let rows = self.fetch(sql, &[until.into(), most.into()]).await?;
        let positions = rows.iter().map(|row| row.int(0)).collect::<Vec<_>>();
        for chunk in positions.chunks(RETIRE_MAX) {
            let (holes, args) = holes(chunk);
            self.bury(&holes, &args).await?;
        }
        Ok(positions.len())
    }

    /// Makes a version current again, with what it is found by.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn promote(&mut self, position: i64, kind: u16, index: Vec<IndexRow>) -> Result<(), StoreError> {
        let args = [position.into()];
        for table in INDEX_TABLES {
            self.execute(format!("DELETE FROM {table} WHERE position = $1"), &args).await?;
        }
        let sql = "UPDATE cache_versions SET current = 1, retired = 9223372036854775807 WHERE position = $1";
        self.execute(sql, &args).await?;
        let mut rows = IndexRows::default();
        rows.add(kind, position, index);
        rows.insert(self).await
    }

    /// Says anew where a version's frame was sealed, and what is said of conflicts with it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_seal(&mut self, position: i64, seal: &[u8]) -> Result<(), StoreError> {
        let sql = "UPDATE cache_versions SET seal = $2 WHERE position = $1";
        self.execute(sql, &[position.into(), seal.into()]).await.map(drop)
    }

    /// Removes versions with their index rows.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_versions(&mut self, positions: &[i64]) -> Result<(), StoreError> {
        for chunk in positions.chunks(RETIRE_MAX) {
            let (holes, args) = holes(chunk);
            for table in INDEX_TABLES.iter().chain(&["cache_versions"]) {
                self.execute(format!("DELETE FROM {table} WHERE position IN ({holes})"), &args).await?;
            }
        }
        Ok(())
    }

    /// Removes the versions of a record that others wrote, with their index rows.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_foreign(&mut self, record: &RecordId) -> Result<(), StoreError> {
        let args = [record.bytes().into()];
        for table in INDEX_TABLES {
            let sql = format!(
                "DELETE FROM {table} WHERE position IN \
                 (SELECT position FROM cache_versions WHERE record = $1 AND own = 0)"
            );
            self.execute(sql, &args).await?;
        }
        self.execute("DELETE FROM cache_within WHERE record = $1", &args).await?;
        self.execute("DELETE FROM cache_beyond WHERE record = $1", &args).await?;
        self.execute("DELETE FROM cache_versions WHERE record = $1 AND own = 0", &args).await.map(drop)
    }

    /// Empties every cache table; `reindex` fills them again in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn drop_caches(&mut self) -> Result<(), StoreError> {
        for table in CACHE_TABLES.iter().chain(&INDEX_TABLES) {
            self.execute(format!("DELETE FROM {table}"), &[]).await?;
        }
        Ok(())
    }

    /// Records that the version of a frame became visible only now.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn journal(&mut self, rows: &[(OpId, u32, i64, i64)]) -> Result<(), StoreError> {
        const JOURNAL: Table = Table {
            name: "log_journal",
            columns: &[("op", Kind::Bytes), ("place", Kind::Int), ("position", Kind::Int), ("last_updated", Kind::Int)],
            suffix: "ON CONFLICT (op, place) DO NOTHING",
        };
        let rows = rows.iter().map(|(op, place, position, last_updated)| {
            vec![op.bytes().into(), (*place).into(), (*position).into(), (*last_updated).into()]
        });
        JOURNAL.insert(self, rows.collect()).await
    }

    /// Remembers which versions of directory resources a record carries: (record, type, id, position).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_copies(&mut self, copies: Vec<(RecordId, u16, String, i64)>) -> Result<(), StoreError> {
        const COPIES: Table = Table {
            name: "cache_copies",
            columns: &[("record", Kind::Bytes), ("type", Kind::Int), ("id", Kind::Text), ("position", Kind::Int)],
            suffix: "ON CONFLICT (record, type, id) DO UPDATE SET position = excluded.position",
        };
        let rows = copies
            .into_iter()
            .map(|(record, kind, id, position)| vec![record.bytes().into(), kind.into(), id.into(), position.into()]);
        COPIES.insert(self, rows.collect()).await
    }
}

/// `$1,$2,...` and what they hold.
pub(super) fn holes(positions: &[i64]) -> (String, Vec<Value>) {
    let args = positions.iter().map(|position| (*position).into()).collect::<Vec<Value>>();
    ((1..=positions.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(","), args)
}
