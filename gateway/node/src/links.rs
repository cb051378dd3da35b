//! What is handed out and taken back, as paging links and hidden fields are: sealed by this hospital, so that nobody else
//! makes or changes one. Called by `server`.

use crate::node::Node;

/// Bytes of a paging link's seal.
const SEAL_BYTES: usize = 16;

impl Node {
    /// The secret that binds a paging link to its client: the same on every process of the hospital.
    pub fn page_key(&self) -> [u8; 32] {
        self.identity().storage_key("clients of paging links")
    }

    /// Seals what a form of `purpose` carries from one page to the next; it can be read by whoever holds it.
    pub fn seal_form(&self, purpose: &'static str, bytes: &[u8]) -> String {
        let seal = record::seal::mac(&self.identity().storage_key(purpose), bytes);
        record::id::base32(&[&seal[..], bytes].concat())
    }

    /// A name of `secret` that proves whoever shows it was given it for `purpose`, and tells nothing of the secret.
    pub fn form_token(&self, purpose: &'static str, secret: &[u8]) -> String {
        record::id::base32(&record::seal::mac(&self.identity().storage_key(purpose), secret))
    }

    /// Whether a text is the [`Node::form_token`] of `secret`.
    pub fn is_form_token(&self, purpose: &'static str, secret: &[u8], text: &str) -> bool {
        let found = record::id::unbase32(text);
        found.is_some_and(|found| record::seal::mac_is(&self.identity().storage_key(purpose), secret, &found))
    }

    /// Opens what [`Node::seal_form`] made; `None` if a letter of it was changed.
    pub fn open_form(&self, purpose: &'static str, text: &str) -> Option<Vec<u8>> {
        let sealed = record::id::unbase32(text)?;
        let (seal, bytes) = sealed.split_at_checked(32)?;
        record::seal::mac_is(&self.identity().storage_key(purpose), bytes, seal).then(|| bytes.to_vec())
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
