//! A certificate that the gateway gets by itself and renews (RFC 8555): what the operator says of it, checked. The steps are in
//! `order`, when they are taken in `keeper`, what is kept in `kept`. Called by `tls`; made by `cli`.

pub(crate) mod challenge;
mod directory;
mod keeper;
mod kept;
mod order;

pub(crate) use keeper::Keeper;
pub use keeper::TRIES_PER_HOUR_MAX;
pub(crate) use kept::Certificate;

use crate::settings::is_safe;
use directory::Http;
use std::path::PathBuf;
use tokio_rustls::rustls::pki_types::ServerName;

/// Where certificates come from unless the operator says otherwise.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Most names in one certificate: as many as Let's Encrypt takes.
pub const DOMAINS_MAX: usize = 100;

/// What a certificate is asked for, and where. The one who says it has read and accepts the directory's terms.
#[derive(Clone, Debug)]
pub struct Acme {
    /// The names clients reach this server under.
    pub domains: Vec<String>,
    /// Whom the directory may write to: `mailto:it@hospital.example`.
    pub contacts: Vec<String>,
    /// The URL of the directory; nothing but its own origin is ever asked.
    pub directory: String,
    /// The root of the directory's own certificate in PEM; without one it is what this machine trusts.
    pub ca: Option<PathBuf>,
    /// Where the account's key and the certificate are kept.
    pub folder: PathBuf,
}

/// Why no certificate can be asked for.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// Too few or too many names.
    #[error("a certificate has 1 to {DOMAINS_MAX} names, not {0}")]
    Count(usize),
    /// A name that no certificate can be had for this way.
    #[error("{0} is not a name that a certificate can be had for here: {1}")]
    Domain(String, &'static str),
    /// Not an address to write to.
    #[error("{0} is not a contact: say mailto:NAME@HOST")]
    Contact(String),
    /// Whoever is on the way could change what it answers.
    #[error("the directory must be https, or http to this machine itself: {0}")]
    Directory(String),
    /// The root is not one.
    #[error("{file} has no root certificate in PEM: {error}")]
    Root {
        /// Which file.
        file: String,
        /// Why.
        error: String,
    },
    /// A file of the folder cannot be used.
    #[error(transparent)]
    Kept(#[from] kept::KeptError),
    /// The library makes no client.
    #[error("the directory cannot be asked: {0}")]
    Client(String),
}

impl Acme {
    /// Checks what was said, and takes up what is kept.
    pub(crate) fn prepare(mut self) -> Result<Keeper, AcmeError> {
        if self.domains.is_empty() || self.domains.len() > DOMAINS_MAX {
            return Err(AcmeError::Count(self.domains.len()));
        }
        for domain in &mut self.domains {
            *domain = domain.to_ascii_lowercase();
            check(domain).map_err(|why| AcmeError::Domain(domain.clone(), why))?;
        }
        self.domains.sort();
        self.domains.dedup();
        let is_contact = |text: &&String| text.strip_prefix("mailto:").is_some_and(|to| to.contains('@'));
        if let Some(contact) = self.contacts.iter().find(|contact| !is_contact(contact)) {
            return Err(AcmeError::Contact(contact.clone()));
        }
        let url = reqwest::Url::parse(&self.directory).ok().filter(|_| is_safe(&self.directory));
        let url = url.ok_or_else(|| AcmeError::Directory(self.directory.clone()))?;
        // As it goes over the wire, so that two ways to write it are one directory.
        self.directory = url.to_string();
        let http = Http::new(&url, self.ca.as_deref())?;
        Keeper::new(self, http)
    }
}

/// RFC 8737 section 3 proves single DNS names alone.
fn check(domain: &str) -> Result<(), &'static str> {
    if domain.starts_with("*.") {
        return Err("the proof made here covers no wildcards");
    }
    match ServerName::try_from(domain) {
        Ok(ServerName::DnsName(_)) if domain.ends_with('.') => Err("it must not end in a dot"),
        Ok(ServerName::DnsName(_)) => Ok(()),
        Ok(_) => Err("it must be a DNS name, not an address"),
        Err(_) => Err("it must be a DNS name, others than ASCII written in punycode"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(change: impl FnOnce(&mut Acme)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut acme = Acme {
            domains: vec!["fhir.example.org".to_owned()],
            contacts: vec!["mailto:it@example.org".to_owned()],
            directory: LETS_ENCRYPT.to_owned(),
            ca: None,
            folder: folder.path().join("acme"),
        };
        change(&mut acme);
        acme.prepare().map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_the_operator_says_is_checked_in_words() {
        assert_eq!(said(|_| {}), "");
        assert_eq!(said(|acme| acme.domains.push("FHIR.example.org".to_owned())), "", "the same name twice is one");
        assert_eq!(said(|acme| acme.directory = "http://127.0.0.1:14000/dir".to_owned()), "");
        let none = |count: usize| format!("a certificate has 1 to 100 names, not {count}");
        assert_eq!(said(|acme| acme.domains.clear()), none(0));
        assert_eq!(said(|acme| acme.domains = (0..101).map(|at| format!("h{at}.example")).collect()), none(101));
        for (domain, why) in [
            ("*.example.org", "covers no wildcards"),
            ("10.0.0.1", "must be a DNS name"),
            ("::1", "must be a DNS name"),
            ("fhir.example.org.", "end in a dot"),
            ("krankenhäuser.example", "punycode"),
            ("https://fhir.example.org", "punycode"),
            ("fhir.example.org:443", "punycode"),
            ("", "punycode"),
        ] {
            let said = said(|acme| acme.domains = vec![domain.to_owned()]);
            assert!(said.contains(why), "{domain}: {said}");
        }
        for contact in ["it@example.org", "mailto:it", "tel:112", ""] {
            assert!(said(|acme| acme.contacts = vec![contact.to_owned()]).contains("say mailto:"), "{contact}");
        }
        for directory in ["http://ca.example/dir", "ca.example", "https://user@ca.example/dir", "file:///dir", ""] {
            assert!(said(|acme| acme.directory = directory.to_owned()).contains("must be https"), "{directory}");
        }
        assert!(said(|acme| acme.ca = Some("/nowhere/root.pem".into())).contains("/nowhere/root.pem has no root"));
    }
}
