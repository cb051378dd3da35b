//! What a session has to look at, between the reading half and the workers. Bounded by what is merged (the
//! newest heads of a record replace older ones) and by what the protocol lets a peer have under way; more
//! than that is its fault. Filled by `pump` and the handle, emptied by `give` and `take`.

use crate::{
    FrameId,
    limits::{HEADS_WAITING_MAX, IN_FLIGHT_MAX, MOVED_MAX, RECORDS_WAITING_MAX},
    shared::lock,
    wire::Message,
};
use record::{Head, RecordId};
use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Mutex,
};
use tokio::sync::Notify;

/// What the peer said of one record since we last looked.
#[derive(Default, Debug, PartialEq)]
pub(super) struct Said {
    /// The newest heads it holds.
    pub(super) heads: Option<Vec<Head>>,
    /// It wants to know ours.
    pub(super) answer: bool,
    /// It holds nothing, so it does not remember ours.
    pub(super) forgot: bool,
    /// It stored our batch.
    pub(super) acked: Option<Vec<Head>>,
    /// It did not, for now; heads said after this count.
    pub(super) later: bool,
    /// Ops it sent were looked at: it holds these at least. Each with whether its lane has forked.
    pub(super) sent: Option<Vec<(Head, bool)>>,
}

/// Work for `give`.
#[derive(Default)]
pub(super) struct ToGive {
    pub(super) said: HashMap<RecordId, Said>,
    pub(super) moved: HashSet<RecordId>,
    /// More moved than were remembered: look at every record.
    pub(super) all_moved: bool,
    pub(super) want: Option<(RecordId, Vec<FrameId>)>,
    heads: usize,
}

/// Frames with their names.
pub(super) type Frames = Vec<(FrameId, Vec<u8>)>;

/// Work for `take`.
#[derive(Default)]
pub(super) struct ToTake {
    pub(super) ops: VecDeque<(RecordId, Vec<Vec<u8>>)>,
    pub(super) frames: Option<(RecordId, Frames)>,
    /// Records in which frames may be had.
    pub(super) look: BTreeSet<RecordId>,
}

/// Both, each with its bell.
#[derive(Default)]
pub(crate) struct Inbox {
    give: Mutex<ToGive>,
    take: Mutex<ToTake>,
    applying: Mutex<Option<RecordId>>,
    pub(super) give_bell: Notify,
    pub(super) take_bell: Notify,
}

impl Inbox {
    /// Sorts a message in; an error is the peer's fault.
    pub(super) fn put(&self, message: Message) -> Result<(), &'static str> {
        match message {
            Message::Heads { record, heads, answer } => self.said(record, heads.len(), |said| {
                said.forgot |= heads.is_empty() && !answer;
                said.answer |= answer;
                said.heads = Some(heads);
            }),
            Message::Ack { record, heads } => self.said(record, heads.len(), |said| said.acked = Some(heads)),
            Message::Later { record } => self.said(record, 0, |said| {
                said.later = true;
                said.heads = None;
            }),
            Message::Want { record, frames } => {
                let mut give = lock(&self.give);
                if give.want.replace((record, frames)).is_some() {
                    return Err("asked for frames twice at once");
                }
                self.give_bell.notify_one();
                Ok(())
            }
            Message::Ops { record, ops } => {
                let mut take = lock(&self.take);
                if take.ops.len() >= IN_FLIGHT_MAX {
                    return Err("sent more batches than were acknowledged");
                }
                take.ops.push_back((record, ops));
                self.take_bell.notify_one();
                Ok(())
            }
            Message::Frames { record, frames } => {
                if lock(&self.take).frames.replace((record, frames)).is_some() {
                    return Err("sent frames twice");
                }
                self.take_bell.notify_one();
                Ok(())
            }
            Message::Hint { record } => {
                self.look(record);
                Ok(())
            }
            Message::Ping => Ok(()),
            Message::Hello(_) | Message::Welcome | Message::Ask { .. } | Message::Answer(_) | Message::Bye { .. } => {
                Err("sent what has no place here")
            }
        }
    }

    /// A record moved, here or by another session.
    pub(super) fn moved(&self, record: RecordId) {
        let mut give = lock(&self.give);
        if give.moved.len() < MOVED_MAX {
            give.moved.insert(record);
        } else if !give.moved.contains(&record) {
            give.all_moved = true;
        }
        self.give_bell.notify_one();
    }

    /// Frames of a record may be had.
    pub(super) fn look(&self, record: RecordId) {
        let mut take = lock(&self.take);
        if take.look.len() < RECORDS_WAITING_MAX {
            take.look.insert(record);
        }
        self.take_bell.notify_one();
    }

    /// Ops of a record are being stored: nothing of it is given until it is known what the peer holds.
    pub(super) fn applies(&self, record: RecordId) {
        *lock(&self.applying) = Some(record);
    }

    /// They were stored or not; the peer holds `sent`.
    pub(super) fn applied(&self, record: RecordId, sent: Vec<(Head, bool)>) {
        *lock(&self.applying) = None;
        lock(&self.give).said.entry(record).or_default().sent.get_or_insert_default().extend(sent);
        self.give_bell.notify_one();
    }

    /// Whether ops of a record are being stored.
    pub(super) fn is_applying(&self, record: &RecordId) -> bool {
        lock(&self.applying).as_ref() == Some(record)
    }

    /// Takes everything `give` has to do.
    pub(super) fn to_give(&self) -> ToGive {
        std::mem::take(&mut lock(&self.give))
    }

    /// Runs `take`'s look at its work.
    pub(super) fn to_take<T>(&self, work: impl FnOnce(&mut ToTake) -> T) -> T {
        work(&mut lock(&self.take))
    }

    fn said(&self, record: RecordId, heads: usize, note: impl FnOnce(&mut Said)) -> Result<(), &'static str> {
        let mut give = lock(&self.give);
        give.heads += heads;
        if give.heads > HEADS_WAITING_MAX || give.said.len() >= RECORDS_WAITING_MAX {
            return Err("announced more than can be looked at");
        }
        note(give.said.entry(record).or_default());
        self.give_bell.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_heads_replace_older_ones_and_no_question_is_lost() {
        let (inbox, record) = (Inbox::default(), RecordId([1; 32]));
        let heads = |answer| Message::Heads { record, heads: vec![], answer };
        for message in [heads(true), Message::Later { record }, heads(false)] {
            inbox.put(message).unwrap();
        }
        let said = inbox.to_give().said.remove(&record).unwrap();
        assert_eq!(
            said,
            Said { heads: Some(vec![]), answer: true, forgot: true, acked: None, later: true, sent: None }
        );
        assert!(inbox.to_give().said.is_empty());
    }

    #[test]
    fn more_than_the_protocol_allows_is_a_fault() {
        let (inbox, record) = (Inbox::default(), RecordId([1; 32]));
        let ops = || Message::Ops { record, ops: vec![] };
        for _ in 0..IN_FLIGHT_MAX {
            inbox.put(ops()).unwrap();
        }
        assert!(inbox.put(ops()).is_err());
        let want = || Message::Want { record, frames: vec![] };
        inbox.put(want()).unwrap();
        assert!(inbox.put(want()).is_err());
        assert!(inbox.put(Message::Welcome).is_err());
    }

    #[test]
    fn when_too_many_records_moved_all_are_looked_at() {
        let inbox = Inbox::default();
        for number in 0..=MOVED_MAX as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            inbox.moved(RecordId(id));
        }
        let work = inbox.to_give();
        assert!(work.all_moved && work.moved.len() == MOVED_MAX);
    }
}
