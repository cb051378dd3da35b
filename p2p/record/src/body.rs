//! Bodies: what control and access ops say, one file per kind, opened before the state is folded. Sealing
//! is in `frame`, judging in `state`. Called by `state` and `node`.

pub mod access;
pub mod claim;
pub mod genesis;
pub mod grant;
pub mod keys;
pub mod request;
pub mod revoke;

use crate::cbor::CodecError;
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
    /// Hands a custodial record over.
    Claim(claim::Claim),
    /// Opens an epoch.
    Keys(keys::Keys),
    /// Somebody asked.
    Request(request::Request),
    /// Somebody read.
    Access(access::Access),
    /// Who made a change, through what and why.
    Agent(access::Agent),
}

impl Body {
    /// The one encoding.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Body::Genesis(body) => body.encode(),
            Body::Grant(body) => body.encode(),
            Body::Revoke(body) => body.encode(),
            Body::Claim(body) => body.encode(),
            Body::Keys(body) => body.encode(),
            Body::Request(body) => body.encode(),
            Body::Access(body) => body.encode(),
            Body::Agent(body) => body.encode(),
        }
    }

    /// Reads the body of an op of `kind`.
    ///
    /// # Errors
    /// The rule of the kind's body, 4.2 to 4.9.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > BODY_BYTES_MAX {
            return crate::cbor::refuse("4.2", "a body over its limit");
        }
        Ok(match kind {
            Kind::Genesis => Body::Genesis(genesis::Genesis::decode(bytes)?),
            Kind::Grant => Body::Grant(grant::Grants::decode(bytes)?),
            Kind::Revoke => Body::Revoke(revoke::Revoke::decode(bytes)?),
            Kind::Claim => Body::Claim(claim::Claim::decode(bytes)?),
            Kind::Keys => Body::Keys(keys::Keys::decode(bytes)?),
            Kind::Request => Body::Request(request::Request::decode(bytes)?),
            Kind::Access => Body::Access(access::Access::decode(bytes)?),
            Kind::Change => Body::Agent(access::Agent::decode(bytes)?),
        })
    }
}
