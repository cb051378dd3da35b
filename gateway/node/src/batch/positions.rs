//! The positions of one transaction in the log's order: taken one after the other, and never one of the next transaction's.
//! Called by `batch`.

use crate::error::NodeError;

/// Positions one batch owns; only their order matters, and 2^63 of them last for ever.
pub(super) const POSITIONS_PER_BATCH: u64 = 1 << 24;

/// Takes `count` positions, at least one, of those before `end`.
pub(super) fn take(next: &mut i64, end: i64, count: usize) -> Result<i64, NodeError> {
    let (first, count) = (*next, i64::try_from(count.max(1)).unwrap_or(i64::MAX));
    match first.checked_add(count).filter(|after| *after <= end) {
        Some(after) => {
            *next = after;
            Ok(first)
        }
        None => Err(NodeError::TooLarge(format!(
            "one transaction has room for {POSITIONS_PER_BATCH} resources and what follows from them; nothing was changed"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_end_where_the_next_transaction_begins() {
        for (next, count, wanted) in [
            (10, 0, Ok((10, 11))),
            (10, 5, Ok((10, 15))),
            (10, 10, Ok((10, 20))),
            (10, 11, Err(())),
            (20, 0, Err(())),
            (10, usize::MAX, Err(())),
        ] {
            let mut after = next;
            let found = take(&mut after, 20, count).map(|first| (first, after)).map_err(drop);
            assert_eq!(found, wanted, "{count} after {next}");
            assert!(found.is_ok() || after == next);
        }
    }
}
