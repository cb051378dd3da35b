//! What people allowed apps: grants, the codes and refresh tokens that came of them, and what an EHR opens an app with.
//! Secrets are here as hashes alone. Called by `node`.

use crate::db::{Reader, StoreError, Tx};

/// What an EHR opens an app with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The app; empty for any.
    pub client: String,
    /// The Patient's id; empty for none.
    pub patient: String,
    /// The Encounter's id; empty for none.
    pub encounter: String,
    /// Whom it is for; empty for anybody.
    pub fhir_user: String,
    /// Seconds since 1970.
    pub expires_s: i64,
}

/// What a person allowed an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub id: String,
    /// The app.
    pub client: String,
    /// The person's id.
    pub person: String,
    /// The scopes that were left.
    pub scope: String,
    /// The Patient's id; empty for none.
    pub patient: String,
    /// The Encounter's id; empty for none.
    pub encounter: String,
    /// What the app wants to find in the id_token; empty for nothing.
    pub nonce: String,
    /// The hash of the session it ends with; empty for none.
    pub session: String,
    /// Seconds since 1970.
    pub expires_s: i64,
    /// It was taken back.
    pub revoked: bool,
}

/// What is kept with a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its hash.
    pub hash: String,
    /// Where it was sent.
    pub redirect: String,
    /// The PKCE challenge.
    pub challenge: String,
    /// Seconds since 1970.
    pub expires_s: i64,
}

const GRANT: &str = "SELECT g.id, g.client, g.person, g.scope, g.patient, g.encounter, g.nonce, g.session, g.expires, \
                     g.revoked";

fn grant(row: &mut crate::db::Row) -> Grant {
    Grant {
        id: row.text(0),
        client: row.text(1),
        person: row.text(2),
        scope: row.text(3),
        patient: row.text(4),
        encounter: row.text(5),
        nonce: row.text(6),
        session: row.text(7),
        expires_s: row.int(8),
        revoked: row.int(9) != 0,
    }
}

impl Tx {
    /// Adds a launch; what has expired is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_launch(&mut self, hash: &str, launch: &Launch, now: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_launches WHERE expires < $1", &[now.into()]).await?;
        let sql = "INSERT INTO log_launches (hash, client, patient, encounter, fhir_user, expires) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let texts = [hash, &launch.client, &launch.patient, &launch.encounter, &launch.fhir_user];
        let args = texts.into_iter().map(Into::into).chain([launch.expires_s.into()]).collect::<Vec<_>>();
        self.execute(sql, &args).await.map(drop)
    }

    /// Uses a launch up; `false` if it was.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_launch(&mut self, hash: &str) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM log_launches WHERE hash = $1", &[hash.into()]).await? == 1)
    }

    /// Adds a grant; those that ended are forgotten, with their codes and refresh tokens.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_grant(&mut self, grant: &Grant, now: i64) -> Result<(), StoreError> {
        for table in ["log_codes", "log_refresh", "log_grants"] {
            self.execute(format!("DELETE FROM {table} WHERE expires < $1"), &[now.into()]).await?;
        }
        let sql = "INSERT INTO log_grants (id, client, person, scope, patient, encounter, nonce, session, expires, revoked) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let texts = [
            &grant.id,
            &grant.client,
            &grant.person,
            &grant.scope,
            &grant.patient,
            &grant.encounter,
            &grant.nonce,
            &grant.session,
        ];
        let rest = [grant.expires_s.into(), grant.revoked.into()];
        let args = texts.into_iter().map(Into::into).chain(rest).collect::<Vec<_>>();
        self.execute(sql, &args).await.map(drop)
    }

    /// Takes a grant back; the names of those of a client's or person's that were taken back with it. An empty name is
    /// nobody's.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn revoke_grants(&mut self, id: &str, person: &str) -> Result<Vec<String>, StoreError> {
        let sql = "UPDATE log_grants SET revoked = 1 WHERE id = $1 OR person = $2 RETURNING id";
        let mut rows = self.fetch(sql, &[id.into(), person.into()]).await?;
        Ok(rows.iter_mut().map(|row| row.text(0)).collect())
    }

    /// Adds a code of a grant.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_code(&mut self, grant: &str, code: &Code) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO log_codes (hash, grant_id, redirect, challenge, expires, used) VALUES ($1, $2, $3, $4, $5, 0)";
        let texts = [&code.hash, grant, &code.redirect, &code.challenge];
        let args = texts.into_iter().map(Into::into).chain([code.expires_s.into()]).collect::<Vec<_>>();
        self.execute(sql, &args).await.map(drop)
    }

    /// Uses a code; `false` if it was used before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_code(&mut self, hash: &str) -> Result<bool, StoreError> {
        Ok(self.execute("UPDATE log_codes SET used = 1 WHERE hash = $1 AND used = 0", &[hash.into()]).await? == 1)
    }

    /// Adds a refresh token of a grant; of those that were used the last `kept` stay.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_refresh(&mut self, grant: &str, hash: &str, expires_s: i64, kept: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM log_refresh WHERE grant_id = $1 AND used = 1 AND hash NOT IN \
                   (SELECT hash FROM log_refresh WHERE grant_id = $1 AND used = 1 ORDER BY expires DESC, hash LIMIT $2)";
        self.execute(sql, &[grant.into(), kept.into()]).await?;
        let sql = "INSERT INTO log_refresh (hash, grant_id, expires, used) VALUES ($1, $2, $3, 0)";
        self.execute(sql, &[hash.into(), grant.into(), expires_s.into()]).await.map(drop)
    }

    /// Uses a refresh token; `false` if it was used before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_refresh(&mut self, hash: &str) -> Result<bool, StoreError> {
        Ok(self.execute("UPDATE log_refresh SET used = 1 WHERE hash = $1 AND used = 0", &[hash.into()]).await? == 1)
    }
}

