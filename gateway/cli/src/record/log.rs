//! `chartwell record log`: the ops of a record, newest first, one a line, with what each stands on drawn in front; or the same
//! as a drawing.

use super::graph::Graph;
use super::svg;
use crate::common::{Place, say};
use anyhow::Context;
use node::record_log::{LOG_OPS_MAX, OpLine, RecordLog};
use record::LaneKind;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The record: its name as `record list` prints it, or a beginning that no other has.
    record: String,
    /// Draw it into this file instead.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// How many of the newest ops are shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    last: usize,
}

/// Runs `record log`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let node = args.place.open().await?;
    let record = node.find_record(&args.record).await?;
    let most = if args.svg.is_some() { args.last.min(svg::OPS_MAX) } else { args.last.min(LOG_OPS_MAX) };
    let log = node.record_log(record, most).await;
    node.close().await;
    let log = log?;
    if let Some(file) = &args.svg {
        std::fs::write(file, svg::draw(&log)).with_context(|| format!("{} cannot be written", file.display()))?;
        say(&format!("{} of {} ops drawn into {}", log.lines.len(), log.ops, file.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in text(&log) {
        say(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of a log.
fn text(log: &RecordLog) -> Vec<String> {
    let mut graph = Graph::default();
    let rows = log.lines.iter().map(|line| (graph.row(&line.id, &line.cited), line)).collect::<Vec<_>>();
    let width = rows.iter().map(|(row, _)| row.chars().count()).max().unwrap_or(0);
    let mut lines = rows.iter().map(|(row, line)| format!("{row:width$}  {}", words(line))).collect::<Vec<_>>();
    let older = log.ops - log.lines.len() as u64;
    if older > 0 {
        lines.push(format!("and {older} older ops; --last NUMBER shows more"));
    }
    lines
}

/// An op in words: when, which, what, who, where, what became of it.
pub(super) fn words(line: &OpLine) -> String {
    let kind = match line.lane.kind {
        LaneKind::Control => "control".to_owned(),
        LaneKind::Audit => format!("audit {:04x}", line.lane.instance >> 47),
        LaneKind::Change => format!("change {:04x}", line.lane.instance >> 47),
    };
    let forked = if line.forked { ", forked" } else { "" };
    let (when, id, author) = (instant(line.wall_ms), &line.id.to_string()[..12], plain(&line.author));
    format!("{when} {id} {:<10} {author}, {kind} #{} [{}{forked}]", line.kind, line.seq, line.standing.word())
}

/// Milliseconds since 1970 as an instant. What an author wrote may be any number, and years end at 9999.
fn instant(ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    fhir::datetime::format_instant(ms.min(LAST_MS) as i64 * 1000)
}

/// Most characters of a name: anybody may take any name.
const NAME_CHARS_MAX: usize = 40;

/// A name that is safe on a terminal: others chose it.
pub(crate) fn plain(name: &str) -> String {
    let unseen = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().map(|letter| if unseen(letter) { '\u{fffd}' } else { letter }).take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_or_turn_the_line_around() {
        for (name, shown) in [
            ("Hospital A", "Hospital A".to_owned()),
            ("a\u{1b}[2Jb\n", "a\u{fffd}[2Jb\u{fffd}".to_owned()),
            ("x\u{202e}y", "x\u{fffd}y".to_owned()),
            (&"n".repeat(50), "n".repeat(40)),
        ] {
            assert_eq!(plain(name), shown);
        }
    }
}
