//! Stores what the peer sends: ops are applied and then acknowledged, what cannot be stored now is asked
//! for again, frames we may open are asked for and filled in. Not here: what we send (`give`). Runs as a
//! task of the session; every call of the log ends before it stops.

use super::{End, Ended, Link};
use crate::{
    Applied, ApplyError, FrameId, Log,
    backoff::Backoff,
    limits::{ANSWER_MAX, FRAMES_MAX, HEADS_MAX, RETRY_FIRST, RETRY_MAX},
    wire::Message,
};
use record::{Head, IdentityId, Lane, RecordId};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

enum Work {
    Ops(RecordId, Vec<Vec<u8>>),
    Frames(RecordId, Vec<(FrameId, Vec<u8>)>),
    Look(RecordId),
}

struct Asked {
    record: RecordId,
    frames: HashSet<FrameId>,
    at: Instant,
}

#[derive(Default)]
struct Again {
    backoff: Backoff,
    /// Heads are to be announced then; none while the peer's next batch is awaited.
    at: Option<Instant>,
}

/// Times in a row that frames are asked for and none comes, before the next movement of the record: those that a peer never gives
/// are asked for among those that it does.
const DRY_LOOKS_MAX: u32 = 16;

struct Taker<L> {
    log: Arc<L>,
    link: Arc<Link>,
    who: IdentityId,
    asked: Option<Asked>,
    again: HashMap<RecordId, Again>,
    /// How often in a row nothing came of what was asked for.
    dry: HashMap<RecordId, u32>,
}

/// Takes until the session ends.
pub(super) async fn run<L: Log>(log: Arc<L>, link: Arc<Link>, who: IdentityId) {
    let mut taker = Taker { log, link, who, asked: None, again: HashMap::new(), dry: HashMap::new() };
    while !taker.link.has_ended() {
        if taker.round().await.is_err() {
            return;
        }
    }
}

impl<L: Log> Taker<L> {
    async fn round(&mut self) -> Result<(), Ended> {
        let free = self.asked.is_none();
        let work = self.link.inbox.to_take(|take| {
            let ops = take.ops.pop_front().map(|(record, ops)| Work::Ops(record, ops));
            let frames = |(record, frames)| Work::Frames(record, frames);
            ops.or_else(|| take.frames.take().map(frames))
                .or_else(|| if free { take.look.pop_first().map(Work::Look) } else { None })
        });
        match work {
            Some(Work::Ops(record, ops)) => self.apply(record, ops).await?,
            Some(Work::Frames(record, frames)) => self.fill(record, frames).await?,
            Some(Work::Look(record)) => self.look(record).await?,
            None => self.wait().await?,
        }
        self.announce_again().await
    }

    async fn wait(&self) -> Result<(), Ended> {
        let again = self.again.values().filter_map(|again| again.at).min();
        let overdue = self.asked.as_ref().map(|asked| asked.at + ANSWER_MAX);
        let wake = again.into_iter().chain(overdue).min();
        let due = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.link.inbox.take_bell.notified() => Ok(()),
            _ = self.link.ended() => Err(Ended),
            _ = due => {
                if overdue.is_some_and(|overdue| overdue <= Instant::now()) {
                    self.link.end(End::Stalled);
                    return Err(Ended);
                }
                Ok(())
            }
        }
    }

    async fn apply(&mut self, record: RecordId, ops: Vec<Vec<u8>>) -> Result<(), Ended> {
        let count = ops.len();
        self.link.inbox.applies(record);
        let applied = self.log.apply(self.who, record, ops).await;
        let sent = applied.as_ref().map(evident).unwrap_or_default();
        self.link.inbox.applied(record, sent);
        match applied {
            Ok(Applied { held: mut heads, .. }) => {
                debug!(record.id = %record, ops = count, "stored {count} ops of record {record}");
                self.again.remove(&record);
                self.dry.remove(&record);
                heads.truncate(HEADS_MAX);
                self.link.inbox.look(record);
                self.link.send(&Message::Ack { record, heads }).await
            }
            Err(ApplyError::Retry(reason)) => {
                warn!(record.id = %record, "ops of record {record} wait: {reason}");
                self.later(record);
                self.link.send(&Message::Later { record }).await
            }
            Err(ApplyError::Fault(reason)) => self.fault(reason),
        }
    }

    async fn fill(&mut self, record: RecordId, mut frames: Vec<(FrameId, Vec<u8>)>) -> Result<(), Ended> {
        let Some(asked) = self.asked.take_if(|asked| asked.record == record) else {
            return self.fault("sent frames nobody asked for".into());
        };
        frames.retain(|(id, _)| asked.frames.contains(id));
        if frames.is_empty() {
            self.nothing_came(record);
            return Ok(());
        }
        match self.log.fill(self.who, record, frames).await {
            Ok(0) => {
                self.nothing_came(record);
                Ok(())
            }
            Ok(_) => {
                self.dry.remove(&record);
                self.link.inbox.look(record);
                Ok(())
            }
            Err(ApplyError::Retry(reason)) => {
                warn!(record.id = %record, "frames of record {record} wait: {reason}");
                self.later(record);
                Ok(())
            }
            Err(ApplyError::Fault(reason)) => self.fault(reason),
        }
    }

    /// Looks again, a few times, whether the peer gives any of the others.
    fn nothing_came(&mut self, record: RecordId) {
        let dry = self.dry.entry(record).or_default();
        *dry += 1;
        if *dry < DRY_LOOKS_MAX {
            self.link.inbox.look(record);
        }
    }

    async fn look(&mut self, record: RecordId) -> Result<(), Ended> {
        let mut frames = self.log.wanted(self.who, record).await;
        frames.truncate(FRAMES_MAX);
        if frames.is_empty() {
            return Ok(());
        }
        self.asked = Some(Asked { record, frames: frames.iter().copied().collect(), at: Instant::now() });
        self.link.send(&Message::Want { record, frames }).await
    }

    /// Announces heads where it is time to try again; the peer then sends what follows them.
    async fn announce_again(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let due: Vec<RecordId> = (self.again.iter())
            .filter(|(_, again)| again.at.is_some_and(|at| at <= now))
            .map(|(record, _)| *record)
            .collect();
        for record in due {
            if let Some(again) = self.again.get_mut(&record) {
                again.at = None;
            }
            let mut heads = self.log.heads(self.who, record).await;
            heads.truncate(HEADS_MAX);
            self.link.inbox.look(record);
            self.link.send(&Message::Heads { record, heads, answer: false }).await?;
        }
        Ok(())
    }

    fn later(&mut self, record: RecordId) {
        let again = self.again.entry(record).or_default();
        again.at = Some(Instant::now() + again.backoff.next(RETRY_FIRST, RETRY_MAX));
    }

    fn fault(&self, reason: String) -> Result<(), Ended> {
        self.link.end(End::Fault(reason));
        Err(Ended)
    }
}

/// What the sender of ops evidently holds, each with whether its lane has forked.
fn evident(applied: &Applied) -> Vec<(Head, bool)> {
    let mut heads = HashMap::<Lane, usize>::new();
    for head in &applied.held {
        *heads.entry(head.lane).or_default() += 1;
    }
    let forked = |head: &Head| heads.get(&head.lane).is_some_and(|heads| *heads > 1);
    applied.sent.iter().map(|head| (*head, forked(head))).collect()
}
