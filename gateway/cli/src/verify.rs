//! `chartwell verify`: every op, frame and index row checked. Its last line counts change ops, frames, versions and index
//! rows, the line before control and access ops.

use crate::common::{Place, say};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Runs `verify`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.place.open().await?;
    let report = node.verify().await?;
    node.close().await;
    for fault in &report.faults {
        say(&format!("fault: {fault}"))?;
    }
    let untold = report.fault_count - report.faults.len() as u64;
    if untold > 0 {
        say(&format!("fault: and {untold} more"))?;
    }
    say(&format!("{} control ops, {} access ops", report.control_ops, report.access_ops))?;
    say(&format!(
        "{} change ops, {} frames, {} versions, {} index rows",
        report.change_ops, report.frames, report.versions, report.index_rows
    ))?;
    Ok(if report.fault_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
