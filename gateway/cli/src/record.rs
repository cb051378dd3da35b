//! `chartwell record`: a record exported into one file, imported from one, shown as what it is made of, and listed. Each
//! command is a file; they show progress on stderr and can be interrupted.

mod export;
mod graph;
mod import;
mod list;
mod log;
mod progress;
mod svg;

pub(crate) use log::plain;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a record into one file that anybody can verify.
    Export(export::Args),
    /// Take a record out of a file, into any folder; repeat it to go on after an interruption.
    Import(import::Args),
    /// Show a record's ops as they hang together; no health data is in it.
    Log(log::Args),
    /// List the records that are here.
    List(list::Args),
}

/// Runs `record`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Export(args) => export::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Log(args) => log::run(args).await,
        Command::List(args) => list::run(args).await,
    }
}
