//! People who log in at the gateway itself, for sites without a login of their own, and the sessions of their browsers.
//! Called by `server` and `cli`.

use crate::error::NodeError;
use crate::node::Node;
use crate::secrets::fresh_secret;
use store::db::{Reader, Tx};
use store::people::Person as Row;

mod attempts;

pub use attempts::{FAILURES_KEPT_S, Failed};

/// Shortest password; NIST SP 800-63B asks for eight where nothing else protects it, more is better.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password in bytes that is looked at: a sentence, and nothing that costs time to hash.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Longest name and title.
const NAME_BYTES_MAX: usize = 200;
/// A session ends when nothing was asked for so long, in seconds.
pub(crate) const SESSION_IDLE_S: i64 = 2 * 3600;
/// A session ends so long after it began, in seconds, whatever happens.
pub(crate) const SESSION_AGE_S: i64 = 12 * 3600;
/// How long a login elsewhere may take, in seconds.
const LOGIN_S: i64 = 900;
/// How often the use of a session is noted, in seconds.
const SESSION_NOTE_S: i64 = 60;
/// What a person can be. A Person is left out: it may be a patient or not.
const TYPES: [&str; 4] = ["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"];

const ACTIVE: &str = "active";

/// A person who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Given once and to nobody else: `sub` in tokens.
    pub id: String,
    /// What is typed.
    pub name: String,
    /// What the person is called.
    pub title: String,
    /// The person's own resource, such as `Practitioner/7`.
    pub fhir_user: String,
    /// May log in.
    pub active: bool,
}

impl Person {
    /// The Patient that the person is, if it is one.
    #[must_use]
    pub fn is_patient(&self) -> Option<&str> {
        self.fhir_user.strip_prefix("Patient/")
    }

    /// Whether the person works here, and may look for patients; anybody else has one record at most.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        matches!(self.fhir_user.split_once('/'), Some(("Practitioner" | "PractitionerRole", _)))
    }
}

impl Node {
    /// Adds a person who logs in with a password, or updates the one of the same name; either may log in then. Whoever was
    /// logged in as the person before is so no more, and what was allowed apps is taken back.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`].
    pub async fn put_person(&self, name: &str, password: &str, title: &str, user: &str) -> Result<(), NodeError> {
        self.put_user(name, (Some(password), ""), title, user).await
    }

    /// As [`Node::put_person`], with a password, or with the name that the login elsewhere has for the person, or with both.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`].
    pub async fn put_user(
        &self,
        name: &str,
        (password, subject): (Option<&str>, &str),
        title: &str,
        user: &str,
    ) -> Result<(), NodeError> {
        let name = folded(name);
        let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
        let plain =
            |text: &str| !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
        if !plain(&name) || !plain(title) {
            return refuse("a user has a name and a title of at most 200 bytes without control characters");
        }
        if password.is_none() && subject.is_empty() || subject.len() > NAME_BYTES_MAX {
            return refuse("a user has a password, or a subject at the login elsewhere of at most 200 bytes");
        }
        let long =
            |password: &str| password.chars().count() >= PASSWORD_CHARS_MIN && password.len() <= PASSWORD_BYTES_MAX;
        if password.is_some_and(|password| !long(password)) {
            return refuse("a password has at least 10 characters, and at most 1,024 bytes");
        }
        let known = user.split_once('/').is_some_and(|(kind, id)| TYPES.contains(&kind) && is_id(id));
        if !known {
            return refuse("a user's own resource is a Practitioner, PractitionerRole, Patient or RelatedPerson");
        }
        let (title, fhir_user, subject) = (title.to_owned(), user.to_owned(), subject.to_owned());
        let (id, status) = (crate::clock::fresh_id(), ACTIVE.to_owned());
        let password = match password.map(str::to_owned) {
            Some(text) => aside(move || record::passphrase::password_hash(&text, &mut crate::clock::entropy())).await?,
            None => String::new(),
        };
        let mut tx = self.store.begin().await?;
        let before = Reader::from(&mut tx).person("", &name).await?;
        let new = Row { id, name, password, title, fhir_user, status, subject };
        tx.put_person(&new).await?;
        if let Some(before) = before.filter(|before| is_another(before, &new)) {
            end_person(&mut tx, &before.id).await?;
        }
        self.commit_clients(tx).await
    }

