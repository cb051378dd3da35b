//! The one port of the network: what it needs from whoever keeps the ops. Not here: any implementation;
//! `node` has one, the tests of this crate a second in memory.

use crate::{PeerKey, limits::REASON_BYTES_MAX};
use record::{Head, IdentityId, OpId, RecordId};
use std::future::Future;

/// Names a frame: the `index`-th of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// The op whose frame list names it.
    pub op: OpId,
    /// Its place in that list, from 0.
    pub index: u32,
}

/// An op for somebody who lacks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place, as the head of what leads to it.
    pub head: Head,
    /// The op before it in its lane.
    pub previous: Option<OpId>,
    /// The op, encoded.
    pub bytes: Vec<u8>,
}

/// The next ops somebody lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suffix {
    /// Ops in causal order; empty when there is nothing (more) to give.
    pub ops: Vec<Outgoing>,
    /// Whether others follow these.
    pub more: bool,
}

/// What came of storing ops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// All heads of the record now held, as [`Log::heads`] has them; durable.
    pub held: Vec<Head>,
    /// The last op of each lane among the ops given, of a lane that forked one per branch: what their sender
    /// evidently holds, so that they are not sent back to it.
    pub sent: Vec<Head>,
}

/// A no in words the other side may read: no health data, no secrets.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    /// A refusal with its reason, cut to what fits a message; control characters are replaced.
    pub fn new(reason: impl AsRef<str>) -> Self {
        let mut text = String::new();
        for char in reason.as_ref().chars() {
            let char = if char.is_control() { ' ' } else { char };
            if text.len() + char.len_utf8() > REASON_BYTES_MAX {
                break;
            }
            text.push(char);
        }
        Self(text)
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// Why ops or frames were not stored; says what the session does about it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ApplyError {
    /// Not now (ancestors missing, database away): heads are announced again after a short delay.
    #[error("not now: {0}")]
    Retry(String),
    /// The peer lied (a bad signature, a forged chain): the connection is cut.
    #[error("the peer lied: {0}")]
    Fault(String),
}

/// The ops of this node, as the network needs them.
///
/// Called by several sessions at once, also by two of the same peer for a moment after a reconnect, so the
/// same op may come twice at the same time. Futures are run to their end, never dropped half way, except
/// when the runtime itself stops. Whatever is empty reveals nothing: a record `who` is no member of has no
/// heads, no suffix and no frames for it.
pub trait Log: Send + Sync + 'static {
    /// Our greeting: who we are and that `own` is our transport's key (a certificate), with the addresses
    /// `listen` under which we can be reached. At most [`crate::limits::HELLO_BYTES_MAX`].
    fn hello(&self, own: PeerKey, listen: &[String]) -> Vec<u8>;

    /// Checks a greeting against the transport key the connection has proved and says who it is; remembers
    /// the addresses in it. Strangers with a good greeting pass: they share no records, and may ask.
    fn greet(&self, peer: PeerKey, hello: &[u8]) -> impl Future<Output = Result<IdentityId, Refusal>> + Send;

    /// The records `who` is a member of.
    fn records(&self, who: IdentityId) -> impl Future<Output = Vec<RecordId>> + Send;

    /// Our heads of a record as far as they concern `who`; empty if we hold none or `who` may not know. One of each
    /// lane; of a lane that forked one per branch, at most [`crate::limits::BRANCHES_MAX`].
    fn heads(&self, who: IdentityId, record: RecordId) -> impl Future<Output = Vec<Head>> + Send;

    /// The next ops `who` lacks given that it holds `have` and all that leads there, in causal order, about `bytes_max` together (one
    /// larger op goes alone; none above [`crate::limits::OP_BYTES_MAX`]).
    fn suffix(
        &self,
        who: IdentityId,
        record: RecordId,
        have: &[Head],
        bytes_max: usize,
    ) -> impl Future<Output = Suffix> + Send;

    /// Verifies ops and stores them in one transaction with `who`'s cursor; returns the heads now held. The
    /// acknowledgement leaves after this returns, so what it returns must be durable. May call
    /// [`crate::Handle::moved`] itself: other members are told at once, the sender is not told its own ops.
    fn apply(
        &self,
        who: IdentityId,
        record: RecordId,
        ops: Vec<Vec<u8>>,
    ) -> impl Future<Output = Result<Applied, ApplyError>> + Send;

    /// Frames we lack, may open and believe `who` has; the first [`crate::limits::FRAMES_MAX`] are asked for.
    fn wanted(&self, who: IdentityId, record: RecordId) -> impl Future<Output = Vec<FrameId>> + Send;

    /// Those of `frames` that `who` may have and we hold, about `bytes_max` together, at least one if any.
    fn frames(
        &self,
        who: IdentityId,
        record: RecordId,
        frames: &[FrameId],
        bytes_max: usize,
    ) -> impl Future<Output = Vec<(FrameId, Vec<u8>)>> + Send;

    /// Verifies frames against their entries and stores them; returns how many were new. More are asked for
    /// as long as some were.
    fn fill(
        &self,
        who: IdentityId,
        record: RecordId,
        frames: Vec<(FrameId, Vec<u8>)>,
    ) -> impl Future<Output = Result<usize, ApplyError>> + Send;

    /// `who` durably holds `heads` of a record: it acknowledged ops, announced heads or sent us what we lacked. A peer says this at
    /// every connect, so it is also how a restart learns how far behind everyone is. `record` is what the peer
    /// named; it may be none of ours.
    fn acknowledged(&self, who: IdentityId, record: RecordId, heads: &[Head]) -> impl Future<Output = ()> + Send;

    /// Answers a one-shot question (pairing, a request for access). `who` is greeted, but may be a stranger.
    fn ask(
        &self,
        who: IdentityId,
        topic: String,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
}
