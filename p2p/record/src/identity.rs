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
/// The domain of what an announced key signs when it takes over (rule 1.5).
const HANDOVER_DOMAIN: &[u8] = b"chartwell 1 handover";
/// Most keys an identity hands over to; a key a year outlasts a life.
pub const HANDOVERS_MAX: usize = 128;

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
        signing_key(&self.key)
    }
}

/// A key that took over, as it says itself (rule 1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The Ed25519 key; its hash is what the key before it announced.
    pub key: [u8; 32],
    /// BLAKE3 of the next Ed25519 key.
    pub next: [u8; 32],
    /// Where keys are sealed to from here on (X25519).
    pub sealing: [u8; 32],
    /// This key's, over the domain, the identity, the key's number and the three fields above.
    pub signature: [u8; 64],
}

/// A statement with the X25519 key sealed messages go to, signed by the statement's key; and the keys that took over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Who.
    pub statement: Statement,
    /// Where keys are sealed to (X25519) before any handover.
    pub sealing: [u8; 32],
    /// Over the domain, the statement and the sealing key.
    pub signature: [u8; 64],
    /// Keys 1 and on.
    pub handed: Vec<Handed>,
}

/// Longest encoded card: 180 bytes, and 176 for each handover.
pub const CARD_BYTES_MAX: usize = 256 + 176 * HANDOVERS_MAX;

impl Card {
    /// The identity of the card.
    pub fn id(&self) -> IdentityId {
        self.statement.id()
    }

    /// The number of the key in use.
    pub fn key_number(&self) -> u64 {
        self.handed.len() as u64
    }

    /// The key of a number, if the card has it and it may sign.
    ///
    /// # Errors
    /// Rule 1.2.
    pub fn key(&self, number: u64) -> Result<Option<VerifyingKey>, CodecError> {
        let Some(at) = number.checked_sub(1) else {
            return self.statement.verifying_key().map(Some);
        };
        let handed = usize::try_from(at).ok().and_then(|at| self.handed.get(at));
        handed.map(|handed| signing_key(&handed.key)).transpose()
    }

    /// Where keys are sealed to now.
    pub fn sealing_key(&self) -> &[u8; 32] {
        self.handed.last().map_or(&self.sealing, |handed| &handed.sealing)
    }

    /// The hash of the key that alone may take over next.
    pub fn announced(&self) -> &[u8; 32] {
        self.handed.last().map_or(&self.statement.next, |handed| &handed.next)
    }

    /// Whether this card is `older` or goes on from it.
    pub fn continues(&self, older: &Card) -> bool {
        self.statement == older.statement && self.handed.starts_with(&older.handed)
    }

    fn message(statement: &Statement, sealing: &[u8; 32]) -> Vec<u8> {
        [CARD_DOMAIN, &statement.encode(), sealing].concat()
    }

    /// The one encoding of the card.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(if self.handed.is_empty() { 4 } else { 5 }).bytes(&self.statement.key).bytes(&self.statement.next);
        w.bytes(&self.sealing).bytes(&self.signature);
        if !self.handed.is_empty() {
            w.array(self.handed.len());
            for handed in &self.handed {
                w.array(4).bytes(&handed.key).bytes(&handed.next).bytes(&handed.sealing).bytes(&handed.signature);
            }
        }
        w.finish()
    }

    /// Reads a card and verifies its signatures.
    ///
    /// # Errors
    /// Rule 1.3, and 1.5 for a key that took over, with what was wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "1.3");
        let len = r.len(5)?;
        if len < 4 {
            return refuse("1.3", "an array of another length");
        }
        let statement = Statement { key: r.exact()?, next: r.exact()? };
        let mut card = Self { statement, sealing: r.exact()?, signature: r.exact()?, handed: Vec::new() };
        if len == 5 {
            let len = r.len(HANDOVERS_MAX)?;
            for _ in 0..len {
                r.array(4)?;
                let handed = Handed { key: r.exact()?, next: r.exact()?, sealing: r.exact()?, signature: r.exact()? };
                card.handed.push(handed);
            }
        }
        r.end(&card.encode())?;
        let first = card.statement.verifying_key()?;
        verify_with(&first, &Self::message(&card.statement, &card.sealing), &card.signature, "1.3")?;
        card.verify_handed()?;
        Ok(card)
    }

    fn verify_handed(&self) -> Result<(), CodecError> {
        let (id, mut announced) = (self.id(), &self.statement.next);
        for (number, handed) in (1_u64..).zip(&self.handed) {
            if blake3::hash(&handed.key).as_bytes() != announced {
                return refuse("1.5", "a key that was not announced");
            }
            let message = handover_message(&id, number, handed);
            verify_with(&signing_key(&handed.key)?, &message, &handed.signature, "1.5")?;
            announced = &handed.next;
        }
        Ok(())
    }

    /// Verifies this identity's signature over `message`, by the key in use, with `verify_strict`.
    ///
    /// # Errors
    /// Rule 1.3 for a bad signature, 1.2 for a bad key.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), CodecError> {
        let key = match self.handed.last() {
            Some(handed) => signing_key(&handed.key)?,
            None => self.statement.verifying_key()?,
        };
        verify_with(&key, message, signature, "1.3")
    }
}

