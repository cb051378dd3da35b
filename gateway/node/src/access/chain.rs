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
pub(crate) fn seal(key: &[u8; 32], before: &[u8], rows: &mut [AuditRow]) {
    let mut before = before.to_vec();
    for row in rows {
        row.seal = mac(key, &bytes(&before, row)).to_vec();
        before.clone_from(&row.seal);
    }
}

/// Whether a row is as it was written behind the one with the seal `before`.
pub(crate) fn holds(key: &[u8; 32], before: &[u8], row: &AuditRow) -> bool {
    mac_is(key, &bytes(before, row), &row.seal)
}

/// Everything a row says, each part behind its length, so that no two rows are the same bytes.
fn bytes(before: &[u8], row: &AuditRow) -> Vec<u8> {
    let numbers = [row.position, row.recorded, i64::from(row.outcome)].map(i64::to_le_bytes);
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
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_changed_moved_or_taken_out_shows() {
        let key = [7; 32];
        let row = |position, who: &str| AuditRow { position, who: who.to_owned(), ..AuditRow::default() };
        let mut rows = [row(1, "a"), row(2, "b"), row(3, "c")];
        seal(&key, b"", &mut rows);
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
