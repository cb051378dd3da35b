//! `chartwell reindex`: the caches rebuilt from the ops, while a gateway may run; what became of stored SearchParameters
//! is told one by one.

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
    for note in done.notes {
        let refused = if note.is_refused { "refused, " } else { "" };
        say(&format!("{}: {refused}{}", note.of, note.text))?;
    }
    say(&format!("{} ops reindexed", done.ops))?;
    Ok(ExitCode::SUCCESS)
}
