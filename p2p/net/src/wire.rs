//! The messages of `/chartwell/sync/1` and `/chartwell/ask/1`. `codec` turns them into bytes and back. Not
//! here: when they are sent (`session`, `ask`), how bytes travel (`pipe`).

mod codec;

use crate::FrameId;
use record::{Head, RecordId};

pub(crate) use codec::{DecodeError, decode, encode, frames_bytes, ops_bytes};

/// The protocol of the long-lived stream between two peers.
pub(crate) const SYNC: &str = "/chartwell/sync/1";
/// The protocol of one question and its answer.
pub(crate) const ASK: &str = "/chartwell/ask/1";

/// One message. The comments say who sends it when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// First from both sides: who we are, opaque here.
    Hello(Vec<u8>),
    /// The other's greeting was checked and is good.
    Welcome,
    /// The last message: why this side ends. `refused` is a no to the greeting or the question.
    Bye { refused: bool, reason: String },
    /// What the sender holds of a record; with `answer` it wants to know the same of us.
    Heads { record: RecordId, heads: Vec<Head>, answer: bool },
    /// Ops the receiver lacks; at most one unanswered per record.
    Ops { record: RecordId, ops: Vec<Vec<u8>> },
    /// Answer to `Ops`: stored; these heads are held now.
    Ack { record: RecordId, heads: Vec<Head> },
    /// Answer to `Ops`: not stored; `Heads` follow when it is worth trying again.
    Later { record: RecordId },
    /// Asks for frames; at most one unanswered per stream.
    Want { record: RecordId, frames: Vec<FrameId> },
    /// Answer to `Want`: those there are.
    Frames { record: RecordId, frames: Vec<(FrameId, Vec<u8>)> },
    /// Frames that were asked for in vain may be there now.
    Hint { record: RecordId },
    /// Nothing to say, still here.
    Ping,
    /// A question (ask protocol only).
    Ask { topic: String, body: Vec<u8> },
    /// Its answer.
    Answer(Vec<u8>),
}
