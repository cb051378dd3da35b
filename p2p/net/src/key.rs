//! The name of a transport: an Ed25519 public key, which libp2p prints as a peer id. One identity may have
//! several. Not here: identities, which are `record`'s. Used by everybody who names a connection.

use libp2p::{PeerId, identity};
use std::{fmt, str::FromStr};

/// A peer's transport public key (Ed25519, 32 bytes); printed as libp2p's peer id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

/// A text or a peer id that is not an Ed25519 peer's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the peer id of an ed25519 key")]
pub struct KeyError;

impl PeerKey {
    /// The public key of a transport secret (an Ed25519 seed).
    pub fn of_secret(secret: &[u8; 32]) -> Self {
        keypair(secret).public().try_into_ed25519().map_or(Self([0; 32]), |key| Self(key.to_bytes()))
    }

    /// The key inside a libp2p peer id; ids of other kinds of key have none.
    pub(crate) fn of_peer(peer: &PeerId) -> Result<Self, KeyError> {
        // Code 0 is the identity hash: the id of a short key is the key itself.
        let hash = peer.as_ref();
        if hash.code() != 0 {
            return Err(KeyError);
        }
        let key = identity::PublicKey::try_decode_protobuf(hash.digest()).map_err(|_| KeyError)?;
        Ok(Self(key.try_into_ed25519().map_err(|_| KeyError)?.to_bytes()))
    }

    /// The libp2p peer id; bytes that are no curve point have none.
    pub(crate) fn peer(&self) -> Result<PeerId, KeyError> {
        let key = identity::ed25519::PublicKey::try_from_bytes(&self.0).map_err(|_| KeyError)?;
        Ok(identity::PublicKey::from(key).to_peer_id())
    }
}

/// The libp2p key pair of a seed.
pub(crate) fn keypair(secret: &[u8; 32]) -> identity::Keypair {
    let mut seed = *secret;
    identity::Keypair::ed25519_from_bytes(&mut seed[..]).expect("any 32 bytes are an ed25519 seed")
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer() {
            Ok(peer) => peer.fmt(f),
            Err(_) => f.write_str("(no peer)"),
        }
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

impl FromStr for PeerKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::of_peer(&text.parse().map_err(|_| KeyError)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_peer_id() {
        let key = PeerKey::of_secret(&[7; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(PeerKey::of_peer(&key.peer().unwrap()), Ok(key));
        for bad in ["", "12D3", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"] {
            assert_eq!(bad.parse::<PeerKey>(), Err(KeyError), "{bad}");
        }
    }
}
