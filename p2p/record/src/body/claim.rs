//! `claim`: hands a custodial record to its patient. It stands in the custodian's control lane, holds the
//! patient's signed acceptance, and is a revoke of the custodian's own authority. Called by `body` and
//! `state`; built by `node`.

use super::grant::{Grant, read_grants, write_grants};
use super::revoke::{read_heads, write_heads};
use crate::cbor::{CodecError, Reader, Writer};
use crate::id::{Head, RecordId};
use crate::identity::{CARD_BYTES_MAX, Card, Identity};

const ACCEPTANCE_DOMAIN: &[u8] = b"chartwell 1 acceptance";

/// The body of a claim op (rule 4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The patient, who is the record's authority from here on.
    pub patient: Card,
    /// Hash of the pairing both sides showed the same six digits of.
    pub transcript: [u8; 32],
    /// The patient's signature over record, transcript and grants.
    pub acceptance: [u8; 64],
    /// What continues; named (claim id, place).
    pub grants: Vec<Grant>,
    /// The custodian's lanes, up to here.
    pub retains: Vec<Head>,
}

fn acceptance_message(record: &RecordId, transcript: &[u8; 32], grants: &[Grant]) -> Vec<u8> {
    let mut w = Writer::new();
    write_grants(&mut w, grants);
    let grants = blake3::hash(&w.finish());
    [ACCEPTANCE_DOMAIN, record.bytes(), transcript, grants.as_bytes()].concat()
}

/// The patient's acceptance of `record` with `grants` continuing.
pub fn accept(patient: &Identity, record: &RecordId, transcript: &[u8; 32], grants: &[Grant]) -> [u8; 64] {
    patient.sign(&acceptance_message(record, transcript, grants))
}

/// The one encoding of a list of grants, as the patient is shown it before accepting.
pub fn encode_grants(grants: &[Grant]) -> Vec<u8> {
    let mut w = Writer::new();
    write_grants(&mut w, grants);
    w.finish()
}

/// Reads [`encode_grants`].
///
/// # Errors
/// Rule 4.5.
pub fn decode_grants(bytes: &[u8]) -> Result<Vec<Grant>, CodecError> {
    let mut r = Reader::new(bytes, "4.5");
    let grants = read_grants(&mut r)?;
    r.end(&encode_grants(&grants))?;
    Ok(grants)
}

impl Claim {
    /// Whether the patient signed this for `record`.
    pub fn is_accepted(&self, record: &RecordId) -> bool {
        let message = acceptance_message(record, &self.transcript, &self.grants);
        self.patient.verify(&message, &self.acceptance).is_ok()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(5).bytes(&self.patient.encode()).bytes(&self.transcript).bytes(&self.acceptance);
        write_grants(&mut w, &self.grants);
        write_heads(&mut w, &self.retains);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.5");
        r.array(5)?;
        let patient = Card::decode(r.bytes(CARD_BYTES_MAX)?)?;
        let body = Self {
            patient,
            transcript: r.exact()?,
            acceptance: r.exact()?,
            grants: read_grants(&mut r)?,
            retains: read_heads(&mut r)?,
        };
        r.end(&body.encode())?;
        Ok(body)
    }
}
