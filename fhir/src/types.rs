//! The resource types of R4, as small numbers that stay the same. Used everywhere.

use crate::table::{TABLE, Type};
use std::fmt;

/// A concrete resource type of R4; alphabetical, numbered from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(u16);

impl ResourceType {
    /// The type of this name, in its exact case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let place = TABLE.resources.binary_search_by(|&kind| TABLE.kind(kind).name.cmp(name)).ok()?;
        u16::try_from(place).ok().map(Self)
    }

    /// The name in JSON and in URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// All types in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..u16::try_from(TABLE.resources.len()).unwrap_or(u16::MAX)).map(Self)
    }

    /// The number; it may be stored.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The type of this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        (usize::from(number) < TABLE.resources.len()).then_some(Self(number))
    }

    /// For the table itself, which cannot ask the table.
    pub(crate) const fn of_table(number: u16) -> Self {
        Self(number)
    }

    pub(crate) fn definition(self) -> &'static Type {
        TABLE.resource(self.0)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_stable_numbers() {
        assert_eq!(ResourceType::all().count(), 146);
        for kind in ResourceType::all() {
            assert_eq!(ResourceType::parse(kind.name()), Some(kind));
            assert_eq!(ResourceType::from_number(kind.number()), Some(kind));
        }
        for (name, number) in [("Account", 0), ("Observation", 95), ("Patient", 102), ("VisionPrescription", 145)] {
            assert_eq!(ResourceType::parse(name).map(ResourceType::number), Some(number), "{name}");
        }
        for name in ["", "patient", "Resource", "DomainResource", "Element", "Patient ", "SubscriptionStatus"] {
            assert_eq!(ResourceType::parse(name), None, "{name}");
        }
        assert_eq!(ResourceType::from_number(146), None);
    }
}
