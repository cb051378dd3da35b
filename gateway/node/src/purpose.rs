//! What data is used for: codes of v3-PurposeOfUse, by family. A grant for one family opens nothing for another; one for
//! treatment serves emergencies too, one for emergencies nothing else. Called by whatever reads for a caller, and by
//! `apply` when it writes down what grants reach.
//!
//! Source: <https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html>

use record::State;
use record::state::Given;

/// Families with their codes; the first is what the others are kinds of.
const FAMILIES: [&[&str]; 8] = [
    &["TREAT", "CAREMGT", "CLINTRL", "COC", "POPHLTH"],
    &["ETREAT", "BTG", "ERTREAT"],
    &["HPAYMT", "CLMATTCH", "COVAUTH", "COVERAGE", "ELIGDTRM", "ELIGVER", "ENROLLM", "MILDCRG", "REMITADV"],
    &[
        "HOPERAT",
        "DONAT",
        "FRAUD",
        "GOV",
        "HACCRED",
        "HCOMPL",
        "HDECD",
        "HDIRECT",
        "HDM",
        "HLEGAL",
        "HOUTCOMS",
        "HPRGRP",
        "HQUALIMP",
        "HSYSADMIN",
        "HTEST",
        "LABELING",
        "MEMADMIN",
        "METAMGT",
        "MILCDM",
        "PATADMIN",
        "PATSFTY",
        "PERFMSR",
        "RECORDMGT",
        "SYSDEV",
        "TRAIN",
    ],
    &["HRESCH", "BIORCH", "CLINTRCH", "CLINTRCHNPC", "CLINTRCHPC", "DSRCH", "POARCH", "PRECLINTRCH", "TRANSRCH"],
    &["PATRQT", "FAMRQT", "PWATRNY", "SUPNWK"],
    &["PUBHLTH", "DISASTER", "THREAT"],
    &["HMARKT"],
];

/// The place of treatment among the families.
const TREATMENT: usize = 0;
/// That of emergencies.
const EMERGENCY: usize = 1;

fn family(code: &str) -> Option<usize> {
    FAMILIES.iter().position(|codes| codes.contains(&code))
}

/// Whether a code is one that is known here.
pub fn is_known(code: &str) -> bool {
    family(code).is_some()
}

/// Whether a code is of an emergency, so that a reason is needed and the patient is told at once.
pub fn is_emergency(code: &str) -> bool {
    family(code) == Some(EMERGENCY)
}

/// Whether a code is of treatment or of an emergency: what a token must be for to be used in one.
pub fn is_treatment(code: &str) -> bool {
    matches!(family(code), Some(TREATMENT | EMERGENCY))
}

/// The code of an agent's purpose, and the reason in words behind it (see [`crate::Caller`]).
pub fn with_reason(purpose: &str) -> (&str, &str) {
    purpose.split_once(' ').unwrap_or((purpose, ""))
}

/// The bit of what a request is for; zero for a code that is not known here, which opens nothing of others.
pub(crate) fn asked(code: &str) -> u8 {
    family(code).map_or(0, |family| 1 << family)
}

/// The bits of what a grant for `code` serves; none for a code that is not known here.
pub(crate) fn served(code: &str) -> u8 {
    match family(code) {
        Some(TREATMENT) => 1 << TREATMENT | 1 << EMERGENCY,
        Some(family) => 1 << family,
        None => 0,
    }
}

/// The bits of what a grant serves, and all that took the place of the same one beside it (rule 6.11).
pub(crate) fn served_by(state: &State, given: &Given) -> u8 {
    state.beside(given).fold(served(&given.grant.purpose), |bits, other| bits & served(&other.grant.purpose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_serves_what_it_is_for() {
        let check = |grant: &str, request: &str, expected: bool| {
            assert_eq!(served(grant) & asked(request) != 0, expected, "{grant} for {request}");
        };
        check("TREAT", "TREAT", true);
        check("TREAT", "COC", true);
        check("TREAT", "ETREAT", true);
        check("TREAT", "BTG", true);
        check("TREAT", "HRESCH", false);
        check("TREAT", "HPAYMT", false);
        check("ETREAT", "TREAT", false);
        check("ETREAT", "BTG", true);
        check("HRESCH", "TREAT", false);
        check("HRESCH", "CLINTRCH", true);
        check("XYZ", "TREAT", false);
        check("XYZ", "XYZ", false);
        check("TREAT", "treat", false);
    }

    #[test]
    fn every_code_has_one_family() {
        let codes = FAMILIES.iter().flat_map(|codes| codes.iter()).collect::<Vec<_>>();
        let once = codes.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(once.len(), codes.len());
    }
}
