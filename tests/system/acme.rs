//! A certificate by ACME from the command line: what help shows, what is refused in words, and a gateway whose directory is
//! not there. Certificates that are issued are in `gateway/server/tests/it/acme.rs`.

use crate::cli::{refused, text};
use anyhow::ensure;
use std::net::TcpListener;
use tempfile::TempDir;
use tests::house::LISTEN;
use tests::process::{Process, run};
use tests::wait::until;

const NAMED: [&str; 4] = ["--acme-domain", "fhir.example.org", "--acme-accept-terms", "--acme-directory"];

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_acme_are_shown_and_held_against_each_other() -> anyhow::Result<()> {
    let help = run(&["gateway", "--help"]).await?;
    for flag in ["--acme-domain", "--acme-contact", "--acme-directory", "--acme-ca", "--acme-accept-terms"] {
        ensure!(help.contains(flag), "{flag} is not in the help");
    }
    let folder = TempDir::new()?;
    let data = text(folder.path());
    let start = ["gateway", "--data", &data, "--listen", "127.0.0.1:0"];
    for (flags, words) in [
        (&["--acme-domain", "fhir.example.org"][..], "read them, and say --acme-accept-terms"),
        (&["--acme-domain", "fhir.example.org", "--tls-cert", "a", "--tls-key", "b"], "cannot be used with"),
        (&["--acme-accept-terms"], "--acme-domain"),
        (&["--acme-contact", "it@example.org"], "--acme-domain"),
        (&["--acme-domain", "*.example.org", "--acme-accept-terms"], "covers no wildcards"),
        (&["--acme-domain", "10.0.0.1", "--acme-accept-terms"], "must be a DNS name"),
        (&[&NAMED[..], &["http://ca.example/dir"]].concat(), "must be https"),
        (&[&NAMED[..], &["https://ca.example/dir", "--acme-ca", "/nowhere.pem"]].concat(), "/nowhere.pem has no root"),
        (&[&NAMED[..], &["https://ca.example/dir", "--acme-contact", "tel:112"]].concat(), "say mailto:"),
    ] {
        let (_, said) = refused(&[&start[..], flags].concat()).await?;
        ensure!(said.contains(words), "{flags:?}: {words:?} is not said: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_its_directory_says_what_it_waits_for() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    // A port that was free a moment ago: nobody answers there.
    let nobody = format!("http://{}/directory", TcpListener::bind("127.0.0.1:0")?.local_addr()?);
    let flags = [&LISTEN[..], &NAMED, &[&nobody]].concat();
    let mut gateway = Process::start("gateway", &folder.path().join("A"), &flags).await?;
    ensure!(gateway.text("fhir").starts_with("https://fhir.example.org:"), "{}", gateway.ready);
    let log = gateway.data.join("log.txt");
    for words in ["there is no certificate yet: until", "none is served; the next try is in 60 s"] {
        until(words, async || std::fs::read_to_string(&log).ok()?.contains(words).then_some(())).await;
    }
    gateway.stop().await?;
    Ok(())
}
