//! TLS of the gateway's own: a certificate and its key from files, taken up anew when they change, or one that `acme` gets and
//! renews; neither needs a restart. Called by `serve`; made by `cli`.

use crate::acme::challenge::{self, Challenges};
use crate::acme::{Acme, AcmeError, Keeper};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read: name another one.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        error: String,
    },
    /// There is no certificate in the file: it must be PEM, the server's own first.
    #[error("{0} has no certificate in PEM")]
    NoCertificate(String),
    /// Certificate and key do not belong together, or the library takes neither.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What connections are accepted with.
pub struct Tls {
    served: Served,
    source: Source,
    /// What validators of a directory are answered with.
    challenges: Option<Arc<ServerConfig>>,
}

/// Where the certificate comes from.
enum Source {
    Files([PathBuf; 2]),
    Acme(Box<Keeper>),
}

/// The certificate that new connections get; those that are open keep theirs.
#[derive(Default)]
struct Served(RwLock<Option<Arc<ServerConfig>>>);

impl Served {
    fn get(&self) -> Option<Arc<ServerConfig>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, config: ServerConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(config));
    }
}

impl Tls {
    /// Loads a certificate chain and its private key, both PEM; while connections are served they are looked at every half
    /// minute.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = [certificate.to_owned(), key.to_owned()];
        let served = Served::default();
        served.set(read(&files)?);
        Ok(Self { served, source: Source::Files(files), challenges: None })
    }

    /// Serves the certificate that is kept, if there is one; while connections are served, one is ordered when it is time.
    ///
    /// # Errors
    /// [`AcmeError`]: nothing has been asked yet.
    pub fn acme(acme: Acme) -> Result<Self, AcmeError> {
        let keeper = acme.prepare()?;
        let unusable = |error: io::Error| AcmeError::Client(error.to_string());
        let challenges = Some(Challenges::config(keeper.challenges()).map_err(unusable)?);
        let served = Served::default();
        if let Some(config) = keeper.kept().and_then(|kept| kept.config().ok()) {
            served.set(config);
        }
        Ok(Self { served, source: Source::Acme(Box::new(keeper)), challenges })
    }

    /// A connection to serve on; none if it was a directory's validator, which has seen what it came for.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(challenges) = self.challenges.clone().filter(|_| challenge::is_asked(&begun.client_hello())) {
            let mut stream = begun.into_stream(challenges).await?;
            stream.shutdown().await?;
            tracing::info!("a challenge was answered");
            return Ok(None);
        }
        let config = self.served.get().ok_or_else(|| io::Error::other("there is no certificate yet"))?;
        begun.into_stream(config).await.map(Some)
    }

    /// Keeps the certificate up to date, for as long as it is polled.
    pub(crate) async fn keep(&self) {
        match &self.source {
            Source::Files(files) => self.follow(files).await,
            Source::Acme(keeper) => keeper.keep(|config| self.served.set(config)).await,
        }
    }

    async fn follow(&self, files: &[PathBuf; 2]) {
        let mut known = changed(files);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = changed(files);
            if now == known {
                continue;
            }
            match read(files) {
                Ok(fresh) => {
                    self.served.set(fresh);
                    known = now;
                    tracing::info!("the certificate was taken up anew");
                }
                // One of the two may not be there yet: the next look finds both.
                Err(error) => tracing::warn!(%error, "the changed certificate is not used; the one before still is"),
            }
        }
    }
}

fn changed(files: &[PathBuf; 2]) -> [Option<SystemTime>; 2] {
    [&files[0], &files[1]].map(|file| std::fs::metadata(file).and_then(|found| found.modified()).ok())
}

fn read([certificate, key]: &[PathBuf; 2]) -> Result<ServerConfig, TlsError> {
    let unreadable = |file: &Path, error: &dyn std::fmt::Display| TlsError::Unreadable {
        file: file.display().to_string(),
        error: error.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| unreadable(certificate, &error))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(certificate, &error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.display().to_string()));
    }
    // Its error says nothing of what is in the file.
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    Ok(config(chain, key)?)
}

/// What connections are accepted with by this chain and its key.
pub(crate) fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
