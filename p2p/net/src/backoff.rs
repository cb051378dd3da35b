//! How long to wait before the next attempt: doubling, with jitter. No clock here.

use std::time::Duration;

/// Delays that double from `first` to `max`, each within a quarter of its value at random, so that peers
/// which lost each other at once do not meet at once again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after one more failure.
    pub(crate) fn next(&mut self, first: Duration, max: Duration) -> Duration {
        let delay = first.saturating_mul(1 << self.failures.min(16)).min(max);
        self.failures = self.failures.saturating_add(1);
        delay.mul_f64(rand::random_range(0.75..1.25))
    }

    /// The next delay is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_start_again() {
        let (first, max) = (Duration::from_millis(200), Duration::from_secs(15));
        let mut backoff = Backoff::default();
        for expected in [200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000] {
            let delay = backoff.next(first, max).as_millis();
            assert!((expected * 3 / 4..=expected * 5 / 4).contains(&delay), "{delay} for {expected}");
        }
        backoff.failures = u32::MAX;
        assert!(backoff.next(first, max) >= max / 2);
        backoff.reset();
        assert!(backoff.next(first, max).as_millis() <= 250);
    }
}
