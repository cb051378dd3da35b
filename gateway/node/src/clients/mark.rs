//! The mark that changes of clients, revoked tokens and token keys leave: what a process knows of tokens holds while it stays.
//! Read once for all requests, and anew where this process changed something itself. Called by `server`.
//! Decision: `docs/decisions/0038-a-mark-of-clients.md`.

use crate::error::NodeError;
use crate::node::Node;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Tx;
use tokio::sync::OnceCell;

/// How long a mark holds that was read: what another process takes away is served here so long at most.
pub const MARK_AGE_MAX: Duration = Duration::from_millis(500);

/// How often what nobody knows, such as the name of a key, may cause a look at the mark: somebody who guesses names must not keep
/// the database busy.
const AGAIN: Duration = Duration::from_millis(50);

/// What was drawn at the last change that this process has heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(i64);

/// The mark as this process reads it.
pub(crate) struct Marks(Mutex<Look>);

/// One look at the database, which all who ask meanwhile share.
#[derive(Clone)]
struct Look {
    begun: Instant,
    mark: Arc<OnceCell<Mark>>,
}

impl Look {
    fn begin() -> Self {
        Self { begun: Instant::now(), mark: Arc::default() }
    }
}

impl Default for Marks {
    fn default() -> Self {
        Self(Mutex::new(Look::begin()))
    }
}

impl Marks {
    /// The look that counts, begun now where `is_over` says so of the one before.
    fn look(&self, is_over: impl Fn(Instant) -> bool) -> Look {
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_over(look.begun) {
            *look = Look::begin();
        }
        look.clone()
    }

    /// How long until nobody is kept busy by another look.
    fn pause(&self) -> Duration {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner).begun;
        AGAIN.saturating_sub(begun.elapsed())
    }
}

impl Node {
    /// The mark, no older than [`MARK_AGE_MAX`].
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn clients_mark(&self) -> Result<Mark, NodeError> {
        self.read_mark(self.marks.look(|begun| begun.elapsed() >= MARK_AGE_MAX)).await
    }

    /// The mark as it is now: whoever is shown something that was made elsewhere a moment ago has to wait for it a little, and is
    /// not refused.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn clients_mark_now(&self) -> Result<Mark, NodeError> {
        let asked = Instant::now();
        tokio::time::sleep(self.marks.pause()).await;
        self.read_mark(self.marks.look(|begun| begun < asked)).await
    }

    /// Commits what changes clients, revoked tokens or token keys: this process asks anew at once.
    pub(crate) async fn commit_clients(&self, tx: Tx) -> Result<(), NodeError> {
        let committed = tx.commit().await;
        // Also where nobody knows whether it was.
        self.marks.look(|_| true);
        Ok(committed?)
    }

    async fn read_mark(&self, look: Look) -> Result<Mark, NodeError> {
        let read = || async { Ok(Mark(self.store.clients_mark().await?)) };
        look.mark.get_or_try_init(read).await.copied()
    }
}
