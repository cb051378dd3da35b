//! Stored search parameters that the index has rows for, and what tells in the log's clock that they changed.
//! What a definition means is not known here. Called by `node`.

use crate::db::{Reader, Row, Store, StoreError, Tx};

/// How far a stored parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// What is written has rows; what was there before is being gone through.
    Indexing = 0,
    /// Everything has its rows.
    Searched = 1,
    /// Nothing has rows any more but what is left to remove.
    Removing = 2,
}

/// A stored search parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Stands in its index rows.
    pub number: u16,
    /// The id of its SearchParameter.
    pub id: String,
    /// Its JSON as it was taken up.
    pub definition: Vec<u8>,
    /// How far it is.
    pub state: State,
    /// Resources on which its expression failed.
    pub failed: i64,
}

fn parameter(row: &mut Row) -> Parameter {
    let state = match row.int(3) {
        0 => State::Indexing,
        1 => State::Searched,
        _ => State::Removing,
    };
    Parameter { number: row.int(0) as u16, id: row.text(1), definition: row.bytes(2), state, failed: row.int(4) }
}

/// What tells whether anything that is known of stored parameters has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Drawn at every change.
    pub drawn: i64,
    /// Position of the newest version of the type that was asked about.
    pub newest: i64,
}

impl Reader<'_> {
    /// Every stored parameter, by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parameters(&mut self) -> Result<Vec<Parameter>, StoreError> {
        let sql = "SELECT number, id, definition, state, failed FROM log_search_parameters ORDER BY number";
        Ok(self.fetch(sql, &[]).await?.iter_mut().map(parameter).collect())
    }
}

impl Store {
    /// Whether something has changed: two equal marks say that nothing has, neither in the index nor among the resources of
    /// a type.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parameters_mark(&self, kind: u16) -> Result<Mark, StoreError> {
        let sql = "SELECT c.parameters, COALESCE((SELECT MAX(position) FROM cache_versions \
                   WHERE type = $1 AND current > 0), 0) FROM log_clock c WHERE c.one = 1";
        let rows = self.fetch(sql, &[kind.into()]).await?;
        let row = rows.first().ok_or(StoreError::Damaged("clock"))?;
        Ok(Mark { drawn: row.int(0), newest: row.int(1) })
    }
}

impl Tx {
    /// Writes a parameter, or what changed of it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_parameter(&mut self, parameter: &Parameter) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_search_parameters (number, id, definition, state, failed) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (number) DO UPDATE SET id = excluded.id, definition = excluded.definition, \
                   state = excluded.state, failed = excluded.failed";
        let args = [
            parameter.number.into(),
            (&parameter.id).into(),
            (&parameter.definition[..]).into(),
            (parameter.state as i64).into(),
            parameter.failed.into(),
        ];
        self.execute(sql, &args).await.map(drop)
    }

    /// Forgets a parameter that has no rows any more.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_parameter(&mut self, number: u16) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_search_parameters WHERE number = $1", &[number.into()]).await.map(drop)
    }

    /// Tells every process by a number drawn for it that what is to be indexed has changed.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn parameters_changed(&mut self, drawn: i64) -> Result<(), StoreError> {
        self.execute("UPDATE log_clock SET parameters = $1 WHERE one = 1", &[drawn.into()]).await.map(drop)
    }
}
