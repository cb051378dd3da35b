//! Registered clients, and the keys of this hospital's paging links. Called by `server` and `cli`.

use crate::error::NodeError;
use crate::node::Node;
use store::db::Reader;

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
}

/// Longest name, scope or JWKS that is kept.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a paging link's seal.
const SEAL_BYTES: usize = 16;

impl Node {
    /// Adds a client, or updates the one of the same name.
    ///
    /// # Errors
    /// [`NodeError::Unprocessable`] for a name, scope or JWKS that is none.
    pub async fn add_client(&self, name: &str, scope: &str, jwks: Option<String>) -> Result<Client, NodeError> {
        let jwks = jwks.unwrap_or_default();
        let refuse = |text: &str| Err(NodeError::Unprocessable(text.to_owned()));
        if name.trim().is_empty() || [name.len(), scope.len(), jwks.len()].iter().any(|len| *len > TEXT_BYTES_MAX) {
            return refuse("a client needs a name, and name, scope and JWKS have at most 64 KiB");
        }
        let scopes = record::scope::Scopes::parse(scope);
        if let Some(word) = scopes.other.first() {
            return refuse(&format!("{word:?} is no SMART v2 scope such as system/*.rs"));
        }
        if scopes.known.is_empty() {
            return refuse("a client needs at least one scope, for example system/*.cruds");
        }
        let new = store::clients::Client {
            id: crate::clock::fresh_id(),
            name: name.to_owned(),
            scope: scope.to_owned(),
            jwks,
        };
        let mut tx = self.store.begin().await?;
        let client = tx.put_client(&new).await?;
        tx.commit().await?;
        Ok(shown(client))
    }

    /// A client by its id or its name.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn client(&self, id_or_name: &str) -> Result<Option<Client>, NodeError> {
        Ok(Reader::from(&self.store).client(id_or_name).await?.map(shown))
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

    /// The secret that binds a paging link to its client: the same on every process of the hospital.
    pub fn page_key(&self) -> [u8; 32] {
        self.identity().storage_key("clients of paging links")
    }

    /// Seals what a link carries, so that nobody else can make or change one.
    pub fn seal_page(&self, bytes: &[u8]) -> String {
        let seal = record::seal::mac(&self.identity().storage_key("paging links"), bytes);
        record::id::base32(&[&seal[..SEAL_BYTES], bytes].concat())
    }

    /// Opens what [`Node::seal_page`] made; `None` if a letter of it was changed.
    pub fn open_page(&self, text: &str) -> Option<Vec<u8>> {
        let sealed = record::id::unbase32(text)?;
        let (seal, bytes) = sealed.split_at_checked(SEAL_BYTES)?;
        let expected = record::seal::mac(&self.identity().storage_key("paging links"), bytes);
        // Every byte is compared, so that the time tells nothing of where a guess went wrong.
        let differs = seal.iter().zip(&expected).fold(0, |differs, (a, b)| differs | (a ^ b));
        (differs == 0).then(|| bytes.to_vec())
    }
}

fn shown(client: store::clients::Client) -> Client {
    Client { id: client.id, name: client.name, scope: client.scope, jwks: client.jwks }
}
