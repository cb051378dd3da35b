//! Secrets that were drawn at random and handed out: what is kept of them, and how they are known again. Called by `clients`,
//! `people` and `apps`.

use crate::node::Node;

impl Node {
    /// What is kept of a secret that was drawn at random: enough to know it again, under a key that is not in the database.
    pub(crate) fn secret_hash(&self, purpose: &str, secret: &str) -> String {
        let text = format!("{purpose} {secret}");
        record::id::base32(&record::seal::mac(&self.identity().storage_key("secrets"), text.as_bytes()))
    }

    /// Whether something is kept of this secret, in a time that does not tell where they differ.
    pub(crate) fn is_secret_hash(&self, purpose: &str, secret: &str, hash: &str) -> bool {
        let text = format!("{purpose} {secret}");
        let hash = record::id::unbase32(hash).unwrap_or_default();
        record::seal::mac_is(&self.identity().storage_key("secrets"), text.as_bytes(), &hash)
    }
}

/// 256 random bits as text.
pub(crate) fn fresh_secret() -> String {
    record::id::base32(&crate::clock::random::<32>())
}
