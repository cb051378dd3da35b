//! Serves the router on a listener until told to stop. Called by `cli`.

use axum::Router;
use axum::serve::ListenerExt;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Longest time running requests are given once the end was asked for; what service managers allow is 90 s.
pub const GRACE: Duration = Duration::from_secs(30);

/// Serves until `shutdown` is done, then takes no new connection, finishes running requests and returns, at the
/// latest after [`GRACE`].
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stop, stopped) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        tracing::info!("stopping: running requests are finished");
        // Nobody listens any more only when the server has ended already.
        let _ = stop.send(());
    };
    // Without this, a small answer on a kept connection waits for the client's delayed acknowledgement.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection does not take TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(signal);
    let limit = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server => ended,
        () = limit => {
            tracing::warn!("requests still ran {} s after the end was asked for; they were cut off", GRACE.as_secs());
            Ok(())
        }
    }
}
