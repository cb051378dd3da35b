//! The search parameters of R4 that a resource type has. Called by `query`, by `store` for parameter numbers and by
//! `server` for the CapabilityStatement. Spec: <https://hl7.org/fhir/R4/searchparameter-registry.html>.

use crate::table::TABLE;
use crate::types::ResourceType;
use std::sync::LazyLock;

/// Number of a SearchParameter; one for all types it applies to. Stable as long as the official list is, and
/// `reindex` follows when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u16);

/// How a parameter's values are written and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchType {
    /// A number with implicit precision.
    Number,
    /// A date or a period.
    Date,
    /// Text, by its start, without case and accents.
    String,
    /// A code, with or without its system.
    Token,
    /// A reference to a resource.
    Reference,
    /// Several parameters about one element.
    Composite,
    /// A number with a unit.
    Quantity,
    /// A URI, exactly.
    Uri,
    /// A way of its own.
    Special,
}

impl SearchType {
    /// By number in the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Number,
        Self::Date,
        Self::String,
        Self::Token,
        Self::Reference,
        Self::Composite,
        Self::Quantity,
        Self::Uri,
        Self::Special,
    ];

    /// The FHIR code.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }
}

/// A search parameter of one resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// The number that index entries carry.
    pub id: ParamId,
    /// The name in a query.
    pub code: &'static str,
    /// How values are written.
    pub kind: SearchType,
    /// What a reference may name; empty for other kinds.
    pub targets: &'static [ResourceType],
    /// The resource type this is about.
    pub base: ResourceType,
    /// Whether values are indexed. Composite and special ones are known, but not indexed yet.
    pub supported: bool,
    /// Canonical url of the SearchParameter.
    pub url: &'static str,
}

impl Param {
    /// Whether this is `_id`, which is not among the index entries: the store knows a resource's id.
    #[must_use]
    pub fn is_id(&self) -> bool {
        self.code == "_id"
    }

    /// Whether this is `_lastUpdated`, which is not among the index entries: the store knows it.
    #[must_use]
    pub fn is_last_updated(&self) -> bool {
        self.code == "_lastUpdated"
    }
}

/// Per type, sorted by code.
static BY_KIND: LazyLock<Vec<Vec<Param>>> = LazyLock::new(|| {
    let mut lists: Vec<Vec<Param>> = TABLE.resources.iter().map(|_| Vec::new()).collect();
    for (number, row) in TABLE.params.iter().enumerate() {
        let id = ParamId(u16::try_from(number).expect("below 65,536 parameters"));
        for base in &row.bases {
            lists[usize::from(base.resource.number())].push(Param {
                id,
                code: row.code,
                kind: row.kind,
                targets: &row.targets,
                base: base.resource,
                supported: base.supported,
                url: row.url,
            });
        }
    }
    for list in &mut lists {
        list.sort_by_key(|param| (param.code, !param.supported, param.id));
        list.dedup_by_key(|param| param.code);
    }
    lists
});

/// A type's parameter by its name, without modifier.
#[must_use]
pub fn find(kind: ResourceType, code: &str) -> Option<Param> {
    let list = &BY_KIND[usize::from(kind.number())];
    list.binary_search_by(|param| param.code.cmp(code)).ok().map(|place| list[place])
}

/// A type's parameters, sorted by name, those not supported included.
pub fn of(kind: ResourceType) -> impl Iterator<Item = Param> {
    BY_KIND[usize::from(kind.number())].iter().copied()
}

/// The name of a parameter number.
#[must_use]
pub fn code_of(id: ParamId) -> Option<&'static str> {
    TABLE.params.get(usize::from(id.0)).map(|row| row.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_its_official_parameters() {
        for (kind, code, wanted, supported) in [
            ("Patient", "family", SearchType::String, true),
            ("Patient", "birthdate", SearchType::Date, true),
            ("Patient", "_id", SearchType::Token, true),
            ("Patient", "_lastUpdated", SearchType::Date, true),
            ("Patient", "_tag", SearchType::Token, true),
            ("Patient", "_profile", SearchType::Uri, true),
            ("Patient", "_security", SearchType::Token, true),
            ("Patient", "_source", SearchType::Uri, true),
            ("Patient", "_text", SearchType::String, false),
            ("Patient", "deceased", SearchType::Token, true),
            ("Observation", "code", SearchType::Token, true),
            ("Observation", "patient", SearchType::Reference, true),
            ("Observation", "date", SearchType::Date, true),
            ("Observation", "value-quantity", SearchType::Quantity, true),
            ("Observation", "code-value-quantity", SearchType::Composite, false),
            ("Location", "near", SearchType::Special, false),
            ("InsurancePlan", "name", SearchType::String, true),
        ] {
            let param = find(ResourceType::parse(kind).unwrap(), code).unwrap_or_else(|| panic!("{kind} {code}"));
            assert_eq!((param.kind, param.supported), (wanted, supported), "{kind} {code}");
            assert_eq!(code_of(param.id), Some(code));
        }
        assert_eq!(find(ResourceType::parse("Patient").unwrap(), "performer"), None);
    }

    #[test]
    fn reference_parameters_know_their_targets() {
        let param = find(ResourceType::parse("Observation").unwrap(), "patient").unwrap();
        assert_eq!(param.targets.iter().map(|kind| kind.name()).collect::<Vec<_>>(), ["Patient"]);
    }

    #[test]
    fn only_composite_special_and_text_parameters_are_not_supported() {
        for kind in ResourceType::all() {
            for param in of(kind).filter(|param| !param.supported) {
                let known = matches!(param.kind, SearchType::Composite | SearchType::Special)
                    || ["_text", "_content", "_query"].contains(&param.code);
                assert!(known, "{kind} {}", param.code);
            }
        }
    }
}
