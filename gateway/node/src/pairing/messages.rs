//! What both sides of a pairing say to each other, and the digits they compare. Used by `pairing` and `invite`.

use record::RecordId;
use record::id::{base32, unbase32};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) task: String,
    pub(crate) sealed: String,
}
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
#[derive(Serialize, Deserialize)]
pub(crate) struct Reveal {
    pub(crate) nonce: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct RevealAnswer {
    pub(crate) nonce: String,
}
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Confirm {
    pub(crate) acceptance: String,
    pub(crate) grants: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct StateAnswer {
    pub(crate) state: String,
    pub(crate) message: String,
}
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) sealed: String,
}

/// Seals a message under the invite's secret; `purpose` keeps one message from passing for another.
pub(crate) fn seal(secret: &[u8; 32], purpose: &str, body: &impl Serialize) -> Sealed {
    let nonce = crate::clock::random::<12>();
    let plain = serde_json::to_vec(body).unwrap_or_default();
    let key = record::seal::mac(secret, purpose.as_bytes());
    let sealed = record::seal::seal(&key, &nonce, purpose.as_bytes(), &plain);
    Sealed { sealed: base32(&[&nonce[..], &sealed].concat()) }
}

/// Opens what [`seal`] made.
pub(crate) fn open<T: DeserializeOwned>(secret: &[u8; 32], purpose: &str, sealed: &str) -> Option<T> {
    let bytes = unbase32(sealed)?;
    let (nonce, sealed) = bytes.split_at_checked(12)?;
    let key = record::seal::mac(secret, purpose.as_bytes());
    let plain = record::seal::open(&key, nonce.try_into().ok()?, purpose.as_bytes(), sealed)?;
    serde_json::from_slice(&plain).ok()
}

/// What both sides sign and show digits of.
pub(crate) fn transcript(
    hospital: &[u8],
    patient: &[u8],
    nonce: &str,
    their_nonce: &str,
    record: &RecordId,
) -> [u8; 32] {
    let mut text = b"chartwell 1 pairing".to_vec();
    for part in [hospital, patient, nonce.as_bytes(), their_nonce.as_bytes(), record.bytes()] {
        text.extend((part.len() as u64).to_le_bytes());
        text.extend(part);
    }
    record::seal::mac(&[2; 32], &text)
}

/// The six digits of a transcript.
pub(crate) fn digits(transcript: &[u8; 32]) -> String {
    let number = u64::from_le_bytes(record::seal::mac(transcript, b"digits")[..8].try_into().unwrap_or_default());
    format!("{:06}", number % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_message_opens_with_the_secret_of_the_invite_and_as_what_it_is() {
        let sealed = seal(&[1; 32], "hello", &Reveal { nonce: "n".to_owned() }).sealed;
        let open = |secret: u8, purpose: &str, sealed: &str| open::<Reveal>(&[secret; 32], purpose, sealed).is_some();
        assert!(open(1, "hello", &sealed));
        for (secret, purpose, sealed) in
            [(2, "hello", sealed.as_str()), (1, "reveal", &sealed), (1, "hello", &sealed[1..]), (1, "hello", "")]
        {
            assert!(!open(secret, purpose, sealed), "{secret} {purpose} {sealed}");
        }
    }
}
