//! Progress of a command that takes a while: a line on stderr, twice a second at most. Called by `export` and `import`.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a terminal is told; a person sees no more.
const EVERY: Duration = Duration::from_millis(500);
/// How often a file or a pipe is told, where each line stays.
const EVERY_IN_LOG: Duration = Duration::from_secs(10);

/// Tells how far a command is.
pub(super) struct Progress {
    verb: &'static str,
    told: Mutex<Option<Instant>>,
}

impl Progress {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, told: Mutex::new(None) }
    }

    /// So many of so many ops.
    pub(super) fn tell(&self, done: u64, all: u64) {
        let terminal = std::io::stderr().is_terminal();
        let every = if terminal { EVERY } else { EVERY_IN_LOG };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < every) && done != all {
            return;
        }
        *told = Some(Instant::now());
        let end = if terminal && done != all { "\r" } else { "\n" };
        // Nobody to tell is no reason to stop.
        let _ = write!(std::io::stderr().lock(), "{} {done} of {all} ops{end}", self.verb);
    }
}
