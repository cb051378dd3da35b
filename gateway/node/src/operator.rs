//! What operators see and note: what people allowed apps, browsers in which somebody is logged in, and who did what as an
//! operator. Called by `server` for its admin API and by `cli`.

use crate::error::NodeError;
use crate::node::Node;
use crate::people::{SESSION_AGE_S, SESSION_IDLE_S, now_s};
use std::sync::Arc;
use store::apps::Grant;
use store::audit::{AuditQuery, AuditRow};
use store::db::Reader;

/// The interaction of what operators do, among audit rows.
pub const ADMIN: &str = "admin";
/// Most of a list that is told at once.
pub const LIST_MAX: usize = 1000;
/// How much of a session's hash names it.
const NAME_CHARS: usize = 20;

/// What an operator did, or tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Act {
    /// Its place in the audit log; set when it is noted.
    pub position: i64,
    /// Microseconds since 1970; set when it is noted.
    pub recorded: i64,
    /// Who.
    pub who: String,
    /// By what: the client's id, or the command line.
    pub client: String,
    /// What, without any secret: `POST /admin/keys/rotate`.
    pub what: String,
    /// HTTP status; 200 for what a command did.
    pub outcome: u16,
    /// The request's id; empty for none.
    pub request: String,
}

/// A browser in which somebody is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name, which opens nothing.
    pub name: String,
    /// The person's id.
    pub person: String,
    /// When it began, seconds since 1970.
    pub began_s: i64,
    /// When it was used last.
    pub used_s: i64,
}

impl Node {
    /// Notes what an operator did; it is in the audit log when this returns.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn note_act(&self, act: Act) -> Result<(), NodeError> {
        let row = Arc::new(vec![AuditRow {
            recorded: crate::clock::now_us(),
            who: act.who,
            client: act.client,
            interaction: ADMIN.to_owned(),
            query: act.what,
            outcome: act.outcome,
            request: act.request,
            ..AuditRow::default()
        }]);
        self.commit(move |batch| {
            let row = row.clone();
            Box::pin(async move { batch.add_audit(row) })
        })
        .await
    }

    /// What operators did, the last first, at most [`LIST_MAX`]; before a position where one is named.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn acts(&self, before: Option<i64>) -> Result<Vec<Act>, NodeError> {
        let query = AuditQuery { interactions: vec![ADMIN.to_owned()], before, ..AuditQuery::default() };
        let rows = Reader::from(&self.store).audit(&query, LIST_MAX as i64).await?;
        let act = |row: AuditRow| Act {
            position: row.position,
            recorded: row.recorded,
            who: row.who,
            client: row.client,
            what: row.query,
            outcome: row.outcome,
            request: row.request,
        };
        Ok(rows.into_iter().map(act).collect())
    }

    /// What people allowed apps and holds, by name after `after`, at most [`LIST_MAX`]; of a client or a person where they are
    /// named, by id.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn grants_of_apps(&self, client: &str, person: &str, after: &str) -> Result<Vec<Grant>, NodeError> {
        Ok(Reader::from(&self.store).grants((client, person), (after, now_s()), LIST_MAX as i64).await?)
    }

    /// The browsers in which somebody is logged in, the last used first, at most [`LIST_MAX`].
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn sessions(&self) -> Result<Vec<Session>, NodeError> {
        let now = now_s();
        let mut reader = Reader::from(&self.store);
        let rows = reader.sessions(now - SESSION_AGE_S, now - SESSION_IDLE_S, LIST_MAX as i64).await?;
        let one = |row: store::people::Session| Session {
            name: row.hash.chars().take(NAME_CHARS).collect(),
            person: row.person,
            began_s: row.began_s,
            used_s: row.used_s,
        };
        Ok(rows.into_iter().map(one).collect())
    }

    /// Ends the session of a name.
    ///
    /// # Errors
    /// [`NodeError::NotFound`].
    pub async fn end_session_of(&self, name: &str) -> Result<(), NodeError> {
        let missing = || NodeError::NotFound("the session".to_owned());
        if name.len() != NAME_CHARS || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(missing());
        }
        let mut tx = self.store.begin().await?;
        if !tx.end_session_of(name).await? {
            return Err(missing());
        }
        Ok(tx.commit().await?)
    }
}
