//! `chartwell keys`: the keys that tokens are signed with, listed or rotated while gateways run.

use crate::common::{Place, note, say};
use clap::Subcommand;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make new keys, which sign from now on; those before verify until the last token they signed has ended.
    Rotate {
        #[command(flatten)]
        place: Place,
    },
    /// List the keys that sign or verify now: name, algorithm, when it was made and when it ends, seconds since 1970.
    List {
        #[command(flatten)]
        place: Place,
    },
}

/// Runs `keys`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (place, rotates) = match args.command {
        Command::Rotate { place } => (place, true),
        Command::List { place } => (place, false),
    };
    let node = place.open().await?;
    if rotates {
        server::token::rotate(&node).await?;
        note(&node, "keys rotate").await?;
    }
    let keys = server::token::list(&node).await?;
    node.close().await;
    for key in keys {
        let until = key.until_s.map_or_else(|| "signs".to_owned(), |until| format!("verifies until {until}"));
        say(&format!("{} {} made {} {until}", key.kid, key.algorithm, key.made_s))?;
    }
    Ok(ExitCode::SUCCESS)
}
