//! Sends the peer what it lacks: announces heads, answers its heads with ops, waits for its
//! acknowledgement, goes on from what it acknowledged. Also answers its wishes for frames. Not here: what
//! it sends us (`take`), what a peer is known to hold (`held`). Runs as a task of the session; every call of the log ends before it stops.

use super::{
    End, Ended, Link,
    held::{self, Held},
    inbox::Said,
};
use crate::{
    FrameId, Log, Outgoing,
    limits::{
        ANNOUNCE_AT_ONCE, ANSWER_MAX, BATCH_BYTES_MAX, BATCH_OPS_MAX, FRAMES_MAX, HEADS_MAX, IN_FLIGHT_MAX,
        OP_BYTES_MAX,
    },
    wire::{self, Message},
};
use record::{Head, IdentityId, RecordId};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};

/// What is known of one record both sides share.
#[derive(Default)]
struct Known {
    /// What the peer holds.
    theirs: Held,
    /// The peer was told our heads and remembers.
    told: bool,
    /// The peer may lack something.
    dirty: bool,
    /// It stands in the line of records to look at.
    queued: bool,
    /// It asked for frames we did not have.
    owed: bool,
}

struct Giver<L> {
    log: Arc<L>,
    link: Arc<Link>,
    who: IdentityId,
    known: HashMap<RecordId, Known>,
    line: VecDeque<RecordId>,
    announce: VecDeque<RecordId>,
    /// Batches not acknowledged yet: when each left, and the heads of what it had; at most [`IN_FLIGHT_MAX`].
    sent: HashMap<RecordId, (Instant, Vec<Head>)>,
}

/// Gives until the session ends.
pub(super) async fn run<L: Log>(log: Arc<L>, link: Arc<Link>, who: IdentityId) {
    let announce = log.records(who).await.into();
    let (known, line, sent) = (HashMap::new(), VecDeque::new(), HashMap::new());
    let mut giver = Giver { log, link, who, known, line, announce, sent };
    while !giver.link.has_ended() {
        if giver.round().await.is_err() {
            return;
        }
    }
}

impl<L: Log> Giver<L> {
    async fn round(&mut self) -> Result<(), Ended> {
        for _ in 0..ANNOUNCE_AT_ONCE {
            let Some(record) = self.announce.pop_front() else { break };
            self.announce(record).await?;
        }
        let work = self.link.inbox.to_give();
        for (record, said) in work.said {
            self.said(record, said).await?;
        }
        if work.all_moved {
            let all = self.log.records(self.who).await;
            for record in all {
                self.moved(record).await?;
            }
        }
        for record in work.moved {
            self.moved(record).await?;
        }
        if let Some((record, frames)) = work.want {
            self.serve(record, frames).await?;
        }
        while self.sent.len() < IN_FLIGHT_MAX {
            let Some(record) = self.line.pop_front() else { break };
            self.push(record).await?;
        }
        if !self.announce.is_empty() {
            return Ok(());
        }
        self.wait().await
    }

