//! Every reader of outside bytes, in one table, with what good bytes look like. Called by the libFuzzer binary and by the
//! seeded mutator beside it.

mod corpus;
mod mutate;

pub use corpus::corpus;
pub use mutate::{Numbers, mutant};

/// A reader: it may refuse, and never panics.
pub type Target = fn(&[u8]);

/// Names and readers; the part before the colons is the crate.
pub const TARGETS: [(&str, Target); 28] = [
    ("record::header", record::fuzz::header),
    ("record::entries", record::fuzz::entries),
    ("record::body", record::fuzz::body),
    ("record::parcel", record::fuzz::parcel),
    ("record::card", record::fuzz::card),
    ("record::content", record::fuzz::content),
    ("record::wrap", record::fuzz::wrap),
    ("record::proof", record::fuzz::proof),
    ("record::archive", record::fuzz::archive),
    ("record::text", record::fuzz::text),
    ("record::fold", record::fuzz::fold),
    ("net::message", net::fuzz::message),
    ("fhir::json", fhir::fuzz::json),
    ("fhir::resource", fhir::fuzz::resource),
    ("fhir::bundle", fhir::fuzz::bundle),
    ("fhir::xml", fhir::fuzz::xml),
    ("fhir::xml_write", fhir::fuzz::xml_write),
    ("fhir::subset", fhir::fuzz::subset),
    ("fhir::json_patch", fhir::fuzz::json_patch),
    ("fhir::fhirpath_patch", fhir::fuzz::fhirpath_patch),
    ("fhir::xml_patch", fhir::fuzz::xml_patch),
    ("fhir::diff", fhir::fuzz::diff),
    ("fhir::query", fhir::fuzz::query),
    ("fhir::search_parameter", fhir::fuzz::search_parameter),
    ("fhir::code_system", fhir::fuzz::code_system),
    ("fhir::value_set", fhir::fuzz::value_set),
    ("fhir::unit", fhir::fuzz::unit),
    ("fhir::fhirpath", fhir::fuzz::fhirpath),
];

/// The reader of a name.
pub fn find(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
