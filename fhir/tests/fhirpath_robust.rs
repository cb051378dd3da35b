//! No text makes the FHIRPath reader or its evaluation panic: official shapes with pieces changed, and any text.

use fhir::fuzz;
use proptest::prelude::*;

const EXPRESSIONS: [&str; 8] = [
    "Patient.name.where(use = 'official' and family.exists()).given.first()",
    "contained.where((('#'+id in (%resource.descendants().reference))).not()).trace('unmatched', id).empty()",
    "name.select(given.join(' ') & ', ' & family).isDistinct() implies birthDate + 3 months < @2020-01-02T10:00:00.5+02:00",
    "(1 | 2.50 | 'a' | 4 'kg').aggregate(iif($total.empty(), $this, $total), {}).toString().replaceMatches('(.)', '$1$1')",
    "extension('u').value.ofType(Quantity).value.round(1) * 2 div 1 mod 3 - -1",
    "repeat(children()).count() > 3 or @T10:00 >= @T09:00 xor 'x'.matches('[a-z]+')",
    "birthDate.toString().substring(1, 2).toInteger().power(9).log(2).convertsToString()",
    "name[0].given.exclude('b').union(active).combine(active).subsetOf(name.given)",
];

/// Pieces that change meaning when they land in an expression.
const PIECES: [&str; 20] = [
    "(",
    ")",
    ".",
    "'",
    "`",
    "[",
    "]",
    "-",
    "{}",
    "@",
    "%",
    "$this",
    " is ",
    "descendants()",
    "99999999999",
    "*",
    "\\u00",
    "é",
    "/*",
    ".repeat($this)",
];

proptest! {
    #[test]
    fn a_changed_expression_is_refused_or_evaluated(
        example in 0..EXPRESSIONS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..9_usize, 0..PIECES.len()), 0..5),
    ) {
        let mut bytes = EXPRESSIONS[example].as_bytes().to_vec();
        for (place, length, piece) in changes {
            let at = place.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, PIECES[piece].bytes());
        }
        fuzz::fhirpath(&bytes);
    }

    #[test]
    fn any_text_is_refused_or_evaluated(text: String) {
        fuzz::fhirpath(text.as_bytes());
    }
}
