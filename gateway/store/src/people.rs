//! People who log in here, and the browsers they are logged in with. Called by `node`.

use crate::db::{Reader, StoreError, Tx};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Given once and to nobody else.
    pub id: String,
    /// What is typed.
    pub name: String,
    /// Its hash.
    pub password: String,
    /// What the person is called.
    pub title: String,
    /// The person's own resource, such as `Practitioner/7`.
    pub fhir_user: String,
    /// As `node` names it.
    pub status: String,
    /// Who the person is to the login elsewhere; empty for nobody.
    pub subject: String,
}

/// A browser in which somebody is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The hash of its secret.
    pub hash: String,
    /// The person's id.
    pub person: String,
    /// When it began, seconds since 1970.
    pub began_s: i64,
    /// When it was used last.
    pub used_s: i64,
}

const COLUMNS: &str = "p.id, p.name, p.password, p.title, p.fhir_user, p.status, p.subject";

fn person(row: &mut crate::db::Row) -> Person {
    Person {
        id: row.text(0),
        name: row.text(1),
        password: row.text(2),
        title: row.text(3),
        fhir_user: row.text(4),
        status: row.text(5),
        subject: row.text(6),
    }
}

impl Tx {
    /// Adds a person, or updates the one of the same name, who keeps the id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_person(&mut self, new: &Person) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_people (id, name, password, title, fhir_user, status, subject) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                   ON CONFLICT (name) DO UPDATE SET password = excluded.password, title = excluded.title, \
                   fhir_user = excluded.fhir_user, status = excluded.status, subject = excluded.subject";
        let texts = [&new.id, &new.name, &new.password, &new.title, &new.fhir_user, &new.status, &new.subject];
        self.execute(sql, &texts.map(Into::into)).await.map(drop)
    }

    /// Gives a person another status.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_person_status(&mut self, id: &str, status: &str) -> Result<(), StoreError> {
        self.execute("UPDATE log_people SET status = $2 WHERE id = $1", &[id.into(), status.into()]).await.map(drop)
    }

    /// Keeps a login that was begun elsewhere; what has expired is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_login(&mut self, hash: &str, body: &str, expires: i64, now: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_logins WHERE expires < $1", &[now.into()]).await?;
        let sql = "INSERT INTO log_logins (hash, body, expires) VALUES ($1, $2, $3)";
        self.execute(sql, &[hash.into(), body.into(), expires.into()]).await.map(drop)
    }

    /// Takes a login that was begun elsewhere, once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn take_login(&mut self, hash: &str, now: i64) -> Result<Option<String>, StoreError> {
        let sql = "DELETE FROM log_logins WHERE hash = $1 AND expires > $2 RETURNING body";
        Ok(self.fetch(sql, &[hash.into(), now.into()]).await?.first_mut().map(|row| row.text(0)))
    }

    /// Begins a session; those that began before `oldest` are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin_session(&mut self, hash: &str, person: &str, now: i64, oldest: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM log_sessions WHERE began < $1", &[oldest.into()]).await?;
        let sql = "INSERT INTO log_sessions (hash, person, began, used) VALUES ($1, $2, $3, $3)";
        self.execute(sql, &[hash.into(), person.into(), now.into()]).await.map(drop)
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_session(&mut self, hash: &str, now: i64) -> Result<(), StoreError> {
        self.execute("UPDATE log_sessions SET used = $2 WHERE hash = $1", &[hash.into(), now.into()]).await.map(drop)
    }

    /// Ends the session whose hash begins so; `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn end_session_of(&mut self, beginning: &str) -> Result<bool, StoreError> {
        // Whoever calls lets letters and digits through alone: none of them means anything to LIKE.
        let pattern = format!("{beginning}%");
        Ok(self.execute("DELETE FROM log_sessions WHERE hash LIKE $1", &[pattern.into()]).await? > 0)
    }

    /// Ends a session, or with a person all of the person's.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn end_sessions(&mut self, hash: &str, person: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM log_sessions WHERE hash = $1 OR person = $2";
        self.execute(sql, &[hash.into(), person.into()]).await.map(drop)
    }
}

impl Reader<'_> {
    /// A person by id or by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn person(&mut self, id: &str, name: &str) -> Result<Option<Person>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM log_people p WHERE p.id = $1 OR p.name = $2");
        Ok(self.fetch(sql, &[id.into(), name.into()]).await?.first_mut().map(person))
    }

    /// Who somebody at the login elsewhere is here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn person_of(&mut self, subject: &str) -> Result<Option<Person>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM log_people p WHERE p.subject = $1 AND p.subject <> ''");
        let mut rows = self.fetch(sql, &[subject.into()]).await?;
        // Two of one subject are nobody.
        Ok(if rows.len() == 1 { rows.first_mut().map(person) } else { None })
    }

    /// Sessions that began at or after `began` and were used at or after `used`, the last used first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions(&mut self, began: i64, used: i64, most: i64) -> Result<Vec<Session>, StoreError> {
        let sql = "SELECT hash, person, began, used FROM log_sessions WHERE began >= $1 AND used >= $2 \
                   ORDER BY used DESC, hash LIMIT $3";
        let one = |row: &mut crate::db::Row| Session {
            hash: row.text(0),
            person: row.text(1),
            began_s: row.int(2),
            used_s: row.int(3),
        };
        Ok(self.fetch(sql, &[began.into(), used.into(), most.into()]).await?.iter_mut().map(one).collect())
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn people(&mut self) -> Result<Vec<Person>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM log_people p ORDER BY p.name");
        Ok(self.fetch(sql, &[]).await?.iter_mut().map(person).collect())
    }

    /// Who is logged in with a session that began at or after `began` and was used at or after `used`; and when it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&mut self, hash: &str, began: i64, used: i64) -> Result<Option<(Person, i64)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, s.used FROM log_sessions s JOIN log_people p ON p.id = s.person \
             WHERE s.hash = $1 AND s.began >= $2 AND s.used >= $3"
        );
        let mut rows = self.fetch(sql, &[hash.into(), began.into(), used.into()]).await?;
        Ok(rows.first_mut().map(|row| (person(row), row.int(7))))
    }
}
