//! The search parameters of R4 that a resource type has. Called by `query`, by `store` for parameter numbers and by
//! `server` for the CapabilityStatement. Stored ones come in by a [`Lookup`]. Spec: <https://hl7.org/fhir/R4/searchparameter-registry.html>.

pub(crate) mod interned;
mod lookup;

use crate::table::TABLE;
use crate::types::ResourceType;
pub use interned::INTERNED_MAX;
pub use lookup::Lookup;
use std::sync::LazyLock;

/// Number of a SearchParameter; one for all types it applies to. Stable as long as the official list is, and
/// `reindex` follows when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u16);

/// Numbers of official parameters, their components included, are below it; whoever numbers stored ones begins here.
pub const STORED_MIN: u16 = 0x4000;

/// Numbers of stored parameters are below it: a bit is left to whoever writes entries.
pub const STORED_END: u16 = 0x8000;

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
#[derive(Clone, Copy, Debug)]
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
    /// Whether values are indexed; [`Self::reason`] says why not.
    pub supported: bool,
    /// Canonical url of the SearchParameter; empty for a stored one.
    pub url: &'static str,
    /// What a composite is made of, in the order of its values; empty for other kinds.
    pub components: &'static [Component],
    /// Of a token parameter that reads identifiers: the number of the entries that `:of-type` compares.
    pub of_type: Option<ParamId>,
}

/// A part of a composite parameter. Its values have a number of their own, which no query names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// The number that index entries carry.
    pub param: ParamId,
    /// How values are written.
    pub kind: SearchType,
    /// What a reference may name; empty for other kinds.
    pub targets: &'static [ResourceType],
}

/// Types share parameters: one number is one parameter, whichever type it was looked up for.
impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Param {}

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

    /// Whether its codes are compared as they are written, whatever their systems: those of identifiers, and the labels
    /// that `$meta` lists.
    #[must_use]
    pub fn is_cased(&self) -> bool {
        self.of_type.is_some() || is_written(self.code)
    }

    /// Whether it searches words of a text, each by its start and in any order: `_text` and `_content`.
    #[must_use]
    pub fn is_of_words(&self) -> bool {
        matches!(self.code, "_text" | "_content")
    }

    /// Why values are not indexed, as a sentence; none for what is supported.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        if self.supported {
            return None;
        }
        Some(match (self.code, self.kind) {
            ("_query", _) => "_query names a query of the server's own, and this server has none",
            (_, SearchType::Special) => "its values are no index entries",
            _ => "R4 gives it no expression",
        })
    }
}

/// Components by the number of their composite.
static COMPONENTS: LazyLock<Vec<Vec<Component>>> = LazyLock::new(|| {
    let component = |param: &ParamId| {
        let row = &TABLE.params[usize::from(param.0)];
        Component { param: *param, kind: row.kind, targets: &row.targets }
    };
    TABLE.params.iter().map(|row| row.components.iter().map(component).collect()).collect()
});

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
                // No expression says their values: `index::place` and `index::content` do.
                supported: base.supported || matches!(row.code, "near" | "_content"),
                url: row.url,
                components: &COMPONENTS[number],
                of_type: row.of_type,
            });
        }
    }
    for list in &mut lists {
        list.sort_by_key(|param| (param.code, !param.supported, param.id));
        list.dedup_by_key(|param| param.code);
    }
    lists
});

/// Whether this is a parameter of labels, whose codes stand in the index as they are written.
pub(crate) fn is_written(code: &str) -> bool {
    matches!(code, "_tag" | "_security")
}

/// A type's parameter by its name, without modifier.
#[must_use]
pub fn find(kind: ResourceType, code: &str) -> Option<Param> {
    let list = &BY_KIND[usize::from(kind.number())];
    list.binary_search_by(|param| param.code.cmp(code)).ok().map(|place| list[place])
}

/// The parameter by which resources of a type are parts of others of the same type, where the type has such a hierarchy.
#[must_use]
pub fn part_of(kind: ResourceType) -> Option<Param> {
    let param = find(kind, "partof").or_else(|| find(kind, "part-of"))?;
    param.targets.contains(&kind).then_some(param)
}

