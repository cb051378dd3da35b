//! The confidentiality class of a resource, which decides the key that seals it. Called by `node` at each write.
//!
//! From `meta.security`: v3-Confidentiality R and V, and the sensitivity policies of v3-ActCode. Of several classes the
//! most protective counts, in the order of [`Class::PROTECTIVE`]: a named kind of harm before `restricted`, which any
//! reader of sensitive data holds, before `normal`. Codes: <https://terminology.hl7.org/CodeSystem-v3-ActCode.html>.

use crate::home::is_directory;
use crate::json::{Doc, Node};
use crate::types::ResourceType;

/// One of the fixed classes; the numbers are part of the record's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Nothing special.
    Normal = 0,
    /// Marked restricted, very restricted, or sensitive in a way that has no class of its own.
    Restricted = 1,
    /// Use of alcohol or other substances.
    SubstanceUse = 2,
    /// Mental and behavioural health.
    MentalHealth = 3,
    /// HIV and AIDS.
    Hiv = 4,
    /// Sexuality, reproduction, sexually transmitted disease.
    SexualHealth = 5,
    /// Genetic disease.
    Genetic = 6,
    /// Violence and abuse.
    Violence = 7,
    /// Directory resources, which every grant may read.
    Directory = 8,
    /// What is readable in an emergency.
    Emergency = 9,
}

impl Class {
    /// All classes by number.
    pub const ALL: [Self; 10] = [
        Self::Normal,
        Self::Restricted,
        Self::SubstanceUse,
        Self::MentalHealth,
        Self::Hiv,
        Self::SexualHealth,
        Self::Genetic,
        Self::Violence,
        Self::Directory,
        Self::Emergency,
    ];

    /// From the most protective on: of several marks the first of these counts.
    pub const PROTECTIVE: [Self; 8] = [
        Self::Violence,
        Self::Hiv,
        Self::SexualHealth,
        Self::SubstanceUse,
        Self::MentalHealth,
        Self::Genetic,
        Self::Restricted,
        Self::Normal,
    ];

    /// The name, as scopes and pages write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Restricted => "restricted",
            Self::SubstanceUse => "substance-use",
            Self::MentalHealth => "mental-health",
            Self::Hiv => "hiv",
            Self::SexualHealth => "sexual-health",
            Self::Genetic => "genetic",
            Self::Violence => "violence",
            Self::Directory => "directory",
            Self::Emergency => "emergency",
        }
    }

    /// The number, as entries carry it.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The class of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// The class of a resource. Directory types are `directory` unless they carry a mark; `emergency` is no mark of a
/// resource, so it never comes from here.
#[must_use]
pub fn of(doc: &Doc, kind: ResourceType) -> Class {
    let labels = doc.root().get("meta").and_then(|meta| meta.get("security"));
    let classes: Vec<Class> = labels.into_iter().flat_map(Node::items).map(of_label).collect();
    let strongest = Class::PROTECTIVE.into_iter().find(|class| classes.contains(class)).unwrap_or(Class::Normal);
    if strongest == Class::Normal && is_directory(kind) { Class::Directory } else { strongest }
}

fn of_label(coding: Node<'_>) -> Class {
    let text = |name: &str| coding.get(name).and_then(Node::text).unwrap_or_default();
    let (system, code) = (text("system"), text("code"));
    if system.ends_with("v3-Confidentiality") {
        return if matches!(&*code, "R" | "V") { Class::Restricted } else { Class::Normal };
    }
    if !system.ends_with("v3-ActCode") {
        return Class::Normal;
    }
    match &*code {
        "ETH" | "SUD" | "ETHUD" | "OPIOIDUD" => Class::SubstanceUse,
        "BH" | "MH" | "PSY" | "PSYTHPN" | "COGN" | "DVD" | "EMOTDIS" => Class::MentalHealth,
        "HIV" => Class::Hiv,
        "SEX" | "STD" => Class::SexualHealth,
        "GDIS" | "SCA" | "SICKLE" => Class::Genetic,
        "SDV" | "DVIOL" | "VIO" | "MST" => Class::Violence,
        "SPI" | "TBOO" | "CEL" | "DIA" | "DRGIS" | "EMP" | "PDS" | "PHY" | "PRS" | "ADOL" | "DEMO" | "DOB"
        | "GENDER" | "LIVARG" | "MARST" | "RACE" | "REL" | "B" | "EMPL" | "LOCIS" | "SSP" => Class::Restricted,
        _ => Class::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_protective_label_is_the_class() {
        let (confidentiality, act) = ("v3-Confidentiality", "v3-ActCode");
        for (kind, labels, wanted) in [
            ("Observation", &[][..], Class::Normal),
            ("Observation", &[(confidentiality, "N")], Class::Normal),
            ("Observation", &[(confidentiality, "R")], Class::Restricted),
            ("Observation", &[(confidentiality, "V")], Class::Restricted),
            ("Observation", &[(act, "ETH")], Class::SubstanceUse),
            ("Observation", &[(act, "PSY")], Class::MentalHealth),
            ("Observation", &[(act, "HIV"), (confidentiality, "R")], Class::Hiv),
            ("Observation", &[(act, "STD")], Class::SexualHealth),
            ("Observation", &[(act, "GDIS")], Class::Genetic),
            ("Observation", &[(confidentiality, "R"), (act, "HIV"), (act, "SDV")], Class::Violence),
            ("Observation", &[("other", "HIV")], Class::Normal),
            ("Practitioner", &[], Class::Directory),
            ("Practitioner", &[(confidentiality, "R")], Class::Restricted),
        ] {
            let labels: Vec<_> = labels
                .iter()
                .map(|(system, code)| {
                    format!(r#"{{"system":"http://terminology.hl7.org/CodeSystem/{system}","code":"{code}"}}"#)
                })
                .collect();
            let text = format!(r#"{{"resourceType":"{kind}","meta":{{"security":[{}]}}}}"#, labels.join(","));
            let parsed = crate::parse::resource(text.as_str()).unwrap();
            assert_eq!(of(parsed.doc(), parsed.kind()), wanted, "{text}");
        }
    }

    #[test]
    fn classes_keep_their_numbers() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(class.number()), number);
            assert_eq!(Class::from_number(class.number()), Some(class));
        }
        assert_eq!(Class::from_number(10), None);
    }
}
