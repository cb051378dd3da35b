//! References: what their text names, and where they are in a resource. Called by `node` for rewriting and resolving,
//! by `server` for transactions, by `index` and `query`. Spec: <https://hl7.org/fhir/R4/references.html#literal>.

mod links;
mod sites;

use crate::primitive::is_id;
use crate::types::ResourceType;

pub use links::replaced;
pub use sites::{Site, sites};

/// What a reference's text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts<'a> {
    /// `Type/id` or `Type/id/_history/version`
    Relative {
        /// The type named.
        kind: ResourceType,
        /// The id named.
        id: &'a str,
        /// The version named.
        version: Option<&'a str>,
    },
    /// The same behind a base, such as `https://host/fhir/Type/id`.
    Absolute {
        /// Without the last slash: `https://host/fhir`.
        base: &'a str,
        /// The type named.
        kind: ResourceType,
        /// The id named.
        id: &'a str,
        /// The version named.
        version: Option<&'a str>,
    },
    /// An absolute URL that is not of that shape.
    Url(&'a str),
    /// `urn:uuid:...` or `urn:oid:...`
    Urn(&'a str),
    /// `#id`, a contained resource; without the `#`.
    Fragment(&'a str),
    /// `Type?query`, to be resolved by a search.
    Conditional {
        /// The type to search.
        kind: ResourceType,
        /// What follows the question mark, as written.
        query: &'a str,
    },
    /// Nothing of these.
    Other(&'a str),
}

/// Reads a reference's text.
#[must_use]
pub fn parse(text: &str) -> Parts<'_> {
    if let Some(id) = text.strip_prefix('#') {
        return Parts::Fragment(id);
    }
    if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
        return Parts::Urn(text);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let known =
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        return match rest.contains('/').then(|| behind_base(text)).flatten() {
            _ if !known => Parts::Other(text),
            Some(parts) => parts,
            None => Parts::Url(text),
        };
    }
    if let Some((kind, query)) = text.split_once('?') {
        return ResourceType::parse(kind).map_or(Parts::Other(text), |kind| Parts::Conditional { kind, query });
    }
    let (path, version) = split_version(text);
    let named = path.split_once('/').and_then(|(kind, id)| Some((ResourceType::parse(kind)?, id)));
    match named.filter(|(_, id)| is_id(id)) {
        Some((kind, id)) => Parts::Relative { kind, id, version },
        None => Parts::Other(text),
    }
}

fn behind_base(text: &str) -> Option<Parts<'_>> {
    let (path, version) = split_version(text);
    let (path, id) = path.rsplit_once('/')?;
    let (base, kind) = path.rsplit_once('/')?;
    let kind = ResourceType::parse(kind)?;
    // The host itself is no base: http://Patient/1 names nothing of ours.
    (is_id(id) && !base.ends_with('/')).then_some(Parts::Absolute { base, kind, id, version })
}

fn split_version(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once("/_history/") {
        Some((path, version)) if is_id(version) => (path, Some(version)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_what_its_text_says() {
        let kind = ResourceType::parse("Patient").unwrap();
        let relative = |id, version| Parts::Relative { kind, id, version };
        let absolute = |base, id, version| Parts::Absolute { base, kind, id, version };
        for (text, parts) in [
            ("Patient/1", relative("1", None)),
            ("Patient/abcdefghij234567.e1", relative("abcdefghij234567.e1", None)),
            ("Patient/1/_history/a.2", relative("1", Some("a.2"))),
            ("https://a.org/fhir/Patient/1", absolute("https://a.org/fhir", "1", None)),
            ("http://a.org/Patient/1/_history/2", absolute("http://a.org", "1", Some("2"))),
            ("http://a.org/x", Parts::Url("http://a.org/x")),
            ("http://Patient/1", Parts::Url("http://Patient/1")),
            ("http://a.org", Parts::Url("http://a.org")),
            ("urn:uuid:1", Parts::Urn("urn:uuid:1")),
            ("#p", Parts::Fragment("p")),
            ("#", Parts::Fragment("")),
            ("Patient?identifier=a|b", Parts::Conditional { kind, query: "identifier=a|b" }),
            ("Nothing?identifier=a", Parts::Other("Nothing?identifier=a")),
            ("Patient", Parts::Other("Patient")),
            ("Patient/", Parts::Other("Patient/")),
            ("Patient/1/2", Parts::Other("Patient/1/2")),
            ("/Patient/1", Parts::Other("/Patient/1")),
            ("Person X", Parts::Other("Person X")),
            ("", Parts::Other("")),
            ("://x/Patient/1", Parts::Other("://x/Patient/1")),
        ] {
            assert_eq!(parse(text), parts, "{text}");
        }
    }
}
