//! What a network is started with, and why it may not start. Not here: reading either from a command line.

use crate::PeerKey;
use std::fmt;

/// How to start the network.
#[derive(Clone)]
pub struct Config {
    /// The transport's Ed25519 seed; keep it and the peer id stays.
    pub transport_secret: [u8; 32],
    /// Multiaddrs to listen on (`/ip4/…/tcp/…` or `/ip4/…/udp/…/quic-v1`); port 0 lets the system choose;
    /// empty only dials.
    pub listen: Vec<String>,
}

impl Config {
    /// Listens on every IPv4 interface over TCP and QUIC, on ports the system chooses.
    pub fn new(transport_secret: [u8; 32]) -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"];
        Self { transport_secret, listen: listen.map(str::to_owned).to_vec() }
    }

    /// The public half of `transport_secret`.
    pub fn peer(&self) -> PeerKey {
        PeerKey::of_secret(&self.transport_secret)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("peer", &self.peer()).field("listen", &self.listen).finish()
    }
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listen address is not a multiaddr: correct it.
    #[error("{address} is not a multiaddr such as /ip4/0.0.0.0/tcp/0")]
    Address {
        /// What was given.
        address: String,
    },
    /// The system refused an address, and no TCP address works instead: free or change it.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A transport could not be built.
    #[error("cannot build the transports: {0}")]
    Transport(String),
}
