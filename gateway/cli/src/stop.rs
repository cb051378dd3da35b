//! The end of a process: SIGINT, SIGTERM, or the pipe of whoever started it. Called by `gateway`, `patient_node`, `demo`.

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

/// Becomes true when the process shall end.
///
/// Handlers are installed even where the signals were inherited as ignored, as under `nohup` or in a background job.
pub(crate) fn signal(until_stdin_closes: bool) -> anyhow::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind).context("signals cannot be received")?;
            let stop = stop.clone();
            tokio::spawn(async move {
                signals.recv().await;
                stop.send_replace(true);
            });
        }
    }
    #[cfg(not(unix))]
    {
        let stop = stop.clone();
        tokio::spawn(async move {
            drop(tokio::signal::ctrl_c().await);
            stop.send_replace(true);
        });
    }
    if until_stdin_closes {
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut stdin = tokio::io::stdin();
            let mut bytes = [0; 64];
            while matches!(stdin.read(&mut bytes).await, Ok(read) if read > 0) {}
            stop.send_replace(true);
        });
    }
    // The sender lives as long as the process: a closed channel would read as an end.
    tokio::spawn(async move {
        stop.closed().await;
    });
    Ok(stopped)
}

/// Waits for the end.
pub(crate) async fn wait(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}