/// A type's parameters, sorted by name, those not supported included.
pub fn of(kind: ResourceType) -> impl Iterator<Item = Param> {
    BY_KIND[usize::from(kind.number())].iter().copied()
}

/// The name of a parameter number; of a component `code-value-quantity$2`, of what `:of-type` compares
/// `identifier:of-type`.
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
            ("Patient", "_text", SearchType::String, true),
            ("Patient", "_content", SearchType::String, true),
            ("Patient", "deceased", SearchType::Token, true),
            ("Observation", "code", SearchType::Token, true),
            ("Observation", "patient", SearchType::Reference, true),
            ("Observation", "date", SearchType::Date, true),
            ("Observation", "value-quantity", SearchType::Quantity, true),
            ("Observation", "code-value-quantity", SearchType::Composite, true),
            ("Location", "near", SearchType::Special, true),
            ("InsurancePlan", "name", SearchType::String, true),
        ] {
            let param = find(ResourceType::parse(kind).unwrap(), code).unwrap_or_else(|| panic!("{kind} {code}"));
            assert_eq!((param.kind, param.supported), (wanted, supported), "{kind} {code}");
            assert_eq!(code_of(param.id), Some(code));
        }
        assert_eq!(find(ResourceType::parse("Patient").unwrap(), "performer"), None);
        assert!(TABLE.params.len() < usize::from(STORED_MIN));
    }

    #[test]
    fn reference_parameters_know_their_targets() {
        let param = find(ResourceType::parse("Observation").unwrap(), "patient").unwrap();
        assert_eq!(param.targets.iter().map(|kind| kind.name()).collect::<Vec<_>>(), ["Patient"]);
    }

    #[test]
    fn composites_have_components_with_numbers_that_no_query_names() {
        use SearchType::{Date, Number, Quantity, Reference, Token};
        let official = TABLE.params.iter().filter(|row| !row.bases.is_empty()).count();
        for (kind, code, wanted) in [
            ("Observation", "code-value-quantity", &[Token, Quantity][..]),
            ("Observation", "code-value-date", &[Token, Date]),
            ("Observation", "combo-code-value-concept", &[Token, Token]),
            ("DocumentReference", "relationship", &[Reference, Token]),
            ("MolecularSequence", "chromosome-variant-coordinate", &[Token, Number, Number]),
            ("Group", "characteristic-value", &[Token, Token]),
            ("ValueSet", "context-type-quantity", &[Token, Quantity]),
            ("Observation", "code", &[]),
        ] {
            let param = find(ResourceType::parse(kind).unwrap(), code).unwrap();
            assert_eq!(param.components.iter().map(|one| one.kind).collect::<Vec<_>>(), wanted, "{kind} {code}");
            for (place, component) in param.components.iter().enumerate() {
                assert!(usize::from(component.param.0) >= official, "{code}");
                assert_eq!(code_of(component.param), Some(&*format!("{code}${}", place + 1)));
            }
        }
        for kind in ResourceType::all() {
            assert!(of(kind).all(|param| !param.code.contains(['$', ':'])));
            let composites = of(kind).filter(|param| param.kind == SearchType::Composite);
            composites.for_each(|param| assert!(param.supported && param.components.len() > 1, "{}", param.code));
        }
    }

    #[test]
    fn parameters_of_identifiers_have_a_number_for_their_types() {
        for (kind, code, wanted) in [
            ("Patient", "identifier", Some("identifier:of-type")),
            ("DocumentReference", "identifier", Some("identifier:of-type")),
            ("Patient", "gender", None),
        ] {
            let param = find(ResourceType::parse(kind).unwrap(), code).unwrap();
            assert_eq!(param.of_type.and_then(code_of), wanted, "{kind} {code}");
        }
    }

    #[test]
    fn only_special_parameters_are_not_supported() {
        for kind in ResourceType::all() {
            for param in of(kind).filter(|param| !param.supported) {
                let known = param.kind == SearchType::Special || param.code == "_query";
                assert!(known && param.reason().is_some(), "{kind} {}", param.code);
            }
        }
    }
}
