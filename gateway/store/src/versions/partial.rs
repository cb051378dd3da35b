//! Index rows of single parameters: added to versions that are there, and taken away again. Called by `node` where stored
//! search parameters come and go.

use super::write::{IndexRows, holes};
use super::{COLUMNS, FRAME, IndexRow, StoredVersion, stored};
use crate::db::{Reader, StoreError, Tx, Value};
use crate::search::ParamTable;

/// Positions that one statement names.
const POSITIONS_MAX: usize = 500;

/// Which versions are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Only this type, and only one's own.
    pub own_of: Option<u16>,
    /// Beyond this position.
    pub after: i64,
    /// Up to this one.
    pub last: i64,
}

impl Walk {
    fn condition(&self) -> (String, Vec<Value>) {
        let of = self.own_of.map(|kind| format!(" AND v.own = 1 AND v.type = {kind}")).unwrap_or_default();
        let sql = format!("v.current = 1 AND v.method <> 2 AND v.position > $1 AND v.position <= $2{of}");
        (sql, vec![self.after.into(), self.last.into()])
    }
}

impl Reader<'_> {
    /// The next current versions by position, at most `most`, with their frames; none that is deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn walk(&mut self, walk: Walk, most: i64) -> Result<Vec<StoredVersion>, StoreError> {
        let (condition, mut args) = walk.condition();
        args.push(most.into());
        let sql = format!(
            "SELECT {COLUMNS} FROM cache_versions v {FRAME} WHERE {condition} ORDER BY v.position LIMIT ${}",
            args.len()
        );
        self.fetch(sql, &args).await?.iter_mut().map(stored).collect()
    }

    /// How many current versions there are to go through.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn walk_length(&mut self, walk: Walk) -> Result<i64, StoreError> {
        let (condition, args) = walk.condition();
        let rows = self.fetch(format!("SELECT COUNT(*) FROM cache_versions v WHERE {condition}"), &args).await?;
        Ok(rows.first().map_or(0, |row| row.int(0)))
    }
}

impl Tx {
    /// Gives versions their rows of these parameters, in place of those they have: (position, type, rows).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_index_rows(
        &mut self,
        params: &[u16],
        rows: Vec<(i64, u16, Vec<IndexRow>)>,
    ) -> Result<(), StoreError> {
        // Numbers of this program's own: no text of a caller.
        let list = params.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let positions = rows.iter().map(|(position, ..)| *position).collect::<Vec<_>>();
        for chunk in positions.chunks(POSITIONS_MAX) {
            let (holes, args) = holes(chunk);
            for table in super::INDEX_TABLES {
                let sql = format!("DELETE FROM {table} WHERE position IN ({holes}) AND param IN ({list})");
                self.execute(sql, &args).await?;
            }
        }
        let mut index = IndexRows::default();
        for (position, kind, rows) in rows {
            index.add(kind, position, rows);
        }
        index.insert(self).await
    }

    /// Takes away rows of one parameter of these types, at most `most`; how many there were. Fewer than `most` where
    /// nothing is left.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_index_rows(
        &mut self,
        table: ParamTable,
        param: u16,
        kinds: &[u16],
        most: i64,
    ) -> Result<i64, StoreError> {
        let (name, mut removed) = (table.name(), 0);
        for kind in kinds {
            if removed >= most {
                break;
            }
            let row = match self {
                Tx::Postgres(_) => "ctid",
                Tx::Sqlite(_) => "rowid",
            };
            let sql = format!(
                "DELETE FROM {name} WHERE {row} IN (SELECT {row} FROM {name} WHERE type = $1 AND param = $2 LIMIT $3)"
            );
            removed += self.execute(sql, &[(*kind).into(), param.into(), (most - removed).into()]).await? as i64;
        }
        Ok(removed)
    }
}
