//! SMART v2 scopes: one parser and one `permits` for OAuth tokens and for grants. What stands after `?` is
//! opaque here and evaluated by `node`. Called by `state`, `node`, `server` and `patient`.
//!
//! Source: <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>

use std::fmt;

/// Most scopes one token or grant may hold.
pub const SCOPES_MAX: usize = 256;
/// Longest scope string.
pub const SCOPE_BYTES_MAX: usize = 8 * 1024;

/// Whose data a scope speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// One patient's.
    Patient,
    /// What a user may see.
    User,
    /// What a backend system may see.
    System,
}

/// What may be done, one bit each in the order c r u d s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Interactions(u8);

impl Interactions {
    /// Create.
    pub const CREATE: Interactions = Interactions(1);
    /// Read, vread and instance history.
    pub const READ: Interactions = Interactions(2);
    /// Update and patch.
    pub const UPDATE: Interactions = Interactions(4);
    /// Delete.
    pub const DELETE: Interactions = Interactions(8);
    /// Search and type history.
    pub const SEARCH: Interactions = Interactions(16);
    const LETTERS: [(char, Interactions); 5] =
        [('c', Self::CREATE), ('r', Self::READ), ('u', Self::UPDATE), ('d', Self::DELETE), ('s', Self::SEARCH)];

    /// Reads letters in the order `cruds`, each at most once, at least one; v1's `read`, `write`, `*` too.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "read" => return Some(Self(2 | 16)),
            "write" => return Some(Self(1 | 4 | 8)),
            "*" => return Some(Self(31)),
            _ => {}
        }
        let (mut bits, mut last) = (0, 0);
        for letter in text.chars() {
            let (_, bit) = Self::LETTERS.iter().find(|(known, _)| *known == letter)?;
            if bit.0 <= last {
                return None;
            }
            (bits, last) = (bits | bit.0, bit.0);
        }
        (bits != 0).then_some(Self(bits))
    }

    /// Whether all of `other` is in.
    pub fn contains(self, other: Interactions) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub fn and(self, other: Interactions) -> Interactions {
        Interactions(self.0 | other.0)
    }

    /// Whether any of `other` is in.
    pub fn any(self, other: Interactions) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Interactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::LETTERS.iter().filter(|(_, bit)| self.contains(*bit)).try_for_each(|(letter, _)| write!(f, "{letter}"))
    }
}

/// One scope, for example `patient/Observation.rs?category=laboratory`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Whose data.
    pub context: Context,
    /// `None` is `*`.
    pub resource_type: Option<String>,
    /// What may be done.
    pub interactions: Interactions,
    /// What stands after `?`, as written.
    pub parameters: Option<String>,
}

impl Scope {
    /// Reads one scope; `None` for anything the grammar does not know, which then grants nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (context, rest) = text.split_once('/')?;
        let context = match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            "system" => Context::System,
            _ => return None,
        };
        let (rest, parameters) = match rest.split_once('?') {
            Some((_, "")) => return None,
            Some((rest, parameters)) => (rest, Some(parameters.to_owned())),
            None => (rest, None),
        };
        let (kind, interactions) = rest.split_once('.')?;
        let resource_type = match kind {
            "*" => None,
            kind if !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphabetic()) => Some(kind.to_owned()),
            _ => return None,
        };
        Some(Self { context, resource_type, interactions: Interactions::parse(interactions)?, parameters })
    }

    /// Whether the scope speaks of `resource_type`.
    pub fn covers_type(&self, resource_type: &str) -> bool {
        self.resource_type.as_deref().is_none_or(|kind| kind == resource_type)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = match self.context {
            Context::Patient => "patient",
            Context::User => "user",
            Context::System => "system",
        };
        write!(f, "{context}/{}.{}", self.resource_type.as_deref().unwrap_or("*"), self.interactions)?;
        self.parameters.iter().try_for_each(|parameters| write!(f, "?{parameters}"))
    }
}

/// What one question to a set of scopes answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit<'s> {
    /// Not covered.
    No,
    /// Covered whole.
    Yes,
    /// Covered where one of these parameter strings matches.
    Where(Vec<&'s str>),
}

/// The scopes of a token or of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scopes {
    /// Those understood.
    pub known: Vec<Scope>,
    /// Words that are no resource scope (`openid`, typing errors); they grant nothing.
    pub other: Vec<String>,
}

impl Scopes {
    /// Reads a space-separated list. Text over its limits grants nothing.
    pub fn parse(text: &str) -> Self {
        let mut scopes = Self::default();
        if text.len() > SCOPE_BYTES_MAX {
            return scopes;
        }
        for word in text.split_ascii_whitespace().take(SCOPES_MAX) {
            match Scope::parse(word) {
                Some(scope) => scopes.known.push(scope),
                None => scopes.other.push(word.to_owned()),
            }
        }
        scopes
    }

