//! Puts new bytes in the place of some in a text and keeps the rest as it is. Called by `node` and `server` with the
//! places that `reference::sites` found.

use std::ops::Range;

/// The text with each range replaced, in any order of edits. An edit that lies outside the text or reaches into an
/// earlier one is left out: the caller's ranges come from one index of this text, so there is none.
#[must_use]
pub fn replace(bytes: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut edits: Vec<_> = edits.iter().collect();
    edits.sort_by_key(|(range, _)| range.start);
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut text = Vec::with_capacity(bytes.len() + grown);
    let mut at = 0;
    for (range, new) in edits {
        let Some(before) = bytes.get(at..range.start) else { continue };
        if range.end < range.start || range.end > bytes.len() {
            continue;
        }
        text.extend_from_slice(before);
        text.extend_from_slice(new);
        at = range.end;
    }
    text.extend_from_slice(&bytes[at..]);
    text
}

/// A text as the bytes of a JSON string, for an edit.
#[must_use]
pub fn string(text: &str) -> Vec<u8> {
    let mut json = String::with_capacity(text.len() + 2);
    crate::json::write_string(&mut json, text);
    json.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_replace_their_ranges_and_nothing_else() {
        check(&[], "0123456789");
        check(&[(2..4, "ab"), (0..1, "")], "1ab456789");
        check(&[(10..10, "x")], "0123456789x");
        check(&[(0..10, "x")], "x");
        check(&[(3..6, "a"), (5..7, "b")], "012a6789");
        check(&[(8..12, "a"), (20..21, "b")], "0123456789");
    }

    fn check(edits: &[(Range<usize>, &str)], wanted: &str) {
        let edits: Vec<_> = edits.iter().map(|(range, new)| (range.clone(), new.as_bytes().to_vec())).collect();
        assert_eq!(replace(b"0123456789", &edits), wanted.as_bytes());
    }
}
