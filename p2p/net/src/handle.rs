//! What the rest of the house holds of a running network. Every call returns at once or waits for an answer;
//! none reaches into the swarm. Used by `node`.

use crate::{
    PeerKey,
    ask::Question,
    limits::{ASK_BYTES_MAX, TOPIC_BYTES_MAX},
    shared::{Command, Shared},
};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use record::{IdentityId, RecordId};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout},
};
use tracing::warn;

/// What an asking task gets to say what went wrong after its deadline.
const ASK_GRACE: Duration = Duration::from_millis(500);

/// A running network; clones are the same network.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// One peer as a page may show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its transport key.
    pub peer: PeerKey,
    /// Who it proved to be, last time.
    pub identity: Option<IdentityId>,
    /// Whether a greeted session is open now.
    pub connected: bool,
    /// Whether we stay connected to it.
    pub kept: bool,
    /// Where we dial it.
    pub addresses: Vec<String>,
    /// Since when it is (not) connected; `None` if it never was in this run.
    pub since: Option<SystemTime>,
    /// Why it is not connected, as far as known.
    pub problem: Option<String>,
}

/// Why a question has no answer; says what the asker can do.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AskError {
    /// No address names a peer (`…/p2p/<peer id>`): get a correct address.
    #[error("no address says which peer it is of")]
    Address,
    /// Topic or body is larger than a message takes.
    #[error("the question is too large")]
    TooLarge,
    /// Nobody could be reached: try again later, or with newer addresses.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The other side said no, in these words.
    #[error("refused: {0}")]
    Refused(String),
    /// We do not accept who answered.
    #[error("answered by somebody else: {0}")]
    Stranger(String),
    /// No answer in time; whether the question arrived is not known.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke or what came was no answer; whether the question was taken is not known.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// The network is being stopped.
    #[error("the network stops")]
    Stopped,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Our transport key.
    pub fn own(&self) -> PeerKey {
        self.shared.own
    }

    /// The concrete multiaddrs we listen on, loopback included, each ending in `/p2p/<peer id>`.
    pub fn listening(&self) -> Vec<String> {
        self.shared.listening()
    }

    /// Says that ops or grants of a record moved: connected members are sent what they lack, and frames that
    /// may be had now are asked for. Cheap; many calls become one look.
    pub fn moved(&self, record: RecordId) {
        self.shared.look(|peers| peers.lives().for_each(|live| live.link.moved(record)));
    }

    /// Stays connected to the peers these addresses name (`…/p2p/<peer id>`), from now on: dials at once and
    /// again whenever the connection is lost. Addresses are grouped by peer and replace what was known of it;
    /// an address without a peer id is skipped with a warning.
    pub fn keep(&self, addresses: Vec<String>) {
        for (peer, addresses) in by_peer(&addresses) {
            let kept = self.shared.change(|peers| peers.keep(peer, addresses, Instant::now()));
            if !kept {
                warn!(peer.id = %peer, "too many peers are kept, {peer} is not");
            }
        }
    }

    /// Stays connected to a peer no longer and closes what is open; it may still connect to us.
    pub fn forget(&self, peer: PeerKey) {
        if let Ok(peer) = peer.peer() {
            self.shared.change(|peers| peers.forget(peer));
        }
    }

    /// Asks whoever is at `addresses` one question; of several peers, the first that can be reached. Returns
    /// who answered, greeted, and the answer.
    ///
    /// # Errors
    /// [`AskError`]; after `TimedOut` and `Lost` the question may have been taken.
    pub async fn ask(
        &self,
        addresses: Vec<String>,
        topic: impl Into<String>,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<(IdentityId, Vec<u8>), AskError> {
        let topic = topic.into();
        if topic.len() > TOPIC_BYTES_MAX || body.len() > ASK_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        let peers = by_peer(&addresses);
        if peers.is_empty() {
            return Err(AskError::Address);
        }
        let (answer, answered) = oneshot::channel();
        let question = Question { peers, topic, body, deadline: Instant::now() + wait, answer };
        let asked = async {
            self.shared.commands.send(Command::Ask(question)).await.map_err(|_| AskError::Stopped)?;
            answered.await.map_err(|_| AskError::Stopped)?
        };
        // The asking task keeps the deadline and knows better what went wrong; this is for a log that hangs.
        timeout(wait + ASK_GRACE, asked).await.map_err(|_| AskError::TimedOut)?
    }

    /// Every peer we keep or are connected to.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.look(|peers| peers.statuses())
    }

    /// A counter that grows whenever [`Handle::peers`] or [`Handle::listening`] may have changed.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// Ends every session and connection, and returns when all have ended and the ports are free. What is
    /// being stored is stored to its end.
    pub async fn shutdown(self) {
        self.shared.stop.send_replace(true);
        // An error means that the network is gone already.
        let _ = self.shared.done.subscribe().wait_for(|done| *done).await;
    }
}

/// Addresses grouped by the peer they end in, in the order given.
fn by_peer(addresses: &[String]) -> Vec<(PeerId, Vec<Multiaddr>)> {
    let mut groups: Vec<(PeerId, Vec<Multiaddr>)> = Vec::new();
    for text in addresses {
        let address = text.parse::<Multiaddr>().ok();
        let Some((address, Some(Protocol::P2p(peer)))) = address.map(|address| {
            let last = address.iter().last();
            (address.clone(), last.map(Protocol::acquire))
        }) else {
            warn!("an address without a peer id at its end is skipped");
            continue;
        };
        match groups.iter_mut().find(|(known, _)| *known == peer) {
            Some((_, known)) => known.push(address),
            None => groups.push((peer, vec![address])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_grouped_by_the_peer_they_end_in() {
        let (one, two) = (PeerId::random(), PeerId::random());
        let texts = [
            format!("/ip4/127.0.0.1/tcp/1/p2p/{one}"),
            format!("/ip4/127.0.0.1/tcp/2/p2p/{two}"),
            "/ip4/127.0.0.1/tcp/3".to_owned(),
            "nonsense".to_owned(),
            format!("/ip4/127.0.0.1/udp/4/quic-v1/p2p/{one}"),
        ];
        let groups = by_peer(&texts);
        let counts: Vec<_> = groups.iter().map(|(peer, addresses)| (*peer, addresses.len())).collect();
        assert_eq!(counts, [(one, 2), (two, 1)]);
    }
}
