//! The flags of a certificate that the gateway gets by itself, and what is said where they do not fit. Called by `gateway`.

use anyhow::bail;
use server::acme::{Acme, LETS_ENCRYPT};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The port clients use unless a URL says another.
const HTTPS: u16 = 443;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Gets a certificate for this name by ACME and renews it; may be repeated. The directory looks for this gateway at port
    /// 443 of the name, so that --listen, or what passes connections on to it unread, must be there.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert", "tls_key"])]
    acme_domain: Vec<String>,
    /// Whom the directory may write to, for example `it@hospital.example`; may be repeated.
    #[arg(long, value_name = "MAILTO", requires = "acme_domain")]
    acme_contact: Vec<String>,
    /// The URL of the ACME directory. Default: Let's Encrypt.
    #[arg(long, value_name = "URL", requires = "acme_domain")]
    acme_directory: Option<String>,
    /// The root certificate in PEM that the directory itself is known by; without one it is what this machine trusts.
    #[arg(long, value_name = "FILE", requires = "acme_domain")]
    acme_ca: Option<PathBuf>,
    /// You have read the directory's terms and accept them.
    #[arg(long, requires = "acme_domain")]
    acme_accept_terms: bool,
}

impl Args {
    /// What a certificate is asked for, to be kept in the data folder; none where no name was said.
    pub(crate) fn read(&self, data: &Path) -> anyhow::Result<Option<Acme>> {
        if self.acme_domain.is_empty() {
            return Ok(None);
        }
        let directory = self.acme_directory.as_deref().unwrap_or(LETS_ENCRYPT);
        if !self.acme_accept_terms {
            bail!(
                "{directory} issues to nobody who has not accepted its terms: read them, and say --acme-accept-terms"
            );
        }
        Ok(Some(Acme {
            domains: self.acme_domain.clone(),
            contacts: self.acme_contact.iter().map(|contact| mailto(contact)).collect(),
            directory: directory.to_owned(),
            ca: self.acme_ca.clone(),
            folder: data.join("acme"),
        }))
    }

    /// What clients see where nothing else was said: the first name, which the certificate is for.
    pub(crate) fn base_url(&self, address: SocketAddr) -> Option<String> {
        let name = self.acme_domain.first()?;
        Some(match address.port() {
            HTTPS => format!("https://{name}"),
            port => format!("https://{name}:{port}"),
        })
    }
}

fn mailto(contact: &str) -> String {
    if contact.contains(':') { contact.to_owned() } else { format!("mailto:{contact}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        acme: Args,
        #[arg(long)]
        tls_cert: Option<PathBuf>,
        #[arg(long)]
        tls_key: Option<PathBuf>,
    }

    fn read(said: &str) -> Result<Option<Acme>, String> {
        let command = Command::try_parse_from(["chartwell"].into_iter().chain(said.split_whitespace()));
        let command = command.map_err(|error| error.to_string())?;
        command.acme.read(Path::new("/data")).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_that_do_not_fit_are_refused_in_words() {
        for (said, words) in [
            ("--acme-domain h.example", "say --acme-accept-terms"),
            ("--acme-domain h.example", "https://acme-v02.api.letsencrypt.org/directory issues"),
            ("--acme-domain h.example --acme-directory https://ca.example/d", "https://ca.example/d issues"),
            ("--acme-domain h.example --tls-cert a --tls-key b", "cannot be used with"),
            ("--acme-accept-terms", "--acme-domain"),
            ("--acme-contact it@h.example", "--acme-domain"),
            ("--acme-directory https://ca.example/d", "--acme-domain"),
            ("--acme-ca root.pem", "--acme-domain"),
        ] {
            let refused = read(said).unwrap_err();
            assert!(refused.contains(words), "{said}: {refused}");
        }
        assert!(read("").unwrap().is_none() && read("--tls-cert a --tls-key b").unwrap().is_none());
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let acme =
            read("--acme-domain a.example --acme-domain b.example --acme-accept-terms --acme-contact it@a.example");
        let acme = acme.unwrap().unwrap();
        assert_eq!(acme.domains, ["a.example", "b.example"]);
        assert_eq!(acme.contacts, ["mailto:it@a.example"]);
        assert_eq!((acme.directory.as_str(), acme.ca, acme.folder), (LETS_ENCRYPT, None, "/data/acme".into()));
        let args = Command::try_parse_from(["chartwell", "--acme-domain", "a.example"]).unwrap().acme;
        let seen = |at: &str| args.base_url(at.parse().unwrap()).unwrap();
        assert_eq!(seen("0.0.0.0:443"), "https://a.example");
        assert_eq!(seen("0.0.0.0:8443"), "https://a.example:8443");
    }
}
