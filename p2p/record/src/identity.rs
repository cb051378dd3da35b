//! Identities: a first statement that names one for life, the card it shows, and the secret it keeps.
//! Where a secret is stored is not known here. Called by `node` and by the op codecs.

use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::entropy::Entropy;
use crate::id::IdentityId;
use crate::seal;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The domain of a card's signature (rule 1.3).
const CARD_DOMAIN: &[u8] = b"chartwell 1 card";

/// What an identity says first; its hash is the identity's name (rule 1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The first Ed25519 key.
    pub key: [u8; 32],
    /// BLAKE3 of the next Ed25519 key, which alone may take over.
    pub next: [u8; 32],
}

impl Statement {
    /// The bytes that are hashed.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3).uint(1).bytes(&self.key).bytes(&self.next);
        w.finish()
    }

    /// The identity this statement names.
    pub fn id(&self) -> IdentityId {
        IdentityId(*blake3::hash(&self.encode()).as_bytes())
    }

    /// The first key, if it is one that may sign.
    ///
    /// # Errors
    /// Rule 1.2: a key that is no curve point or of small order.
    pub fn verifying_key(&self) -> Result<VerifyingKey, CodecError> {
        match VerifyingKey::from_bytes(&self.key) {
            Ok(key) if !key.is_weak() => Ok(key),
            _ => refuse("1.2", "not an Ed25519 key that may sign"),
        }
    }
}

/// A statement with the X25519 key sealed messages go to, signed by the statement's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Who.
    pub statement: Statement,
    /// Where keys are sealed to (X25519).
    pub sealing: [u8; 32],
    /// Over the domain, the statement and the sealing key.
    pub signature: [u8; 64],
}

/// Longest encoded card; the longest there is has 180 bytes.
pub const CARD_BYTES_MAX: usize = 256;

impl Card {
    /// The identity of the card.
    pub fn id(&self) -> IdentityId {
        self.statement.id()
    }

    fn message(statement: &Statement, sealing: &[u8; 32]) -> Vec<u8> {
        [CARD_DOMAIN, &statement.encode(), sealing].concat()
    }

    /// The one encoding of the card.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4).bytes(&self.statement.key).bytes(&self.statement.next);
        w.bytes(&self.sealing).bytes(&self.signature);
        w.finish()
    }

    /// Reads a card and verifies its signature.
    ///
    /// # Errors
    /// Rule 1.3, with what was wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "1.3");
        r.array(4)?;
        let statement = Statement { key: r.exact()?, next: r.exact()? };
        let card = Self { statement, sealing: r.exact()?, signature: r.exact()? };
        r.end(&card.encode())?;
        card.verify(&Self::message(&card.statement, &card.sealing), &card.signature)?;
        Ok(card)
    }

    /// Verifies this identity's signature over `message` with `verify_strict`.
    ///
    /// # Errors
    /// Rule 1.3 for a bad signature, 1.2 for a bad key.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), CodecError> {
        let key = self.statement.verifying_key()?;
        key.verify_strict(message, &Signature::from_bytes(signature))
            .or(Err(CodecError { rule: "1.3", what: "the signature does not verify" }))
    }
}

/// The seeds of an identity, as an identity file keeps them.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct Seeds {
    /// Ed25519 seed in use.
    pub signing: [u8; 32],
    /// Ed25519 seed of the announced next key.
    pub next: [u8; 32],
    /// X25519 secret.
    pub sealing: [u8; 32],
}

/// An identity that can sign and open what was sealed to it.
pub struct Identity {
    signing: SigningKey,
    seeds: Seeds,
    card: Card,
}

impl Identity {
    /// Draws a new identity.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::from_seeds(Seeds { signing: entropy.draw(), next: entropy.draw(), sealing: entropy.draw() })
    }

    /// The identity that `seeds` stand for.
    pub fn from_seeds(seeds: Seeds) -> Self {
        let signing = SigningKey::from_bytes(&seeds.signing);
        let next = SigningKey::from_bytes(&seeds.next).verifying_key();
        let statement =
            Statement { key: signing.verifying_key().to_bytes(), next: *blake3::hash(next.as_bytes()).as_bytes() };
        let sealing = seal::public_of(&seeds.sealing);
        let signature = signing.sign(&Card::message(&statement, &sealing)).to_bytes();
        Self { signing, card: Card { statement, sealing, signature }, seeds }
    }

    /// The seeds, to be stored sealed.
    pub fn seeds(&self) -> &Seeds {
        &self.seeds
    }

    /// The name for life.
    pub fn id(&self) -> IdentityId {
        self.card.id()
    }

    /// The card to show.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Signs `message`, which must begin with a domain tag.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// Opens what was sealed to this identity's card.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        seal::open_with(&self.seeds.sealing, info, sealed)
    }

    /// A key for this process's own storage, bound to `purpose`; never leaves the machine.
    pub fn storage_key(&self, purpose: &'static str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 storage");
        hasher.update(&self.seeds.sealing).update(purpose.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_reads_back_and_no_byte_of_it_may_change() {
        let card = Identity::generate(&mut Entropy::new([1; 32])).card().clone();
        let bytes = card.encode();
        assert_eq!(Card::decode(&bytes), Ok(card));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Card::decode(&bad).is_err(), "byte {at}");
        }
        assert!(Card::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
