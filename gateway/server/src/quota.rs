//! How much one client may ask: so many requests at once, so many a second; and how often an address may come without a good
//! token. In memory of each process. Called by `dispatch`, and by `edge` for what comes without a token.
//! Spec: RFC 6585 section 4 (429), RFC 9110 section 10.2.3 (Retry-After).

use crate::error::ApiError;
use node::clients::Quota;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most clients and addresses remembered; beyond it those that are not waiting are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Failures a second that an address may have, and how many at once: a person with a wrong token, not somebody who tries them.
const FAILURES: Rate = Rate { per_second: 5, burst: 100 };

/// Refusals of a client for its quota that are noted in the audit log: that it asks too much is worth a row, not each time.
const NOTED: Rate = Rate { per_second: 1, burst: 5 };

/// Forms that one address sends to `/auth`: a proxy in front is one address too, behind which a hospital's day begins.
const FORMS: Rate = Rate { per_second: 50, burst: 500 };

/// Most requests to `/auth` worked on at once, beside FHIR's and never instead of them: passwords are hashed two at a time.
pub(crate) const AUTH_REQUESTS_MAX: usize = 64;

/// Most of them from one address: half, so that one that sends its forms slowly leaves room for the others.
const ADDRESS_REQUESTS_MAX: usize = AUTH_REQUESTS_MAX / 2;

/// So many a second, and so many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second; zero for no limit.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// The quotas of this process.
pub(crate) struct Quotas {
    rate: Rate,
    at_once: usize,
    clients: Buckets<String>,
    addresses: Buckets<IpAddr>,
    noted: Buckets<String>,
    running: Mutex<HashMap<String, (usize, Arc<Semaphore>)>>,
    /// What clients may that have a quota of their own.
    own: Mutex<HashMap<String, Quota>>,
}

impl Quotas {
    /// `at_once` requests of one client run beside each other, and `rate` of them come in time.
    pub(crate) fn new(rate: Rate, at_once: usize) -> Self {
        let (clients, addresses) = (Buckets::default(), Buckets::default());
        let (noted, running, own) = (Buckets::default(), Mutex::default(), Mutex::default());
        Self { rate, at_once, clients, addresses, noted, running, own }
    }

    /// The quotas of whoever sends forms to `/auth`, by address: nobody knows yet whose they are.
    pub(crate) fn of_forms() -> Self {
        Self::new(FORMS, ADDRESS_REQUESTS_MAX)
    }

    /// As [`Quotas::admit`], for an address; one that is not known is not held.
    ///
    /// # Errors
    /// 429, with the time after which it may come again.
    pub(crate) fn admit_address(&self, from: Option<IpAddr>) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        from.map_or(Ok(None), |from| self.admit(&from.to_string()))
    }

    /// Lets a request of a client in, until what is returned is dropped.
    ///
    /// # Errors
    /// 429, with the time after which it may come again.
    pub(crate) fn admit(&self, client: &str) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        if client.is_empty() {
            return Ok(None);
        }
        let (rate, at_once) = self.of(client);
        self.clients.take(client.to_owned(), rate, Instant::now()).map_err(|wait| too_many(wait, "second"))?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() >= REMEMBERED_MAX {
            running.retain(|_, (most, room)| room.available_permits() < *most);
        }
        let fresh = || (at_once, Arc::new(Semaphore::new(at_once)));
        let (most, room) = running.entry(client.to_owned()).or_insert_with(fresh);
        if *most != at_once {
            // What runs under the number before is let run to its end beside what comes.
            (*most, *room) = fresh();
        }
        match room.clone().try_acquire_owned() {
            Ok(place) => Ok(Some(place)),
            Err(_) => Err(too_many(Duration::from_secs(1), "at once")),
        }
    }

    /// Whether a refusal of a client for its quota is to be noted.
    pub(crate) fn is_noted(&self, client: &str) -> bool {
        self.noted.take(client.to_owned(), NOTED, Instant::now()).is_ok()
    }

    /// Notes what the operator says of a client; nothing for what every client may.
    pub(crate) fn note(&self, client: &str, quota: Option<Quota>) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        match quota {
            Some(quota) if own.get(client) == Some(&quota) => {}
            Some(quota) => drop(own.insert(client.to_owned(), quota)),
            None => drop(own.remove(client)),
        }
    }

    fn of(&self, client: &str) -> (Rate, usize) {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(client).map_or((self.rate, self.at_once), |own| {
            (Rate { per_second: own.per_second, burst: own.burst }, own.at_once as usize)
        })
    }

    /// Counts a request without a good token, or without a good proof of which client asks for one.
    ///
    /// # Errors
    /// 429 where the address had too many.
    pub(crate) fn failed(&self, from: Option<IpAddr>) -> Result<(), ApiError> {
        let Some(from) = from else { return Ok(()) };
        self.addresses
            .take(from, FAILURES, Instant::now())
            .map_err(|wait| too_many(wait, "without a good token or proof"))
    }
}

