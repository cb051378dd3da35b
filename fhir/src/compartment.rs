//! The patient compartment: by which parameters a type belongs to a patient. Called by `node` for compartment search.
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>.

use crate::table::TABLE;
use crate::types::ResourceType;

/// The parameter names; empty for types outside the compartment. For Patient it is `link`: the patient itself counts
/// by its id.
#[must_use]
pub fn patient_params(kind: ResourceType) -> &'static [&'static str] {
    &TABLE.compartment[usize::from(kind.number())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_belong_to_a_patient_by_their_parameters() {
        check("Observation", &["subject", "performer"]);
        check("AllergyIntolerance", &["patient", "recorder", "asserter"]);
        check("Patient", &["link"]);
        check("Medication", &[]);
        for kind in ResourceType::all() {
            for code in patient_params(kind) {
                assert!(crate::params::find(kind, code).is_some(), "{kind} has no parameter {code}");
            }
        }
    }

    fn check(kind: &str, wanted: &[&str]) {
        assert_eq!(patient_params(ResourceType::parse(kind).unwrap()), wanted);
    }
}
