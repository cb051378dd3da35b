//! Moves messages between a stream and the session's queues, both directions in one task. The reading half
//! never waits for anything but the stream, so the other side can always write, so neither side's writing
//! ever waits for the other's reading: no deadlock. Called by `session::run`.

use super::{End, Link, greet::shown};
use crate::{
    limits::{FAREWELL_MAX, HEARTBEAT, SILENCE_MAX},
    pipe,
    wire::{self, Message},
};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

/// Runs until the session ends, for whatever reason, and says which.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Vec<u8>>,
    link: &Link,
) -> End {
    let (mut from, mut to) = stream.split();
    let within_message = AtomicBool::new(false);
    let reading = async {
        loop {
            match pipe::read(&mut from, SILENCE_MAX).await {
                Ok(Message::Bye { refused: false, reason }) => return End::Closed(shown(&reason)),
                Ok(Message::Bye { refused: true, reason }) => return End::Refused(shown(&reason)),
                Ok(message) => match link.inbox.put(message) {
                    Ok(()) => tokio::task::yield_now().await,
                    Err(reason) => return End::Fault(reason.into()),
                },
                Err(error) => return error.into(),
            }
        }
    };
    let writing = async {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = queue.recv() => message,
                _ = heartbeat.tick() => Some(wire::encode(&Message::Ping)),
            };
            let Some(message) = message else { return End::Stopped };
            within_message.store(true, Ordering::Relaxed);
            if let Err(error) = pipe::write(&mut to, &message).await {
                return error.into();
            }
            within_message.store(false, Ordering::Relaxed);
        }
    };
    let end = tokio::select! {
        end = reading => end,
        end = writing => end,
        end = link.ended() => end,
    };
    link.end(end.clone());
    // After half a message a farewell would be read as its other half.
    if !within_message.into_inner() {
        let bye = Message::Bye { refused: false, reason: farewell(&end).into() };
        let _ = timeout(FAREWELL_MAX, async {
            pipe::send(&mut to, &bye).await?;
            to.close().await.map_err(pipe::PipeError::from)
        })
        .await;
    }
    end
}

/// What the other side is told; never why it was caught.
fn farewell(end: &End) -> &'static str {
    match end {
        End::Fault(_) => "a message or an op was not valid",
        End::Replaced => "replaced by a newer session",
        End::Stopped => "the peer stops",
        End::Forgotten => "the peer does not stay connected",
        _ => "ended",
    }
}
