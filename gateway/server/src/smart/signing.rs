//! The keys that tokens are signed with and verified by: loaded from the database, made at first need, rotated. Called by
//! `token`, `smart::keys_endpoint` and `cli`. Spec: RFC 7517; an id_token is RS256 as SMART asks of every server
//! (<https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data>).

use crate::token::{LIFETIME_MAX, now_s};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use node::clients::Mark;
use node::token_keys::TokenKey;
use node::{Node, NodeError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// What access tokens are signed with.
pub(crate) const ACCESS: Algorithm = Algorithm::ES384;

/// What id_tokens are signed with.
pub(crate) const IDENTITY: Algorithm = Algorithm::RS256;

/// How late a process may hear that a newer key signs, with room for one of an older build.
const LATE: Duration = Duration::from_secs(10);

/// One key.
pub(crate) struct Key {
    pub(crate) kid: String,
    /// What it signs with; a token that says otherwise is forged.
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
    encoding: EncodingKey,
    public: Jwk,
    number: i64,
    made_s: u64,
    /// When it stops verifying, seconds since 1970; none for the one that signs.
    until_s: Option<u64>,
}

impl Key {
    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    fn verifies(&self, now: u64) -> bool {
        self.until_s.is_none_or(|until| until > now)
    }
}

/// A key as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in tokens.
    pub kid: String,
    /// `ES384` or `RS256`.
    pub algorithm: &'static str,
    /// Seconds since 1970.
    pub made_s: u64,
    /// When it stops verifying, seconds since 1970; none for the one that signs.
    pub until_s: Option<u64>,
}

/// The keys as this process knows them.
#[derive(Default)]
pub(crate) struct Signing(Mutex<Option<Loaded>>);

/// Keys, and the mark that was there before they were read: they hold while it stays.
struct Loaded {
    mark: Mark,
    keys: Vec<Arc<Key>>,
}

impl Signing {
    /// The key that signs, made if there is none.
    ///
    /// # Errors
    /// The store's; an internal one for a key that cannot be used.
    pub(crate) async fn newest(&self, node: &Node, algorithm: Algorithm) -> Result<Arc<Key>, NodeError> {
        let signs =
            |keys: &[Arc<Key>]| keys.iter().find(|key| key.algorithm == algorithm && key.until_s.is_none()).cloned();
        if let Some(key) = signs(&self.keys(node).await?) {
            return Ok(key);
        }
        make(node, algorithm, 1).await?;
        signs(&self.keys(node).await?).ok_or(NodeError::Internal("a token key that was made is not there"))
    }

    /// The key of a name, if it verifies still.
    ///
    /// # Errors
    /// As [`Signing::newest`].
    pub(crate) async fn find(&self, node: &Node, kid: &str) -> Result<Option<Arc<Key>>, NodeError> {
        let now = now_s();
        let named = |keys: &[Arc<Key>]| keys.iter().find(|key| key.kid == kid && key.verifies(now)).cloned();
        match named(&self.keys(node).await?) {
            Some(key) => Ok(Some(key)),
            // Another process may have made it a moment ago.
            None => Ok(named(&self.keys_at(node, node.clients_mark_now().await?).await?)),
        }
    }

    /// What others verify tokens by: one key of each kind at least.
    ///
    /// # Errors
    /// As [`Signing::newest`].
    pub(crate) async fn public(&self, node: &Node) -> Result<JwkSet, NodeError> {
        self.newest(node, ACCESS).await?;
        self.newest(node, IDENTITY).await?;
        let (keys, now) = (self.keys(node).await?, now_s());
        Ok(JwkSet { keys: keys.iter().filter(|key| key.verifies(now)).map(|key| key.public.clone()).collect() })
    }

    async fn keys(&self, node: &Node) -> Result<Vec<Arc<Key>>, NodeError> {
        self.keys_at(node, node.clients_mark().await?).await
    }

