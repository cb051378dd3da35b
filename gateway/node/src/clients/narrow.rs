//! What may be done to clients from afar, where somebody else's token may be behind it: a new one waits until it is let in on the
//! machine, and one that is there is only ever let do less. Called by `server` for its admin API.

use super::{Client, NewClient, check, shown};
use crate::error::NodeError;
use crate::node::Node;
use record::scope::Scopes;
use serde_json::Value;
use store::db::Reader;

impl Client {
    /// What of a client would let it do more than before, or prove who it is by something else; nothing where it may do less.
    #[must_use]
    pub fn wider(&self, new: &NewClient) -> Option<&'static str> {
        let (before, after) = (Scopes::parse(&self.scope), Scopes::parse(&new.scope));
        let scope = after.within(&before) && after.other.iter().all(|word| before.other.contains(word));
        let checks = [
            ("auth", new.auth == self.auth),
            ("keys", is_same(&new.jwks, &self.jwks)),
            ("scope", scope),
            ("redirects", new.redirects.iter().all(|uri| self.redirects.contains(uri))),
            ("launch", new.launch.is_empty() || new.launch == self.launch),
            ("grants", new.grants.iter().all(|grant| self.may_use(grant))),
            ("rights", new.rights.iter().all(|right| self.has(right))),
        ];
        checks.into_iter().find(|(_, holds)| !holds).map(|(what, _)| what)
    }
}

impl Node {
    /// Adds a client whose name no other has.
    ///
    /// # Errors
    /// [`NodeError::Conflict`] where one has; [`NodeError::Unprocessable`] for what is no client.
    pub async fn register_new(&self, new: &NewClient) -> Result<Client, NodeError> {
        let (row, _) = self.client_row(new)?;
        let mut tx = self.store.begin().await?;
        if !tx.add_client(&row).await? {
            return Err(NodeError::Conflict("a client of this name is there already".to_owned()));
        }
        self.commit_clients(tx).await?;
        Ok(shown(row))
    }

    /// Lets a client do less: its scope, redirects, launch and grants are those of `new`, all else is as it was.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] where that is more than it was, [`NodeError::Conflict`] where somebody changed it at the same time,
    /// [`NodeError::Unprocessable`] for what is no client.
    pub async fn narrow_client(&self, id: &str, new: &NewClient) -> Result<Client, NodeError> {
        check::client(new).map_err(NodeError::Unprocessable)?;
        let missing = || NodeError::NotFound(format!("the client {id}"));
        let row = Reader::from(&self.store).client(id).await?.filter(|row| row.id == id).ok_or_else(missing)?;
        if let Some(what) = shown(row.clone()).wider(new) {
            return Err(NodeError::Forbidden(format!(
                "{what}: other or more than before is given on the machine alone"
            )));
        }
        let narrowed = store::clients::Client {
            scope: new.scope.clone(),
            redirects: new.redirects.join(" "),
            launch: new.launch.clone(),
            grants: new.grants.join(" "),
            ..row.clone()
        };
        let mut tx = self.store.begin().await?;
        if !tx.narrow_client(&row, &narrowed).await? {
            return Err(NodeError::Conflict("the client was changed meanwhile".to_owned()));
        }
        self.commit_clients(tx).await?;
        Ok(shown(narrowed))
    }
}

/// The same URL or set, however the set is written.
fn is_same(one: &str, other: &str) -> bool {
    let set = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || set(one).is_some_and(|one| set(other) == Some(one))
}
