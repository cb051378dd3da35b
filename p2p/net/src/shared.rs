//! What the handle, the host and the sessions share: the table of peers, our addresses, the ways to wake and
//! to stop. Locks are held for table look-ups only, never across an await.

use crate::{
    Log, PeerKey,
    ask::Question,
    limits::{STREAMS_PENDING_MAX, STREAMS_PER_PEER_MAX},
    peers::Peers,
};
use libp2p::{Multiaddr, PeerId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// What a handle or a task asks of the host.
pub(crate) enum Command {
    /// Answer with a connection to `peer`, or why there is none.
    Connect { peer: PeerId, addresses: Vec<Multiaddr>, answer: oneshot::Sender<Result<(), String>> },
    /// Ask others a question.
    Ask(Question),
}

/// Shared without the log, so that a handle needs no type parameter.
pub(crate) struct Shared {
    pub(crate) own: PeerKey,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) control: libp2p_stream::Control,
    /// Wakes the host to look at the table.
    pub(crate) wake: Notify,
    /// Counts visible changes of the table.
    pub(crate) revision: watch::Sender<u64>,
    /// True once everything is to end.
    pub(crate) stop: watch::Sender<bool>,
    /// True once everything has ended.
    pub(crate) done: watch::Sender<bool>,
    peers: Mutex<Peers>,
    listening: Mutex<Vec<Multiaddr>>,
    pending: Mutex<HashMap<PeerId, usize>>,
}

/// Everything a task of the network works with.
pub(crate) struct Context<L> {
    pub(crate) log: Arc<L>,
    pub(crate) shared: Arc<Shared>,
    /// Held by every task that must have ended before `shutdown` returns.
    pub(crate) alive: mpsc::Sender<()>,
}

impl<L> Clone for Context<L> {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), shared: self.shared.clone(), alive: self.alive.clone() }
    }
}

impl<L: Log> Context<L> {
    /// Our greeting, with the addresses of now.
    pub(crate) fn hello(&self) -> Vec<u8> {
        self.log.hello(self.shared.own, &self.shared.listening())
    }
}

impl Shared {
    pub(crate) fn new(
        own: PeerKey,
        peer: PeerId,
        control: libp2p_stream::Control,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self {
            own,
            commands,
            control,
            wake: Notify::new(),
            revision: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            done: watch::Sender::new(false),
            peers: Mutex::new(Peers::new(peer)),
            listening: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    /// Runs what only waits for others; `None` once everything is to end.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            done = work => Some(done),
        }
    }

    /// Looks at the table or changes it; wakes the host and whoever watches.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut Peers) -> T) -> T {
        let result = work(&mut lock(&self.peers));
        self.revision.send_modify(|revision| *revision += 1);
        self.wake.notify_one();
        result
    }

    /// Looks at the table without telling anybody.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&mut Peers) -> T) -> T {
        work(&mut lock(&self.peers))
    }

    /// The concrete addresses we can be reached at, with our peer id.
    pub(crate) fn listening(&self) -> Vec<String> {
        lock(&self.listening).iter().map(ToString::to_string).collect()
    }

    /// Notes an address the swarm has begun (or ceased) to listen on.
    pub(crate) fn listens(&self, address: Multiaddr, now: bool) {
        {
            let mut listening = lock(&self.listening);
            listening.retain(|known| *known != address);
            if now {
                listening.push(address);
            }
        }
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// A place for a stream that is not greeted yet or is being answered; none if there are too many.
    pub(crate) fn place(self: &Arc<Self>, peer: PeerId) -> Option<Place> {
        let mut pending = lock(&self.pending);
        let total: usize = pending.values().sum();
        let of_peer = pending.entry(peer).or_default();
        if total >= STREAMS_PENDING_MAX || *of_peer >= STREAMS_PER_PEER_MAX {
            return None;
        }
        *of_peer += 1;
        Some(Place { shared: self.clone(), peer })
    }
}

/// Held as long as a pending stream counts against its peer's limit.
pub(crate) struct Place {
    shared: Arc<Shared>,
    peer: PeerId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pending = lock(&self.shared.pending);
        if let Some(count) = pending.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                pending.remove(&self.peer);
            }
        }
    }
}

/// Locks; a panic elsewhere under the lock leaves tables that are still whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
