//! TLS of the gateway's own: a certificate and its key from files, taken up anew when they change, so that a renewed one needs
//! no restart. Called by `serve`; made by `cli`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
    files: [PathBuf; 2],
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Loads a certificate chain and its private key, both PEM; from then on they are looked at every half minute. Needs a
    /// runtime.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = [certificate.to_owned(), key.to_owned()];
        let config = Arc::new(RwLock::new(Arc::new(read(&files)?)));
        let tls = Self { files, config };
        tls.follow();
        Ok(tls)
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsAcceptor::from(config).accept(stream).await
    }

    fn follow(&self) {
        let (files, config) = (self.files.clone(), Arc::downgrade(&self.config));
        tokio::spawn(async move {
            let mut known = changed(&files);
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(config) = config.upgrade() else { return };
                let now = changed(&files);
                if now == known {
                    continue;
                }
                match read(&files) {
                    Ok(fresh) => {
                        *config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                        known = now;
                        tracing::info!("the certificate was taken up anew");
                    }
                    // One of the two may not be there yet: the next look finds both.
                    Err(error) => {
                        tracing::warn!(%error, "the changed certificate is not used; the one before still is")
                    }
                }
            }
        });
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
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
