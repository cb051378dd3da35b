//! `chartwell verify`: every op, frame and index row checked. Its last line counts change ops, frames, versions and index
//! rows, the line before control and access ops. `--json` says the same as one object, in the shape that
//! `docs/OPERATIONS.md` gives.

use crate::common::{Place, say};
use crate::record::plain;
use node::verify::{Finding, Report, Summary};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Records told one by one in words; of more, only those with something to tell.
const RECORDS_MAX: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Runs `verify`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.place.open().await?;
    let report = node.verify().await?;
    node.close().await;
    match args.json {
        true => say(&serde_json::to_string_pretty(&object(&report))?)?,
        false => words(&report)?,
    }
    Ok(if report.fault_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(report: &Report) -> anyhow::Result<()> {
    for fault in &report.faults {
        say(&format!("fault: {fault}"))?;
        say(&format!("  {}", fault.meaning))?;
        say(&format!("  {}", fault.advice))?;
    }
    let untold = report.fault_count - report.faults.len() as u64;
    if untold > 0 {
        say(&format!("fault: and {untold} more"))?;
    }
    let all = report.records.len() <= RECORDS_MAX;
    let told = report.records.iter().filter(|record| all || record.is_remarkable()).collect::<Vec<_>>();
    for record in &told {
        say(&of_record(record))?;
    }
    let quiet = report.records.len() - told.len();
    if quiet > 0 {
        say(&format!("{quiet} more records: all that was written in them counts and is here"))?;
    }
    say(&format!("{} control ops, {} access ops", report.control_ops, report.access_ops))?;
    say(&format!(
        "{} change ops, {} frames, {} versions, {} index rows",
        report.change_ops, report.frames, report.versions, report.index_rows
    ))
}

/// A record in words: who wrote, and what is not plain in it.
fn of_record(record: &Summary) -> String {
    let writers = record.writers.iter().map(|writer| {
        let forked = if writer.forked { ", who signed two different entries for one place" } else { "" };
        format!("{} ({} ops{forked})", plain(&writer.name), writer.ops)
    });
    let mut line = format!("record {}: {}", record.record, writers.collect::<Vec<_>>().join(", "));
    for (count, what) in [
        (record.quarantined, "kept apart"),
        (record.without_effect, "without effect"),
        (record.held, "waiting for others"),
        (record.conflicts.unwrap_or(0), "resources in conflict"),
        (record.frames_missing, "contents not here"),
        (record.frames_erased, "contents erased"),
        (record.frames_unreadable, "contents unreadable"),
        (record.findings, "faults"),
    ] {
        if count > 0 {
            line.push_str(&format!("; {count} {what}"));
        }
    }
    line
}

fn object(report: &Report) -> Value {
    json!({
        "ok": report.fault_count == 0,
        "counts": {
            "control_ops": report.control_ops,
            "access_ops": report.access_ops,
            "change_ops": report.change_ops,
            "frames": report.frames,
            "versions": report.versions,
            "index_rows": report.index_rows,
        },
        "findings_count": report.fault_count,
        "findings": report.faults.iter().map(finding).collect::<Vec<_>>(),
        "records": report.records.iter().map(summary).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "record": finding.record.map(|record| record.to_string()),
        "op": finding.op.map(|op| op.to_string()),
        "text": finding.text,
        "meaning": finding.meaning,
        "advice": finding.advice,
    })
}

fn summary(record: &Summary) -> Value {
    let writers = record.writers.iter().map(
        |writer| json!({ "name": writer.name, "origin": writer.origin, "ops": writer.ops, "forked": writer.forked }),
    );
    json!({
        "record": record.record.to_string(),
        "ops": record.ops,
        "writers": writers.collect::<Vec<_>>(),
        "quarantined": record.quarantined,
        "without_effect": record.without_effect,
        "held": record.held,
        "conflicts": record.conflicts,
        "frames": {
            "missing": record.frames_missing,
            "erased": record.frames_erased,
            "unreadable": record.frames_unreadable,
        },
        "findings": record.findings,
    })
}
