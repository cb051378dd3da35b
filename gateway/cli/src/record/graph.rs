//! The drawing in front of each line of a log, as `git log --graph` has it, in one row per op: newest first, an op before what
//! it stands on. Called by `log`.

use record::OpId;

/// Most columns that are drawn; what runs beside more of them is not, and the row says so.
const COLUMNS_MAX: usize = 24;

/// The lines that run down from ops above to ops below.
#[derive(Default)]
pub(super) struct Graph(Vec<Option<OpId>>);

/// What a column shows in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Empty,
    /// A line that runs on.
    Runs,
    /// The op.
    Here,
    /// A line from above that ends in the op.
    Ends,
    /// A line that begins at the op.
    Begins,
    /// A line that runs on, and that the op joins.
    Joins,
}

impl Graph {
    /// The row of the next op.
    pub(super) fn row(&mut self, id: &OpId, cited: &[OpId]) -> String {
        let columns = &mut self.0;
        let waiting = (0..columns.len()).filter(|at| columns[*at].as_ref() == Some(id)).collect::<Vec<_>>();
        let own = match waiting.first() {
            Some(own) => *own,
            None => free(columns),
        };
        let mut cells =
            columns.iter().map(|column| if column.is_some() { Cell::Runs } else { Cell::Empty }).collect::<Vec<_>>();
        for at in &waiting {
            cells[*at] = Cell::Ends;
            columns[*at] = None;
        }
        cells[own] = Cell::Here;
        for one in cited {
            match columns.iter().position(|column| column.as_ref() == Some(one)) {
                Some(at) => cells[at] = if at == own { Cell::Here } else { Cell::Joins },
                None if columns[own].is_none() => columns[own] = Some(*one),
                None => {
                    // Not where a line ends in this very row.
                    let taken = |at: usize| cells.get(at).is_some_and(|cell| *cell != Cell::Empty);
                    let at = (0..columns.len()).find(|at| columns[*at].is_none() && !taken(*at));
                    let at = at.unwrap_or_else(|| push(columns));
                    cells.resize(columns.len(), Cell::Empty);
                    (columns[at], cells[at]) = (Some(*one), Cell::Begins);
                }
            }
        }
        while columns.last().is_some_and(Option::is_none) {
            columns.pop();
        }
        drawn(&cells, own)
    }
}

fn free(columns: &mut Vec<Option<OpId>>) -> usize {
    columns.iter().position(Option::is_none).unwrap_or_else(|| push(columns))
}

fn push(columns: &mut Vec<Option<OpId>>) -> usize {
    columns.push(None);
    columns.len() - 1
}

fn drawn(cells: &[Cell], own: usize) -> String {
    let bends = |cell: &Cell| matches!(cell, Cell::Ends | Cell::Begins | Cell::Joins);
    let first = cells.iter().position(bends).unwrap_or(own).min(own);
    let last = cells.iter().rposition(bends).unwrap_or(own).max(own);
    let mut row = String::new();
    for (at, cell) in cells.iter().enumerate().take(COLUMNS_MAX) {
        let (right, between) = (at > own, at > first && at < last);
        row.push(match cell {
            Cell::Here => '●',
            Cell::Runs if between => '┼',
            Cell::Runs => '│',
            Cell::Empty if between => '─',
            Cell::Empty => ' ',
            Cell::Ends => [['╰', '┴'], ['╯', '┴']][usize::from(right)][usize::from(between)],
            Cell::Begins => [['╭', '┬'], ['╮', '┬']][usize::from(right)][usize::from(between)],
            Cell::Joins => [['├', '┼'], ['┤', '┼']][usize::from(right)][usize::from(between)],
        });
        row.push(if at >= first && at < last { '─' } else { ' ' });
    }
    if cells.len() > COLUMNS_MAX {
        row.push('…');
    }
    row.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ops by number, newest first, with what each stands on; the rows.
    fn check(ops: &[(u8, &[u8])], rows: &[&str]) {
        let (mut graph, id) = (Graph::default(), |n: &u8| OpId([*n; 32]));
        let drawn = ops.iter().map(|(op, cited)| graph.row(&id(op), &cited.iter().map(id).collect::<Vec<_>>()));
        assert_eq!(drawn.collect::<Vec<_>>(), rows);
        assert!(graph.0.iter().all(Option::is_none), "every line ends");
    }

    #[test]
    fn lines_run_from_each_op_to_what_it_stands_on() {
        check(&[(1, &[])], &["●"]);
        check(&[(3, &[2]), (2, &[1]), (1, &[])], &["●", "●", "●"]);
        // Two beside each other, brought together and apart from one.
        check(&[(4, &[2, 3]), (3, &[1]), (2, &[1]), (1, &[])], &["●─╮", "│ ●", "●─┤", "  ●"]);
        // Two heads of one op.
        check(&[(3, &[1]), (2, &[1]), (1, &[])], &["●", "├─●", "●"]);
        // A line crossed.
        check(&[(5, &[1]), (4, &[2]), (3, &[2, 1]), (2, &[]), (1, &[])], &["●", "│ ●", "├─┼─●", "│ ●", "●"]);
    }

    #[test]
    fn what_is_too_wide_is_cut_and_says_so() {
        let many = (0..60).collect::<Vec<u8>>();
        let mut graph = Graph::default();
        let row = graph.row(&OpId([99; 32]), &many.iter().map(|n| OpId([*n; 32])).collect::<Vec<_>>());
        assert!(row.ends_with('…') && row.chars().count() <= 2 * COLUMNS_MAX + 1, "{row}");
    }
}