    /// Waits for work, the end, or an acknowledgement that is overdue.
    async fn wait(&self) -> Result<(), Ended> {
        let overdue = async {
            match self.sent.values().map(|(left, _)| left).min() {
                Some(left) => sleep_until(*left + ANSWER_MAX).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.link.inbox.give_bell.notified() => Ok(()),
            _ = self.link.ended() => Err(Ended),
            _ = overdue => {
                self.link.end(End::Stalled);
                Err(Ended)
            }
        }
    }

    /// Tells our heads of a record that was not told yet, and asks for theirs.
    async fn announce(&mut self, record: RecordId) -> Result<(), Ended> {
        if self.known.get(&record).is_some_and(|known| known.told) {
            return Ok(());
        }
        let heads = self.heads(record).await;
        if heads.is_empty() {
            return Ok(());
        }
        self.known.entry(record).or_default().told = true;
        self.link.inbox.look(record);
        self.link.send(&Message::Heads { record, heads, answer: true }).await
    }

    async fn said(&mut self, record: RecordId, said: Said) -> Result<(), Ended> {
        let answered = said.acked.is_some() || said.later;
        if answered
            && let Some((_, batch)) = self.sent.remove(&record)
            && let Some(known) = self.known.get_mut(&record)
        {
            known.dirty |= known.theirs.answered(said.acked.clone(), batch);
        }
        if let Some(heads) = &said.acked {
            self.log.acknowledged(self.who, record, heads).await;
        }
        if let Some(heads) = said.heads {
            self.log.acknowledged(self.who, record, &heads).await;
            let known = self.known.contains_key(&record);
            // What we share nothing of is answered, and not remembered: strangers fill no memory here.
            let ours = if known && !said.answer { None } else { Some(self.heads(record).await) };
            if known || ours.as_ref().is_some_and(|ours| !ours.is_empty()) {
                let known = self.known.entry(record).or_default();
                known.theirs.told(heads);
                known.dirty = true;
                known.told &= !said.forgot;
                let tell = said.answer && !known.told;
                known.told |= said.answer;
                self.link.inbox.look(record);
                if let Some(heads) = ours.filter(|_| tell) {
                    self.link.send(&Message::Heads { record, heads, answer: false }).await?;
                }
            } else if said.answer {
                self.link.send(&Message::Heads { record, heads: Vec::new(), answer: false }).await?;
            }
        }
        if let Some(sent) = said.sent {
            self.sent_us(record, sent).await?;
        }
        self.queue(record);
        Ok(())
    }

    /// The peer sent ops, so it holds them: they are not sent back.
    async fn sent_us(&mut self, record: RecordId, sent: Vec<(Head, bool)>) -> Result<(), Ended> {
        let Some(known) = self.known.get_mut(&record) else {
            // It told us a record we had nothing of; now we do, and may have something for it.
            return if sent.is_empty() { Ok(()) } else { self.announce(record).await };
        };
        if sent.is_empty() {
            return Ok(());
        }
        if let Some(theirs) = known.theirs.sent(sent) {
            self.log.acknowledged(self.who, record, theirs).await;
        }
        Ok(())
    }

    async fn moved(&mut self, record: RecordId) -> Result<(), Ended> {
        let Some(known) = self.known.get_mut(&record) else { return self.announce(record).await };
        known.dirty = true;
        let owed = std::mem::take(&mut known.owed);
        self.queue(record);
        self.link.inbox.look(record);
        if owed { self.link.send(&Message::Hint { record }).await } else { Ok(()) }
    }

    /// Puts a record in the line if the peer may lack something and is ready to hear it.
    fn queue(&mut self, record: RecordId) {
        let Some(known) = self.known.get_mut(&record) else { return };
        if known.dirty && !known.queued && known.theirs.is_known() && !self.sent.contains_key(&record) {
            known.queued = true;
            self.line.push_back(record);
        }
    }

    /// Sends the next batch of a record.
    async fn push(&mut self, record: RecordId) -> Result<(), Ended> {
        let Some(known) = self.known.get_mut(&record) else { return Ok(()) };
        known.queued = false;
        // While its ops are being stored, what it holds is not known; the inbox rings when it is.
        if self.sent.contains_key(&record) || self.link.inbox.is_applying(&record) {
            return Ok(());
        }
        let Some(have) = known.theirs.all() else { return Ok(()) };
        known.dirty = false;
        let suffix = self.log.suffix(self.who, record, &have, BATCH_BYTES_MAX).await;
        let ops = fitting(suffix.ops, |op| wire::ops_bytes(&op.bytes), BATCH_OPS_MAX);
        let Some(ops) = ops else {
            error!(record.id = %record, "an op of record {record} is too large to travel; its peers stay behind");
            return Ok(());
        };
        if ops.is_empty() {
            return Ok(());
        }
        debug!(record.id = %record, ops = ops.len(), "sending {} ops of record {record}", ops.len());
        self.sent.insert(record, (Instant::now(), held::ends(&ops)));
        let ops = ops.into_iter().map(|op: Outgoing| op.bytes).collect();
        self.link.send(&Message::Ops { record, ops }).await
    }

    /// Answers a wish for frames with those there are.
    async fn serve(&mut self, record: RecordId, wanted: Vec<FrameId>) -> Result<(), Ended> {
        let frames = self.log.frames(self.who, record, &wanted, BATCH_BYTES_MAX).await;
        let frames = fitting(frames, |(_, bytes)| wire::frames_bytes(bytes), FRAMES_MAX).unwrap_or_else(|| {
            error!(record.id = %record, "a frame of record {record} is too large to travel");
            Vec::new()
        });
        if frames.len() < wanted.len()
            && let Some(known) = self.known.get_mut(&record)
        {
            known.owed = true;
        }
        self.link.send(&Message::Frames { record, frames }).await
    }

    async fn heads(&self, record: RecordId) -> Vec<Head> {
        let mut heads = self.log.heads(self.who, record).await;
        if heads.len() > HEADS_MAX {
            error!(record.id = %record, "record {record} has more heads than can be told");
            heads.truncate(HEADS_MAX);
        }
        heads
    }
}

/// The first of `items` that fit one message; `None` if not even the first does.
fn fitting<T>(mut items: Vec<T>, bytes: impl Fn(&T) -> usize, count_max: usize) -> Option<Vec<T>> {
    let mut total = 0;
    let over = |item: &T| {
        total += bytes(item);
        // Ops and frames up to OP_BYTES_MAX fit even alone with their fields.
        total > OP_BYTES_MAX + 64
    };
    let fit = items.iter().position(over).unwrap_or(items.len()).min(count_max);
    if fit == 0 && !items.is_empty() {
        return None;
    }
    items.truncate(fit);
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MESSAGE_BYTES_MAX;

    #[test]
    fn a_message_takes_what_fits_and_one_op_of_any_allowed_size() {
        let check = |sizes: &[usize], expected: Option<usize>| {
            let ops: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
            let fit = fitting(ops, |op| wire::ops_bytes(op), 3);
            assert_eq!(fit.as_ref().map(Vec::len), expected, "{sizes:?}");
            let message = Message::Ops { record: RecordId([0; 32]), ops: fit.unwrap_or_default() };
            assert!(wire::encode(&message).len() <= MESSAGE_BYTES_MAX);
        };
        check(&[], Some(0));
        check(&[1, 2, 3, 4], Some(3));
        check(&[OP_BYTES_MAX], Some(1));
        check(&[OP_BYTES_MAX, 100], Some(1));
        check(&[OP_BYTES_MAX + 100], None);
        check(&[1, OP_BYTES_MAX + 100], Some(1));
    }
}
