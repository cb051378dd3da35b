//! What two devices say to each other while one joins, the digits they compare, and the new one's word that they were the same
//! (rule 7.7). Used by `offer` and `join`.

use record::id::{base32, unbase32};
use record::{Card, Identity};
use serde::{Deserialize, Serialize};

/// What a new device signs that the digits were the same.
const ACCEPTANCE_DOMAIN: &[u8] = b"chartwell 1 device acceptance";

#[derive(Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) card: String,
    pub(super) name: String,
    pub(super) commit: String,
}
#[derive(Serialize, Deserialize)]
pub(super) struct HelloAnswer {
    pub(super) card: String,
    pub(super) name: String,
    pub(super) commit: String,
}
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Acceptance {
    signature: String,
}
/// The device is in: which records it shall take, and where they are.
#[derive(Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) done: bool,
    pub(super) records: Vec<String>,
    /// Those of them whose devices are the patient's own (rule 7.8).
    #[serde(default)]
    pub(super) ours: Vec<String>,
    pub(super) places: Vec<String>,
}

impl Acceptance {
    pub(super) fn by(identity: &Identity, transcript: &[u8; 32]) -> Self {
        Self { signature: base32(&identity.sign(&[ACCEPTANCE_DOMAIN, transcript].concat())) }
    }

    /// Whether it is `card`'s word about this meeting.
    pub(super) fn is_of(&self, card: &Card, transcript: &[u8; 32]) -> bool {
        let signature = unbase32(&self.signature).and_then(|bytes| bytes.try_into().ok());
        signature.is_some_and(|signature| card.verify(&[ACCEPTANCE_DOMAIN, transcript].concat(), &signature).is_ok())
    }
}

/// What both devices show digits of.
pub(super) fn transcript(first: &[u8], new: &[u8], nonce: &str, their_nonce: &str) -> [u8; 32] {
    let parts = [first, new, nonce.as_bytes(), their_nonce.as_bytes()];
    crate::meeting::transcript(b"chartwell 1 device pairing", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meeting::digits;
    use record::Entropy;

    /// Rule 7.6: whoever exchanges a part on the way makes the two devices show other digits.
    #[test]
    fn every_part_of_a_meeting_of_devices_is_in_its_digits() {
        let good = transcript(b"first", b"new", "nonce a", "nonce b");
        for other in [
            transcript(b"firsT", b"new", "nonce a", "nonce b"),
            transcript(b"first", b"neW", "nonce a", "nonce b"),
            transcript(b"first", b"new", "nonce c", "nonce b"),
            transcript(b"first", b"new", "nonce a", "nonce c"),
            transcript(b"new", b"first", "nonce b", "nonce a"),
            transcript(b"firstn", b"ew", "nonce a", "nonce b"),
            crate::pairing::transcript(b"first", b"new", "nonce a", "nonce b", &record::RecordId([0; 32])),
        ] {
            assert_ne!(digits(&good), digits(&other));
        }
    }

    #[test]
    fn the_new_device_s_word_is_its_own_and_about_this_meeting() {
        let mut entropy = Entropy::new([1; 32]);
        let (new, other) = (Identity::generate(&mut entropy), Identity::generate(&mut entropy));
        let said = Acceptance::by(&new, &[1; 32]);
        assert!(said.is_of(new.card(), &[1; 32]));
        assert!(!said.is_of(new.card(), &[2; 32]) && !said.is_of(other.card(), &[1; 32]));
        assert!(!Acceptance::default().is_of(new.card(), &[1; 32]));
    }
}
