//! Resources of this node's own that somebody else changed, who may (`shared`): whoever may not see the edit sees what it covers, as it
//! was written here. Called by whoever reads or writes for a caller.

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::{Inner, Node};
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::db::Reader;
use store::reach::Sight;
use store::versions::StoredVersion;

/// How often is looked whether another process, or what came over the network, covered anything.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Node {
    /// By whose eyes statements look for this caller.
    pub(crate) fn sight(&self, caller: &Caller) -> Sight {
        let purpose = crate::purpose::asked(&caller.purpose);
        Sight { now_ms: crate::clock::now_ms(), purpose, covered: self.covered.load(Ordering::Relaxed) }
    }

    /// The current version of a resource as a caller sees it; none where there is none to be seen.
    pub(crate) async fn seen_current(
        &self,
        caller: &Caller,
        kind: u16,
        id: &str,
    ) -> Result<Option<StoredVersion>, NodeError> {
        match self.find_current(kind, id).await? {
            Some(current) => self.seen(&mut Reader::from(&self.store), current, self.sight(caller)).await,
            None => Ok(None),
        }
    }

    /// A current version as somebody sees it: it, or what this node wrote of its own that it covers.
    pub(crate) async fn seen(
        &self,
        reader: &mut Reader<'_>,
        current: StoredVersion,
        sight: Sight,
    ) -> Result<Option<StoredVersion>, NodeError> {
        if current.own || reader.is_visible(current.position, sight).await? {
            return Ok(Some(current));
        }
        match current.origin == self.identity.id() {
            true => Ok(reader.covered(current.kind, &current.id).await?),
            false => Ok(None),
        }
    }
}

/// Learns whether anything is covered until the node is gone: most hospitals ask no statement for it.
pub(crate) async fn run(node: Weak<Inner>) {
    loop {
        let Some(node) = node.upgrade() else { return };
        let found = Reader::from(&node.store).anything_covered().await;
        match found {
            Ok(found) => node.covered.store(found, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "whether edits cover anything could not be read; the next round tries again")
            }
        }
        drop(node);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
