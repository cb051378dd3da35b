//! The side that makes a code: what it keeps until both have confirmed, when that ends, and what it answers whoever takes the
//! code, as far as it is the same for all codes. What a code hands over is its owner's: `invite` and `devices::offer`.

use super::{Reveal, RevealAnswer, SILENCE_MS_MAX, Sealed, StateAnswer, answer, commit_of, digits, seal};
use super::{read_both, write_both};
use crate::batch::Batch;
use crate::error::NodeError;
use crate::invite::new_task;
use record::Card;
use record::id::{base32, unbase32};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::tasks::StoredTask;

/// What is handed over by a code.
pub(crate) trait Hosted: Serialize + DeserializeOwned + Send + Sync {
    /// How it is spoken of.
    const WORDS: Words;

    /// What both sides show digits of.
    fn transcript(&self, host: &Host, me: &Card) -> Result<[u8; 32], NodeError>;
}

/// How a code is spoken of.
pub(crate) struct Words {
    /// The kind of its task.
    pub(crate) kind: &'static str,
    /// What it is called: `code`.
    pub(crate) code: &'static str,
    /// Who takes it: `the new device`.
    pub(crate) them: &'static str,
    /// What they do with the digits: `shows`.
    pub(crate) compared: &'static str,
    /// Before each purpose that something is sealed for.
    pub(crate) purpose: &'static str,
    /// What is said of a task that is none.
    pub(crate) damaged: &'static str,
}

/// What is kept of every code.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Host {
    /// Empty once it is over.
    pub(crate) secret: String,
    pub(crate) made_ms: u64,
    pub(crate) expires_ms: u64,
    /// Six, once there are.
    pub(crate) digits: String,
    /// How it stands, in words.
    pub(crate) message: String,
    /// Who took it; empty while nobody has.
    #[serde(default)]
    pub(crate) card: String,
    #[serde(default)]
    pub(crate) commit: String,
    #[serde(default)]
    pub(crate) nonce: String,
    #[serde(default)]
    pub(crate) their_nonce: String,
}

/// A code with its task: what is kept of every one, and what of this one.
pub(crate) struct Held<T> {
    stored: StoredTask,
    pub(crate) host: Host,
    pub(crate) own: T,
}

impl Host {
    /// One that begins now.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let now = crate::clock::now_ms();
        Self { secret: base32(secret), made_ms: now, expires_ms: now + SILENCE_MS_MAX, ..Self::default() }
    }

    /// The secret; none once it is over.
    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        unbase32(&self.secret)?.try_into().ok()
    }

    /// Who took it.
    pub(crate) fn card(&self) -> Option<Card> {
        Card::decode(&unbase32(&self.card)?).ok()
    }

    /// Something happened: it waits anew.
    pub(crate) fn wait(&mut self) {
        self.expires_ms = crate::clock::now_ms() + SILENCE_MS_MAX;
    }

    /// Notes who takes it, and makes a number of our own, once; returns the commitment to that.
    pub(crate) fn take(&mut self, card: String, commit: String) -> String {
        if self.nonce.is_empty() {
            self.nonce = base32(&crate::clock::random::<32>());
        }
        (self.card, self.commit) = (card, commit);
        self.wait();
        commit_of(&self.nonce)
    }
}

/// Reads a code's task.
pub(crate) fn read<T: DeserializeOwned>(stored: &StoredTask) -> Option<(Host, T)> {
    read_both(&stored.body)
}

/// The task of a code that is not stored yet; its name is `task_id` of the secret.
pub(crate) fn task<T: Hosted>(id: String, host: &Host, own: &T) -> Result<StoredTask, NodeError> {
    new_task(id, T::WORDS.kind, "requested", &write_both(host, own).ok_or(NodeError::Internal(T::WORDS.damaged))?)
}

/// What is said when nothing happened for too long.
pub(crate) fn silent<T: Hosted>() -> String {
    format!("nothing happened for ten minutes; {}", again::<T>())
}

fn again<T: Hosted>() -> String {
    format!("make a new {}", T::WORDS.code)
}

impl<T> Held<T> {
    pub(crate) fn status(&self) -> &str {
        &self.stored.status
    }
}

