//! How the directory sees that a name is this server's: a certificate of one connection's worth, over the same port
//! (TLS-ALPN-01, RFC 8737). Put here by `order`, answered with by `tls`.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// What a directory's validator says it speaks, and nothing besides.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The challenges that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenges(Arc<RwLock<HashMap<String, Arc<CertifiedKey>>>>);

/// A challenge that is answered until this is dropped.
pub(crate) struct Open(Challenges, String);

/// Whether a client asks for a challenge.
pub(crate) fn is_asked(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|names| names.eq([PROTOCOL]))
}

impl Challenges {
    /// Answers from now on that `domain` is ours, with the digest of what only the account's key can say.
    pub(crate) fn open(&self, domain: &str, digest: &[u8; 32]) -> Result<Open, String> {
        let certified = certified(domain, digest)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(domain.to_owned(), Arc::new(certified));
        Ok(Open(self.clone(), domain.to_owned()))
    }

    /// What a validator is answered with; the handshake fails for a name that nothing was asked for.
    pub(crate) fn config(&self) -> io::Result<Arc<ServerConfig>> {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&hello.server_name()?.to_ascii_lowercase()).cloned()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.write().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// RFC 8737 section 3: self-signed, for the one name, with the digest in a critical extension.
fn certified(domain: &str, digest: &[u8; 32]) -> Result<CertifiedKey, String> {
    let made = || -> Result<_, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![domain.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        Ok((params.self_signed(&key)?, key))
    };
    let (certificate, key) = made().map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // The check of certificate against key reads the certificate, and knows no extension that is critical but its own.
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
