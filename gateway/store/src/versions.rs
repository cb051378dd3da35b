//! Versions served here and their index rows: which is current, what it is found by. All of it is rebuilt by
//! `reindex`. Called by `node`.

use crate::db::{Reader, Row, Store, StoreError, Tx, Value};
use crate::table::{Kind, Table};
use record::{Class, IdentityId, OpId, RecordId};

pub(crate) const VERSIONS: Table = Table {
    name: "cache_versions",
    columns: &[
        ("position", Kind::Int),
        ("type", Kind::Int),
        ("id", Kind::Text),
        ("version", Kind::Text),
        ("op", Kind::Bytes),
        ("place", Kind::Int),
        ("record", Kind::Bytes),
        ("origin", Kind::Bytes),
        ("own", Kind::Int),
        ("class", Kind::Int),
        ("method", Kind::Int),
        ("current", Kind::Int),
        ("lamport", Kind::Int),
        ("last_updated", Kind::Int),
        ("seal", Kind::Bytes),
        ("json", Kind::Bytes),
    ],
    suffix: "",
};
pub(crate) const TOKENS: Table = Table {
    name: "cache_token",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("code", Kind::Text),
        ("system", Kind::Text),
        ("position", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const STRINGS: Table = Table {
    name: "cache_string",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("normal", Kind::Text),
        ("exact", Kind::Text),
        ("position", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const DATES: Table = Table {
    name: "cache_date",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("low", Kind::Int),
        ("high", Kind::Int),
        ("position", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const REFERENCES: Table = Table {
    name: "cache_reference",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("target", Kind::Text),
        ("kind", Kind::Int),
        ("position", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const NUMBERS: Table = Table {
    name: "cache_number",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("low", Kind::Real),
        ("high", Kind::Real),
        ("system", Kind::Text),
        ("code", Kind::Text),
        ("position", Kind::Int),
    ],
    suffix: "",
};

/// What a version is found by.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// A code; an empty system is none.
    Token {
        /// Code.
        code: String,
        /// System.
        system: String,
    },
    /// A text.
    Text {
        /// Case- and accent-folded.
        normal: String,
        /// As written.
        exact: String,
    },
    /// A range of time, microseconds since 1970, both ends included.
    Date {
        /// First microsecond.
        low: i64,
        /// Last microsecond.
        high: i64,
    },
    /// A reference, as `Type/id`, an absolute URL, or a canonical.
    Reference {
        /// The target.
        target: String,
        /// Its type's number plus one, zero where it is not known.
        kind: u16,
    },
    /// A number or quantity with its implicit precision.
    Number {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
        /// Unit system.
        system: String,
        /// Unit code.
        code: String,
    },
}

/// A version to add.
#[derive(Clone, Debug)]
pub struct Version {
    /// Unique, grows in commit order.
    pub position: i64,
    /// FHIR type by number.
    pub kind: u16,
    /// The id it is served under.
    pub id: String,
    /// `versionId`.
    pub version: String,
    /// The op that holds it; zero for what is derived.
    pub op: OpId,
    /// Its frame in the op.
    pub place: u32,
    /// The record.
    pub record: RecordId,
    /// Whose resource it is.
    pub origin: IdentityId,
    /// Written by this node's identity.
    pub own: bool,
    /// Confidentiality class.
    pub class: Class,
    /// 0 create, 1 update, 2 delete, 3 copy.
    pub method: u8,
    /// The version that reads answer.
    pub current: bool,
    /// The op's Lamport number.
    pub lamport: u64,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// Where the frame was sealed and under which key, as `node` writes it; empty for what is derived.
    pub seal: Vec<u8>,
    /// The served JSON where it is not that of a frame: what is derived.
    pub json: Vec<u8>,
    /// What it is found by, with the parameter's number; only for the current one.
    pub index: Vec<(u16, Index)>,
}

/// A version as stored.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// Unique, grows in commit order.
    pub position: i64,
    /// FHIR type by number.
    pub kind: u16,
    /// The id it is served under.
    pub id: String,
    /// `versionId`.
    pub version: String,
    /// The op that holds it.
    pub op: OpId,
    /// Its frame.
    pub place: u32,
    /// The record.
    pub record: RecordId,
    /// Whose resource it is.
    pub origin: IdentityId,
    /// Written by this node's identity.
    pub own: bool,
    /// Confidentiality class.
    pub class: Class,
    /// 0 create, 1 update, 2 delete, 3 copy.
    pub method: u8,
    /// The version that reads answer.
    pub current: bool,
    /// The op's Lamport number.
    pub lamport: u64,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// Where the frame was sealed and under which key.
    pub seal: Vec<u8>,
    /// JSON of what is derived.
    pub json: Vec<u8>,
    /// The sealed frame, where it was asked for and is here.
    pub frame: Vec<u8>,
}

impl StoredVersion {
    /// Whether the resource is gone as of this version.
    pub fn is_deleted(&self) -> bool {
        self.method == 2
    }
}

/// Columns of a version, with its frame; every read of versions selects these.
pub(crate) const COLUMNS: &str = "v.position, v.type, v.id, v.version, v.op, v.place, v.record, v.origin, v.own, \
    v.class, v.method, v.current, v.lamport, v.last_updated, v.seal, v.json, f.bytes";
/// The join that brings the frame.
pub(crate) const FRAME: &str = "LEFT JOIN log_frames f ON f.op = v.op AND f.place = v.place";

pub(crate) fn stored(row: &mut Row) -> Result<StoredVersion, StoreError> {
    Ok(StoredVersion {
        position: row.int(0),
        kind: row.int(1) as u16,
        id: row.text(2),
        version: row.text(3),
        op: OpId(row.id(4)?),
        place: row.int(5) as u32,
        record: RecordId(row.id(6)?),
        origin: IdentityId(row.id(7)?),
        own: row.int(8) != 0,
        class: Class(row.int(9) as u8),
        method: row.int(10) as u8,
        current: row.int(11) != 0,
        lamport: row.int(12) as u64,
        last_updated: row.int(13),
        seal: row.bytes(14),
        json: row.bytes(15),
        frame: row.bytes(16),
    })
}

impl Tx {
    /// Adds versions and their index rows. Versions that were current before must be retired first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_versions(&mut self, versions: Vec<Version>) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(versions.len());
        let (mut tokens, mut strings, mut dates) = (Vec::new(), Vec::new(), Vec::new());
        let (mut references, mut numbers) = (Vec::new(), Vec::new());
        for version in versions {
            let (kind, position): (Value, Value) = (version.kind.into(), version.position.into());
            for (param, index) in version.index {
                let mut row = vec![kind.clone(), param.into()];
                let into = match index {
                    Index::Token { code, system } => {
                        row.extend([code.into(), system.into()]);
                        &mut tokens
                    }
                    Index::Text { normal, exact } => {
                        row.extend([normal.into(), exact.into()]);
                        &mut strings
                    }
                    Index::Date { low, high } => {
                        row.extend([low.into(), high.into()]);
                        &mut dates
                    }
                    Index::Reference { target, kind } => {
                        row.extend([target.into(), kind.into()]);
                        &mut references
                    }
                    Index::Number { low, high, system, code } => {
                        row.extend([low.into(), high.into(), system.into(), code.into()]);
                        &mut numbers
                    }
                };
                row.push(position.clone());
                into.push(row);
            }
            rows.push(vec![
                position,
                kind,
                version.id.into(),
                version.version.into(),
                version.op.bytes().into(),
                version.place.into(),
                version.record.bytes().into(),
                version.origin.bytes().into(),
                version.own.into(),
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
        TOKENS.insert(self, tokens).await?;
        STRINGS.insert(self, strings).await?;
        DATES.insert(self, dates).await?;
        REFERENCES.insert(self, references).await?;
        NUMBERS.insert(self, numbers).await
    }

    /// Takes away the current mark and the index rows of the versions at `positions`; the versions stay readable.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn retire(&mut self, positions: &[i64]) -> Result<(), StoreError> {
        for chunk in positions.chunks(RETIRE_MAX) {
            let args = chunk.iter().map(|position| (*position).into()).collect::<Vec<Value>>();
            let holes = (1..=chunk.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(",");
            let sql = format!("UPDATE cache_versions SET current = 0 WHERE position IN ({holes})");
            self.execute(sql, &args).await?;
            for table in INDEX_TABLES {
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
}

/// Versions one statement retires.
const RETIRE_MAX: usize = 500;

/// The index tables; each has `position`.
pub(crate) const INDEX_TABLES: [&str; 5] =
    ["cache_token", "cache_string", "cache_date", "cache_reference", "cache_number"];
const CACHE_TABLES: [&str; 7] =
    ["cache_records", "cache_homes", "cache_lanes", "cache_versions", "cache_reach", "cache_copies", "cache_missing"];

impl Reader<'_> {
    /// The current version of a resource, deleted ones included, with its frame.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current(&mut self, kind: u16, id: &str) -> Result<Option<StoredVersion>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.current = 1");
        let mut rows = self.fetch(sql, &[kind.into(), id.into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// One version, with its frame.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn version(&mut self, kind: u16, id: &str, version: &str) -> Result<Option<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.version = $3"
        );
        let mut rows = self.fetch(sql, &[kind.into(), id.into(), version.into()]).await?;
        rows.first_mut().map(stored).transpose()
    }

    /// The versions of a resource before `before`, newest first, at most `most`, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
        &mut self,
        kind: u16,
        id: &str,
        before: i64,
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.type = $1 AND v.id = $2 AND v.position < $3 \
             ORDER BY v.position DESC LIMIT $4"
        );
        let mut rows = self.fetch(sql, &[kind.into(), id.into(), before.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// How many versions a resource has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history_count(&mut self, kind: u16, id: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM cache_versions WHERE type = $1 AND id = $2";
        let rows = self.fetch(sql, &[kind.into(), id.into()]).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }

    /// The versions of a record before `before`, newest first, at most `most`, with their frames.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_versions(
        &mut self,
        record: &RecordId,
        before: i64,
        most: i64,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE v.record = $1 AND v.position < $2 \
             ORDER BY v.position DESC LIMIT $3"
        );
        let mut rows = self.fetch(sql, &[record.bytes().into(), before.into(), most.into()]).await?;
        rows.iter_mut().map(stored).collect()
    }

    /// When the versions of an op's frames became visible, where that was later than the op.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journal_of(&mut self, record: &RecordId) -> Result<Vec<(OpId, u32, i64, i64)>, StoreError> {
        let sql = "SELECT j.op, j.place, j.position, j.last_updated FROM log_journal j \
                   JOIN log_ops o ON o.id = j.op WHERE o.record = $1";
        let mut rows = self.fetch(sql, &[record.bytes().into()]).await?;
        rows.iter_mut().map(|row| Ok((OpId(row.id(0)?), row.int(1) as u32, row.int(2), row.int(3)))).collect()
    }

    /// The version a directory copy of a record was made of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn copy_of(&mut self, record: &RecordId, kind: u16, id: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT position FROM cache_copies WHERE record = $1 AND type = $2 AND id = $3";
        let rows = self.fetch(sql, &[record.bytes().into(), kind.into(), id.into()]).await?;
        Ok(rows.first().map(|row| row.int(0)))
    }
}

impl Tx {
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

impl Store {
    /// How many versions and how many index rows there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_counts(&self) -> Result<(i64, i64), StoreError> {
        let versions = self.fetch("SELECT COUNT(*) FROM cache_versions", &[]).await?;
        let mut index = 0;
        for table in INDEX_TABLES {
            let rows = self.fetch(format!("SELECT COUNT(*) FROM {table}"), &[]).await?;
            index += rows.first().map_or(0, |row| row.int(0));
        }
        Ok((versions.first().map_or(0, |row| row.int(0)), index))
    }

    /// Rows of each kind whose op is not in the log: something was lost from under them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn orphans(&self) -> Result<Vec<(&'static str, i64)>, StoreError> {
        let none = "NOT EXISTS (SELECT 1 FROM log_ops o WHERE o.id = t.";
        let mut found = Vec::new();
        for (what, sql) in [
            ("frames", format!("SELECT COUNT(*) FROM log_frames t WHERE {none}op)")),
            ("versions", format!("SELECT COUNT(*) FROM cache_versions t WHERE t.seal <> $1 AND {none}op)")),
            ("heads of lanes", format!("SELECT COUNT(*) FROM cache_lanes t WHERE {none}id)")),
        ] {
            let args = if what == "versions" { vec![Value::Bytes(Vec::new())] } else { Vec::new() };
            let rows = self.fetch(sql, &args).await?;
            found.push((what, rows.first().map_or(0, |row| row.int(0))));
        }
        Ok(found)
    }

    /// The index rows of the version at `position`, in a fixed order, so that they can be compared.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn index_of(&self, position: i64) -> Result<Vec<(u16, Index)>, StoreError> {
        let args = [position.into()];
        let mut found = Vec::new();
        for row in &mut self.fetch("SELECT param, code, system FROM cache_token WHERE position = $1", &args).await? {
            found.push((row.int(0) as u16, Index::Token { code: row.text(1), system: row.text(2) }));
        }
        for row in &mut self.fetch("SELECT param, normal, exact FROM cache_string WHERE position = $1", &args).await? {
            found.push((row.int(0) as u16, Index::Text { normal: row.text(1), exact: row.text(2) }));
        }
        for row in &mut self.fetch("SELECT param, low, high FROM cache_date WHERE position = $1", &args).await? {
            found.push((row.int(0) as u16, Index::Date { low: row.int(1), high: row.int(2) }));
        }
        for row in &mut self.fetch("SELECT param, target, kind FROM cache_reference WHERE position = $1", &args).await?
        {
            found.push((row.int(0) as u16, Index::Reference { target: row.text(1), kind: row.int(2) as u16 }));
        }
        let sql = "SELECT param, low, high, system, code FROM cache_number WHERE position = $1";
        for row in &mut self.fetch(sql, &args).await? {
            let real = |row: &Row, at: usize| match row.0.get(at) {
                Some(Value::Real(value)) => *value,
                Some(Value::Int(value)) => *value as f64,
                _ => 0.0,
            };
            let (low, high) = (real(row, 1), real(row, 2));
            found.push((row.int(0) as u16, Index::Number { low, high, system: row.text(3), code: row.text(4) }));
        }
        Ok(found)
    }
}
