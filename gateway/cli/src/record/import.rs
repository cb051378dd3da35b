//! `chartwell record import`: verifies the whole file, then takes what is not here yet.

use super::progress::Progress;
use crate::common::{Place, say};
use crate::{passphrase, stop};
use anyhow::Context;
use fhir::validate::Mode;
use node::Role;
use node::archive::{Opened, Outcome};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The archive.
    file: PathBuf,
    /// The file with the passphrase of the archive's keys.
    #[arg(long, value_name = "FILE")]
    keys_passphrase_file: Option<PathBuf>,
    /// What a folder becomes that holds no node yet.
    #[arg(long, value_enum, default_value_t = Fresh::Patient)]
    role: Fresh,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Fresh {
    Patient,
    Gateway,
}

/// Runs `record import`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let named = || format!("{} cannot be read", args.file.display());
    let mut file = std::fs::File::open(&args.file).with_context(named)?;
    let keys = args.keys_passphrase_file.as_deref().map(passphrase::read).transpose()?;
    let node = match args.place.identity() {
        Ok(_) => args.place.open().await?,
        Err(_) => {
            let role = match args.role {
                Fresh::Patient => Role::Patient,
                Fresh::Gateway => Role::Gateway,
            };
            args.place.start(role, None, None, Mode::default()).await?
        }
    };
    let progress = Progress::new("imported");
    let tell = |done, all| progress.tell(done, all);
    let done = node.import_record(&mut file, keys.as_ref(), &tell, &stop::signal(false)?).await;
    node.close().await;
    let done = done?;
    say(&format!("record {}", done.record))?;
    say(match done.opened {
        Opened::Own => "this node is in the record: it reads what it was let read",
        Opened::Keys => "opened by keys under a passphrase; this node is no member of the record",
        Opened::Nothing => {
            "verified and kept; sealed to this node: it is no member of the record, and no keys were given"
        }
    })?;
    let summary = format!("{} ops, {} new, {} frames added", done.ops, done.new_ops, done.new_frames);
    Ok(match done.outcome {
        Outcome::Done => {
            say(&summary)?;
            ExitCode::SUCCESS
        }
        Outcome::Stopped => {
            say(&format!("{summary}; stopped: run it again to go on"))?;
            ExitCode::FAILURE
        }
    })
}
