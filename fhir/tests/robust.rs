//! No bytes from outside make a reader panic: real resources with bytes changed, cut and doubled.

use fhir::fuzz;
use proptest::prelude::*;

const EXAMPLES: [&[u8]; 5] = [
    include_bytes!("../../tests/data/examples/Patient-f201.json"),
    include_bytes!("../../tests/data/examples/Observation-blood-pressure-cancel.json"),
    include_bytes!("../../tests/data/examples/Bundle-bundle-transaction.json"),
    include_bytes!("../../tests/data/examples/Claim-100152.json"),
    include_bytes!("../../tests/data/examples/Provenance-example-cwl.json"),
];

/// Pieces that change meaning when they land in JSON.
const PIECES: [&str; 16] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "0",
    "\u{0}",
    "é",
    "\\ud800",
    "\"resourceType\":\"Bundle\",",
    "{\"reference\":\"Patient/1\"}",
    "\"_given\":[null],",
];

fn all(bytes: &[u8]) {
    fuzz::json(bytes);
    fuzz::resource(bytes);
    fuzz::bundle(bytes);
}

#[test]
fn a_text_cut_anywhere_is_refused_or_read() {
    for example in EXAMPLES {
        for end in (0..example.len()).step_by(7) {
            all(&example[..end]);
        }
        all(example);
    }
}

proptest! {
    #[test]
    fn a_changed_resource_is_refused_or_read(
        example in 0..EXAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..20_usize, 0..PIECES.len()), 1..6),
    ) {
        let mut bytes = EXAMPLES[example].to_vec();
        for (place, length, piece) in changes {
            let at = place.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, PIECES[piece].bytes());
        }
        all(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
        all(&bytes);
    }
}
