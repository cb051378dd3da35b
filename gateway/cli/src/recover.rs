//! `chartwell recover`: the patient's 24 words let a new device into a record, and say which devices stay. The words come from a
//! descriptor, a file or the terminal; they are in no argument and no environment, and nothing of them is kept.

use crate::common::say;
use crate::stop;
use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use node::recover::{Recovery, parse_card};
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Longest phrase that is read, in bytes: 24 words have at most eight letters each.
const PHRASE_BYTES_MAX: u64 = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// The new device and all that are in now.
    All,
    /// The new device alone: all others are lost.
    OnlyNew,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The record's address with places where it is held, as it stood beside the words: chartwell:...?at=...
    #[arg(long, value_name = "ADDRESS")]
    record: String,
    /// The new device: the card that `chartwell identity show` prints for its folder.
    #[arg(long, value_name = "CARD")]
    device: String,
    /// What the new device is called.
    #[arg(long, default_value = "A recovered device")]
    name: String,
    /// Which devices stay.
    #[arg(long, value_enum, default_value_t = Keep::OnlyNew)]
    keep: Keep,
    /// Do not ask before other devices are removed.
    #[arg(long)]
    yes: bool,
    /// The file with the 24 words. Without it and --phrase-fd they are typed.
    #[arg(long, value_name = "FILE", conflicts_with = "phrase_fd")]
    phrase_file: Option<PathBuf>,
    /// The number of an open file descriptor to read the words from.
    #[arg(long, value_name = "NUMBER")]
    phrase_fd: Option<u32>,
}

/// Runs `recover`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(card) = parse_card(&args.device) else {
        bail!("--device is no card: it begins with chartwell-card: and `chartwell identity show` prints it");
    };
    let phrase = phrase(&args)?;
    // Removed when it is dropped, with all that came of the record.
    let folder = tempfile::Builder::new().prefix("chartwell-recover-").tempdir().context("no temporary folder")?;
    let recovery = Recovery::begin(&phrase, &args.record, folder.path()).await?;
    drop(phrase);
    let stopped = stop::signal(false)?;
    let done = tokio::select! {
        done = recover(&recovery, &args, card) => done,
        () = stop::wait(stopped) => Err(anyhow::anyhow!("stopped; run it again to be sure that all is done")),
    };
    let address = recovery.address();
    recovery.close().await;
    done?;
    say("the new device is in, and a holder of the record has it")?;
    say("on its page choose Your devices, then Join, and paste this address:")?;
    say(&address)?;
    Ok(ExitCode::SUCCESS)
}

async fn recover(recovery: &Recovery, args: &Args, card: record::Card) -> anyhow::Result<()> {
    tell("connecting to who holds the record".to_owned());
    recovery.meet(&tell).await?;
    let devices = recovery.devices().await?;
    let others = devices.iter().filter(|device| device.is_in() && device.id != card.id().to_string());
    let others = others.collect::<Vec<_>>();
    let kept = match args.keep {
        Keep::All => others.iter().map(|device| device.id.clone()).collect(),
        Keep::OnlyNew => {
            let names = others.iter().map(|device| format!("{} ({})", device.name, device.origin));
            confirm(args.yes, &names.collect::<Vec<_>>()).await?;
            Vec::new()
        }
    };
    match recovery.admit(card, &args.name, &kept).await? {
        true => {
            tell("signed; waiting until a holder of the record has stored it".to_owned());
            recovery.deliver().await?;
        }
        false => tell("all of this was so already; nothing was written".to_owned()),
    }
    Ok(())
}

/// Asks before devices are removed.
async fn confirm(yes: bool, names: &[String]) -> anyhow::Result<()> {
    if yes || names.is_empty() {
        return Ok(());
    }
    let list = names.join(", ");
    ensure!(
        std::io::stdin().is_terminal(),
        "these devices would be removed: {list}; say --yes to remove them, or --keep all to keep them"
    );
    tell(format!("these devices are removed, and only these words let them back in: {list}"));
    tell("type yes to go on".to_owned());
    // On a thread of its own: whoever stops the program meanwhile does not wait for a line.
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let line = line.await?.context("the terminal cannot be read")?;
    ensure!(line.trim().eq_ignore_ascii_case("yes"), "nothing was changed");
    Ok(())
}

/// The words as they were given.
fn phrase(args: &Args) -> anyhow::Result<Zeroizing<String>> {
    let path = match (&args.phrase_file, args.phrase_fd) {
        (Some(file), _) => file.clone(),
        (None, Some(number)) => PathBuf::from(format!("/dev/fd/{number}")),
        (None, None) => return typed(),
    };
    read(&path)
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let named = || format!("the words cannot be read from {}", path.display());
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).with_context(named)?;
    file.take(PHRASE_BYTES_MAX + 1).read_to_string(&mut text).with_context(named)?;
    ensure!(text.len() as u64 <= PHRASE_BYTES_MAX, "that is longer than 24 words");
    Ok(text)
}

fn typed() -> anyhow::Result<Zeroizing<String>> {
    ensure!(
        std::io::stdin().is_terminal(),
        "the words are typed at a terminal, or named by --phrase-file or --phrase-fd"
    );
    tell("type the 24 words in one line; they are seen on the screen meanwhile".to_owned());
    let mut text = Zeroizing::new(String::with_capacity(PHRASE_BYTES_MAX as usize));
    std::io::stdin().lock().take(PHRASE_BYTES_MAX).read_line(&mut text).context("the terminal cannot be read")?;
    Ok(text)
}

/// Says on stderr how it goes: stdout has the address alone.
fn tell(line: String) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
