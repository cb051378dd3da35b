//! Registered clients, and the assertions they have used. Called by `node`.

use crate::db::{Reader, StoreError, Tx};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// Its name, unique.
    pub name: String,
    /// Scopes it may have.
    pub scope: String,
    /// Its JWKS as JSON, or where to fetch it; empty for none.
    pub jwks: String,
}

fn client(row: &mut crate::db::Row) -> Client {
    Client { id: row.text(0), name: row.text(1), scope: row.text(2), jwks: row.text(3) }
}

impl Tx {
    /// Adds a client, or updates the one of the same name, which keeps its id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_client(&mut self, new: &Client) -> Result<Client, StoreError> {
        let sql = "INSERT INTO log_clients (id, name, scope, jwks) VALUES ($1, $2, $3, $4) ON CONFLICT (name) \
                   DO UPDATE SET scope = excluded.scope, jwks = excluded.jwks RETURNING id, name, scope, jwks";
        let args = [(&new.id).into(), (&new.name).into(), (&new.scope).into(), (&new.jwks).into()];
        let mut rows = self.fetch(sql, &args).await?;
        rows.first_mut().map(client).ok_or(StoreError::Damaged("client"))
    }

    /// Uses an assertion once; `false` if it was used before. Expired ones are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_assertion(&mut self, jti: &str, expires: i64, now: i64) -> Result<bool, StoreError> {
        self.execute("DELETE FROM log_assertions WHERE expires < $1", &[now.into()]).await?;
        let sql = "INSERT INTO log_assertions (jti, expires) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING";
        Ok(self.execute(sql, &[jti.into(), expires.into()]).await? == 1)
    }
}

impl Reader<'_> {
    /// A client by its id or its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn client(&mut self, id_or_name: &str) -> Result<Option<Client>, StoreError> {
        let sql = "SELECT id, name, scope, jwks FROM log_clients WHERE id = $1 OR name = $1";
        Ok(self.fetch(sql, &[id_or_name.into()]).await?.first_mut().map(client))
    }
}
