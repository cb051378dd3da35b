//! Names of types and what is a subtype of what. Called by `parse` and `evaluate`.

use super::syntax::TypeName;
use crate::primitive::Primitive;
use crate::table::{TABLE, TypeKind};
use crate::types::ResourceType;

const SYSTEM: [&str; 8] = ["Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity"];

/// Types above those of the table.
const ABSTRACT: [&str; 4] = ["DomainResource", "Resource", "Element", "BackboneElement"];

/// Whether there is such a type.
pub(super) fn is_known(kind: &TypeName) -> bool {
    let name = kind.name.as_str();
    let fhir = || number(name).is_some() || ABSTRACT.contains(&name) || name == "SimpleQuantity";
    match kind.space.as_deref() {
        None => SYSTEM.contains(&name) || fhir(),
        Some("System") => SYSTEM.contains(&name),
        Some("FHIR") => fhir(),
        Some(_) => false,
    }
}

/// The number of a type by its name.
pub(super) fn number(name: &str) -> Option<u16> {
    if let Some(kind) = ResourceType::parse(name) {
        return TABLE.resources.get(usize::from(kind.number())).copied();
    }
    TABLE.types.iter().position(|kind| kind.name == name).and_then(|place| u16::try_from(place).ok())
}

/// Whether a FHIR type is the named one or below it.
pub(super) fn is(kind: u16, wanted: &TypeName) -> bool {
    if wanted.space.as_deref() == Some("System") {
        return false;
    }
    let wanted = wanted.name.as_str();
    let kind = TABLE.kind(kind);
    if kind.name == wanted {
        return true;
    }
    match kind.kind {
        TypeKind::Primitive(primitive) => {
            wanted == "Element"
                || match primitive {
                    Primitive::Code | Primitive::Id | Primitive::Markdown => wanted == "string",
                    Primitive::Canonical | Primitive::Oid | Primitive::Url | Primitive::Uuid => wanted == "uri",
                    Primitive::PositiveInt | Primitive::UnsignedInt => wanted == "integer",
                    _ => false,
                }
        }
        TypeKind::Resource => {
            wanted == "Resource"
                || wanted == "DomainResource" && !matches!(kind.name, "Bundle" | "Binary" | "Parameters")
        }
        TypeKind::AnyResource => false,
        TypeKind::Complex => {
            let backbone = match kind.name.split_once('.') {
                Some((owner, _)) => ResourceType::parse(owner).is_some(),
                None => matches!(kind.name, "Timing" | "Dosage" | "ElementDefinition"),
            };
            wanted == "Element"
                || wanted == "BackboneElement" && backbone
                || matches!(wanted, "Quantity" | "SimpleQuantity") && is_quantity(kind.name)
        }
    }
}

/// Quantity and its profiles.
pub(super) fn is_quantity(name: &str) -> bool {
    matches!(name, "Quantity" | "Age" | "Count" | "Distance" | "Duration")
}

/// `year` for `years`; none if it is no calendar word.
pub(super) fn calendar_unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "year" | "years" => "year",
        "month" | "months" => "month",
        "week" | "weeks" => "week",
        "day" | "days" => "day",
        "hour" | "hours" => "hour",
        "minute" | "minutes" => "minute",
        "second" | "seconds" => "second",
        "millisecond" | "milliseconds" => "millisecond",
        _ => return None,
    })
}
