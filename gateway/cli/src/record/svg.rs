//! A log as a drawing: a column for each lane, a row for each op, newest on top, and a line to each op that it stands on. No
//! scripts, no links, no content; names are escaped. Called by `log`.

use super::log::words;
use node::record_log::{OpLine, RecordLog, Standing};
use record::{Lane, LaneKind};
use std::collections::HashMap;
use std::fmt::Write;

/// Most ops of one drawing: viewers slow down beyond some ten thousand elements, and an op has several.
pub(super) const OPS_MAX: usize = 2000;
/// Most lanes that have a column of their own; further ones share the last.
const LANES_MAX: usize = 40;
/// Distances, in pixels.
const ROW: usize = 22;
const COLUMN: usize = 26;
const TOP: usize = 60;

/// Draws a log.
pub(super) fn draw(log: &RecordLog) -> String {
    let (mut columns, mut places) = (Vec::<Lane>::new(), HashMap::new());
    for (row, line) in log.lines.iter().enumerate() {
        let known = columns.iter().position(|lane| *lane == line.lane);
        let column = known.unwrap_or_else(|| {
            columns.push(line.lane);
            columns.len() - 1
        });
        places.insert(line.id, (column.min(LANES_MAX - 1), row));
    }
    let texts = COLUMN * (columns.len().min(LANES_MAX) + 1);
    let (width, height) = (texts + 900, TOP + ROW * (log.lines.len() + 1));
    let older = log.ops - log.lines.len() as u64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <title>Record {record}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"24\">Record {record}: {shown} of {all} ops, newest first{cut}</text>\n",
        record = log.record,
        shown = log.lines.len(),
        all = log.ops,
        cut = if older > 0 { format!("; {older} older ones are not drawn") } else { String::new() },
    );
    for line in &log.lines {
        let (x, y) = at(places[&line.id]);
        for cited in &line.cited {
            // What is not drawn is below the last row.
            let Some((below_x, below_y)) = places.get(cited).map(|place| at(*place)) else { continue };
            let middle = (y + below_y) / 2;
            put(
                &mut svg,
                format_args!(
                    "<path d=\"M{x} {y}C{x} {middle} {below_x} {middle} {below_x} {below_y}\" fill=\"none\" stroke=\"#9aa\"/>"
                ),
            );
        }
    }
    for line in &log.lines {
        let (x, y) = at(places[&line.id]);
        let (stroke, dashes) = if line.forked { ("#c00", " stroke-dasharray=\"3 2\"") } else { ("#333", "") };
        put(
            &mut svg,
            format_args!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"6\" fill=\"{}\" stroke=\"{stroke}\" stroke-width=\"1.5\"{dashes}/>",
                fill(line)
            ),
        );
        put(&mut svg, format_args!("<text x=\"{texts}\" y=\"{}\">{}</text>", y + 4, escaped(&words(line))));
    }
    svg.push_str("</svg>\n");
    svg
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    svg.write_fmt(element).and_then(|()| svg.write_char('\n')).expect("a string takes what it is given");
}

fn at((column, row): (usize, usize)) -> (usize, usize) {
    (COLUMN * (column + 1) - COLUMN / 4, TOP + ROW * row)
}

fn fill(line: &OpLine) -> &'static str {
    match (line.standing, line.lane.kind) {
        (Standing::Counts, LaneKind::Control) => "#2563a8",
        (Standing::Counts, LaneKind::Change) => "#2e8b57",
        (Standing::Counts, LaneKind::Audit) => "#b8b8b8",
        (Standing::Held, _) => "#fff",
        (Standing::WithoutEffect | Standing::Quarantined, _) => "#e0a030",
    }
}

/// The words of a line hold no control character: names are made plain there.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no place for them.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{IdentityId, OpId, RecordId};

    fn line(n: u8, author: &str, cited: &[u8]) -> OpLine {
        OpLine {
            id: OpId([n; 32]),
            kind: "change",
            wall_ms: u64::MAX,
            author: author.to_owned(),
            lane: Lane { author: IdentityId([1; 32]), kind: LaneKind::Change, instance: u64::from(n % 2) },
            seq: u64::from(n),
            cited: cited.iter().map(|n| OpId([*n; 32])).collect(),
            standing: Standing::Quarantined,
            forked: n == 2,
        }
    }

    #[test]
    fn a_drawing_holds_no_script_whatever_somebody_calls_itself() {
        let name = "</text><script>alert('x')</script>&\u{1b}\u{ffff}";
        let log = RecordLog { record: RecordId([3; 32]), ops: 5, lines: vec![line(2, name, &[1]), line(1, "B", &[0])] };
        let svg = draw(&log);
        assert!(!svg.contains("<script") && !svg.contains('\u{1b}') && !svg.contains('\u{ffff}'), "{svg}");
        assert!(svg.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{svg}");
        assert_eq!(svg.matches("<path").count(), 1, "a line to what is drawn, none to what is not");
        assert!(svg.contains("2 of 5 ops") && svg.contains("3 older ones are not drawn"), "{svg}");
        assert!(svg.contains("quarantined, forked"), "{svg}");
    }
}