    async fn keys_at(&self, node: &Node, mark: Mark) -> Result<Vec<Arc<Key>>, NodeError> {
        {
            let loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.mark == mark) {
                return Ok(loaded.keys.clone());
            }
        }
        let keys = read(node).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Loaded { mark, keys: keys.clone() });
        Ok(keys)
    }
}

/// Makes a new key of each kind that is in use, which signs from now on; those before verify until the last token they
/// signed has ended, and older ones are forgotten.
///
/// # Errors
/// The store's; an internal one for a key that cannot be made.
pub async fn rotate(node: &Node) -> Result<(), NodeError> {
    let keys = read(node).await?;
    for algorithm in [ACCESS, IDENTITY] {
        let of = || keys.iter().filter(|key| key.algorithm == algorithm);
        let newest = of().map(|key| key.number).max().unwrap_or_default();
        make(node, algorithm, newest + 1).await?;
        if let Some(oldest) = of().map(|key| key.number).min() {
            node.forget_token_keys(name(algorithm), oldest).await?;
        }
    }
    Ok(())
}

/// The keys that sign or verify now, the newest first.
///
/// # Errors
/// The store's.
pub async fn list(node: &Node) -> Result<Vec<Listed>, NodeError> {
    let listed = |key: &Arc<Key>| Listed {
        kid: key.kid.clone(),
        algorithm: name(key.algorithm),
        made_s: key.made_s,
        until_s: key.until_s,
    };
    Ok(read(node).await?.iter().map(listed).collect())
}

/// The keys of the database that verify still, by algorithm, the newest first.
async fn read(node: &Node) -> Result<Vec<Arc<Key>>, NodeError> {
    let now = now_s();
    let mut keys: Vec<Arc<Key>> = Vec::new();
    for stored in node.token_keys().await? {
        let newer = keys.last().filter(|newer| name(newer.algorithm) == stored.algorithm);
        // A process that has not heard of the newer one yet may sign with this one for a moment.
        let until_s = newer.map(|newer| newer.made_s + LIFETIME_MAX.as_secs() + LATE.as_secs());
        if until_s.is_some_and(|until| until <= now) {
            continue;
        }
        keys.push(Arc::new(key(&stored, until_s).ok_or(NodeError::Internal("a token key that cannot be used"))?));
    }
    Ok(keys)
}

fn key(stored: &TokenKey, until_s: Option<u64>) -> Option<Key> {
    let algorithm = [ACCESS, IDENTITY].into_iter().find(|algorithm| name(*algorithm) == stored.algorithm)?;
    let text = data_encoding::BASE64_MIME.encode(&stored.secret);
    let pem = Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{text}-----END PRIVATE KEY-----\n"));
    let encoding = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        _ => EncodingKey::from_ec_pem(pem.as_bytes()),
    };
    let encoding = encoding.ok()?;
    let mut public = Jwk::from_encoding_key(&encoding, algorithm).ok()?;
    public.common.key_id = Some(stored.kid.clone());
    public.common.key_algorithm = Some(KeyAlgorithm::from(algorithm));
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    let decoding = DecodingKey::from_jwk(&public).ok()?;
    let (kid, number, made_s) = (stored.kid.clone(), stored.number, stored.made_s);
    Some(Key { kid, algorithm, decoding, encoding, public, number, made_s, until_s })
}

/// Makes a key, as PKCS #8.
async fn make(node: &Node, algorithm: Algorithm, number: i64) -> Result<(), NodeError> {
    // Primes take a tenth of a second to find.
    let made = tokio::task::spawn_blocking(move || match algorithm {
        Algorithm::RS256 => Some(KeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?.as_ref().to_vec()),
        _ => Some(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).ok()?.to_pkcs8v1().ok()?.as_ref().to_vec()),
    });
    let secret = made.await.ok().flatten().map(Zeroizing::new);
    let secret = secret.ok_or(NodeError::Internal("a token key that cannot be made"))?;
    node.add_token_key(name(algorithm), number, &secret).await
}

fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        _ => "ES384",
    }
}
