//! Lookups of current versions: those that wait while a statement runs share the next one, so that many reads by id
//! cost few ways to the database. A lookup sees everything that was committed before it was asked. Called by `read`.

use crate::error::NodeError;
use crate::node::{Inner, Node};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use store::db::Reader;
use store::versions::StoredVersion;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Lookups that share one statement.
const SHARED_MAX: usize = 64;
/// Lookups that may wait; further ones wait in their own task.
const WAITING_MAX: usize = 1024;
/// Statements that run at once: one more than a small machine has cores, so that none of them waits for an answer.
const WORKERS: usize = 3;

pub(crate) struct Lookup {
    key: (u16, String),
    found: oneshot::Sender<Result<Option<StoredVersion>, NodeError>>,
}

/// Where lookups wait.
pub(crate) struct Lookups(mpsc::Sender<Lookup>);

impl Lookups {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Lookup>) {
        let (sender, lookups) = mpsc::channel(WAITING_MAX);
        (Self(sender), lookups)
    }
}

impl Node {
    /// The current version of a resource, deleted ones included.
    pub(crate) async fn find_current(&self, kind: u16, id: &str) -> Result<Option<StoredVersion>, NodeError> {
        let (found, answer) = oneshot::channel();
        let lookup = Lookup { key: (kind, id.to_owned()), found };
        self.lookups.0.send(lookup).await.or(Err(NodeError::Stopping))?;
        answer.await.or(Err(NodeError::Stopping))?
    }
}

/// Starts the workers; they end with the node.
pub(crate) fn start(node: &Weak<Inner>, lookups: mpsc::Receiver<Lookup>) {
    let lookups = Arc::new(Mutex::new(lookups));
    for _ in 0..WORKERS {
        tokio::spawn(work(node.clone(), lookups.clone()));
    }
}

async fn work(node: Weak<Inner>, lookups: Arc<Mutex<mpsc::Receiver<Lookup>>>) {
    let mut taken = Vec::with_capacity(SHARED_MAX);
    while lookups.lock().await.recv_many(&mut taken, SHARED_MAX).await > 0 {
        let Some(node) = node.upgrade().map(Node) else { return };
        answer(&node, &mut taken).await;
    }
}

async fn answer(node: &Node, taken: &mut Vec<Lookup>) {
    let keys = taken.iter().map(|lookup| lookup.key.clone()).collect::<Vec<_>>();
    match Reader::from(&node.store).currents(&keys).await {
        Ok(versions) => {
            let mut versions = versions
                .into_iter()
                .map(|version| ((version.kind, version.id.clone()), version))
                .collect::<HashMap<_, _>>();
            for (at, lookup) in taken.drain(..).enumerate() {
                // Several may have asked for the same; the last of them takes it.
                let again = keys[at + 1..].contains(&lookup.key);
                let version = if again { versions.get(&lookup.key).cloned() } else { versions.remove(&lookup.key) };
                // Whoever asked may be gone.
                lookup.found.send(Ok(version)).ok();
            }
        }
        // Each alone: an error is told to whom it belongs.
        Err(_) => {
            for lookup in taken.drain(..) {
                let (kind, id) = &lookup.key;
                let found = Reader::from(&node.store).current(*kind, id).await;
                lookup.found.send(found.map_err(NodeError::from)).ok();
            }
        }
    }
}