fn signing_key(bytes: &[u8; 32]) -> Result<VerifyingKey, CodecError> {
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if !key.is_weak() => Ok(key),
        _ => refuse("1.2", "not an Ed25519 key that may sign"),
    }
}

fn verify_with(key: &VerifyingKey, message: &[u8], signature: &[u8; 64], rule: &'static str) -> Result<(), CodecError> {
    key.verify_strict(message, &Signature::from_bytes(signature))
        .or(Err(CodecError { rule, what: "the signature does not verify" }))
}

fn handover_message(id: &IdentityId, number: u64, handed: &Handed) -> Vec<u8> {
    let number = number.to_le_bytes();
    [HANDOVER_DOMAIN, id.bytes(), &number, &handed.key, &handed.next, &handed.sealing].concat()
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
    /// The X25519 secrets before it, the first first: what was sealed to them opens for ever.
    pub before: Vec<[u8; 32]>,
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
        let (signing, next, sealing) = (entropy.draw(), entropy.draw(), entropy.draw());
        Self::from_seeds(Seeds { signing, next, sealing, before: Vec::new() })
    }

    /// Draws a patient's first device, whose statement announces `root`: the root's key alone may ever speak for it.
    pub fn generate_under(root: &Card, entropy: &mut Entropy) -> Self {
        let (signing, sealing) = (entropy.draw(), entropy.draw());
        let seeds = Seeds { signing, next: [0; 32], sealing, before: Vec::new() };
        Self::stated(seeds, *blake3::hash(&root.statement.key).as_bytes())
    }

    /// The identity that `seeds` stand for.
    pub fn from_seeds(seeds: Seeds) -> Self {
        let next = announced_by(&seeds.next);
        Self::stated(seeds, next)
    }

    fn stated(seeds: Seeds, next: [u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(&seeds.signing);
        let statement = Statement { key: signing.verifying_key().to_bytes(), next };
        let sealing = seal::public_of(&seeds.sealing);
        let signature = signing.sign(&Card::message(&statement, &sealing)).to_bytes();
        Self { signing, card: Card { statement, sealing, signature, handed: Vec::new() }, seeds }
    }

    /// The identity of `card` with the seeds of its key in use; `None` if they belong to another.
    ///
    /// Needed where the seeds do not say all: after a handover, and for a device whose next key is the root's.
    pub fn restore(card: Card, seeds: Seeds) -> Option<Self> {
        let signing = SigningKey::from_bytes(&seeds.signing);
        let key = card.key(card.key_number()).ok()??;
        let fits = signing.verifying_key() == key && seal::public_of(&seeds.sealing) == *card.sealing_key();
        fits.then_some(Self { signing, card, seeds })
    }

    /// The same identity under its announced key, with a fresh next key and a fresh sealing key. Nothing is renamed.
    ///
    /// `None` where the next key is not here (a device whose statement announces the root), or none are left.
    pub fn hand_over(&self, entropy: &mut Entropy) -> Option<Self> {
        let mut before = self.seeds.before.clone();
        before.push(self.seeds.sealing);
        let seeds = Seeds { signing: self.seeds.next, next: entropy.draw(), sealing: entropy.draw(), before };
        let signing = SigningKey::from_bytes(&seeds.signing);
        let key = signing.verifying_key().to_bytes();
        if blake3::hash(&key).as_bytes() != self.card.announced() || self.card.handed.len() >= HANDOVERS_MAX {
            return None;
        }
        let (next, sealing) = (announced_by(&seeds.next), seal::public_of(&seeds.sealing));
        let mut handed = Handed { key, next, sealing, signature: [0; 64] };
        let message = handover_message(&self.id(), self.card.key_number() + 1, &handed);
        handed.signature = signing.sign(&message).to_bytes();
        let mut card = self.card.clone();
        card.handed.push(handed);
        Some(Self { signing, card, seeds })
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

    /// Opens what was sealed to this identity's card, or to one before it.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let secrets = std::iter::once(&self.seeds.sealing).chain(self.seeds.before.iter().rev());
        secrets.into_iter().find_map(|secret| seal::open_with(secret, info, sealed))
    }

    /// A key for this process's own storage, bound to `purpose`; never leaves the machine. A handover does not change it.
    pub fn storage_key(&self, purpose: &'static str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("chartwell 1 storage");
        hasher.update(self.seeds.before.first().unwrap_or(&self.seeds.sealing)).update(purpose.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

fn announced_by(seed: &[u8; 32]) -> [u8; 32] {
    *blake3::hash(SigningKey::from_bytes(seed).verifying_key().as_bytes()).as_bytes()
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

    #[test]
    fn a_handover_renames_nothing_and_only_the_announced_key_takes_over() {
        let mut entropy = Entropy::new([2; 32]);
        let first = Identity::generate(&mut entropy);
        let second = first.hand_over(&mut entropy).expect("the next key is here");
        let third = second.hand_over(&mut entropy).expect("the next key is here");
        assert_eq!(third.id(), first.id());
        assert!(third.card().continues(second.card()) && !second.card().continues(third.card()));
        let bytes = third.card().encode();
        assert_eq!(Card::decode(&bytes).as_ref(), Ok(third.card()));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Card::decode(&bad).is_err(), "byte {at}");
        }
        // What the old key signs is not the identity's word any more.
        assert!(third.card().verify(b"word", &third.sign(b"word")).is_ok());
        assert_eq!(third.card().verify(b"word", &first.sign(b"word")).map_err(|error| error.rule), Err("1.3"));
        let stranger = Identity::generate(&mut entropy).hand_over(&mut entropy).expect("the next key is here");
        let mut stolen = first.card().clone();
        stolen.handed = stranger.card().handed.clone();
        assert_eq!(Card::decode(&stolen.encode()).map_err(|error| error.rule), Err("1.5"));
        let restored = Identity::restore(third.card().clone(), third.seeds().clone());
        assert_eq!(restored.map(|identity| identity.sign(b"x")), Some(third.sign(b"x")));
        assert!(Identity::restore(third.card().clone(), first.seeds().clone()).is_none());
        // What was sealed to a card before opens, and what the identity sealed for itself too.
        for card in [first.card(), second.card(), third.card()] {
            let sealed = seal::seal_to(card, b"info", b"text", &mut entropy).expect("it can receive");
            assert_eq!(third.open(b"info", &sealed).as_deref(), Some(&b"text"[..]));
        }
        let late = seal::seal_to(third.card(), b"info", b"text", &mut entropy).expect("it can receive");
        assert_eq!(first.open(b"info", &late), None, "the old keys open nothing new");
        assert_eq!(third.storage_key("x"), first.storage_key("x"));
    }

    #[test]
    fn a_device_under_a_root_cannot_take_over_itself() {
        let mut entropy = Entropy::new([3; 32]);
        let root = Identity::generate(&mut entropy);
        let device = Identity::generate_under(root.card(), &mut entropy);
        assert_eq!(device.card().statement.next, *blake3::hash(&root.card().statement.key).as_bytes());
        assert!(device.hand_over(&mut entropy).is_none());
    }
}
