//! What the two sides of a pairing say to each other, beyond what any two sides do (`meeting`). Used by `pairing` and `invite`.

use record::RecordId;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) card: String,
    pub(crate) commit: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct HelloAnswer {
    pub(crate) card: String,
    pub(crate) name: String,
    pub(crate) record: String,
    pub(crate) patient_name: String,
    pub(crate) grants: String,
    pub(crate) commit: String,
}
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Confirm {
    pub(crate) acceptance: String,
    pub(crate) grants: String,
}

/// What both sides sign and show digits of.
pub(crate) fn transcript(
    hospital: &[u8],
    patient: &[u8],
    nonce: &str,
    their_nonce: &str,
    record: &RecordId,
) -> [u8; 32] {
    let parts = [hospital, patient, nonce.as_bytes(), their_nonce.as_bytes(), record.bytes()];
    crate::meeting::transcript(b"chartwell 1 pairing", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meeting::digits;

    /// Rule 7.5: whoever exchanges a part on the way makes the two sides show other digits.
    #[test]
    fn every_part_of_a_pairing_is_in_its_digits() {
        let record = RecordId([1; 32]);
        let good = transcript(b"hospital", b"patient", "nonce a", "nonce b", &record);
        assert_eq!(good, transcript(b"hospital", b"patient", "nonce a", "nonce b", &record));
        let others = [
            transcript(b"hospitaL", b"patient", "nonce a", "nonce b", &record),
            transcript(b"hospital", b"patienT", "nonce a", "nonce b", &record),
            transcript(b"hospital", b"patient", "nonce c", "nonce b", &record),
            transcript(b"hospital", b"patient", "nonce a", "nonce c", &record),
            transcript(b"hospital", b"patient", "nonce b", "nonce a", &record),
            transcript(b"hospital", b"patient", "nonce a", "nonce b", &RecordId([2; 32])),
            transcript(b"hospitalp", b"atient", "nonce a", "nonce b", &record),
        ];
        for other in others {
            assert_ne!(good, other);
            assert_ne!(digits(&good), digits(&other));
        }
        assert_eq!(digits(&good).len(), 6);
    }
}