    /// Whether `interaction` on `resource_type` is covered.
    pub fn permits(&self, resource_type: &str, interaction: Interactions) -> Permit<'_> {
        let mut conditions = Vec::new();
        for scope in &self.known {
            if scope.covers_type(resource_type) && scope.interactions.contains(interaction) {
                match &scope.parameters {
                    None => return Permit::Yes,
                    Some(parameters) => conditions.push(parameters.as_str()),
                }
            }
        }
        if conditions.is_empty() { Permit::No } else { Permit::Where(conditions) }
    }

    /// The types that may be read, `None` for all, without regard to parameters (keys cannot express them).
    pub fn read_types(&self) -> Vec<Option<String>> {
        self.types(Interactions::READ.and(Interactions::SEARCH))
    }

    /// The types that may be written, `None` for all, without regard to parameters.
    pub fn write_types(&self) -> Vec<Option<String>> {
        self.types(Interactions::CREATE.and(Interactions::UPDATE).and(Interactions::DELETE))
    }

    fn types(&self, interactions: Interactions) -> Vec<Option<String>> {
        let mut types = self
            .known
            .iter()
            .filter(|scope| scope.interactions.any(interactions))
            .map(|scope| scope.resource_type.clone())
            .collect::<Vec<_>>();
        types.sort();
        types.dedup();
        if types.contains(&None) { vec![None] } else { types }
    }

    /// Whether every scope of `self` is covered by one of `wider` (rule 6.4).
    pub fn within(&self, wider: &Scopes) -> bool {
        self.known.iter().all(|scope| {
            wider.known.iter().any(|other| {
                other.context == scope.context
                    && (other.resource_type.is_none() || other.resource_type == scope.resource_type)
                    && other.interactions.contains(scope.interactions)
                    && (other.parameters.is_none() || other.parameters == scope.parameters)
            })
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.known.iter().map(Scope::to_string).chain(self.other.iter().cloned()).collect::<Vec<_>>();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_or_grants_nothing() {
        for good in
            ["patient/Observation.rs", "system/*.cruds", "user/Patient.c", "patient/Observation.rs?category=laboratory"]
        {
            assert_eq!(Scope::parse(good).map(|scope| scope.to_string()), Some(good.to_owned()));
        }
        for bad in [
            "",
            "openid",
            "patient/",
            "patient/Observation",
            "patient/Observation.",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.x",
            "group/Observation.r",
            "patient/Obs3.r",
            "patient/Observation.rs?",
            "Patient/Observation.rs",
            "patient/.rs",
            "patient/**.r",
        ] {
            assert_eq!(Scope::parse(bad), None, "{bad}");
        }
        assert_eq!(Scope::parse("system/Patient.read").map(|s| s.to_string()), Some("system/Patient.rs".to_owned()));
    }

    #[test]
    fn what_is_permitted_is_what_one_scope_covers() {
        let scopes = Scopes::parse("patient/Observation.rs patient/Condition.r?category=x openid");
        let row = |kind, interaction| scopes.permits(kind, interaction);
        assert_eq!(row("Observation", Interactions::READ), Permit::Yes);
        assert_eq!(row("Observation", Interactions::CREATE), Permit::No);
        assert_eq!(row("Condition", Interactions::READ), Permit::Where(vec!["category=x"]));
        assert_eq!(row("Condition", Interactions::SEARCH), Permit::No);
        assert_eq!(row("Patient", Interactions::READ), Permit::No);
    }

    #[test]
    fn what_may_be_written_is_told_apart_from_what_may_be_read() {
        for (text, reads, writes) in [
            ("patient/Observation.rs", &[Some("Observation")][..], &[][..]),
            ("patient/Observation.c", &[], &[Some("Observation")]),
            (
                "patient/Observation.u patient/Condition.d patient/Condition.s",
                &[Some("Condition")],
                &[Some("Condition"), Some("Observation")],
            ),
            ("patient/*.cud patient/Observation.r", &[Some("Observation")], &[None]),
            ("patient/*.cruds patient/Observation.c", &[None], &[None]),
            ("openid", &[], &[]),
        ] {
            let (scopes, named) = (Scopes::parse(text), |types: &[Option<&str>]| {
                types.iter().map(|kind| kind.map(str::to_owned)).collect::<Vec<_>>()
            });
            assert_eq!((scopes.read_types(), scopes.write_types()), (named(reads), named(writes)), "{text}");
        }
    }

    #[test]
    fn narrower_is_within_and_wider_is_not() {
        let wide = Scopes::parse("patient/Observation.rs patient/Condition.rs?category=a");
        for (text, expected) in [
            ("patient/Observation.r", true),
            ("patient/Observation.rs?category=laboratory", true),
            ("patient/Condition.rs?category=a", true),
            ("patient/Condition.rs", false),
            ("patient/Condition.rs?category=b", false),
            ("patient/Observation.cr", false),
            ("patient/*.r", false),
            ("system/Observation.r", false),
        ] {
            assert_eq!(Scopes::parse(text).within(&wide), expected, "{text}");
        }
    }
}
