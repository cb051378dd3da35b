//! The one task that polls the swarm: it turns the swarm's events into changes of the table of peers, and
//! what the table plans into dials, sessions and disconnects. Not here: any decision about whom to dial
//! (`peers`) or what is said (`session`, `ask`).

use crate::{
    Config, Handle, Log, PeerKey, StartError, ask,
    key::keypair,
    limits::{COMMANDS_MAX, SHUTDOWN_MAX},
    peers::Action,
    session::{self, End},
    shared::{Command, Context, Shared},
    swarm::{self, Behaviour, Listening, is_loopback, is_udp, is_unspecified},
    wire::{ASK, SYNC},
};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm,
    core::transport::ListenerId,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, info, warn};

/// How long `start` waits for the addresses of an interface beyond the first.
const MORE_ADDRESSES: Duration = Duration::from_millis(500);
/// How long connections may take to close at the end.
const CLOSING_MAX: Duration = Duration::from_secs(1);

struct Host<L> {
    swarm: Swarm<Behaviour>,
    context: Context<L>,
    commands: mpsc::Receiver<Command>,
    /// Who waits for a connection that a handle asked for.
    waiting: HashMap<ConnectionId, (PeerId, oneshot::Sender<Result<(), String>>)>,
}

/// Starts the network and returns once it listens. It runs until [`Handle::shutdown`], also when every
/// handle is dropped.
///
/// UDP that cannot be bound is a warning as long as some TCP address works.
///
/// # Errors
/// [`StartError`] when an address is malformed or refused, or no transport can be built.
pub async fn start<L: Log>(config: Config, log: Arc<L>) -> Result<Handle, StartError> {
    let mut swarm = swarm::build(&config)?;
    let control = swarm.behaviour().stream.new_control();
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let peer = keypair(&config.transport_secret).public().to_peer_id();
    let own = PeerKey::of_secret(&config.transport_secret);
    let shared = Arc::new(Shared::new(own, peer, control, commands));
    let (alive, ended) = mpsc::channel(1);
    let context = Context { log, shared: shared.clone(), alive };

    // Protocols are registered before the first connection can come.
    let streams = accept(&context);
    let begun = swarm::listen(&mut swarm, &config.listen)?;
    let mut host = Host { swarm, context, commands: received, waiting: HashMap::new() };
    host.settle(begun).await?;
    info!(peer.id = %own, "listening on {}", shared.listening().join(" "));
    tokio::spawn(host.run(streams, ended));
    Ok(Handle::new(shared))
}

/// Takes streams others open; each is handed to a task of its own at once, since libp2p drops a stream
/// nobody is waiting for.
fn accept<L: Log>(context: &Context<L>) -> [tokio::task::JoinHandle<()>; 2] {
    let incoming = |protocol| {
        let mut control = context.shared.control.clone();
        control.accept(StreamProtocol::new(protocol)).expect("a new swarm has no protocols registered")
    };
    let (mut syncs, mut asks) = (incoming(SYNC), incoming(ASK));
    let (for_syncs, for_asks) = (context.clone(), context.clone());
    let syncs = async move {
        while let Some((peer, stream)) = syncs.next().await {
            tokio::spawn(session::accept(for_syncs.clone(), peer, stream));
        }
    };
    let asks = async move {
        while let Some((peer, stream)) = asks.next().await {
            tokio::spawn(ask::accept(for_asks.clone(), peer, stream));
        }
    };
    [tokio::spawn(syncs), tokio::spawn(asks)]
}

