//! Logins that failed, counted for all processes of a hospital: a name where it was typed, and the name alone. Kept as hashes, since
//! somebody may type a password for a name. How long one waits is `server`'s to say. Called by `server`.
//! Decision: `docs/decisions/0039-logins-that-failed.md`.

use super::{folded, now_s};
use crate::error::NodeError;
use crate::node::Node;
use store::attempts::Failures;
use store::db::Reader;

/// Failures are forgotten after so long, in seconds.
pub const FAILURES_KEPT_S: i64 = 3600;
/// Most names, and names at addresses, that are counted; beyond it those with few failures go first, and the oldest.
const COUNTED_MAX: i64 = 20_000;

/// How often a login failed, and how long ago, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// How often within the last hour.
    pub times: u32,
    /// Since the last of them; of a name wherever it was typed, since the first.
    pub ago_s: u64,
}

impl Node {
    /// How often a name failed at an address, and wherever it was typed.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn failed_logins(&self, name: &str, from: &str) -> Result<[Failed; 2], NodeError> {
        let (hashes, now) = (self.attempt_hashes(name, from), now_s());
        let found = Reader::from(&self.store).failures([&hashes[0], &hashes[1]]).await?;
        Ok(found.map(|found| counted(found, now)))
    }

    /// Counts a login that failed. One with `few` failures of a name at an address is forgotten first where too many are counted.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn count_failed_login(&self, name: &str, from: &str, few: u32) -> Result<(), NodeError> {
        let ([here, everywhere], now) = (self.attempt_hashes(name, from), now_s());
        let oldest = now - FAILURES_KEPT_S;
        let mut tx = self.store.begin().await?;
        tx.sweep_failures(oldest, COUNTED_MAX, few.into()).await?;
        tx.count_failure(&here, now, oldest, true).await?;
        tx.count_failure(&everywhere, now, oldest, false).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets the failures of a name at an address: who is there knows the password. What failed elsewhere was somebody else.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn forget_failed_logins(&self, name: &str, from: &str) -> Result<(), NodeError> {
        let [here, _] = self.attempt_hashes(name, from);
        let mut tx = self.store.begin().await?;
        tx.forget_failures(&here).await?;
        Ok(tx.commit().await?)
    }

    fn attempt_hashes(&self, name: &str, from: &str) -> [String; 2] {
        // No address has a space: neither hash is ever the other's.
        let name = folded(name);
        [format!("at {from} {name}"), format!("anywhere {name}")].map(|text| self.secret_hash("attempt", &text))
    }
}

fn counted(found: Failures, now: i64) -> Failed {
    let ago_s = u64::try_from(now - found.since_s).unwrap_or_default();
    match found.times > 0 && now - found.since_s <= FAILURES_KEPT_S {
        true => Failed { times: u32::try_from(found.times).unwrap_or(u32::MAX), ago_s },
        false => Failed::default(),
    }
}
