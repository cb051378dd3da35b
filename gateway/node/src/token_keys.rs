//! The keys that tokens are signed with: the same for every process of a hospital, sealed in its database. What a key is
//! and how it signs is the caller's. Called by `server`.

use crate::error::NodeError;
use crate::node::Node;
use store::db::Reader;
use store::token_keys::TokenKey as Sealed;
use zeroize::Zeroizing;

/// A key, opened.
pub struct TokenKey {
    /// What it signs with, as JOSE names it.
    pub algorithm: String,
    /// Counted from 1 for each algorithm; the greatest signs.
    pub number: i64,
    /// Its name in tokens.
    pub kid: String,
    /// Seconds since 1970.
    pub made_s: u64,
    /// The secret, as who made it gave it.
    pub secret: Zeroizing<Vec<u8>>,
}

impl Node {
    /// Every key, by algorithm, the newest first.
    ///
    /// # Errors
    /// [`NodeError::Store`]; [`NodeError::Internal`] for a key that another identity sealed.
    pub async fn token_keys(&self) -> Result<Vec<TokenKey>, NodeError> {
        let sealed = Reader::from(&self.store).token_keys().await?;
        sealed.into_iter().map(|key| self.unseal_token_key(key)).collect()
    }

    /// Makes `secret` the key of this number, unless another process has made one meanwhile.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn add_token_key(&self, algorithm: &str, number: i64, secret: &[u8]) -> Result<(), NodeError> {
        let kid = crate::clock::fresh_id();
        let (nonce, bound) = place(algorithm, &kid);
        let sealed = record::seal::seal(&self.sealing_key(), &nonce, &bound, secret);
        let made_s = crate::clock::now_us() / 1_000_000;
        let key = Sealed { algorithm: algorithm.to_owned(), number, kid, made_s, sealed };
        let mut tx = self.store.begin().await?;
        tx.add_token_key(&key).await?;
        self.commit_clients(tx).await
    }

    /// Forgets the keys of an algorithm below a number.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn forget_token_keys(&self, algorithm: &str, below: i64) -> Result<(), NodeError> {
        let mut tx = self.store.begin().await?;
        tx.remove_token_keys(algorithm, below).await?;
        self.commit_clients(tx).await
    }

    fn unseal_token_key(&self, key: Sealed) -> Result<TokenKey, NodeError> {
        let (nonce, bound) = place(&key.algorithm, &key.kid);
        let secret = record::seal::open(&self.sealing_key(), &nonce, &bound, &key.sealed);
        let secret = secret.ok_or(NodeError::Internal("a token key that this identity did not seal"))?;
        let (algorithm, number, kid) = (key.algorithm, key.number, key.kid);
        Ok(TokenKey { algorithm, number, kid, made_s: key.made_s as u64, secret: secret.into() })
    }

    fn sealing_key(&self) -> [u8; 32] {
        self.identity().storage_key("token keys")
    }
}

/// The nonce of a key, and what it is bound to. No two keys have one name, so no nonce is used twice.
fn place(algorithm: &str, kid: &str) -> ([u8; 12], Vec<u8>) {
    let bound = format!("token key {algorithm} {kid}").into_bytes();
    (record::seal::storage_nonce(&bound), bound)
}
