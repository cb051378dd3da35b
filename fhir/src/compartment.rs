//! Compartments: by which parameters a type belongs to a patient, an encounter, a practitioner, a related person or a
//! device. Called by `node` for compartment search. Spec: <https://hl7.org/fhir/R4/compartmentdefinition.html>.

mod others;

use crate::table::TABLE;
use crate::types::ResourceType;

/// The parameter names of the patient's compartment; empty for types outside of it. For Patient it is `link`: the patient
/// itself counts by its id.
#[must_use]
pub fn patient_params(kind: ResourceType) -> &'static [&'static str] {
    &TABLE.compartment[usize::from(kind.number())]
}

/// The parameter names by which `kind` belongs to the compartment of one `owner`; empty for types outside of it, none for
/// an owner that R4 defines no compartment for. The owner itself counts by its id.
#[must_use]
pub fn params(owner: ResourceType, kind: ResourceType) -> Option<&'static [&'static str]> {
    let rows = match owner.name() {
        "Patient" => return Some(patient_params(kind)),
        "Device" => others::DEVICE,
        "Encounter" => others::ENCOUNTER,
        "Practitioner" => others::PRACTITIONER,
        "RelatedPerson" => others::RELATED_PERSON,
        _ => return None,
    };
    Some(rows.iter().find(|(name, _)| *name == kind.name()).map_or(&[], |(_, params)| params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> ResourceType {
        ResourceType::parse(name).unwrap()
    }

    #[test]
    fn types_belong_to_an_owner_by_their_parameters() {
        for (owner, of, wanted) in [
            ("Patient", "Observation", Some(&["subject", "performer"][..])),
            ("Patient", "AllergyIntolerance", Some(&["patient", "recorder", "asserter"])),
            ("Patient", "Patient", Some(&["link"])),
            ("Patient", "Medication", Some(&[])),
            ("Encounter", "Observation", Some(&["encounter"])),
            ("Encounter", "Encounter", Some(&[])),
            ("Encounter", "Patient", Some(&[])),
            ("Practitioner", "AllergyIntolerance", Some(&["recorder", "asserter"])),
            ("Practitioner", "Patient", Some(&["general-practitioner"])),
            ("RelatedPerson", "Patient", Some(&["link"])),
            ("Device", "Observation", Some(&["subject", "device"])),
            ("Group", "Observation", None),
        ] {
            assert_eq!(params(kind(owner), kind(of)), wanted, "{of} of a {owner}");
        }
    }

    #[test]
    fn every_parameter_of_a_compartment_is_one_of_its_type() {
        for owner in ResourceType::all() {
            for kind in ResourceType::all() {
                for code in params(owner, kind).unwrap_or_default() {
                    assert!(crate::params::find(kind, code).is_some(), "{kind} has no parameter {code} of {owner}");
                }
            }
        }
        let rows = [others::DEVICE, others::ENCOUNTER, others::PRACTITIONER, others::RELATED_PERSON];
        for (name, _) in rows.into_iter().flatten() {
            assert!(ResourceType::parse(name).is_some(), "{name}");
        }
        assert_eq!(rows.map(<[_]>::len), [32, 24, 58, 31]);
    }
}