fn too_many(wait: Duration, what: &str) -> ApiError {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    ApiError::too_many(format!("too many requests {what}; nothing was done"), seconds)
}

/// For each key the time at which all it was given is used up: the generic cell rate algorithm.
struct Buckets<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes one; how long to wait where there is none.
    fn take(&self, key: K, rate: Rate, now: Instant) -> Result<(), Duration> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let each = Duration::from_secs(1) / rate.per_second;
        let most = each * rate.burst.max(1);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX {
            all.retain(|_, used_up| *used_up > now);
        }
        let used_up = all.get(&key).copied().unwrap_or(now).max(now) + each;
        match used_up.duration_since(now).checked_sub(most) {
            None | Some(Duration::ZERO) => {
                all.insert(key, used_up);
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_second() {
        let (buckets, start) = (Buckets::default(), Instant::now());
        let rate = Rate { per_second: 10, burst: 3 };
        let check = |key: &'static str, ms: u64, expected: Option<u64>| {
            let found = buckets.take(key, rate, start + Duration::from_millis(ms)).err();
            assert_eq!(found.map(|wait| wait.as_millis() as u64), expected, "{key} after {ms} ms");
        };
        for _ in 0..3 {
            check("a", 0, None);
        }
        check("a", 0, Some(100));
        check("a", 40, Some(60));
        check("b", 0, None);
        check("a", 100, None);
        check("a", 100, Some(100));
        check("a", 10_000, None);
        let none = Rate { per_second: 0, burst: 0 };
        assert!((0..1000).all(|_| buckets.take("c", none, start).is_ok()));
    }

    #[test]
    fn so_many_run_at_once_and_each_that_ends_makes_room() {
        let quotas = Quotas::new(Rate { per_second: 0, burst: 0 }, 2);
        let places = [quotas.admit("a").unwrap(), quotas.admit("a").unwrap()];
        assert_eq!(quotas.admit("a").unwrap_err().status.as_u16(), 429);
        assert!(quotas.admit("b").is_ok(), "another client has its own");
        drop(places);
        assert!(quotas.admit("a").is_ok());
        assert!(quotas.admit("").unwrap().is_none(), "what needs no token has no client");
    }

    #[test]
    fn a_client_may_have_a_quota_of_its_own() {
        let quotas = Quotas::new(Rate { per_second: 0, burst: 0 }, 2);
        quotas.note("a", Some(Quota { per_second: 1, burst: 2, at_once: 3 }));
        let places = [quotas.admit("a").unwrap(), quotas.admit("a").unwrap()];
        assert_eq!(quotas.admit("a").unwrap_err().status.as_u16(), 429, "its burst is over");
        quotas.note("a", Some(Quota { per_second: 0, burst: 0, at_once: 1 }));
        let place = quotas.admit("a").unwrap();
        assert_eq!(quotas.admit("a").unwrap_err().status.as_u16(), 429);
        drop(place);
        quotas.note("a", None);
        assert!(quotas.admit("a").is_ok(), "and then what every client may");
        drop(places);
    }

    #[test]
    fn an_address_has_its_share_of_the_forms() {
        let (quotas, [one, other]) =
            (Quotas::of_forms(), [[1, 2, 3, 4], [1, 2, 3, 5]].map(|ip| Some(IpAddr::from(ip))));
        let places = (0..ADDRESS_REQUESTS_MAX).map(|_| quotas.admit_address(one).unwrap()).collect::<Vec<_>>();
        assert_eq!(quotas.admit_address(one).unwrap_err().status.as_u16(), 429);
        assert!(quotas.admit_address(other).is_ok() && quotas.admit_address(None).is_ok());
        drop(places);
        let mut in_a_row = (0..2 * FORMS.burst).filter(|_| quotas.admit_address(one).is_ok()).count();
        assert!(in_a_row < 2 * FORMS.burst as usize, "{in_a_row}");
        in_a_row = (0..2 * FAILURES.burst).filter(|_| quotas.failed(one).is_ok()).count();
        assert!(in_a_row < 2 * FAILURES.burst as usize, "{in_a_row}");
    }
}
