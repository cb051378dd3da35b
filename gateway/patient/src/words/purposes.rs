//! Purposes of use in words. Called by `pages`.
//!
//! Source of the codes: <https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html>

/// What a purpose means, as the end of "… to use it for".
pub(crate) fn words(code: &str) -> String {
    let words = match code {
        "TREAT" => "treating you",
        "ETREAT" | "BTG" => "treating you in an emergency",
        "CAREMGT" | "COC" => "planning and coordinating your care",
        "CLINTRCH" => "a clinical trial",
        "HMARKT" => "advertising health services",
        "HOPERAT" | "HSYSADMIN" | "HDM" => "running the hospital",
        "HPAYMT" | "PAYMT" => "bills and payment",
        "CLMATTCH" => "documents for a bill",
        "COVERAGE" | "COVERAUTH" | "ELIGDTRM" => "finding out what your insurance covers",
        "HRESCH" | "RESCH" | "HSRESCH" => "research",
        "HQUALIMP" | "QUALIMP" => "improving the quality of care",
        "HTEST" | "TEST" => "testing computer systems",
        "HDIRECT" => "a directory of patients in the building",
        "HACCRED" => "an inspection of the hospital",
        "HLEGAL" | "LEGAL" => "legal matters",
        "PUBHLTH" => "public health",
        "DISASTER" => "help in a disaster",
        "THREAT" => "averting a danger",
        "TRAIN" => "training staff",
        "DONAT" => "organ donation",
        "FAMRQT" | "PWATRNY" => "a request by your family or representative",
        "SUPNWK" => "people who support you",
        "PATRQT" => "your own request",
        "PATADMIN" => "organising your visits",
        "HOUTCOMS" => "following how well treatment works",
        "HPRGRP" => "reporting on a health programme",
        "MEMADMIN" => "administration of your insurance",
        "OPERAT" => "running the service",
        "" => "no purpose was given",
        code => return format!("a purpose with the code {code}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_reads_in_words() {
        let check = |code: &str, expected: &str| assert_eq!(words(code), expected);
        check("TREAT", "treating you");
        check("ETREAT", "treating you in an emergency");
        check("HPAYMT", "bills and payment");
        check("HRESCH", "research");
        check("PATRQT", "your own request");
        check("", "no purpose was given");
        check("XYZ", "a purpose with the code XYZ");
    }
}
