//! Registered clients: what each may ask for, how it proves who it is, where it sends people back to. Called by `server`
//! and `cli`.

use crate::error::NodeError;
use crate::node::Node;
use record::scope::Scopes;
use store::db::Reader;

mod check;
mod mark;
mod narrow;
mod quota;

pub use check::is_redirect;
pub(crate) use mark::Marks;
pub use mark::{MARK_AGE_MAX, Mark};
pub use quota::Quota;

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// By an assertion signed with its own key.
    Key,
    /// By a secret.
    Secret,
    /// Not at all: it runs where nothing can be kept.
    None,
}

/// Whether a client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Approved,
    /// It registered itself and waits for the operator.
    Pending,
    /// The operator keeps it out.
    Disabled,
}

/// The grant types there are (RFC 6749).
pub const GRANTS: [&str; 3] = ["client_credentials", "authorization_code", "refresh_token"];

/// May ask what any token is, not only its own.
pub const INTROSPECT: &str = "introspect";
/// May open apps for people who are logged in at the EHR.
pub const EHR: &str = "ehr";

/// May administer this server, with tokens of the scope of the same name.
pub const ADMIN: &str = "admin";

/// Most clients that wait for the operator at one time: as many as a person looks through.
const WAITING_MAX: i64 = 100;
/// How long one waits, in seconds, before it is forgotten.
const WAITING_S: i64 = 30 * 86_400;

/// Scopes that are no resource scopes: what a client may know of the person, the launch, and how long it may go on.
pub const WORDS: [&str; 7] =
    ["openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access"];

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Scopes it may have.
    pub scope: String,
    /// Its JWKS, or where it is; empty for none.
    pub jwks: String,
    /// How it proves who it is.
    pub auth: Auth,
    /// Where people are sent back to.
    pub redirects: Vec<String>,
    /// Where it is launched; empty for nowhere.
    pub launch: String,
    /// Those of [`GRANTS`] it may use.
    pub grants: Vec<String>,
    /// What the operator lets it do beyond that: [`INTROSPECT`], [`EHR`], [`ADMIN`].
    pub rights: Vec<String>,
    /// Whether it may call.
    pub status: Status,
    /// When it was added, seconds since 1970; 0 where nobody noted it.
    pub made_s: u64,
    /// How much it may ask; none for what every client may.
    pub quota: Option<Quota>,
}

/// A client to be added.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its name; the client of this name is updated if there is one.
    pub name: String,
    /// Scopes it may have.
    pub scope: String,
    /// Its JWKS, or where it is; empty for none.
    pub jwks: String,
    /// How it proves who it is.
    pub auth: Auth,
    /// Where people are sent back to.
    pub redirects: Vec<String>,
    /// Where it is launched; empty for nowhere.
    pub launch: String,
    /// Those of [`GRANTS`] it may use.
    pub grants: Vec<String>,
    /// What the operator lets it do beyond that.
    pub rights: Vec<String>,
    /// Whether it may call; one that is there keeps what it has.
    pub status: Status,
}

impl NewClient {
    /// A system that calls by itself and proves who it is by a key.
    #[must_use]
    pub fn system(name: &str, scope: &str, jwks: &str) -> Self {
        Self {
            name: name.to_owned(),
            scope: scope.to_owned(),
            jwks: jwks.to_owned(),
            auth: Auth::Key,
            redirects: Vec::new(),
            launch: String::new(),
            grants: vec![GRANTS[0].to_owned()],
            rights: Vec::new(),
            status: Status::Approved,
        }
    }
}

impl Client {
    /// Whether it may use a grant type.
    #[must_use]
    pub fn may_use(&self, grant: &str) -> bool {
        self.grants.iter().any(|known| known == grant)
    }

    /// Whether the operator gave it a right.
    #[must_use]
    pub fn has(&self, right: &str) -> bool {
        self.rights.iter().any(|known| known == right)
    }
}

impl Node {
    /// Adds a system that calls by itself, or updates the client of the same name.
    ///
    /// # Errors
    /// As [`Node::register_client`].
    pub async fn add_client(&self, name: &str, scope: &str, jwks: Option<String>) -> Result<Client, NodeError> {
        let new = NewClient::system(name, scope, &jwks.unwrap_or_default());
        Ok(self.register_client(&new).await?.0)
    }

    /// Adds a client, or updates the one of the same name; with [`Auth::Secret`] a fresh secret is told, this once.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for what is no client.
    pub async fn register_client(&self, new: &NewClient) -> Result<(Client, Option<String>), NodeError> {
        let (row, secret) = self.client_row(new)?;
        let mut tx = self.store.begin().await?;
        let client = tx.put_client(&row).await?;
        self.commit_clients(tx).await?;
        Ok((shown(client), secret))
    }

    /// Adds a client that registered itself and waits for the operator. Where too many wait already, the one that waited longest
    /// is forgotten: refusing the new one would let whoever registers a hundred shut everybody out until somebody looks.
    ///
    /// Its name is made its own by letters that nobody can choose: nobody takes another's place by a name.
    ///
    /// # Errors
    /// As [`Node::register_client`].
    pub async fn register_waiting(&self, new: &NewClient) -> Result<(Client, Option<String>), NodeError> {
        let name = format!("{} ({})", new.name, &crate::clock::fresh_id()[..12]);
        let (row, secret) = self.client_row(&NewClient { name, status: Status::Pending, ..new.clone() })?;
        let mut tx = self.store.begin().await?;
        tx.add_waiting_client(&row, WAITING_MAX, row.made_s - WAITING_S).await?;
        self.commit_clients(tx).await?;
        Ok((shown(row), secret))
    }

