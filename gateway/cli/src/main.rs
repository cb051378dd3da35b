//! `chartwell`, the one binary: reads the command line and runs one command. Each command is a file; what they share is
//! in `common`, `ready`, `logs` and `stop`.

mod acme;
mod bench;
mod client;
mod common;
mod demo;
mod gateway;
mod identity;
mod keys;
mod logs;
mod passphrase;
mod patient_node;
mod ready;
mod record;
mod recover;
mod reindex;
mod sensitive;
mod service;
mod stop;
mod token;
mod user;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A FHIR gateway that bridges legacy EHRs to records that patients hold.
#[derive(Parser)]
#[command(name = "chartwell", version, about, long_about = None, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write logs as JSON, one object a line.
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run a hospital's gateway: FHIR over HTTP, its records, its peers.
    Gateway(Box<gateway::Args>),
    /// Run a patient's node and its page.
    Patient(service::Args),
    /// Two hospitals and a patient on this machine, with sample data and lines to paste.
    Demo(demo::Args),
    /// Register the software that may call a gateway.
    Client(client::Args),
    /// Print a bearer token for a registered client.
    Token(token::Args),
    /// The people who log in at a gateway itself.
    User(user::Args),
    /// List or rotate the keys that tokens are signed with.
    Keys(keys::Args),
    /// Show a folder's identity, or seal its file under a passphrase.
    Identity(identity::Args),
    /// Export, import, show and list records.
    Record(record::Args),
    /// Let a new device into a patient's record by the 24 words, and say which devices stay.
    Recover(recover::Args),
    /// Check every op, frame and index row; changes nothing.
    Verify(verify::Args),
    /// Rebuild the search index and all other caches from the ops.
    Reindex(reindex::Args),
    /// Measure this machine: loads, reads, searches, replication, each beside its limit.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::start(cli.log_json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("chartwell: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Gateway(args) => gateway::run(*args).await,
            Command::Patient(args) => patient_node::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Client(args) => client::run(args).await,
            Command::Token(args) => token::run(args).await,
            Command::User(args) => user::run(args).await,
            Command::Keys(args) => keys::run(args).await,
            Command::Identity(args) => identity::run(args).await,
            Command::Record(args) => record::run(args).await,
            Command::Recover(args) => recover::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Reindex(args) => reindex::run(args).await,
            Command::Bench(args) => bench::run(args).await,
        }
    });
    // A question to the operating system that hangs must not keep an ended process alive.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chartwell: {error:#}");
            ExitCode::FAILURE
        }
    }
}