impl Reader<'_> {
    /// Grants that hold, of a client and of a person where they are named, by name after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grants(
        &mut self,
        (client, person): (&str, &str),
        (after, now): (&str, i64),
        most: i64,
    ) -> Result<Vec<Grant>, StoreError> {
        let sql = format!(
            "{GRANT} FROM log_grants g WHERE (g.client = $1 OR $1 = '') AND (g.person = $2 OR $2 = '') \
             AND g.id > $3 AND g.expires > $4 AND g.revoked = 0 ORDER BY g.id LIMIT $5"
        );
        let args = [client.into(), person.into(), after.into(), now.into(), most.into()];
        Ok(self.fetch(sql, &args).await?.iter_mut().map(grant).collect())
    }

    /// A launch that still holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn launch(&mut self, hash: &str, now: i64) -> Result<Option<Launch>, StoreError> {
        let sql =
            "SELECT client, patient, encounter, fhir_user, expires FROM log_launches WHERE hash = $1 AND expires > $2";
        let launch = |row: &mut crate::db::Row| Launch {
            client: row.text(0),
            patient: row.text(1),
            encounter: row.text(2),
            fhir_user: row.text(3),
            expires_s: row.int(4),
        };
        Ok(self.fetch(sql, &[hash.into(), now.into()]).await?.first_mut().map(launch))
    }

    /// The grant of a code, and what is kept with it, whether it was used or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn code(&mut self, hash: &str) -> Result<Option<(Grant, Code)>, StoreError> {
        let sql = format!(
            "{GRANT}, c.hash, c.redirect, c.challenge, c.expires FROM log_codes c JOIN log_grants g ON g.id = c.grant_id \
             WHERE c.hash = $1"
        );
        let code = |row: &mut crate::db::Row| {
            let code =
                Code { hash: row.text(10), redirect: row.text(11), challenge: row.text(12), expires_s: row.int(13) };
            (grant(row), code)
        };
        Ok(self.fetch(sql, &[hash.into()]).await?.first_mut().map(code))
    }

    /// The grant of a refresh token, and when the token ends, whether it was used or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refresh(&mut self, hash: &str) -> Result<Option<(Grant, i64)>, StoreError> {
        let sql =
            format!("{GRANT}, r.expires FROM log_refresh r JOIN log_grants g ON g.id = r.grant_id WHERE r.hash = $1");
        Ok(self.fetch(sql, &[hash.into()]).await?.first_mut().map(|row| (grant(row), row.int(10))))
    }
}
