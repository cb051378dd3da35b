//! `chartwell identity`: shows whose folder it is, seals the identity's file under a passphrase, and hands it over to its next key.

use crate::common::{Place, say};
use crate::passphrase;
use clap::Subcommand;
use node::identity_file;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the identity's name, the origin in its ids, its card (for `recover`), and whether its file is sealed.
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Take up the next key that the identity announced, and announce another: the old one may have been seen by others. Stop every
    /// process of this hospital first, and back the file up again afterwards.
    ///
    /// The identity keeps its name, and everything in its records stays. After the next start each record is told, before
    /// anything else is signed there: what the old key signs from then on counts nowhere.
    HandOver {
        #[command(flatten)]
        place: Place,
    },
    /// Seal the identity's file under a passphrase, or under another one. Stop the node first.
    ///
    /// What was written before may still be found on the disk itself: seal an identity before it is used, or use a new disk.
    Seal {
        #[command(flatten)]
        place: Place,
        /// The file with the passphrase it shall have; --passphrase-file and --passphrase-fd name the one it has, if any.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: PathBuf,
    },
}

/// Runs `identity`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Show { place } => {
            let path = place.identity()?;
            let identity = identity_file::load(&path, place.passphrase.read()?.as_ref())?;
            let sealed = identity_file::is_sealed(&path)? == Some(true);
            say(&format!("identity {}", identity.id()))?;
            say(&format!("origin {}", identity.id().origin()))?;
            say(&format!("card {}", node::recover::card_text(identity.card())))?;
            say(&format!("{} is {}", path.display(), if sealed { "sealed" } else { "not sealed" }))?;
        }
        Command::HandOver { place } => {
            let path = place.identity()?;
            let identity = identity_file::hand_over(&path, place.passphrase.read()?.as_ref())?;
            let number = identity.card().key_number();
            say(&format!("identity {} uses its key number {number} from now on", identity.id()))?;
            say(&format!("back up {}: the file from before opens nothing that is sealed from now on", path.display()))?;
            say("start the gateway: it tells each record of the key before it signs anything else there")?;
        }
        Command::Seal { place, new_passphrase_file } => {
            let path = place.identity()?;
            let new = passphrase::read(&new_passphrase_file)?;
            identity_file::seal(&path, place.passphrase.read()?.as_ref(), &new)?;
            say(&format!("{} is sealed: start the node with --passphrase-file or --passphrase-fd", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
