//! Serves the router on a listener until told to stop: plain behind a proxy, or over TLS (`tls`). Whoever is slow to say what
//! it wants is cut, and there are only so many connections. Called by `cli`.

use crate::tls::Tls;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

/// Longest time running requests are given once the end was asked for; what service managers allow is 90 s.
pub const GRACE: Duration = Duration::from_secs(30);

/// Most connections at once; further ones wait to be accepted. Each costs some kilobytes and a file descriptor.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Slow heads and idle connections end after it: clients and proxies keep idle connections for a minute.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(75);

/// Longest time a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// How long to wait where the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(200);

/// How often HTTP/2 asks a silent client whether it is there, and how long it waits for the answer.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How connections are taken.
pub struct Transport {
    /// TLS of the gateway's own; none behind a proxy.
    pub tls: Option<Tls>,
    /// Longest time from one request to the end of the next one's headers.
    pub head_time_max: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self { tls: None, head_time_max: HEAD_TIME_MAX }
    }
}

/// Where a request came from; a proxy's address where one stands in front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `shutdown` is done, then takes no new connection, finishes running requests and returns, at the
/// latest after [`GRACE`].
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (room, graceful) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), GracefulShutdown::new());
    let transport = Arc::new(transport);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            let place = room.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        let Ok(place) = place else { break };
        match accepted {
            Ok((stream, from)) => {
                let watcher = graceful.watcher();
                tokio::spawn(connection(stream, from, transport.clone(), router.clone(), watcher, place));
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!("stopping: running requests are finished");
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still ran {} s after the end was asked for; they were cut off", GRACE.as_secs());
    }
    Ok(())
}

/// A connection that its client ended while it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    transport: Arc<Transport>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    _place: OwnedSemaphorePermit,
) {
    // Without this, a small answer on a kept connection waits for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection does not take TCP_NODELAY");
    }
    let requests = router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(from));
        request.map(Body::new)
    });
    let service = TowerToHyperService::new(requests);
    let head_time_max = transport.head_time_max;
    let ended = match &transport.tls {
        // Which version it speaks is read from its first bytes, and who sends none would never be asked for more: HTTP/2 is
        // agreed on by TLS alone.
        None => {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(head_time_max);
            watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await.map_err(|error| error.to_string())
        }
        Some(tls) => {
            let handshake = tokio::time::timeout(HANDSHAKE_TIME_MAX, tls.accept(stream)).await;
            let stream = match handshake {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let mut http = auto::Builder::new(TokioExecutor::new());
            http.http1().timer(TokioTimer::new()).header_read_timeout(head_time_max);
            http.http2().timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_EVERY);
            let http = if http2 { http.http2_only() } else { http.http1_only() };
            let served = http.serve_connection(TokioIo::new(stream), service);
            watcher.watch(served).await.map_err(|error| error.to_string())
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}