    /// Who a name and a password are, if they belong together and the person may log in. Takes as long for nobody.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn log_in(&self, name: &str, password: &str) -> Result<Option<Person>, NodeError> {
        let found = Reader::from(&self.store).person("", &folded(name)).await?;
        // Who has no password takes as long as nobody.
        let kept = found.as_ref().map(|person| person.password.clone()).filter(|kept| !kept.is_empty());
        let text = password.to_owned();
        let right = aside(move || match kept {
            Some(kept) => record::passphrase::password_is(&text, &kept),
            None => {
                let none = record::passphrase::password_hash(&text, &mut crate::clock::entropy());
                none.is_empty()
            }
        })
        .await?;
        Ok(found.filter(|_| right).map(shown).filter(|person| person.active))
    }

    /// Who somebody at the login elsewhere is here, if the person may log in.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn person_of(&self, subject: &str) -> Result<Option<Person>, NodeError> {
        let found = Reader::from(&self.store).person_of(subject).await?;
        Ok(found.map(shown).filter(|person| person.active))
    }

    /// Keeps a login that was begun elsewhere; the secret that it comes back with.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn keep_login(&self, body: &str) -> Result<String, NodeError> {
        let (secret, now) = (fresh_secret(), now_s());
        let mut tx = self.store.begin().await?;
        tx.add_login(&self.secret_hash("login", &secret), body, now + LOGIN_S, now).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Takes a login that was begun elsewhere, once.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn take_login(&self, secret: &str) -> Result<Option<String>, NodeError> {
        let mut tx = self.store.begin().await?;
        let body = tx.take_login(&self.secret_hash("login", secret), now_s()).await?;
        tx.commit().await?;
        Ok(body)
    }

    /// A person by id or by name.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn person(&self, id_or_name: &str) -> Result<Option<Person>, NodeError> {
        Ok(Reader::from(&self.store).person(id_or_name, &folded(id_or_name)).await?.map(shown))
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn people(&self) -> Result<Vec<Person>, NodeError> {
        Ok(Reader::from(&self.store).people().await?.into_iter().map(shown).collect())
    }

    /// Keeps a person out: sessions end, and what the person allowed apps is taken back.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn disable_person(&self, id: &str) -> Result<(), NodeError> {
        let mut tx = self.store.begin().await?;
        tx.set_person_status(id, "disabled").await?;
        end_person(&mut tx, id).await?;
        self.commit_clients(tx).await
    }

    /// Begins a session; the secret that its browser keeps.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn begin_session(&self, person: &Person) -> Result<String, NodeError> {
        let (secret, now) = (fresh_secret(), now_s());
        let mut tx = self.store.begin().await?;
        tx.begin_session(&self.session_hash(&secret), &person.id, now, now - SESSION_AGE_S).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Who is logged in with a browser's secret.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn session(&self, secret: &str) -> Result<Option<Person>, NodeError> {
        let (hash, now) = (self.session_hash(secret), now_s());
        let found = Reader::from(&self.store).session(&hash, now - SESSION_AGE_S, now - SESSION_IDLE_S).await?;
        let Some((person, used)) = found else { return Ok(None) };
        if used + SESSION_NOTE_S < now {
            let mut tx = self.store.begin().await?;
            tx.use_session(&hash, now).await?;
            tx.commit().await?;
        }
        Ok(Some(shown(person)).filter(|person| person.active))
    }

    /// Whether the session of a hash has not ended yet, however long nothing was asked in it.
    pub(crate) async fn session_goes_on(&self, hash: &str) -> Result<bool, NodeError> {
        Ok(Reader::from(&self.store).session(hash, now_s() - SESSION_AGE_S, 0).await?.is_some())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn end_session(&self, secret: &str) -> Result<(), NodeError> {
        let mut tx = self.store.begin().await?;
        tx.end_sessions(&self.session_hash(secret), "").await?;
        Ok(tx.commit().await?)
    }

    pub(crate) fn session_hash(&self, secret: &str) -> String {
        self.secret_hash("session", secret)
    }
}

/// Whether who logs in, how, or what the person is here has changed: another title is nobody else.
fn is_another(before: &Row, new: &Row) -> bool {
    let who = |row: &Row| [&row.password, &row.fhir_user, &row.status, &row.subject].map(String::clone);
    who(before) != who(new)
}

/// Ends a person's sessions and takes back what the person allowed apps, within the change that is the reason.
async fn end_person(tx: &mut Tx, id: &str) -> Result<(), NodeError> {
    tx.end_sessions("", id).await?;
    crate::apps::take_back(tx, "", id).await.map(drop)
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    crate::clock::now_us() / 1_000_000
}

/// Whether a text is an id of FHIR (<https://hl7.org/fhir/R4/datatypes.html#id>).
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// Hashing takes a tenth of a second, which no other request waits for.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, NodeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| NodeError::Internal("a password that cannot be hashed"))
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

fn shown(row: Row) -> Person {
    Person { id: row.id, name: row.name, title: row.title, fhir_user: row.fhir_user, active: row.status == ACTIVE }
}
