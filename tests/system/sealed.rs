//! An identity file under a passphrase: from a file and from a descriptor, sealed before and after the first start, and
//! never opened by anything else.

use anyhow::ensure;
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tests::house::LISTEN;
use tests::process::{Process, command};

async fn said(arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let ran: Output = command()?.args(arguments).stdin(Stdio::null()).output().await?;
    let text = [ran.stdout, ran.stderr].concat();
    Ok((ran.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_identity_opens_by_its_passphrase_alone() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let (data, one, two) = (folder.path().join("data"), folder.path().join("one"), folder.path().join("two"));
    std::fs::write(&one, "correct horse battery staple\n")?;
    std::fs::write(&two, "another\n")?;
    let (data_text, one_text, two_text) = (text(&data), text(&one), text(&two));
    // First it lies open.
    let mut gateway = Process::start("gateway", &data, &LISTEN).await?;
    gateway.stop().await?;
    let show = ["identity", "show", "--data", &data_text];
    let (shown, open) = said(&show).await?;
    ensure!(shown && open.contains("not sealed"), "{open}");
    let name = open.lines().next().unwrap_or_default().to_owned();
    ensure!(name.starts_with("identity "), "{open}");
    // Then it is sealed, and whoever has no passphrase or another is told which file it is and nothing else.
    let seal = ["identity", "seal", "--data", &data_text, "--new-passphrase-file", &one_text];
    let (done, told) = said(&seal).await?;
    ensure!(done, "{told}");
    let file = std::fs::read_to_string(data.join("identity.json"))?;
    ensure!(file.contains("chartwell sealed 1") && !file.contains("signing"), "{file}");
    for (arguments, wanted) in [
        (vec!["gateway", "--data", &data_text, "--listen", "127.0.0.1:0"], "is sealed"),
        (
            vec!["gateway", "--data", &data_text, "--listen", "127.0.0.1:0", "--passphrase-file", &two_text],
            "does not open",
        ),
        (vec!["verify", "--data", &data_text, "--passphrase-file", "/nowhere"], "cannot be read"),
        (
            vec!["verify", "--data", &data_text, "--passphrase-file", &one_text, "--passphrase-fd", "0"],
            "cannot be used",
        ),
        (vec!["identity", "seal", "--data", &data_text, "--new-passphrase-file", &two_text], "is sealed"),
    ] {
        let (done, told) = said(&arguments).await?;
        ensure!(!done && told.contains(wanted), "{arguments:?}: {told}");
        ensure!(!told.contains("horse") && !told.contains("another"), "{told}");
    }
    // With it, it is the same identity: from a file, and from a descriptor that a shell has opened.
    let (done, shown) = said(&[&show[..], &["--passphrase-file", &one_text]].concat()).await?;
    ensure!(done && shown.starts_with(&name) && shown.contains("is sealed"), "{shown}");
    let by_descriptor = command()?
        .args([&show[..], &["--passphrase-fd", "0"]].concat())
        .stdin(std::fs::File::open(&one)?)
        .output()
        .await?;
    ensure!(String::from_utf8_lossy(&by_descriptor.stdout).starts_with(&name), "{by_descriptor:?}");
    let mut gateway =
        Process::start("gateway", &data, &[&LISTEN[..], &["--passphrase-file", &one_text]].concat()).await?;
    gateway.stop().await?;
    // A new passphrase takes the place of the old one.
    let again =
        ["identity", "seal", "--data", &data_text, "--passphrase-file", &one_text, "--new-passphrase-file", &two_text];
    let (done, told) = said(&again).await?;
    ensure!(done, "{told}");
    let (done, told) = said(&[&show[..], &["--passphrase-file", &one_text]].concat()).await?;
    ensure!(!done && told.contains("does not open"), "{told}");
    let (done, told) = said(&["verify", "--data", &data_text, "--passphrase-file", &two_text]).await?;
    ensure!(done, "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_identity_is_sealed_from_the_first_start_on() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let (data, passphrase) = (folder.path().join("data"), folder.path().join("passphrase"));
    std::fs::write(&passphrase, "correct horse battery staple")?;
    let mut gateway =
        Process::start("gateway", &data, &[&LISTEN[..], &["--passphrase-file", &text(&passphrase)]].concat()).await?;
    gateway.stop().await?;
    ensure!(!std::fs::read_to_string(data.join("identity.json"))?.contains("signing"), "it is written open");
    std::fs::write(&passphrase, "\n")?;
    let (done, told) = said(&["verify", "--data", &text(&data), "--passphrase-file", &text(&passphrase)]).await?;
    ensure!(!done && told.contains("is empty"), "{told}");
    Ok(())
}
