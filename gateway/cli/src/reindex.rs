//! `chartwell reindex`: the caches rebuilt from the ops, while a gateway may run.

use crate::common::{Place, say};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `reindex`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.place.open().await?;
    let done = node.reindex(Arc::new(|ops| tracing::info!(ops, "reindexed {ops} ops so far"))).await?;
    node.close().await;
    say(&format!("{} ops reindexed", done.ops))?;
    Ok(ExitCode::SUCCESS)
}
