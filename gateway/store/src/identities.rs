//! Identities met: their cards and where they were last reachable. Called by `node`.

use crate::db::{Reader, StoreError, Tx};
use record::IdentityId;

/// An identity as remembered.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name for life.
    pub id: IdentityId,
    /// Its encoded card.
    pub card: Vec<u8>,
    /// What it calls itself; empty where it never said.
    pub name: String,
    /// Multiaddrs, separated by spaces.
    pub addresses: String,
}

impl Tx {
    /// Remembers an identity; empty fields leave what is there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remember(&mut self, known: &Known) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_identities (id, card, name, addresses) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (id) DO UPDATE SET card = excluded.card, \
                   name = CASE WHEN excluded.name = '' THEN log_identities.name ELSE excluded.name END, \
                   addresses = CASE WHEN excluded.addresses = '' THEN log_identities.addresses \
                   ELSE excluded.addresses END";
        let args =
            [known.id.bytes().into(), known.card.as_slice().into(), (&known.name).into(), (&known.addresses).into()];
        self.execute(sql, &args).await.map(drop)
    }
}

impl Reader<'_> {
    /// Every identity met.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn identities(&mut self) -> Result<Vec<Known>, StoreError> {
        let mut rows = self.fetch("SELECT id, card, name, addresses FROM log_identities", &[]).await?;
        let known = |row: &mut crate::db::Row| {
            Ok(Known { id: IdentityId(row.id(0)?), card: row.bytes(1), name: row.text(2), addresses: row.text(3) })
        };
        rows.iter_mut().map(known).collect()
    }

    /// One identity.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn identity(&mut self, id: &IdentityId) -> Result<Option<Known>, StoreError> {
        let sql = "SELECT card, name, addresses FROM log_identities WHERE id = $1";
        let mut rows = self.fetch(sql, &[id.bytes().into()]).await?;
        Ok(rows.first_mut().map(|row| Known { id: *id, card: row.bytes(0), name: row.text(1), addresses: row.text(2) }))
    }
}
