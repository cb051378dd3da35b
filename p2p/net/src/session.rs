//! One session: a stream with one peer, from the greeting to its end. `greet` lets nobody in who is not
//! checked; then `pump` moves messages, `give` sends what the peer lacks and `take` stores what it sent.
//! Not here: when sessions are opened (`peers`), bytes (`pipe`, `wire`). Started by `host`.

mod give;
mod greet;
mod held;
mod inbox;
mod pump;
mod take;

pub(crate) use greet::shown;

use crate::{
    Log, PeerKey,
    limits::{OPEN_MAX, OUT_QUEUE_MAX},
    pipe::PipeError,
    shared::{Context, Place},
    wire::{self, Message},
};
use inbox::Inbox;
use libp2p::{PeerId, Stream, StreamProtocol};
use record::RecordId;
use std::sync::Arc;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};

/// Why a session ended; decides what happens to the peer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum End {
    #[error("closed: {0}")]
    Closed(String),
    #[error("nothing was heard for too long")]
    Silent,
    #[error("a batch or a question was not answered in time")]
    Stalled,
    #[error("fault of the peer: {0}")]
    Fault(String),
    #[error("refused: {0}")]
    Refused(String),
    #[error("replaced by a newer session")]
    Replaced,
    #[error("too many sessions")]
    Full,
    #[error("forgotten")]
    Forgotten,
    #[error("stopped")]
    Stopped,
}

impl From<PipeError> for End {
    fn from(error: PipeError) -> Self {
        match error {
            PipeError::Io(error) => End::Closed(error.to_string()),
            PipeError::Silent(_) => End::Silent,
            PipeError::Decode(_) | PipeError::Length(_) => End::Fault(error.to_string()),
        }
    }
}

/// What the tasks of a session, and the table of peers, share.
pub(crate) struct Link {
    pub(crate) inbox: Inbox,
    out: mpsc::Sender<Vec<u8>>,
    end: watch::Sender<Option<End>>,
}

/// The session has ended; stop what you are doing.
pub(crate) struct Ended;

impl Link {
    /// Ends the session, unless it has ended.
    pub(crate) fn end(&self, end: End) {
        self.end.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(end);
            }
            first
        });
    }

    /// Something moved in `record`: the session will look whether the peer lacks it.
    pub(crate) fn moved(&self, record: RecordId) {
        self.inbox.moved(record);
    }

    fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Waits until the session ends.
    async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(End::Stopped),
            Err(_) => End::Stopped,
        }
    }

    /// Queues a message; waits while the queue is full.
    async fn send(&self, message: &Message) -> Result<(), Ended> {
        tokio::select! {
            biased;
            _ = self.ended() => Err(Ended),
            sent = self.out.send(wire::encode(message)) => sent.map_err(|_| Ended),
        }
    }
}

/// Opens a session with a connected peer and runs it to its end.
pub(crate) async fn open<L: Log>(context: Context<L>, peer: PeerId) {
    let mut control = context.shared.control.clone();
    let opening = timeout(OPEN_MAX, control.open_stream(peer, StreamProtocol::new(wire::SYNC)));
    let Some(opened) = context.shared.unless_stopped(opening).await else { return };
    let end = match opened {
        Ok(Ok(stream)) if !context.shared.look(|peers| peers.is_live(&peer)) => {
            return run(context, peer, stream, true, None).await;
        }
        // The peer opened one in the meantime.
        Ok(Ok(_)) => End::Replaced,
        Ok(Err(error)) => End::Closed(error.to_string()),
        Err(_) => End::Silent,
    };
    context.shared.change(|peers| peers.not_greeted(peer, true, &end, Instant::now()));
}

/// Runs a session the peer opened to its end.
pub(crate) async fn accept<L: Log>(context: Context<L>, peer: PeerId, stream: Stream) {
    if context.shared.look(|peers| peers.is_cut(&peer, Instant::now())) {
        return;
    }
    match context.shared.place(peer) {
        Some(place) => run(context, peer, stream, false, Some(place)).await,
        None => warn!(peer.id = %peer, "too many streams of {peer} at once, one is dropped"),
    }
}

async fn run<L: Log>(context: Context<L>, peer: PeerId, mut stream: Stream, ours: bool, place: Option<Place>) {
    let shared = context.shared.clone();
    let refused = |end: End| {
        debug!(peer.id = %peer, "no session with {peer}: {end}");
        shared.change(|peers| peers.not_greeted(peer, ours, &end, Instant::now()));
    };
    let Ok(key) = PeerKey::of_peer(&peer) else { return refused(End::Refused("no ed25519 key".into())) };
    let who = match greet::both(&context, key, &mut stream).await {
        Ok(who) => who,
        Err(end) => return refused(end),
    };
    drop(place);

    let (out, queue) = mpsc::channel(OUT_QUEUE_MAX);
    let link = Arc::new(Link { inbox: Inbox::default(), out, end: watch::Sender::new(None) });
    let up = shared.change(|peers| peers.up(peer, ours, who, &link, Instant::now()));
    let Some(generation) = up else { return refused(End::Full) };
    if *shared.stop.borrow() {
        link.end(End::Stopped);
    }
    info!(peer.id = %peer, identity.id = %who, "session with {peer}, who is {who}");

    // Tasks of their own, so that storing does not hold up the stream; they end by themselves, between
    // two calls of the log and never within one.
    let giver = tokio::spawn(give::run(context.log.clone(), link.clone(), who));
    let taker = tokio::spawn(take::run(context.log.clone(), link.clone(), who));
    let end = pump::run(stream, queue, &link).await;
    match &end {
        End::Fault(_) => warn!(peer.id = %peer, "session with {peer} is cut: {end}"),
        _ => info!(peer.id = %peer, "session with {peer} ended: {end}"),
    }
    shared.change(|peers| peers.down(peer, generation, &end, Instant::now()));
    for worker in [giver, taker] {
        if let Err(error) = worker.await {
            warn!(peer.id = %peer, "a task of the session with {peer} failed: {error}");
        }
    }
}
