//! The chain of audit rows: each is sealed over the one before it, under a key of the hospital's identity. Whoever changes the
//! database without that key cannot change a row, put one in or take one out without it showing; the last rows alone can be
//! taken away unseen. Called by `batch` when rows are written and by `verify`.

use record::Identity;
use record::seal::{mac, mac_is};
use store::audit::AuditRow;

/// The key that rows are sealed under, the same in every process of the hospital.
pub(crate) fn key(identity: &Identity) -> [u8; 32] {
    identity.storage_key("audit rows")
}

/// Seals rows that follow the one with the seal `before`; none before the first.
pub(crate) fn seals<'a>(
    key: &[u8; 32],
    before: Vec<u8>,
    rows: impl ExactSizeIterator<Item = (i64, &'a AuditRow)>,
) -> impl ExactSizeIterator<Item = (i64, &'a AuditRow, [u8; 32])> {
    let (mut before, mut bytes) = (before, Vec::with_capacity(512));
    rows.map(move |(position, row)| {
        write(&mut bytes, &before, position, row);
        let seal = mac(key, &bytes);
        before.clear();
        before.extend_from_slice(&seal);
        (position, row, seal)
    })
}

/// Whether a row is as it was written behind the one with the seal `before`.
pub(crate) fn holds(key: &[u8; 32], before: &[u8], row: &AuditRow) -> bool {
    let mut bytes = Vec::with_capacity(512);
    write(&mut bytes, before, row.position, row);
    mac_is(key, &bytes, &row.seal)
}

/// Everything a row at a position says, each part behind its length, so that no two rows are the same bytes.
fn write(bytes: &mut Vec<u8>, before: &[u8], position: i64, row: &AuditRow) {
    let numbers = [position, row.recorded, i64::from(row.outcome)].map(i64::to_le_bytes);
    let texts = [
        &row.who,
        &row.client,
        &row.purpose,
        &row.interaction,
        &row.resource_type,
        &row.resource_id,
        &row.patient,
        &row.query,
        &row.request,
    ];
    let parts =
        numbers.iter().map(|number| &number[..]).chain(texts.iter().map(|text| text.as_bytes())).chain([before]);
    bytes.clear();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_changed_moved_or_taken_out_shows() {
        let key = [7; 32];
        let row = |position, who: &str| AuditRow { position, who: who.to_owned(), ..AuditRow::default() };
        let mut rows = [row(1, "a"), row(2, "b"), row(3, "c")];
        let sealed = seals(&key, Vec::new(), rows.iter().map(|row| (row.position, row)));
        let sealed = sealed.map(|(_, _, seal)| seal.to_vec()).collect::<Vec<_>>();
        rows.iter_mut().zip(sealed).for_each(|(row, seal)| row.seal = seal);
        let check = |rows: &[&AuditRow], expected: bool| {
            let mut before = Vec::new();
            let whole = rows.iter().all(|row| {
                let holds = holds(&key, &before, row);
                before.clone_from(&row.seal);
                holds
            });
            assert_eq!(whole, expected);
        };
        let [a, b, c] = &rows;
        check(&[a, b, c], true);
        check(&[a, c], false);
        check(&[b, a, c], false);
        check(&[a, &AuditRow { who: "x".to_owned(), ..b.clone() }, c], false);
        check(&[a, &AuditRow { who: "bx".to_owned(), ..b.clone() }, c], false);
        check(&[a, &AuditRow { who: String::new(), client: "b".to_owned(), ..b.clone() }, c], false);
        check(&[a, b], true);
        assert!(!holds(&[8; 32], b"", a), "nobody else seals one");
    }
}
