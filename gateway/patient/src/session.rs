//! Sessions: who has opened a login link, with the token every form carries. In memory only: a restart ends them all.
//! Called by `guard`, `form` and `pages::login`.

use crate::login::same;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sessions at one time: one person with some browsers; the one unused longest goes first.
const SESSIONS_MAX: usize = 32;
/// A session ends when nothing was asked for so long.
const IDLE_MAX: Duration = Duration::from_secs(2 * 3600);
/// A session ends so long after it began, whatever happens.
const AGE_MAX: Duration = Duration::from_secs(12 * 3600);

/// One session, as handlers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// What the cookie holds.
    pub(crate) token: String,
    /// What every form holds.
    pub(crate) csrf: String,
}

impl Session {
    /// Whether a form carries this session's token.
    pub(crate) fn owns(&self, csrf: &str) -> bool {
        same(&self.csrf, csrf)
    }
}

/// All sessions of a page.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    csrf: String,
    began: Instant,
    used: Instant,
}

impl Kept {
    fn lives(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < AGE_MAX && now.saturating_duration_since(self.used) < IDLE_MAX
    }
}

impl Sessions {
    /// Begins one.
    pub(crate) fn begin(&self, now: Instant) -> Session {
        let fresh = || record::id::base32(&node::clock::random::<32>());
        let session = Session { token: fresh(), csrf: fresh() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, session| session.lives(now));
        if kept.len() >= SESSIONS_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, session)| session.used).map(|(token, _)| token.clone())
        {
            kept.remove(&oldest);
        }
        kept.insert(session.token.clone(), Kept { csrf: session.csrf.clone(), began: now, used: now });
        session
    }

    /// The session a cookie names, if it lives. `touch` says that a person asked, not a script that waits.
    pub(crate) fn find(&self, token: &str, now: Instant, touch: bool) -> Option<Session> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = kept.get_mut(token).filter(|session| session.lives(now))?;
        if touch {
            session.used = now;
        }
        Some(Session { token: token.to_owned(), csrf: session.csrf.clone() })
    }

    /// Ends one.
    pub(crate) fn end(&self, token: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_silence_and_by_age() {
        let check = |steps: &[u64], expected: bool| {
            let (sessions, start) = (Sessions::default(), Instant::now());
            let token = sessions.begin(start).token;
            let mut last = None;
            for hours in steps {
                last = sessions.find(&token, start + Duration::from_secs(hours * 3600), true);
            }
            assert_eq!(last.is_some(), expected, "{steps:?}");
        };
        check(&[0], true);
        check(&[1, 2], true);
        check(&[2], false);
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], true);
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], false);
    }

    #[test]
    fn a_script_that_waits_keeps_no_session_alive() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let token = sessions.begin(start).token;
        assert!(sessions.find(&token, start + IDLE_MAX / 2, false).is_some());
        assert!(sessions.find(&token, start + IDLE_MAX, false).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_the_unused_go_first() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let second = |n: u64| start + Duration::from_secs(n);
        let first = sessions.begin(start).token;
        let unused = sessions.begin(second(1)).token;
        (2..SESSIONS_MAX as u64).for_each(|n| drop(sessions.begin(second(n))));
        assert!(sessions.find(&first, second(100), true).is_some());
        sessions.begin(second(101));
        assert!(sessions.find(&first, second(102), true).is_some());
        assert!(sessions.find(&unused, second(102), true).is_none());
    }

    #[test]
    fn an_ended_session_is_gone() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let session = sessions.begin(now);
        assert!(session.owns(&session.csrf.clone()) && !session.owns("") && !session.owns(&session.token));
        sessions.end(&session.token);
        assert!(sessions.find(&session.token, now, true).is_none());
    }
}
