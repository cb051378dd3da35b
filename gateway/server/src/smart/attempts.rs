//! How often somebody may try to log in: after some failures a name has to wait at the address they came from, longer each
//! time; after many within an hour it waits everywhere; and few passwords are hashed at once. Counted in memory of each process
//! and by `node` for all of them (decision 0039). Called by `authorize`.
//! Spec: NIST SP 800-63B section 5.2.2.

use node::people::{FAILURES_KEPT_S, Failed as Counted};
use node::{Node, NodeError};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Failures that a name may have at an address before it waits there: more than a person needs to remember which password it was.
const FREE: u32 = 5;
/// The first wait; each further failure doubles it.
const WAIT: Duration = Duration::from_secs(15);
/// Longest wait, since the guesses of somebody behind the same proxy keep the person out for so long.
const WAIT_MAX: Duration = Duration::from_secs(900);
/// A name that did not fail for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(FAILURES_KEPT_S as u64);
/// Failures that a name may have within [`FORGOTTEN`], wherever they come from. One address makes some ten an hour, so that
/// nobody keeps a known name out alone; guesses from everywhere are still no more than so many.
const EVERYWHERE: u32 = 100;
/// Most names remembered; beyond it those that failed least go first.
const NAMES_MAX: usize = 10_000;
/// Most passwords hashed at once: each takes 64 MiB and a core for a tenth of a second.
const HASHES_MAX: usize = 2;

/// A name, folded, and where it was typed; nowhere for all places together.
type Key = (String, Option<IpAddr>);

/// The attempts of this process.
pub(crate) struct Attempts {
    failed: Mutex<HashMap<Key, Failed>>,
    everywhere: Mutex<HashMap<String, Failed>>,
    pub(crate) hashing: Semaphore,
}

/// Failures of a key, and when the last of them was; of a name everywhere, when the first of the hour was.
#[derive(Clone, Copy)]
struct Failed {
    times: u32,
    last: Instant,
}

/// How long a name waits after so many failures at an address.
fn wait(times: u32) -> Duration {
    match times.checked_sub(FREE) {
        Some(more) => WAIT.saturating_mul(1 << more.min(10)).min(WAIT_MAX),
        None => Duration::ZERO,
    }
}

/// What all processes of the hospital counted for a name and where it was typed.
pub(crate) struct Shared<'a> {
    node: &'a Node,
    name: &'a str,
    from: String,
    here: Counted,
    everywhere: Counted,
}

impl<'a> Shared<'a> {
    /// Reads what was counted.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read(node: &'a Node, name: &'a str, from: Option<IpAddr>) -> Result<Self, NodeError> {
        let from = from.map(|from| from.to_string()).unwrap_or_default();
        let [here, everywhere] = node.failed_logins(name, &from).await?;
        Ok(Self { node, name, from, here, everywhere })
    }

    /// Whether the name may try now.
    pub(crate) fn may_try(&self) -> bool {
        may_try(self.here, self.everywhere)
    }

    /// Counts a failure. One that cannot be counted is counted by this process alone.
    pub(crate) async fn failed(&self) {
        if let Err(error) = self.node.count_failed_login(self.name, &self.from, FREE).await {
            tracing::warn!(%error, "a login that failed could not be counted for the other processes");
        }
    }

    /// Says that a try went well.
    pub(crate) async fn went_well(&self) {
        if self.here.times > 0
            && let Err(error) = self.node.forget_failed_logins(self.name, &self.from).await
        {
            tracing::warn!(%error, "failures before a login that went well could not be forgotten");
        }
    }
}

/// The same rule as in memory, in seconds.
fn may_try(here: Counted, everywhere: Counted) -> bool {
    (here.times == 0 || Duration::from_secs(here.ago_s) >= wait(here.times)) && everywhere.times < EVERYWHERE
}

impl Default for Attempts {
    fn default() -> Self {
        Self { failed: Mutex::default(), everywhere: Mutex::default(), hashing: Semaphore::new(HASHES_MAX) }
    }
}