    fn client_row(&self, new: &NewClient) -> Result<(store::clients::Client, Option<String>), NodeError> {
        check::client(new).map_err(NodeError::Unprocessable)?;
        let secret = (new.auth == Auth::Secret).then(crate::secrets::fresh_secret);
        let row = store::clients::Client {
            id: crate::clock::fresh_id(),
            name: new.name.clone(),
            scope: new.scope.clone(),
            jwks: new.jwks.clone(),
            auth: new.auth.text().to_owned(),
            secret: secret.as_deref().map(|secret| self.secret_hash("client", secret)).unwrap_or_default(),
            redirects: new.redirects.join(" "),
            launch: new.launch.clone(),
            grants: new.grants.join(" "),
            rights: new.rights.join(" "),
            status: new.status.text().to_owned(),
            made_s: crate::clock::now_us() / 1_000_000,
            quota: String::new(),
        };
        Ok((row, secret))
    }

    /// A client by its id or its name.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn client(&self, id_or_name: &str) -> Result<Option<Client>, NodeError> {
        Ok(Reader::from(&self.store).client(id_or_name).await?.map(shown))
    }

    /// The client of an id that may call now.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn approved_client(&self, id: &str) -> Result<Option<Client>, NodeError> {
        let client = self.client(id).await?;
        Ok(client.filter(|client| client.id == id && client.status == Status::Approved))
    }

    /// The client of a token that may call now, unless the token or its grant was taken back.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn client_of_token(&self, id: &str, jti: &str, grant: &str) -> Result<Option<Client>, NodeError> {
        let client = Reader::from(&self.store).client_of_token(id, jti, grant).await?.map(shown);
        Ok(client.filter(|client| client.status == Status::Approved))
    }

    /// Every client, by name.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn clients(&self) -> Result<Vec<Client>, NodeError> {
        Ok(Reader::from(&self.store).clients().await?.into_iter().map(shown).collect())
    }

    /// Whether `secret` is that of a client.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn client_has_secret(&self, id: &str, secret: &str) -> Result<bool, NodeError> {
        let client = Reader::from(&self.store).client(id).await?.filter(|client| client.id == id);
        // An unknown client takes as long as a wrong secret.
        let known = client.map(|client| client.secret).unwrap_or_default();
        Ok(self.is_secret_hash("client", secret, &known))
    }

    /// Lets a client in or keeps it out. One that waits is let in or removed: of those that are kept out each was let in before.
    ///
    /// # Errors
    /// [`NodeError::NotFound`]; [`NodeError::Unprocessable`] for one that waits.
    pub async fn set_client_status(&self, id: &str, status: Status) -> Result<(), NodeError> {
        let waits = self.client(id).await?.is_some_and(|client| client.id == id && client.status == Status::Pending);
        if waits && status == Status::Disabled {
            return Err(NodeError::Unprocessable("a client that waits is let in or removed".to_owned()));
        }
        let mut tx = self.store.begin().await?;
        if !tx.set_client_status(id, status.text()).await? {
            return Err(NodeError::NotFound(format!("the client {id}")));
        }
        self.commit_clients(tx).await
    }

    /// Removes a client: its tokens end with it.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn remove_client(&self, id: &str) -> Result<(), NodeError> {
        let mut tx = self.store.begin().await?;
        tx.remove_client(id).await?;
        self.commit_clients(tx).await
    }

    /// Uses a client assertion once; `false` if it was used before.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn use_assertion(&self, jti: &str, expires_s: i64) -> Result<bool, NodeError> {
        let mut tx = self.store.begin().await?;
        let fresh = tx.use_assertion(jti, expires_s, crate::clock::now_us() / 1_000_000).await?;
        tx.commit().await?;
        Ok(fresh)
    }

    /// Takes back a token or a grant by its name, which is kept until the last token of it has ended.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn revoke_token(&self, id: &str, expires_s: u64) -> Result<(), NodeError> {
        let mut tx = self.store.begin().await?;
        tx.revoke(id, expires_s as i64, crate::clock::now_us() / 1_000_000).await?;
        self.commit_clients(tx).await
    }
}

impl Auth {
    /// As it is stored, and as the command line names it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Auth::Key => "key",
            Auth::Secret => "secret",
            Auth::None => "none",
        }
    }
}

impl Status {
    /// As it is stored and shown.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Status::Approved => "approved",
            Status::Pending => "pending",
            Status::Disabled => "disabled",
        }
    }
}

fn shown(client: store::clients::Client) -> Client {
    let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
    let auth = [Auth::Secret, Auth::None].into_iter().find(|auth| auth.text() == client.auth);
    // A status that this build does not know lets nobody in.
    let status = [Status::Approved, Status::Pending].into_iter().find(|status| status.text() == client.status);
    Client {
        auth: auth.unwrap_or(Auth::Key),
        redirects: words(&client.redirects),
        grants: words(&client.grants),
        rights: words(&client.rights),
        status: status.unwrap_or(Status::Disabled),
        made_s: client.made_s as u64,
        quota: Quota::parse(&client.quota),
        id: client.id,
        name: client.name,
        scope: client.scope,
        jwks: client.jwks,
        launch: client.launch,
    }
}

/// The words of a scope that are no resource scopes and that this server knows.
pub fn launch_words(scopes: &Scopes) -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().filter(|word| scopes.other.iter().any(|other| other == word))
}
