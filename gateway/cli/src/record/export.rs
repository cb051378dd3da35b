//! `chartwell record export`: writes beside the file first and renames at the end, so that a file with the name is whole.

use super::progress::Progress;
use crate::common::{Place, say};
use crate::{passphrase, stop};
use anyhow::{Context, bail};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The record: its name as `record list` prints it, or a beginning that no other has.
    record: String,
    /// The file to write; it must not be there yet.
    file: PathBuf,
    /// Put the record's keys in, sealed under a passphrase: whoever has both reads what this node can read of the record.
    /// Without it the archive opens to the record's members alone, by their identities.
    #[arg(long, requires = "keys_passphrase_file")]
    with_keys: bool,
    /// The file with the passphrase for the keys.
    #[arg(long, value_name = "FILE", requires = "with_keys")]
    keys_passphrase_file: Option<PathBuf>,
}

/// Runs `record export`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.file.exists() {
        bail!("{} is there already; nothing was written", args.file.display());
    }
    let keys = args.keys_passphrase_file.as_deref().map(passphrase::read).transpose()?;
    let node = args.place.open().await?;
    let record = node.find_record(&args.record).await?;
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = || format!("{} cannot be written", args.file.display());
    // Removed when it is dropped: an interrupted export leaves nothing.
    let temporary = tempfile::Builder::new().prefix(".chartwell-export-").tempfile_in(folder).with_context(named)?;
    let mut out = BufWriter::new(temporary);
    let progress = Progress::new("exported");
    let tell = |done, all| progress.tell(done, all);
    let export = node.export_record(record, keys.as_ref(), &mut out, &tell);
    let done = tokio::select! {
        done = export => done?,
        () = stop::wait(stop::signal(false)?) => bail!("stopped; nothing was written"),
    };
    out.flush().with_context(named)?;
    let temporary = out.into_inner().map_err(|error| error.into_error()).with_context(named)?;
    temporary.as_file().sync_all().with_context(named)?;
    temporary.persist_noclobber(&args.file).map_err(|error| error.error).with_context(named)?;
    // The name itself must be on disk too.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(named)?;
    node.close().await;
    for (count, what) in [
        (done.damaged, "frames here are not the signed ones and were left out: run chartwell verify"),
        (done.too_large, "frames were left out: with their op they are larger than a part of an archive may be"),
    ] {
        if count > 0 {
            tracing::warn!("{count} {what}");
        }
    }
    say(&format!("record {record}"))?;
    say(&match done.keys {
        0 => "without keys: it opens to the record's members alone".to_owned(),
        keys => format!("with {keys} keys under the passphrase: whoever has both reads what this node reads"),
    })?;
    say(&format!("{} ops, {} frames, {} frames not here, {} bytes", done.ops, done.frames, done.absent, done.bytes))?;
    Ok(ExitCode::SUCCESS)
}
