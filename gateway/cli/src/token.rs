//! `chartwell token`: a bearer token for a registered client, alone on stdout.

use crate::common::{Place, note, say};
use anyhow::bail;
use server::token::LIFETIME_MAX;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The client's name.
    #[arg(long)]
    client: String,
}

/// Runs `token`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.place.open().await?;
    let Some(client) = node.client(&args.client).await? else {
        bail!("there is no client {:?}: add it with `chartwell client add`", args.client);
    };
    let token = server::token::issue(&node, &client, LIFETIME_MAX).await?;
    note(&node, &format!("token {}", client.id)).await?;
    node.close().await;
    say(&token)?;
    Ok(ExitCode::SUCCESS)
}
