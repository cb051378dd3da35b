//! Builds the swarm: transports, limits, protocols; and makes it listen. Polling it is `host`'s alone.

use crate::{
    Config, StartError, key,
    limits::{CONNECTIONS_IN_MAX, CONNECTIONS_MAX, CONNECTIONS_PENDING_MAX, CONNECTIONS_PER_PEER_MAX, IDLE_MAX},
};
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    core::transport::ListenerId,
    identify, identity,
    multiaddr::Protocol,
    noise,
    swarm::NetworkBehaviour,
    tcp, yamux,
};
use libp2p_stream as stream;
use std::net::{IpAddr, TcpListener};
use tracing::warn;

/// What runs on every connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    pub(crate) stream: stream::Behaviour,
}

/// A listen address that is not settled yet.
pub(crate) struct Listening {
    pub(crate) id: ListenerId,
    pub(crate) address: Multiaddr,
}

/// The swarm, not listening yet.
pub(crate) fn build(config: &Config) -> Result<Swarm<Behaviour>, StartError> {
    let keypair = key::keypair(&config.transport_secret);
    with_dns(keypair.clone(), true).or_else(|error| {
        // Without a resolver's configuration, addresses by number still work.
        warn!("names in addresses will not be resolved: {error}");
        with_dns(keypair, false)
    })
}

fn with_dns(keypair: identity::Keypair, dns: bool) -> Result<Swarm<Behaviour>, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Transport(error.to_string());
    let builder = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .map_err(|error| failed(&error))?
        .with_quic();
    let idle = |config: libp2p::swarm::Config| config.with_idle_connection_timeout(IDLE_MAX);
    if dns {
        let builder = builder.with_dns().map_err(|error| failed(&error))?;
        let builder = builder.with_behaviour(behaviour).map_err(|error| failed(&error))?;
        return Ok(builder.with_swarm_config(idle).build());
    }
    let builder = builder.with_behaviour(behaviour).map_err(|error| failed(&error))?;
    Ok(builder.with_swarm_config(idle).build())
}

fn behaviour(keypair: &identity::Keypair) -> Behaviour {
    let limits = ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_IN_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX));
    // Addresses travel in greetings, to whom they are meant for; not to everybody who connects.
    let identify = identify::Config::new("/chartwell/1".to_owned(), keypair.public())
        .with_agent_version(format!("chartwell/{}", env!("CARGO_PKG_VERSION")))
        .with_cache_size(0)
        .with_hide_listen_addrs(true);
    Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(identify),
        stream: stream::Behaviour::new(),
    }
}

/// Begins to listen; returns what is not settled yet. UDP that is refused at once is a warning.
pub(crate) fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[String]) -> Result<Vec<Listening>, StartError> {
    let mut begun = Vec::new();
    let mut refused = None;
    for text in addresses {
        let address: Multiaddr = text.parse().map_err(|_| StartError::Address { address: text.clone() })?;
        if let Some(error) = taken(&address) {
            return Err(StartError::Listen { address: text.clone(), reason: error.to_string() });
        }
        match swarm.listen_on(address.clone()) {
            Ok(id) => begun.push(Listening { id, address }),
            Err(error) if is_udp(&address) => {
                warn!(address = %address, "cannot listen on {address}: {error}");
                refused = Some(StartError::Listen { address: text.clone(), reason: error.to_string() });
            }
            Err(error) => return Err(StartError::Listen { address: text.clone(), reason: error.to_string() }),
        }
    }
    match refused {
        Some(error) if begun.is_empty() => Err(error),
        _ => Ok(begun),
    }
}

/// Why a TCP port cannot be had. libp2p shares ports (SO_REUSEPORT), so a second process on the same port
/// would start without a word and get some of the first one's connections.
fn taken(address: &Multiaddr) -> Option<std::io::Error> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port != 0 => TcpListener::bind((ip, port)).err(),
        _ => None,
    }
}

/// Whether an address is one that hospital networks and containers often refuse.
pub(crate) fn is_udp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Udp(_)))
}

/// Whether an address stands for every interface.
pub(crate) fn is_unspecified(address: &Multiaddr) -> bool {
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_unspecified(),
        Protocol::Ip6(ip) => ip.is_unspecified(),
        _ => false,
    })
}

/// Whether an address is this machine only.
pub(crate) fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}
