//! The tokens that were good, each with what it came to: for as long as the mark of the clients stays, or for a moment where
//! somebody else issued it. Tokens that are not good are never here. Called by `auth`.
//! Decision: `docs/decisions/0038-a-mark-of-clients.md`.

use crate::token::{self, Claims};
use node::clients::{MARK_AGE_MAX, Mark, Quota};
use record::scope::Scopes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Most tokens remembered, half of them since the other half was full: those that are used stay, also where one client asks for
/// a token for each request.
const REMEMBERED_MAX: usize = 8_192;

/// What a token came to.
pub(super) struct Known {
    pub(super) claims: Claims,
    /// The key that verified it.
    pub(super) kid: String,
    pub(super) who: String,
    pub(super) scopes: Scopes,
    pub(super) patient_scopes: Scopes,
    /// How much its client may ask.
    pub(super) quota: Option<Quota>,
    pub(super) as_of: AsOf,
}

/// The state that something was looked up in, noted before the look.
#[derive(Clone, Copy)]
pub(super) enum AsOf {
    /// Of the clients here.
    Mark(Mark),
    /// Of keys elsewhere.
    Moment(Instant),
}

impl AsOf {
    /// Whether what was looked up in `self` still holds at `now`.
    fn holds(self, now: AsOf) -> bool {
        match (self, now) {
            (AsOf::Mark(then), AsOf::Mark(now)) => then == now,
            (AsOf::Moment(then), AsOf::Moment(now)) => now.saturating_duration_since(then) < MARK_AGE_MAX,
            _ => false,
        }
    }
}

impl Known {
    pub(super) fn is_fresh(&self, now: AsOf) -> bool {
        self.as_of.holds(now) && self.claims.exp > token::now_s()
    }
}

/// The tokens of this process.
#[derive(Default)]
pub(crate) struct Callers(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    new: HashMap<String, Arc<Known>>,
    old: HashMap<String, Arc<Known>>,
}

impl Halves {
    fn put(&mut self, token: &str, known: Arc<Known>) {
        if self.new.len() >= REMEMBERED_MAX / 2 && !self.new.contains_key(token) {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(token.to_owned(), known);
    }
}

impl Callers {
    pub(super) fn find(&self, token: &str) -> Option<Arc<Known>> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = halves.new.get(token) {
            return Some(known.clone());
        }
        let known = halves.old.remove(token)?;
        halves.put(token, known.clone());
        Some(known)
    }

    pub(super) fn remember(&self, token: &str, known: Arc<Known>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(token, known);
    }

    pub(super) fn forget(&self, token: &str) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.new.remove(token);
        halves.old.remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(kid: &str) -> Arc<Known> {
        Arc::new(Known {
            claims: Claims::default(),
            kid: kid.to_owned(),
            who: String::new(),
            scopes: Scopes::parse(""),
            patient_scopes: Scopes::parse(""),
            quota: None,
            as_of: AsOf::Moment(Instant::now()),
        })
    }

    #[test]
    fn tokens_that_are_used_stay_and_no_more_than_so_many() {
        let callers = Callers::default();
        callers.remember("used", known("a"));
        for number in 0..3 * REMEMBERED_MAX {
            callers.remember(&format!("once {number}"), known("b"));
            assert!(callers.find("used").is_some_and(|known| known.kid == "a"), "after {number}");
        }
        let halves = callers.0.lock().unwrap();
        assert!(halves.new.len() + halves.old.len() <= REMEMBERED_MAX);
        drop(halves);
        assert!(callers.find("once 0").is_none());
        callers.forget("used");
        assert!(callers.find("used").is_none());
    }

    #[test]
    fn what_was_looked_up_holds_for_its_moment() {
        let (then, row) = (Instant::now(), |wanted: bool, past: std::time::Duration, then: Instant| {
            assert_eq!(AsOf::Moment(then).holds(AsOf::Moment(then + past)), wanted, "{past:?}");
        });
        row(true, std::time::Duration::ZERO, then);
        row(true, MARK_AGE_MAX - std::time::Duration::from_millis(1), then);
        row(false, MARK_AGE_MAX, then);
    }
}
