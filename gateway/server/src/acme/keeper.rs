//! When a certificate is ordered: where there is none, where it is not for these names or from this directory, and before a
//! third of its life is left; after a failure again, slower each time. Run by `serve` through `tls`.

use crate::acme::challenge::Challenges;
use crate::acme::directory::Http;
use crate::acme::kept::{Certificate, Folder, Tries};
use crate::acme::order::{OrderError, order};
use crate::acme::{Acme, AcmeError};
use crate::token::now_s;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;

/// Most tries in an hour, over all starts: Let's Encrypt takes five failures of a name in an hour.
pub const TRIES_PER_HOUR_MAX: usize = 4;

/// How long after the first failure the next try is made; twice as long after each further one.
const AGAIN: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);

/// Longest time one order may take.
const ORDER_TIME_MAX: Duration = Duration::from_secs(600);

/// Who has a certificate ordered when it is time.
pub(crate) struct Keeper {
    acme: Acme,
    http: Http,
    folder: Folder,
    challenges: Challenges,
}

impl Keeper {
    pub(super) fn new(acme: Acme, http: Http) -> Result<Self, AcmeError> {
        let folder = Folder::new(&acme.folder)?;
        Ok(Self { acme, http, folder, challenges: Challenges::default() })
    }

    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// What is kept from an earlier start.
    pub(crate) fn kept(&self) -> Option<Certificate> {
        self.folder.certificate()
    }

    /// Keeps a certificate good for ever, and hands each new one to `serve`.
    pub(crate) async fn keep(&self, serve: impl Fn(ServerConfig)) {
        let (mut current, mut failures) = (self.kept(), 0);
        let (names, directory) = (self.acme.domains.join(", "), &self.acme.directory);
        if current.is_none() {
            tracing::info!(
                "there is no certificate yet: until {directory} has issued one for {names}, its challenges alone are answered"
            );
        }
        loop {
            let due = self.due(current.as_ref());
            if !due.is_zero() {
                // Looked at each hour: a machine that slept, or a clock that was set, must not miss the day.
                tokio::time::sleep(due.min(HOUR)).await;
                continue;
            }
            let wait = turn(&self.folder.tries(directory), now_s());
            if !wait.is_zero() {
                tracing::info!(
                    "{directory} was asked {TRIES_PER_HOUR_MAX} times within an hour; the next try is in {} s",
                    wait.as_secs()
                );
                tokio::time::sleep(wait).await;
            }
            match self.order().await {
                Ok((certificate, config)) => {
                    serve(config);
                    tracing::info!(
                        "a certificate for {names} was issued and is served; it is good for {} days",
                        certificate.days_left()
                    );
                    // One that is due at once must not be ordered without end.
                    failures = if self.due(Some(&certificate)).is_zero() { failures + 1 } else { 0 };
                    current = Some(certificate);
                }
                Err(error) => {
                    failures += 1;
                    let wait = back_off(failures).max(turn(&self.folder.tries(directory), now_s()));
                    let served = if current.is_some() { "the one before is served on" } else { "none is served" };
                    tracing::warn!(%error, wait_s = wait.as_secs(), "no certificate from {directory}; {served}; the next try is in {} s", wait.as_secs());
                }
            }
            tokio::time::sleep(back_off(failures)).await;
        }
    }

    fn due(&self, current: Option<&Certificate>) -> Duration {
        let fits = |certificate: &&Certificate| {
            certificate.directory == self.acme.directory && certificate.check(&self.acme.domains).is_ok()
        };
        current.filter(fits).map_or(Duration::ZERO, Certificate::due)
    }

    async fn order(&self) -> Result<(Certificate, ServerConfig), OrderError> {
        let unkept = |error: std::io::Error| OrderError::Unkept(error.to_string());
        // Written before anything is asked: who crashes in the middle and starts again has had its try.
        let (directory, now) = (self.acme.directory.clone(), now_s());
        let mut at = self.folder.tries(&directory);
        at.retain(|at| is_recent(*at, now));
        at.push(now);
        self.folder.keep_tries(&Tries { directory, at }).map_err(unkept)?;
        let ordered = order(&self.acme, &self.http, &self.folder, &self.challenges);
        let ordered = tokio::time::timeout(ORDER_TIME_MAX, ordered).await;
        let late = |_| OrderError::Directory(format!("it took more than {} s", ORDER_TIME_MAX.as_secs()));
        let ordered = ordered.map_err(late).flatten();
        if matches!(ordered, Err(OrderError::NoAccount)) {
            self.folder.forget_account().map_err(unkept)?;
        }
        let certificate = ordered?;
        // It was issued, and directories count: one that cannot be kept is served until the process ends.
        if let Err(error) = self.folder.keep_certificate(&certificate) {
            tracing::warn!(%error, "the certificate is served, but cannot be kept: the next start orders another one");
        }
        let config = certificate.config().map_err(OrderError::Unfit)?;
        Ok((certificate, config))
    }
}

/// A try of the future is one of a clock that was wrong.
fn is_recent(at: u64, now: u64) -> bool {
    at <= now && now - at < HOUR.as_secs()
}

/// How long until the hour has room for another try.
fn turn(tries: &[u64], now: u64) -> Duration {
    let mut recent = tries.iter().copied().filter(|at| is_recent(*at, now)).collect::<Vec<_>>();
    recent.sort_unstable();
    match recent.len().checked_sub(TRIES_PER_HOUR_MAX) {
        Some(first) => HOUR - Duration::from_secs(now - recent[first]),
        None => Duration::ZERO,
    }
}

fn back_off(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        Some(before) => AGAIN.saturating_mul(2_u32.saturating_pow(before)).min(HOUR),
        None => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_so_many_tries_and_no_more() {
        let row = |tries: &[u64], wanted: u64| assert_eq!(turn(tries, 10_000).as_secs(), wanted, "{tries:?}");
        row(&[], 0);
        row(&[9_000, 9_100, 9_999], 0);
        row(&[9_000, 9_100, 9_200, 9_999], 2_600);
        row(&[9_999, 9_000, 9_200, 9_100], 2_600);
        row(&[6_401, 9_100, 9_200, 9_999], 1);
        row(&[6_400, 9_100, 9_200, 9_999], 0);
        row(&[9_000, 9_001, 9_002, 9_003, 9_004, 9_005], 2_602);
        row(&[10_001, 20_000, 9_000, 9_100, 9_200], 0);
        row(&[u64::MAX, u64::MAX, u64::MAX, u64::MAX], 0);
    }

    #[test]
    fn each_failure_makes_the_next_try_wait_longer() {
        for (failures, wanted) in [(0, 0), (1, 60), (2, 120), (6, 1_920), (7, 3_600), (40, 3_600), (u32::MAX, 3_600)] {
            assert_eq!(back_off(failures).as_secs(), wanted, "{failures}");
        }
    }
}
