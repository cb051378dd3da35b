//! One question and its answer on a stream of its own: pairing, requests for access. The asker greets first
//! and is checked before the other says who it is; the asker checks that before it asks. Not here: what is
//! asked (`node`). Run by `host`.

use crate::{
    AskError, Log, PeerKey,
    backoff::Backoff,
    limits::{ASK_BYTES_MAX, GREETING_MAX, OPEN_MAX, REDIAL_FIRST, REDIAL_MAX},
    pipe::{self, PipeError},
    session::shown,
    shared::{Command, Context},
    wire::{self, Message},
};
use futures::AsyncWriteExt;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use record::IdentityId;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{debug, warn};

/// A question to the first of some peers that can be reached.
pub(crate) struct Question {
    pub(crate) peers: Vec<(PeerId, Vec<Multiaddr>)>,
    pub(crate) topic: String,
    pub(crate) body: Vec<u8>,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Result<(IdentityId, Vec<u8>), AskError>>,
}

/// Asks, and sends the handle what came of it.
pub(crate) async fn run<L: Log>(context: Context<L>, question: Question) {
    let Question { peers, topic, body, deadline, answer } = question;
    let ask = Message::Ask { topic, body };
    let mut problem = String::new();
    let mut backoff = Backoff::default();
    // Again and again until the deadline: nothing was asked yet, and a peer may just be starting.
    while Instant::now() < deadline && !answer.is_closed() {
        for (peer, addresses) in &peers {
            match greeted(&context, *peer, addresses, deadline).await {
                Ok((who, stream)) => {
                    let asked = context.shared.unless_stopped(put(stream, &ask, deadline)).await;
                    let result = asked.unwrap_or(Err(AskError::Stopped));
                    let _ = answer.send(result.map(|body| (who, body)));
                    return;
                }
                Err(AskError::Unreachable(reason)) => problem = reason,
                Err(error) => {
                    let _ = answer.send(Err(error));
                    return;
                }
            }
        }
        let pause = backoff.next(REDIAL_FIRST, REDIAL_MAX);
        if Instant::now() + pause >= deadline {
            break;
        }
        sleep(pause).await;
    }
    let _ = answer.send(Err(AskError::Unreachable(problem)));
}

/// A stream to `peer` on which both sides know each other.
async fn greeted<L: Log>(
    context: &Context<L>,
    peer: PeerId,
    addresses: &[Multiaddr],
    deadline: Instant,
) -> Result<(IdentityId, Stream), AskError> {
    let unreachable = |reason: &dyn std::fmt::Display| AskError::Unreachable(reason.to_string());
    let key = PeerKey::of_peer(&peer).map_err(|error| unreachable(&error))?;
    let deadline = deadline.min(Instant::now() + OPEN_MAX + GREETING_MAX);
    let opening = async {
        let (answer, answered) = oneshot::channel();
        let connect = Command::Connect { peer, addresses: addresses.to_vec(), answer };
        context.shared.commands.send(connect).await.map_err(|_| AskError::Stopped)?;
        answered.await.map_err(|_| AskError::Stopped)?.map_err(AskError::Unreachable)?;
        let mut control = context.shared.control.clone();
        let opened = timeout(OPEN_MAX, control.open_stream(peer, StreamProtocol::new(wire::ASK))).await;
        let mut stream = opened
            .map_err(|_| AskError::Unreachable("opening took too long".into()))?
            .map_err(|error| unreachable(&error))?;
        let hello = Message::Hello(context.hello());
        pipe::send(&mut stream, &hello).await.map_err(|error| unreachable(&error))?;
        let answer = pipe::read(&mut stream, GREETING_MAX).await.map_err(|error| unreachable(&error))?;
        Ok((stream, answer))
    };
    let opened = context.shared.unless_stopped(timeout_at(deadline, opening)).await.ok_or(AskError::Stopped)?;
    let (stream, hello) = opened.map_err(|_| AskError::Unreachable("it took too long".into()))??;
    let hello = match hello {
        Message::Hello(hello) => hello,
        Message::Bye { reason, .. } => return Err(AskError::Refused(shown(&reason))),
        _ => return Err(AskError::Lost("it spoke before greeting".into())),
    };
    match context.log.greet(key, &hello).await {
        Ok(who) => Ok((who, stream)),
        Err(refusal) => Err(AskError::Stranger(refusal.to_string())),
    }
}

async fn put(mut stream: Stream, ask: &Message, deadline: Instant) -> Result<Vec<u8>, AskError> {
    let wait = deadline.saturating_duration_since(Instant::now());
    let asked = async {
        pipe::send(&mut stream, ask).await?;
        pipe::read(&mut stream, wait).await
    };
    match timeout_at(deadline, asked).await {
        Ok(Ok(Message::Answer(body))) => Ok(body),
        Ok(Ok(Message::Bye { refused: true, reason })) => Err(AskError::Refused(shown(&reason))),
        Ok(Ok(_)) => Err(AskError::Lost("it was no answer".into())),
        Err(_) | Ok(Err(PipeError::Silent(_))) => Err(AskError::TimedOut),
        Ok(Err(error)) => Err(AskError::Lost(error.to_string())),
    }
}

/// Answers one question of a peer.
pub(crate) async fn accept<L: Log>(context: Context<L>, peer: PeerId, stream: Stream) {
    if context.shared.look(|peers| peers.is_cut(&peer, Instant::now())) {
        return;
    }
    let Some(_place) = context.shared.place(peer) else {
        return warn!(peer.id = %peer, "too many questions of {peer} at once, one is dropped");
    };
    let Ok(key) = PeerKey::of_peer(&peer) else { return };
    if let Err(error) = answer(&context, key, stream).await {
        debug!(peer.id = %peer, "a question of {peer} was not answered: {error}");
    }
}

async fn answer<L: Log>(context: &Context<L>, peer: PeerKey, mut stream: Stream) -> Result<(), PipeError> {
    let reading = context.shared.unless_stopped(pipe::read(&mut stream, GREETING_MAX)).await;
    let Some(Message::Hello(hello)) = reading.transpose()? else { return Ok(()) };
    let said = match context.log.greet(peer, &hello).await {
        Err(refusal) => Err(refusal),
        Ok(who) => {
            pipe::send(&mut stream, &Message::Hello(context.hello())).await?;
            let reading = context.shared.unless_stopped(pipe::read(&mut stream, GREETING_MAX)).await;
            let Some(Message::Ask { topic, body }) = reading.transpose()? else { return Ok(()) };
            context.log.ask(who, topic, body).await
        }
    };
    let message = match said {
        Ok(body) if body.len() <= ASK_BYTES_MAX => Message::Answer(body),
        Ok(_) => Message::Bye { refused: true, reason: "the answer is too large".into() },
        Err(refusal) => Message::Bye { refused: true, reason: refusal.reason().to_owned() },
    };
    pipe::send(&mut stream, &message).await?;
    Ok(stream.close().await?)
}
