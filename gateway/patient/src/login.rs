//! One-time login links: made at start, anew whenever one was used and before one grows old, so that there is always
//! one that works. No cookie here (`session`). Called by `cli`, which prints the link and writes it into
//! `ready.json`, and by `pages::login`, which takes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a link works: time enough to copy it, too short to be found in a history later.
const LINK_LIFE: Duration = Duration::from_secs(10 * 60);
/// How often a fresh link is made although the last was not used: what is shown works at least that long.
const LINK_RENEW: Duration = Duration::from_secs(5 * 60);
/// Links that work at one time; the oldest goes first.
const LINKS_MAX: usize = 4;

/// The one-time links of one page; cloning shares them.
#[derive(Clone, Debug)]
pub struct Login(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base_url: String,
    links: Mutex<Vec<(String, Instant)>>,
    current: watch::Sender<String>,
}

impl Login {
    /// Makes the first link of a page that people reach at `base_url`.
    pub fn new(base_url: &str) -> Self {
        let login = Self(Arc::new(Inner {
            base_url: base_url.trim_end_matches('/').to_owned(),
            links: Mutex::default(),
            current: watch::channel(String::new()).0,
        }));
        login.0.renew(Instant::now());
        login
    }

    /// The link that works now: once, and for five to ten minutes.
    pub fn login_url(&self) -> String {
        self.0.current.borrow().clone()
    }

    /// Holds the link that works, and changes whenever there is a new one.
    pub fn changes(&self) -> watch::Receiver<String> {
        self.0.current.subscribe()
    }

    /// Takes a secret: true once, for one that was made here and is not old. A used link is replaced at once.
    pub(crate) fn take(&self, secret: &str, now: Instant) -> bool {
        {
            let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.retain(|(_, made)| now.saturating_duration_since(*made) < LINK_LIFE);
            let Some(at) = links.iter().position(|(known, _)| same(known, secret)) else {
                return false;
            };
            links.remove(at);
        }
        self.0.renew(now);
        true
    }

    /// Makes fresh links as long as somebody holds the page.
    pub(crate) fn keep_fresh(&self) {
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LINK_RENEW).await;
                let Some(inner) = weak.upgrade() else { return };
                inner.renew(Instant::now());
            }
        });
    }
}

impl Inner {
    fn renew(&self, now: Instant) {
        let secret = record::id::base32(&node::clock::random::<32>());
        let url = format!("{}/login/{secret}", self.base_url);
        {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.retain(|(_, made)| now.saturating_duration_since(*made) < LINK_LIFE);
            if links.len() >= LINKS_MAX {
                links.remove(0);
            }
            links.push((secret, now));
        }
        self.current.send_replace(url);
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(login: &Login) -> String {
        login.login_url().rsplit('/').next().expect("a url has a last part").to_owned()
    }

    #[test]
    fn a_link_works_once_and_another_stands_ready() {
        let login = Login::new("http://127.0.0.1:1/");
        assert!(login.login_url().starts_with("http://127.0.0.1:1/login/"));
        let (mut changes, first, now) = (login.changes(), secret(&login), Instant::now());
        changes.mark_unchanged();
        assert!(login.take(&first, now));
        assert!(!login.take(&first, now));
        assert!(changes.has_changed().expect("the page lives"));
        assert_ne!(secret(&login), first);
        assert!(login.take(&secret(&login), now));
    }

    #[test]
    fn a_link_grows_old() {
        let check = |age: Duration, expected: bool| {
            let login = Login::new("http://127.0.0.1:1");
            assert_eq!(login.take(&secret(&login), Instant::now() + age), expected, "{age:?}");
        };
        check(Duration::ZERO, true);
        check(LINK_LIFE - Duration::from_secs(5), true);
        check(LINK_LIFE + Duration::from_secs(5), false);
    }

    #[test]
    fn what_is_no_link_opens_nothing() {
        let login = Login::new("http://127.0.0.1:1");
        let check = |text: &str| assert!(!login.take(text, Instant::now()), "{text}");
        check("");
        check("a");
        check(&secret(&login)[1..]);
        check(&secret(&login).to_uppercase());
    }
}