impl Batch {
    /// A code by its task's name.
    pub(crate) async fn load_held<T: Hosted>(&mut self, task: &str) -> Result<Held<T>, NodeError> {
        let words = T::WORDS;
        let stored = self.reader().await?.task(task).await?.filter(|stored| stored.kind == words.kind);
        let stored = stored.ok_or_else(|| NodeError::NotFound(format!("the {}", words.code)))?;
        let (host, own) = read(&stored).ok_or(NodeError::Internal(words.damaged))?;
        Ok(Held { stored, host, own })
    }

    /// Stores how it stands now.
    pub(crate) async fn put_held<T: Hosted>(&mut self, held: &Held<T>, status: &str) -> Result<(), NodeError> {
        let body = write_both(&held.host, &held.own).ok_or(NodeError::Internal(T::WORDS.damaged))?;
        self.put_task(StoredTask { body: body.to_string(), status: status.to_owned(), ..held.stored.clone() }).await
    }

    /// Ends it, and says why.
    pub(crate) async fn end_held<T: Hosted>(&mut self, held: &mut Held<T>, why: &str) -> Result<String, NodeError> {
        held.host.message = why.to_owned();
        held.host.secret.clear();
        self.put_held(held, "failed").await?;
        Ok(why.to_owned())
    }

    /// Says why a code goes no further, and writes that down.
    pub(crate) async fn stale<T: Hosted>(&mut self, held: &mut Held<T>) -> Result<Option<String>, NodeError> {
        match held.status() {
            "failed" => Ok(Some(held.host.message.clone())),
            "completed" => Ok(Some(format!("this {} was used already", T::WORDS.code))),
            _ if crate::clock::now_ms() > held.host.expires_ms => Ok(Some(self.end_held(held, &silent::<T>()).await?)),
            _ => Ok(None),
        }
    }

    /// Holds the digits that were typed or shown here against ours: says why that is not enough. Others than ours end it.
    pub(crate) async fn compare<T: Hosted>(
        &mut self,
        held: &mut Held<T>,
        digits: &str,
    ) -> Result<Option<String>, NodeError> {
        if let Some(why) = self.stale(held).await? {
            return Ok(Some(why));
        }
        if held.host.digits.is_empty() {
            return Ok(Some(format!("{} has not connected yet; there are no digits to compare", T::WORDS.them)));
        }
        if held.host.digits != digits {
            let why = format!("the digits were not the same on both sides; {}", again::<T>());
            return Ok(Some(self.end_held(held, &why).await?));
        }
        held.host.wait();
        Ok(None)
    }

    /// A second commitment would let whoever has the code try numbers until the digits agree: it ends the code.
    pub(crate) async fn used_by_two<T: Hosted>(
        &mut self,
        held: &mut Held<T>,
        card: &str,
        commit: &str,
    ) -> Result<Option<String>, NodeError> {
        if held.host.card.is_empty() || (held.host.card == card && held.host.commit == commit) {
            return Ok(None);
        }
        let why = format!("the code was used by two; {}", again::<T>());
        self.end_held(held, &why).await.map(Some)
    }

    /// Takes the number that they committed to, and shows ours; from here on both sides have digits.
    pub(crate) async fn revealed<T: Hosted>(
        &mut self,
        held: &mut Held<T>,
        secret: &[u8; 32],
        reveal: Reveal,
    ) -> Result<Vec<u8>, NodeError> {
        let words = T::WORDS;
        if commit_of(&reveal.nonce) != held.host.commit {
            let why = format!("the other side changed its number; {}", again::<T>());
            return said("ended", &self.end_held(held, &why).await?);
        }
        held.host.their_nonce = reveal.nonce;
        held.host.digits = digits(&held.own.transcript(&held.host, self.node.identity.card())?);
        held.host.message = format!("compare the six digits with those {} {}", words.them, words.compared);
        held.host.wait();
        let reply = RevealAnswer { nonce: held.host.nonce.clone() };
        self.put_held(held, "in-progress").await?;
        answer(&sealed::<T>(secret, "reveal answer", &reply))
    }
}

/// Seals an answer to whoever took the code.
pub(crate) fn sealed<T: Hosted>(secret: &[u8; 32], purpose: &str, reply: &impl Serialize) -> Sealed {
    seal(secret, &format!("{}{purpose}", T::WORDS.purpose), reply)
}

/// How it stands: the words need no seal, they say nothing of anybody.
pub(crate) fn said(state: &str, message: &str) -> Result<Vec<u8>, NodeError> {
    answer(&StateAnswer { state: state.to_owned(), message: message.to_owned() })
}
