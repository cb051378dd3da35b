//! Waiting for a state, never for a time.

use std::future::Future;
use std::time::Duration;

/// Longest wait; generous, since machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again until there is an answer; panics with `what` after a long while.
#[expect(clippy::panic, reason = "a state that never comes is the test's failure")]
pub async fn until<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let wait = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(answer) => answer,
        Err(_) => panic!("this never came true: {what}"),
    }
}
