//! A code that was taken: what is kept of it, and what each kind of them says of itself. What is done with it is in `guest`.

use super::{SILENCE_MS_MAX, opened, read_both, task_id};
use crate::error::NodeError;
use crate::node::Node;
use record::id::{base32, unbase32};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::tasks::StoredTask;

/// What is taken over by a code.
pub(crate) trait Visitor: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// How it is spoken of.
    const WORDS: Words;

    /// What is sealed where a question needs no words.
    type Nothing: Default + Serialize;

    /// Says hello and comes as far as the digits.
    fn meet(node: Node, visit: Visit<Self>) -> impl Future<Output = Result<(), NodeError>> + Send;

    /// Looks whether it is over.
    fn check(node: Node, visit: Visit<Self>) -> impl Future<Output = Result<bool, NodeError>> + Send;
}

/// How a code is spoken of.
pub(crate) struct Words {
    /// The kind of its task.
    pub(crate) kind: &'static str,
    /// How the code begins.
    pub(crate) scheme: &'static str,
    /// What it is called here: `the pairing`.
    pub(crate) it: &'static str,
    /// What it is called once it is over: `this pairing`.
    pub(crate) this: &'static str,
    /// Who made it: `the hospital`.
    pub(crate) them: &'static str,
    /// What they do with the digits: `sees`.
    pub(crate) compared: &'static str,
    /// What to do after it has ended: `ask for a new invite`.
    pub(crate) again: &'static str,
    /// Before each question's topic.
    pub(crate) topic: &'static str,
    /// Before each purpose that something is sealed for.
    pub(crate) purpose: &'static str,
    /// What is said of a task that is none.
    pub(crate) damaged: &'static str,
}

/// What is kept of every code that was taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Guest {
    /// Empty once it is over.
    pub(super) secret: String,
    /// Where the other side is reached.
    pub(crate) addresses: Vec<String>,
    /// What the other side calls it.
    #[serde(alias = "offer")]
    pub(super) task: String,
    pub(crate) nonce: String,
    pub(crate) made_ms: u64,
    pub(crate) expires_ms: u64,
    pub(super) transcript: String,
    /// Six, once there are.
    pub(crate) digits: String,
    /// How it stands, in words.
    pub(crate) message: String,
    /// That the patient said here that the digits are the same, and nobody took it back.
    #[serde(default)]
    pub(crate) confirmed: bool,
}

/// A code that was taken, by its name here.
#[derive(Clone)]
pub(crate) struct Visit<T> {
    pub(crate) id: String,
    status: String,
    pub(crate) guest: Guest,
    pub(crate) own: T,
}

impl Guest {
    /// One that takes this code's secret, and begins now.
    pub(super) fn new(secret: &[u8; 32], addresses: Vec<String>, message: String) -> Self {
        let now = crate::clock::now_ms();
        Self {
            secret: base32(secret),
            addresses,
            task: task_id(secret),
            nonce: base32(&crate::clock::random::<32>()),
            made_ms: now,
            expires_ms: now + SILENCE_MS_MAX,
            message,
            ..Self::default()
        }
    }

    /// One that needed no code.
    pub(crate) fn without_code(addresses: Vec<String>, message: &str) -> Self {
        let now = crate::clock::now_ms();
        Self { addresses, made_ms: now, expires_ms: now, message: message.to_owned(), ..Self::default() }
    }

    /// Whether nothing has happened for too long.
    pub(super) fn is_late(&self) -> bool {
        crate::clock::now_ms() > self.expires_ms
    }
}

impl<T: Visitor> Visit<T> {
    /// One that is not stored yet.
    pub(crate) fn new(guest: Guest, own: T) -> Self {
        Self { id: crate::clock::fresh_id(), status: String::new(), guest, own }
    }

    pub(crate) fn read(stored: &StoredTask) -> Option<Self> {
        let (guest, own) = read_both(&stored.body)?;
        Some(Self { id: stored.id.clone(), status: stored.status.clone(), guest, own })
    }

    /// Where it stands: `connecting`, `digits`, `waiting`, `done` or `ended`.
    pub(crate) fn status(&self) -> &str {
        &self.status
    }

    pub(crate) fn secret(&self) -> Result<[u8; 32], NodeError> {
        unbase32(&self.guest.secret).and_then(|bytes| bytes.try_into().ok()).ok_or(Self::DAMAGED)
    }

    /// What the digits are of.
    pub(crate) fn transcript(&self) -> Result<[u8; 32], NodeError> {
        unbase32(&self.guest.transcript).and_then(|bytes| bytes.try_into().ok()).ok_or(Self::DAMAGED)
    }

    pub(crate) const DAMAGED: NodeError = NodeError::Internal(T::WORDS.damaged);

    /// Opens an answer to what was asked for this purpose.
    pub(crate) fn opened<A: DeserializeOwned>(&self, purpose: &str, reply: &[u8]) -> Result<A, NodeError> {
        opened(&self.secret()?, &format!("{}{purpose}", T::WORDS.purpose), reply)
    }
}
