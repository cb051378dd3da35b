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
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Longest time running requests are given once the end was asked for; what service managers allow is 90 s.
pub const GRACE: Duration = Duration::from_secs(30);

/// Most connections at once; further ones wait to be accepted. Each costs some kilobytes and a file descriptor.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Most connections of one address: a proxy keeps some hundred, and nobody else takes all there are.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_024;

/// How long a connection over HTTP/2 stays that asks nothing, answered or not; the longest answer takes minutes.
const SILENCE_MAX: Duration = Duration::from_secs(900);

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
    let places = Places::default();
    let (room, graceful) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), GracefulShutdown::new());
    let transport = Arc::new(transport);
    let mut keeping = JoinSet::new();
    if transport.tls.is_some() {
        let transport = transport.clone();
        keeping.spawn(async move {
            if let Some(tls) = &transport.tls {
                tls.keep().await
            }
        });
    }
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
                let Some(own) = places.take(from.ip()) else {
                    tracing::debug!("an address has too many connections; a further one was closed");
                    continue;
                };
                let watcher = graceful.watcher();
                tokio::spawn(connection(stream, from, transport.clone(), router.clone(), watcher, (place, own)));
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

/// How many connections each address has.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address.
struct Place(Places, IpAddr);

impl Places {
    fn take(&self, address: IpAddr) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.1);
            }
        }
    }
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
    _place: (OwnedSemaphorePermit, Place),
) {
    // Without this, a small answer on a kept connection waits for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection does not take TCP_NODELAY");
    }
    let (asked, mut asks) = watch::channel(());
    let requests = router.map_request(move |mut request: hyper::Request<Incoming>| {
        asked.send_replace(());
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
                Ok(Ok(Some(stream))) => stream,
                Ok(Ok(None)) => return,
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let mut http = auto::Builder::new(TokioExecutor::new());
            http.http1().timer(TokioTimer::new()).header_read_timeout(head_time_max);
            http.http2().timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_EVERY);
            let http = if http2 { http.http2_only() } else { http.http1_only() };
            let served = http.serve_connection(TokioIo::new(stream), service);
            let silence = async { while let Ok(Ok(())) = tokio::time::timeout(SILENCE_MAX, asks.changed()).await {} };
            tokio::select! {
                ended = watcher.watch(served) => ended.map_err(|error| error.to_string()),
                () = silence => return tracing::debug!("a connection asked nothing for too long and was closed"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_of_connections() {
        let (places, one, other) = (Places::default(), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let held = (0..CONNECTIONS_PER_ADDRESS_MAX).map(|_| places.take(one)).collect::<Vec<_>>();
        assert!(held.iter().all(Option::is_some) && places.take(one).is_none());
        assert!(places.take(other).is_some(), "another address has its own");
        drop(held);
        assert!(places.take(one).is_some());
        assert!(places.0.lock().unwrap().is_empty(), "whoever left is forgotten");
    }
}
