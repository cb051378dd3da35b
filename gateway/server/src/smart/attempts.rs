//! How often somebody may try to log in: after some failures a name has to wait, longer each time, and few passwords are
//! hashed at once. In memory of each process. Called by `authorize`.
//! Spec: NIST SP 800-63B section 5.2.2.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Failures that a name may have before it waits: more than a person needs to remember which password it was.
const FREE: u32 = 5;
/// The first wait; each further failure doubles it.
const WAIT: Duration = Duration::from_secs(15);
/// Longest wait, since somebody else's guesses keep the person out for so long.
const WAIT_MAX: Duration = Duration::from_secs(900);
/// A name that did not fail for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Most names remembered; beyond it those that failed least go first.
const NAMES_MAX: usize = 10_000;
/// Most passwords hashed at once: each takes 64 MiB and a core for a tenth of a second.
const HASHES_MAX: usize = 2;

/// The attempts of this process.
pub(crate) struct Attempts {
    failed: Mutex<HashMap<String, Failed>>,
    pub(crate) hashing: Semaphore,
}

#[derive(Clone, Copy)]
struct Failed {
    times: u32,
    last: Instant,
}

impl Failed {
    fn wait(self) -> Duration {
        match self.times.checked_sub(FREE) {
            Some(more) => WAIT.saturating_mul(1 << more.min(10)).min(WAIT_MAX),
            None => Duration::ZERO,
        }
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self { failed: Mutex::default(), hashing: Semaphore::new(HASHES_MAX) }
    }
}

impl Attempts {
    /// Whether a name may try now; if so, the try counts as a failure until it went well.
    pub(crate) fn begin(&self, name: &str, now: Instant) -> bool {
        let name = name.trim().to_lowercase();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= NAMES_MAX && !failed.contains_key(&name) {
            failed.retain(|_, one| one.times >= FREE && now.saturating_duration_since(one.last) < FORGOTTEN);
            // Nobody is kept out by many who fail: the one that failed longest ago is forgotten.
            let oldest = failed.iter().min_by_key(|(_, one)| one.last).map(|(name, _)| name.clone());
            if failed.len() >= NAMES_MAX
                && let Some(oldest) = oldest
            {
                failed.remove(&oldest);
            }
        }
        let one = failed.entry(name).or_insert(Failed { times: 0, last: now });
        let since = now.saturating_duration_since(one.last);
        if since > FORGOTTEN {
            one.times = 0;
        }
        if one.times > 0 && since < one.wait() {
            return false;
        }
        *one = Failed { times: one.times + 1, last: now };
        true
    }

    /// Says that a try went well.
    pub(crate) fn went_well(&self, name: &str) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(&name.trim().to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_waits_longer_each_time() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let row = |name: &str, seconds: u64, wanted: bool| {
            assert_eq!(attempts.begin(name, at(seconds)), wanted, "{name} at {seconds}");
        };
        (0..5).for_each(|_| row("ada", 0, true));
        row("ada", 0, false);
        row(" ADA ", 14, false);
        row("bo", 14, true);
        row("ada", 15, true);
        row("ada", 44, false);
        row("ada", 45, true);
        row("ada", 46, false);
        attempts.went_well("ada");
        row("ada", 46, true);
        assert!((0..40).any(|_| !attempts.begin("cy", at(100))));
        row("cy", 100 + 3601, true);
    }
}
