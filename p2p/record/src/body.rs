//! Bodies: what control and access ops say, one file per kind, opened before the state is folded. Sealing
//! is in `frame`, judging in `state`. Called by `state` and `node`.

pub mod accept;
pub mod access;
pub mod claim;
pub mod device;
pub mod genesis;
pub mod grant;
pub mod handover;
pub mod keys;
pub mod lifecycle;
pub mod request;
pub mod revoke;

use crate::cbor::{CodecError, refuse};
use crate::entry::KeyName;
use crate::header::Kind;

/// Longest body; a claim with its grants is the largest.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest free text in a body: names and reasons people type.
pub const TEXT_BYTES_MAX: usize = 4096;

/// What an op says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Opens a record.
    Genesis(genesis::Genesis),
    /// Lets identities in.
    Grant(grant::Grants),
    /// Takes grants back.
    Revoke(revoke::Revoke),
    /// Takes quarantined ops back in.
    Accept(accept::Accept),
    /// Hands a custodial record over.
    Claim(claim::Claim),
    /// The patient's devices.
    Device(device::Device),
    /// Opens an epoch.
    Keys(keys::Keys),
    /// Hands an identity over to its next key.
    Handover(handover::Handover),
    /// Somebody asked.
    Request(request::Request),
    /// Somebody read.
    Access(access::Access),
    /// Who made a change, through what and why.
    Agent(access::Agent),
    /// The record goes on in another.
    Moved(lifecycle::Moved),
    /// Another record of the patient.
    Link(lifecycle::Link),
    /// Heads and a root.
    Checkpoint(lifecycle::Checkpoint),
    /// Frames that go.
    Erase(lifecycle::Erase),
}

impl Body {
    /// The one encoding.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Body::Genesis(body) => body.encode(),
            Body::Grant(body) => body.encode(),
            Body::Revoke(body) => body.encode(),
            Body::Accept(body) => body.encode(),
            Body::Claim(body) => body.encode(),
            Body::Device(body) => body.encode(),
            Body::Keys(body) => body.encode(),
            Body::Handover(body) => body.encode(),
            Body::Request(body) => body.encode(),
            Body::Access(body) => body.encode(),
            Body::Agent(body) => body.encode(),
            Body::Moved(body) => body.encode(),
            Body::Link(body) => body.encode(),
            Body::Checkpoint(body) => body.encode(),
            Body::Erase(body) => body.encode(),
        }
    }

    /// Reads the body of an op of `kind`.
    ///
    /// # Errors
    /// The rule of the kind's body, 4.2 to 4.16.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > BODY_BYTES_MAX {
            return refuse("4.0", "a body over its limit");
        }
        Ok(match kind {
            Kind::Genesis => Body::Genesis(genesis::Genesis::decode(bytes)?),
            Kind::Grant => Body::Grant(grant::Grants::decode(bytes)?),
            Kind::Revoke => Body::Revoke(revoke::Revoke::decode(bytes)?),
            Kind::Accept => Body::Accept(accept::Accept::decode(bytes)?),
            Kind::Claim => Body::Claim(claim::Claim::decode(bytes)?),
            Kind::Device => Body::Device(device::Device::decode(bytes)?),
            // A handover is an array of three, an epoch of two.
            Kind::Keys if bytes.first() == Some(&0x83) => Body::Handover(handover::Handover::decode(bytes)?),
            Kind::Keys => Body::Keys(keys::Keys::decode(bytes)?),
            Kind::Request => Body::Request(request::Request::decode(bytes)?),
            Kind::Access => Body::Access(access::Access::decode(bytes)?),
            Kind::Change => Body::Agent(access::Agent::decode(bytes)?),
            Kind::Moved => Body::Moved(lifecycle::Moved::decode(bytes)?),
            Kind::Link => Body::Link(lifecycle::Link::decode(bytes)?),
            Kind::Checkpoint => Body::Checkpoint(lifecycle::Checkpoint::decode(bytes)?),
            Kind::Erase => Body::Erase(lifecycle::Erase::decode(bytes)?),
        })
    }

    /// Reads the body of a control op that was sealed as `key` says. Only under the key that every member has does a body
    /// say something: what some cannot open must not move the state of the others.
    ///
    /// # Errors
    /// Rule 4.0 for a body under another key than its kind's, else as [`Body::decode`].
    pub fn decode_sealed(kind: Kind, key: &KeyName, bytes: &[u8]) -> Result<Self, CodecError> {
        let body = Self::decode(kind, bytes)?;
        let fits = match (&body, key) {
            (Body::Genesis(_) | Body::Handover(_), KeyName::Plain) => true,
            (Body::Genesis(_) | Body::Handover(_), _) => false,
            (Body::Keys(_), KeyName::Own) => true,
            (Body::Request(_) | Body::Link(_), KeyName::Owner(_)) => true,
            (Body::Keys(_) | Body::Link(_), _) => false,
            (_, KeyName::Epochs(_)) => true,
            _ => false,
        };
        if fits { Ok(body) } else { refuse("4.0", "a body under another key than its kind's") }
    }
}
