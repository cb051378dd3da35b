//! What is kept between starts: the account of the directory, the certificate with its key, and when tries were made. Files
//! of the data folder that only their owner reads; a damaged one is as good as none. Called by `keeper` and `order`.

use crate::token::now_s;
use instant_acme::AccountCredentials;
use node::identity_file::write_private;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;
use zeroize::Zeroizing;

const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.json";
const TRIES: &str = "tries.json";

/// Most certificates of a chain; public ones have two or three.
const CHAIN_MAX: usize = 10;

/// Why what is kept cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It holds a key that others may have read.
    #[error("{0} holds a key and is open to others: take it from them (chmod 600), or remove it to have a new one")]
    Open(PathBuf),
    /// The file system's.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
}

/// The folder.
#[derive(Clone)]
pub(crate) struct Folder(PathBuf);

/// An account at a directory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) directory: String,
    pub(crate) contacts: Vec<String>,
    pub(crate) credentials: AccountCredentials,
}

/// When tries were made, in seconds since 1970.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Tries {
    pub(crate) directory: String,
    pub(crate) at: Vec<u64>,
}

/// A certificate with its chain and key, both PEM.
pub(crate) struct Certificate {
    pub(crate) directory: String,
    chain: String,
    key: Zeroizing<String>,
    parsed: Vec<CertificateDer<'static>>,
    not_before: u64,
    not_after: u64,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    directory: std::borrow::Cow<'a, str>,
    certificate: std::borrow::Cow<'a, str>,
    key: std::borrow::Cow<'a, str>,
}

impl Folder {
    /// The folder, once it is sure that nobody else can read its keys.
    pub(crate) fn new(path: &Path) -> Result<Self, KeptError> {
        for name in [ACCOUNT, CERTIFICATE] {
            let file = path.join(name);
            match is_open(&file) {
                Ok(true) => return Err(KeptError::Open(file)),
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(KeptError::Unreadable(file, error));
                }
                _ => {}
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The account kept, if it is one of this directory.
    pub(crate) fn account(&self, directory: &str) -> Option<Account> {
        self.read::<Account>(ACCOUNT).filter(|account| account.directory == directory)
    }

    pub(crate) fn keep_account(&self, account: &Account) -> io::Result<()> {
        self.write(ACCOUNT, account)
    }

    pub(crate) fn note_contacts(&self, directory: &str, contacts: &[String]) -> io::Result<()> {
        let Some(account) = self.account(directory) else { return Ok(()) };
        self.keep_account(&Account { contacts: contacts.to_vec(), ..account })
    }

    /// Forgets an account that its directory does not know.
    pub(crate) fn forget_account(&self) -> io::Result<()> {
        std::fs::remove_file(self.0.join(ACCOUNT))
    }

    pub(crate) fn certificate(&self) -> Option<Certificate> {
        let Written { directory, certificate, key } = self.read(CERTIFICATE)?;
        let read = Certificate::read(&directory, certificate.into_owned(), Zeroizing::new(key.into_owned()));
        read.inspect_err(|error| tracing::warn!(error, "the certificate that is kept cannot be used")).ok()
    }

    pub(crate) fn keep_certificate(&self, certificate: &Certificate) -> io::Result<()> {
        let Certificate { directory, chain, key, .. } = certificate;
        let [directory, certificate, key] = [directory, chain, &**key].map(|text| text.as_str().into());
        self.write(CERTIFICATE, &Written { directory, certificate, key })
    }

    pub(crate) fn tries(&self, directory: &str) -> Vec<u64> {
        self.read::<Tries>(TRIES).filter(|tries| tries.directory == directory).unwrap_or_default().at
    }

    pub(crate) fn keep_tries(&self, tries: &Tries) -> io::Result<()> {
        self.write(TRIES, tries)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let file = self.0.join(name);
        let text = match std::fs::read(&file) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "{} cannot be read", file.display());
                return None;
            }
        };
        // The parser's error may show a piece of the file, which holds a key.
        let parsed = serde_json::from_slice(&text).ok();
        if parsed.is_none() {
            tracing::warn!("{} is damaged; what it held is made anew", file.display());
        }
        parsed
    }

    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let text = Zeroizing::new(serde_json::to_vec(value)?);
        write_private(&self.0.join(name), &text)
    }
}

impl Certificate {
    /// Reads a chain, the server's own first, and the key of that one.
    ///
    /// # Errors
    /// Why they are not that, in words without anything of the key.
    pub(crate) fn read(directory: &str, chain: String, key: Zeroizing<String>) -> Result<Self, String> {
        let parsed =
            CertificateDer::pem_slice_iter(chain.as_bytes()).take(CHAIN_MAX + 1).collect::<Result<Vec<_>, _>>();
        let parsed = parsed.map_err(|_| "it is not PEM".to_owned())?;
        if parsed.len() > CHAIN_MAX {
            return Err(format!("its chain has more than {CHAIN_MAX} certificates"));
        }
        let own = parsed.first().ok_or("there is none in it")?;
        let (_, read) = x509_parser::parse_x509_certificate(own).map_err(|_| "it is not X.509".to_owned())?;
        let [not_before, not_after] =
            [read.validity().not_before, read.validity().not_after].map(|time| time.timestamp().max(0).cast_unsigned());
        let directory = directory.to_owned();
        let certificate = Self { directory, chain, key, not_before, not_after, parsed };
        certificate.config()?;
        Ok(certificate)
    }

    /// What connections are accepted with.
    pub(crate) fn config(&self) -> Result<ServerConfig, String> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|_| "its key is not PEM".to_owned())?;
        crate::tls::config(self.parsed.clone(), key).map_err(|error| error.to_string())
    }

    /// Whether it is good now, for all these names.
    pub(crate) fn check(&self, domains: &[String]) -> Result<(), String> {
        let now = now_s();
        if now < self.not_before || now >= self.not_after {
            return Err(format!("it is good from {} to {}, and now is {now}", self.not_before, self.not_after));
        }
        match domains.iter().find(|domain| !self.covers(domain)) {
            Some(domain) => Err(format!("it is not for {domain}")),
            None => Ok(()),
        }
    }

    fn covers(&self, domain: &str) -> bool {
        let Some(own) = self.parsed.first().and_then(|own| ParsedCertificate::try_from(own).ok()) else { return false };
        ServerName::try_from(domain).is_ok_and(|name| verify_server_name(&own, &name).is_ok())
    }

    /// How long until a third of its life is left.
    pub(crate) fn due(&self) -> Duration {
        let third = self.not_after.saturating_sub(self.not_before) / 3;
        Duration::from_secs(self.not_after.saturating_sub(third).saturating_sub(now_s()))
    }

    pub(crate) fn days_left(&self) -> u64 {
        self.not_after.saturating_sub(now_s()) / 86_400
    }
}

#[cfg(unix)]
fn is_open(file: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(file)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open(_file: &Path) -> io::Result<bool> {
    Ok(false)
}
