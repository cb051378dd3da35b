//! The libp2p host: finds its peers' connections, greets, and moves opaque ops until both sides hold the
//! same heads. What an op means, who may have it and where it is stored is decided behind the one port
//! [`Log`], which `node` implements. Nothing here parses an op, signs, or touches a database.
//!
//! `docs/PROTOCOL.md` (sync) is the contract of the bytes; the walk through the code is [`start`] →
//! `host` (the one task that polls the swarm) → `session` (one per greeted peer: `pump` moves bytes,
//! `give` sends what the peer lacks, `take` applies what it sent) → [`Log`].

mod ask;
mod backoff;
mod config;
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod host;
mod key;
pub mod limits;
mod log;
mod peers;
mod pipe;
mod session;
mod shared;
mod swarm;
mod wire;

pub use config::{Config, StartError};
pub use handle::{AskError, Handle, PeerStatus};
pub use host::start;
pub use key::{KeyError, PeerKey};
pub use log::{Applied, ApplyError, FrameId, Log, Outgoing, Refusal, Suffix};
