//! Takes what pages no longer need: the index rows of versions that were replaced before every page that may still be
//! asked for was begun. Started by `node`; each process sweeps, which harms nobody.

use crate::error::NodeError;
use crate::node::{Inner, Node};
use crate::search::PAGE_SECONDS_MAX;
use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;
use tokio::time::Instant;

/// How often the log's position is looked at, and what is old is swept.
const EVERY: Duration = Duration::from_secs(60);
/// Versions swept in one transaction: others wait no longer for it than for a large write.
const SWEPT_MAX: i64 = 2_000;

/// Sweeps until the node is gone.
pub(crate) async fn run(node: Weak<Inner>) {
    let kept = Duration::from_secs(PAGE_SECONDS_MAX) + EVERY;
    let mut seen = VecDeque::<(Instant, i64)>::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(node) = node.upgrade().map(Node) else { return };
        if let Ok(position) = node.store.position().await {
            seen.push_back((Instant::now(), position));
        }
        let mut until = None;
        while let Some((_, position)) = seen.front().filter(|(at, _)| at.elapsed() > kept) {
            until = Some(*position);
            seen.pop_front();
        }
        if let Some(until) = until
            && let Err(error) = node.sweep(until).await
        {
            tracing::warn!(%error, "replaced versions could not be swept; the next round tries again");
        }
    }
}

impl Node {
    /// Takes the index rows of everything that was replaced up to a position.
    ///
    /// # Errors
    /// [`NodeError::Store`]; what was swept before stays swept.
    pub async fn sweep(&self, until: i64) -> Result<u64, NodeError> {
        let mut swept = 0;
        loop {
            let now = self
                .commit(move |batch| Box::pin(async move { Ok(batch.tx().await?.sweep(until, SWEPT_MAX).await?) }))
                .await?;
            swept += now as u64;
            if now < SWEPT_MAX as usize {
                return Ok(swept);
            }
        }
    }
}
