//! A gateway that serves one page over TLS, the directory it asks, its clients, and what it logs. Called by the tests.

use super::authority::Authority;
use axum::Router;
use axum::routing::get;
use server::Transport;
use server::acme::Acme;
use server::tls::Tls;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracing_subscriber::fmt::MakeWriter;

pub(super) const NAMES: [&str; 2] = ["fhir.example.org", "smart.example.org"];

/// Two hours of a life of which seconds are left: it is due at once.
pub(super) const AGED: [Duration; 2] = [Duration::from_secs(7_200), Duration::from_secs(600)];

pub(super) const YOUNG: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(7_200)];

/// A gateway's folder and the directory it asks.
pub(super) struct Place {
    pub(super) authority: Authority,
    pub(super) folder: TempDir,
    pub(super) log: Log,
    /// The log of this thread, on which all of the test runs.
    _heard: tracing::subscriber::DefaultGuard,
}

pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) running: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    pub(super) fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }
}

pub(super) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Place {
    pub(super) async fn open() -> Self {
        let log = Log::default();
        let writer = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        let heard = tracing::subscriber::set_default(writer);
        Self { authority: Authority::start().await, folder: tempfile::tempdir().unwrap(), log, _heard: heard }
    }

    pub(super) fn acme(&self) -> Acme {
        Acme {
            domains: NAMES.map(str::to_owned).to_vec(),
            contacts: vec!["mailto:it@example.org".to_owned()],
            directory: format!("{}/directory", self.authority.url),
            ca: None,
            folder: self.folder.path().join("acme"),
        }
    }

    pub(super) async fn start(&self) -> Gateway {
        self.start_with(self.acme()).await
    }

    pub(super) async fn start_with(&self, acme: Acme) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.authority.state().gateway = Some(address);
        let transport = Transport { tls: Some(Tls::acme(acme).unwrap()), ..Transport::default() };
        let router = Router::new().route("/", get(|| async { "here" }));
        let serving = server::serve(listener, transport, router, std::future::pending());
        Gateway { address, running: tokio::spawn(async move { serving.await.unwrap() }) }
    }

    /// A gateway that has run until it had a certificate, which is due again.
    pub(super) async fn aged(&self) {
        self.authority.state().validity = AGED;
        let gateway = self.start().await;
        self.served(&gateway).await;
        drop(gateway);
        self.authority.state().validity = YOUNG;
    }

    pub(super) async fn served(&self, gateway: &Gateway) {
        until("a certificate", async || self.client(gateway.address, NAMES[0]).await.is_ok()).await;
    }

    /// A client that trusts the directory's root alone.
    pub(super) async fn client(&self, address: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.root.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
    }

    pub(super) fn tries(&self) -> usize {
        self.authority.state().asked.iter().filter(|path| *path == "/directory").count()
    }
}

pub(super) fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

pub(super) async fn ask(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let (mut answer, mut read) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"here") {
        let count = stream.read(&mut read).await.unwrap();
        assert!(count > 0, "the connection ended");
        answer.extend_from_slice(&read[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
}

pub(super) fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}