impl Attempts {
    /// Whether a name may try now from an address; if so, the try counts as a failure until it went well.
    pub(crate) fn begin(&self, name: &str, from: Option<IpAddr>, now: Instant) -> bool {
        let name = folded(name);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut failed, &(name.clone(), from), now);
        let one = failed.entry((name.clone(), from)).or_insert(Failed { times: 0, last: now });
        let since = now.saturating_duration_since(one.last);
        if since > FORGOTTEN {
            one.times = 0;
        }
        if one.times > 0 && since < wait(one.times) {
            return false;
        }
        let mut everywhere = self.everywhere.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut everywhere, &name, now);
        let all = everywhere.entry(name).or_insert(Failed { times: 0, last: now });
        if now.saturating_duration_since(all.last) > FORGOTTEN {
            *all = Failed { times: 0, last: now };
        }
        if all.times >= EVERYWHERE {
            return false;
        }
        all.times += 1;
        *one = Failed { times: one.times + 1, last: now };
        true
    }

    /// Says that a try came to nothing of the person's doing: it is no failure.
    pub(crate) fn take_back(&self, name: &str, from: Option<IpAddr>) {
        let key = (folded(name), from);
        if let Some(all) = self.everywhere.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key.0) {
            all.times = all.times.saturating_sub(1);
        }
        if let Some(one) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key) {
            one.times = one.times.saturating_sub(1);
        }
    }

    /// Says that a try went well. What failed elsewhere stays: it was somebody else.
    pub(crate) fn went_well(&self, name: &str, from: Option<IpAddr>) {
        self.take_back(name, from);
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(&(folded(name), from));
    }
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Nobody is kept out by many who fail: the one that failed longest ago is forgotten.
fn make_room<K: Clone + Eq + Hash>(failed: &mut HashMap<K, Failed>, key: &K, now: Instant) {
    if failed.len() < NAMES_MAX || failed.contains_key(key) {
        return;
    }
    failed.retain(|_, one| one.times >= FREE && now.saturating_duration_since(one.last) < FORGOTTEN);
    let oldest = failed.iter().min_by_key(|(_, one)| one.last).map(|(key, _)| key.clone());
    if failed.len() >= NAMES_MAX
        && let Some(oldest) = oldest
    {
        failed.remove(&oldest);
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
            assert_eq!(attempts.begin(name, None, at(seconds)), wanted, "{name} at {seconds}");
        };
        (0..5).for_each(|_| row("ada", 0, true));
        row("ada", 0, false);
        row(" ADA ", 14, false);
        row("bo", 14, true);
        row("ada", 15, true);
        row("ada", 44, false);
        row("ada", 45, true);
        row("ada", 46, false);
        attempts.went_well("ada", None);
        row("ada", 46, true);
        assert!((0..40).any(|_| !attempts.begin("cy", None, at(100))));
        row("cy", 100 + 3601, true);
    }

    #[test]
    fn what_all_processes_counted_holds_by_the_same_rule() {
        let row = |here: (u32, u64), everywhere: u32, wanted: bool| {
            let here = Counted { times: here.0, ago_s: here.1 };
            let everywhere = Counted { times: everywhere, ago_s: 0 };
            assert_eq!(may_try(here, everywhere), wanted, "{here:?} {everywhere:?}");
        };
        row((0, 0), 0, true);
        row((4, 0), 4, true);
        row((5, 14), 5, false);
        row((5, 15), 5, true);
        row((6, 29), 6, false);
        row((6, 30), 6, true);
        row((50, 899), 50, false);
        row((50, 900), 50, true);
        row((0, 0), EVERYWHERE - 1, true);
        row((0, 0), EVERYWHERE, false);
    }

    /// Somebody who knew a name kept its person out for ever by failing every quarter of an hour.
    #[test]
    fn who_fails_elsewhere_keeps_a_person_out_only_with_many() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        for minute in 0..2 * 24 * 60 {
            attempts.begin("ada", address(1), at(minute));
            if minute % 60 == 59 {
                assert!(!attempts.begin("ada", address(1), at(minute)), "the outsider waits at {minute}");
                assert!(attempts.begin("ada", address(2), at(minute)), "the person is kept out at {minute}");
                attempts.went_well("ada", address(2));
            }
        }
        let tried = (0..200).filter(|last| attempts.begin("bo", address(*last), start)).count();
        assert_eq!(tried, EVERYWHERE as usize);
        assert!(!attempts.begin("bo", address(201), at(59)) && attempts.begin("bo", address(201), at(61)));
    }

    #[test]
    fn what_nobody_looked_at_is_no_failure() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..300 {
            assert!(attempts.begin("ada", None, now));
            attempts.take_back(" Ada ", None);
        }
    }
}
