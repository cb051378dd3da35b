//! What people allow apps: a grant is made once, its code and its refresh tokens are each used once, and whoever uses one
//! twice ends it. Called by `server`.
//! Spec: RFC 6749 sections 4.1.2 and 6, RFC 9700 section 4.14.

use crate::error::NodeError;
use crate::node::Node;
use crate::people::{is_id, now_s};
use crate::secrets::fresh_secret;
use store::apps::Code;
pub use store::apps::{Grant, Launch};
use store::db::{Reader, Tx};

/// How long a launch holds, in seconds.
pub const LAUNCH_S: i64 = 300;
/// How long a code holds, in seconds: an app fetches its token at once.
const CODE_S: i64 = 60;
/// How long a used code is kept, in seconds: its second use ends what came of it, and a code that is found in a history much
/// later ends nothing.
const CODE_KEPT_S: i64 = 86_400;
/// How long a refresh token holds, in seconds: an app that nobody opens for so long asks again.
const REFRESH_S: i64 = 90 * 86_400;
/// Used refresh tokens that a grant keeps, since the second use of one ends it: an app asks once an hour, so that whoever stole
/// one is found out within a day.
const REFRESH_KEPT: i64 = 24;
/// How long a grant holds, in seconds, however often it is refreshed.
const GRANT_S: i64 = 365 * 86_400;
/// How long the name of a revoked grant is kept, in seconds: longer than any token that was made under it lives.
const REVOKED_S: i64 = 2 * 86_400;

/// What came of a code or of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Used {
    /// It was good, and is used up now.
    Fresh {
        /// The grant.
        grant: Box<Grant>,
        /// Where its code was sent; empty for a refresh token.
        redirect: String,
        /// The PKCE challenge; empty for a refresh token.
        challenge: String,
    },
    /// It was used before: its grant was taken back.
    Again(String),
    /// There is none such, or its time is over.
    None,
}

impl Node {
    /// Notes what an EHR opens an app with; the secret that the app brings along.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for ids that are none.
    pub async fn add_launch(&self, launch: Launch) -> Result<String, NodeError> {
        let user = launch.fhir_user.split_once('/').map_or(launch.fhir_user.as_str(), |(_, id)| id);
        if [&launch.patient, &launch.encounter].iter().any(|id| !id.is_empty() && !is_id(id))
            || (!user.is_empty() && !is_id(user))
        {
            return Err(NodeError::Unprocessable("patient, encounter and user of a launch are ids".to_owned()));
        }
        let (secret, now) = (fresh_secret(), now_s());
        let mut tx = self.store.begin().await?;
        let launch = Launch { expires_s: now + LAUNCH_S, ..launch };
        tx.add_launch(&self.secret_hash("launch", &secret), &launch, now).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// What an app was opened with; it is not used up by looking.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn launch(&self, secret: &str) -> Result<Option<Launch>, NodeError> {
        Ok(Reader::from(&self.store).launch(&self.secret_hash("launch", secret), now_s()).await?)
    }

    /// Makes a grant, with the code that the app fetches its tokens by. `launch` is the secret the app was opened with, which
    /// is used up; `session` the person's, with which the grant ends. None where the launch was used before.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn allow(
        &self,
        grant: Grant,
        (redirect, challenge): (&str, &str),
        launch: Option<&str>,
        session: Option<&str>,
    ) -> Result<Option<String>, NodeError> {
        let (secret, now) = (fresh_secret(), now_s());
        let id = crate::clock::fresh_id();
        let session = session.map(|secret| self.session_hash(secret)).unwrap_or_default();
        let grant = Grant { id, session, expires_s: now + GRANT_S, revoked: false, ..grant };
        let code = Code {
            hash: self.secret_hash("code", &secret),
            redirect: redirect.to_owned(),
            challenge: challenge.to_owned(),
            expires_s: now + CODE_KEPT_S,
        };
        let mut tx = self.store.begin().await?;
        if let Some(launch) = launch
            && !tx.use_launch(&self.secret_hash("launch", launch)).await?
        {
            return Ok(None);
        }
        tx.add_grant(&grant, now).await?;
        tx.add_code(&grant.id, &code).await?;
        tx.commit().await?;
        Ok(Some(secret))
    }

    /// Uses a code.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn use_code(&self, secret: &str) -> Result<Used, NodeError> {
        let hash = self.secret_hash("code", secret);
        let mut tx = self.store.begin().await?;
        let Some((grant, code)) = Reader::from(&mut tx).code(&hash).await? else { return Ok(Used::None) };
        let fresh = tx.use_code(&hash).await?;
        tx.commit().await?;
        if !fresh {
            self.revoke_grants(&grant.id, "").await?;
            return Ok(Used::Again(grant.id));
        }
        // A code ends long before its row.
        if grant.revoked || code.expires_s - CODE_KEPT_S + CODE_S <= now_s() {
            return Ok(Used::None);
        }
        Ok(Used::Fresh { grant: Box::new(grant), redirect: code.redirect, challenge: code.challenge })
    }

    /// Makes a refresh token of a grant.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn add_refresh(&self, grant: &Grant) -> Result<String, NodeError> {
        let secret = fresh_secret();
        // Beyond the grant's own end, so that their order stays that in which they were made.
        let expires_s = now_s() + REFRESH_S;
        let mut tx = self.store.begin().await?;
        tx.add_refresh(&grant.id, &self.secret_hash("refresh", &secret), expires_s, REFRESH_KEPT).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// The grant of a refresh token, without using it.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn grant_of_refresh(&self, secret: &str) -> Result<Option<Grant>, NodeError> {
        let found = Reader::from(&self.store).refresh(&self.secret_hash("refresh", secret)).await?;
        Ok(found.map(|(grant, _)| grant))
    }

    /// Uses a refresh token of a client's.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn use_refresh(&self, secret: &str, client: &str) -> Result<Used, NodeError> {
        let hash = self.secret_hash("refresh", secret);
        let mut tx = self.store.begin().await?;
        let found = Reader::from(&mut tx).refresh(&hash).await?.filter(|(grant, _)| grant.client == client);
        let Some((grant, expires_s)) = found else { return Ok(Used::None) };
        let fresh = tx.use_refresh(&hash).await?;
        tx.commit().await?;
        if !fresh {
            self.revoke_grants(&grant.id, "").await?;
            return Ok(Used::Again(grant.id));
        }
        let ended = !grant.session.is_empty() && !self.session_goes_on(&grant.session).await?;
        if grant.revoked || ended || expires_s.min(grant.expires_s) <= now_s() {
            return Ok(Used::None);
        }
        Ok(Used::Fresh { grant: Box::new(grant), redirect: String::new(), challenge: String::new() })
    }

    /// Takes back a grant, or all of a person's, with every token that came of them; their names.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn revoke_grants(&self, grant: &str, person: &str) -> Result<Vec<String>, NodeError> {
        let mut tx = self.store.begin().await?;
        let names = take_back(&mut tx, grant, person).await?;
        self.commit_clients(tx).await?;
        Ok(names)
    }
}

/// As [`Node::revoke_grants`], within what else is changed.
pub(crate) async fn take_back(tx: &mut Tx, grant: &str, person: &str) -> Result<Vec<String>, NodeError> {
    let now = now_s();
    let names = tx.revoke_grants(grant, person).await?;
    for name in &names {
        tx.revoke(name, now + REVOKED_S, now).await?;
    }
    Ok(names)
}
