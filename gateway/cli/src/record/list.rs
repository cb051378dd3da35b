//! `chartwell record list`: one record a line.

use crate::common::{Place, say};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `record list`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.place.open().await?;
    let list = node.record_list().await;
    node.close().await;
    for line in list? {
        let about = if line.patients.is_empty() {
            String::new()
        } else {
            format!(", Patient/{}", line.patients.join(", Patient/"))
        };
        say(&format!(
            "{} {}, of {}, this node: {}, {} ops{about}",
            line.record,
            line.purpose,
            super::log::plain(&line.authority),
            line.role,
            line.ops
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
