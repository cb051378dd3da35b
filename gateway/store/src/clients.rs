//! Registered clients, the assertions they have used, the tokens that were taken back, and the mark of their changes. Called by
//! `node`.

use crate::db::{Reader, Store, StoreError, Tx, Value};

/// A client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// Its name, unique.
    pub name: String,
    /// Scopes it may have.
    pub scope: String,
    /// Its JWKS as JSON, or where to fetch it; empty for none.
    pub jwks: String,
    /// How it proves who it is, as `node` names it.
    pub auth: String,
    /// The hash of its secret; empty for none.
    pub secret: String,
    /// Where people are sent back to, separated by spaces.
    pub redirects: String,
    /// Where it is launched; empty for nowhere.
    pub launch: String,
    /// The grant types it may use, separated by spaces.
    pub grants: String,
    /// What the operator lets it do beyond that, separated by spaces.
    pub rights: String,
    /// Whether it may call at all, as `node` names it.
    pub status: String,
    /// Seconds since 1970.
    pub made_s: i64,
    /// How much it may ask, as `node` writes it; empty for what every client may. Not set when a client is added.
    pub quota: String,
}

const ADDED: &str = "id, name, scope, jwks, auth, secret, redirects, launch, grants, rights, status, made";
const COLUMNS: &str = "id, name, scope, jwks, auth, secret, redirects, launch, grants, rights, status, made, quota";

fn client(row: &mut crate::db::Row) -> Client {
    Client {
        id: row.text(0),
        name: row.text(1),
        scope: row.text(2),
        jwks: row.text(3),
        auth: row.text(4),
        secret: row.text(5),
        redirects: row.text(6),
        launch: row.text(7),
        grants: row.text(8),
        rights: row.text(9),
        status: row.text(10),
        made_s: row.int(11),
        quota: row.text(12),
    }
}

/// Values of the columns of [`ADDED`].
fn added(new: &Client) -> Vec<Value> {
    let texts = [
        &new.id,
        &new.name,
        &new.scope,
        &new.jwks,
        &new.auth,
        &new.secret,
        &new.redirects,
        &new.launch,
        &new.grants,
        &new.rights,
        &new.status,
    ];
    texts.into_iter().map(Into::into).chain([new.made_s.into()]).collect()
}

impl Tx {
    /// Adds a client, or updates the one of the same name, which keeps its id and its status.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_client(&mut self, new: &Client) -> Result<Client, StoreError> {
        let kept = ["scope", "jwks", "auth", "secret", "redirects", "launch", "grants", "rights"];
        let kept = kept.map(|column| format!("{column} = excluded.{column}")).join(", ");
        let sql = format!(
            "INSERT INTO log_clients ({ADDED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (name) DO UPDATE SET {kept} RETURNING {COLUMNS}"
        );
        let mut rows = self.fetch(sql, &added(new)).await?;
        rows.first_mut().map(client).ok_or(StoreError::Damaged("client"))
    }

    /// Adds a client; `false` if there is one of the same name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_client(&mut self, new: &Client) -> Result<bool, StoreError> {
        let sql = format!(
            "INSERT INTO log_clients ({ADDED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (name) DO NOTHING"
        );
        Ok(self.execute(sql, &added(new)).await? == 1)
    }

    /// Gives the client `before` another scope, redirects, launch and grants, those of `new`; `false` if it is another meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn narrow_client(&mut self, before: &Client, new: &Client) -> Result<bool, StoreError> {
        let sql = "UPDATE log_clients SET scope = $2, redirects = $3, launch = $4, grants = $5 \
                   WHERE id = $1 AND scope = $6 AND redirects = $7 AND launch = $8 AND grants = $9";
        let words = [new, before].map(|one| [&one.scope, &one.redirects, &one.launch, &one.grants]);
        let args = [&before.id].into_iter().chain(words.into_iter().flatten()).map(Into::into).collect::<Vec<_>>();
        Ok(self.execute(sql, &args).await? == 1)
    }

    /// Gives a client another status; `false` if there is no such client.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_client_status(&mut self, id: &str, status: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE log_clients SET status = $2 WHERE id = $1";
        Ok(self.execute(sql, &[id.into(), status.into()]).await? == 1)
    }

    /// Says how much a client may ask; `false` if there is no such client.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_client_quota(&mut self, id: &str, quota: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE log_clients SET quota = $2 WHERE id = $1";
        Ok(self.execute(sql, &[id.into(), quota.into()]).await? == 1)
    }

    /// Adds a client that waits for its approval, in the place of the one that waited longest where `most` others wait. Those
    /// that waited since before `oldest` are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_waiting_client(&mut self, new: &Client, most: i64, oldest: i64) -> Result<(), StoreError> {
        let old = [(&new.status).into(), oldest.into()];
        self.execute("DELETE FROM log_clients WHERE status = $1 AND made < $2", &old).await?;
        let sql = "SELECT COUNT(*) FROM log_clients WHERE status = $1";
        let waiting = self.fetch(sql, &[(&new.status).into()]).await?;
        let over = waiting.first().map_or(0, |row| row.int(0)) + 1 - most;
        if over > 0 {
            let sql = "DELETE FROM log_clients WHERE status = $1 AND id IN \
                       (SELECT id FROM log_clients WHERE status = $1 ORDER BY made, id LIMIT $2)";
            self.execute(sql, &[(&new.status).into(), over.into()]).await?;
        }
        self.put_client(new).await.map(drop)
    }

    /// Removes a client.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_client(&mut self, id: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_clients WHERE id = $1", &[id.into()]).await.map(drop)
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

    /// Takes back a token or a grant by its name. What has expired is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn revoke(&mut self, id: &str, expires: i64, now: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_revoked WHERE expires < $1", &[now.into()]).await?;
        let sql = "INSERT INTO log_revoked (id, expires) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        self.execute(sql, &[id.into(), expires.into()]).await.map(drop)
    }
}

impl Store {
    /// What the last change of a client, of a revoked token or of a token key drew. Triggers draw it: no statement has to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clients_mark(&self) -> Result<i64, StoreError> {
        let rows = self.fetch("SELECT mark FROM log_clients_mark WHERE one = 1", &[]).await?;
        rows.first().map(|row| row.int(0)).ok_or(StoreError::Damaged("mark of the clients"))
    }
}

impl Reader<'_> {
    /// A client by its id, or else by its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn client(&mut self, id_or_name: &str) -> Result<Option<Client>, StoreError> {
        // An id comes first: nobody takes a client's place by a name.
        let sql = format!(
            "SELECT {COLUMNS} FROM log_clients WHERE id = $1 OR name = $1 \
             ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1"
        );
        Ok(self.fetch(sql, &[id_or_name.into()]).await?.first_mut().map(client))
    }

    /// The client of a token, unless the token or its grant was taken back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn client_of_token(&mut self, id: &str, jti: &str, grant: &str) -> Result<Option<Client>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM log_clients WHERE id = $1 \
             AND NOT EXISTS (SELECT 1 FROM log_revoked r WHERE r.id = $2 OR r.id = $3)"
        );
        Ok(self.fetch(sql, &[id.into(), jti.into(), grant.into()]).await?.first_mut().map(client))
    }

    /// Every client, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clients(&mut self) -> Result<Vec<Client>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM log_clients ORDER BY name");
        Ok(self.fetch(sql, &[]).await?.iter_mut().map(client).collect())
    }
}