impl<L: Log> Host<L> {
    /// Waits until every listen address works or was refused.
    async fn settle(&mut self, mut begun: Vec<Listening>) -> Result<(), StartError> {
        let mut loopback: Vec<ListenerId> =
            begun.iter().filter(|one| is_unspecified(&one.address)).map(|one| one.id).collect();
        let mut settled = 0;
        let mut refused = None;
        let mut until: Option<Instant> = None;
        while !begun.is_empty() || !loopback.is_empty() {
            if begun.is_empty() {
                // An unspecified address names its interfaces one by one; a machine without loopback is rare.
                until.get_or_insert_with(|| Instant::now() + MORE_ADDRESSES);
            }
            let event = tokio::select! {
                event = self.swarm.select_next_some() => event,
                _ = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
            };
            match &event {
                SwarmEvent::NewListenAddr { listener_id, address } => {
                    let before = begun.len();
                    begun.retain(|one| one.id != *listener_id);
                    settled += before - begun.len();
                    if is_loopback(address) {
                        loopback.retain(|id| id != listener_id);
                    }
                }
                SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                    loopback.retain(|id| id != listener_id);
                    if let Some(place) = begun.iter().position(|one| one.id == *listener_id) {
                        let address = begun.swap_remove(place).address;
                        let reason = reason.as_ref().err().map_or("closed".into(), ToString::to_string);
                        let error = StartError::Listen { address: address.to_string(), reason };
                        if !is_udp(&address) {
                            return Err(error);
                        }
                        warn!("{error}");
                        refused = Some(error);
                    }
                }
                _ => {}
            }
            self.on_event(event);
        }
        match refused {
            Some(error) if settled == 0 => Err(error),
            _ => Ok(()),
        }
    }

    async fn run(mut self, accepting: [tokio::task::JoinHandle<()>; 2], mut ended: mpsc::Receiver<()>) {
        let shared = self.context.shared.clone();
        let mut stop = shared.stop.subscribe();
        loop {
            let (actions, next) = shared.look(|peers| peers.plan(Instant::now()));
            for action in actions {
                self.act(action);
            }
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                _ = shared.wake.notified() => {}
                _ = due => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        shared.look(|peers| peers.lives().for_each(|live| live.link.end(End::Stopped)));
        let Self { mut swarm, context, commands, waiting } = self;
        drop((context, commands, waiting));
        // Sessions finish what they are storing; the swarm goes on carrying their last words meanwhile.
        let finished = async {
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    _ = ended.recv() => break,
                }
            }
        };
        if timeout(SHUTDOWN_MAX, finished).await.is_err() {
            warn!("some sessions did not end in {} s", SHUTDOWN_MAX.as_secs());
        }
        let peers: Vec<PeerId> = swarm.connected_peers().copied().collect();
        for peer in &peers {
            let _ = swarm.disconnect_peer_id(*peer);
        }
        let closed = async {
            while swarm.connected_peers().next().is_some() {
                swarm.select_next_some().await;
            }
        };
        let _ = timeout(CLOSING_MAX, closed).await;
        drop(swarm);
        shared.done.send_replace(true);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial(peer, addresses) => {
                if let Err(problem) = self.dial(peer, addresses, PeerCondition::Disconnected) {
                    self.context.shared.change(|peers| peers.dial_failed(peer, problem, Instant::now()));
                }
            }
            Action::Open(peer) => {
                tokio::spawn(session::open(self.context.clone(), peer));
            }
            Action::Disconnect(peer) => {
                // Nothing to close is what was wanted.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, when: PeerCondition) -> Result<ConnectionId, String> {
        // From a port of its own: a listening port dialled from is busy for minutes after each reconnect, and
        // two who dial each other from theirs become one TCP connection with two initiators.
        let options = DialOpts::peer_id(peer).condition(when).addresses(addresses).allocate_new_port().build();
        let id = options.connection_id();
        self.swarm.dial(options).map(|()| id).map_err(|error| error.to_string())
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Ask(question) => {
                tokio::spawn(ask::run(self.context.clone(), question));
            }
            Command::Connect { peer, answer, .. } if self.swarm.is_connected(&peer) => {
                let _ = answer.send(Ok(()));
            }
            Command::Connect { peer, addresses, answer } => match self.dial(peer, addresses, PeerCondition::Always) {
                Ok(id) => drop(self.waiting.insert(id, (peer, answer))),
                Err(problem) => drop(answer.send(Err(problem))),
            },
        }
    }

    fn on_event<E: std::fmt::Debug>(&mut self, event: SwarmEvent<E>) {
        let shared = &self.context.shared;
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                debug!(peer.id = %peer_id, "connected to {peer_id} over {}", endpoint.get_remote_address());
                shared.change(|peers| peers.connected(peer_id, Instant::now()));
                for (_, (_, answer)) in self.waiting.extract_if(|_, (peer, _)| *peer == peer_id) {
                    let _ = answer.send(Ok(()));
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, .. } => {
                shared.change(|peers| peers.disconnected(peer_id, num_established, Instant::now()));
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                debug!("dialling failed: {error}");
                if let Some((_, answer)) = self.waiting.remove(&connection_id) {
                    let _ = answer.send(Err(error.to_string()));
                } else if let Some(peer) = peer_id {
                    shared.change(|peers| peers.dial_failed(peer, error.to_string(), Instant::now()));
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => shared.listens(self.named(address), true),
            SwarmEvent::ExpiredListenAddr { address, .. } => shared.listens(self.named(address), false),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                for address in addresses {
                    warn!(address = %address, "no longer listening on {address}: {reason:?}");
                    shared.listens(self.named(address), false);
                }
            }
            SwarmEvent::ListenerError { error, .. } => warn!("a listener reports: {error}"),
            SwarmEvent::IncomingConnectionError { error, .. } => debug!("a connection failed: {error}"),
            _ => {}
        }
    }

    /// An address of ours with our peer id at its end.
    fn named(&self, address: Multiaddr) -> Multiaddr {
        address.with(Protocol::P2p(*self.swarm.local_peer_id()))
    }
}
