//! `chartwell client add`: registers the software that may call a gateway.

use crate::common::{Place, say};
use anyhow::Context;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a client, or update the one of the same name. Honoured by a running gateway at once.
    Add {
        #[command(flatten)]
        place: Place,
        /// The client's name.
        #[arg(long)]
        name: String,
        /// SMART v2 scopes, for example "system/*.cruds".
        #[arg(long)]
        scope: String,
        /// The client's public keys (JWKS): a file, or a URL they are fetched from.
        #[arg(long, value_name = "FILE|URL")]
        jwks: Option<String>,
    },
}

/// Runs `client`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Add { place, name, scope, jwks } = args.command;
    let jwks = match jwks {
        Some(at) if at.starts_with("http://") || at.starts_with("https://") => Some(at),
        Some(file) => {
            let text = std::fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
            let keys: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("{file} is no JSON"))?;
            anyhow::ensure!(
                keys.get("keys").is_some_and(serde_json::Value::is_array),
                "{file} is no JWKS: it has no keys"
            );
            Some(text)
        }
        None => None,
    };
    let node = place.open_or_make().await?;
    let client = node.add_client(&name, &scope, jwks).await?;
    node.close().await;
    say(&client.id)?;
    Ok(ExitCode::SUCCESS)
}
