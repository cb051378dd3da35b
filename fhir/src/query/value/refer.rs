//! References of a search. Called by [`super::one`].
//! Spec: <https://hl7.org/fhir/R4/search.html#reference>.

use super::{Modifier, Wanted};
use crate::index::text::key;
use crate::params::{self, Param};
use crate::reference::{self, Parts};
use crate::types::ResourceType;

/// An id, `Type/id` or a URL; `:above` and `:below` need a resource that a hierarchy can be walked from.
pub(super) fn refer(param: Param, modifier: Modifier, text: &str) -> Result<Wanted, String> {
    let found = read(param, modifier, text)?;
    let has_parts = match &found {
        Wanted::Reference { kind: Some(kind), url: None, .. } => params::part_of(*kind).is_some(),
        _ => false,
    };
    if matches!(modifier, Modifier::Above | Modifier::Below) && !has_parts {
        return Err(":above and :below need Type/id of a type that has parts of its own type".to_owned());
    }
    Ok(found)
}

fn read(param: Param, modifier: Modifier, text: &str) -> Result<Wanted, String> {
    let own = |text: &str| key(text.into());
    let only = match (modifier, param.targets) {
        (Modifier::Type(kind), _) => Some(kind),
        (_, [only]) => Some(*only),
        _ => None,
    };
    let named = |kind: Option<ResourceType>, id: &str, version: Option<&str>, url: Option<&str>| Wanted::Reference {
        kind,
        id: Some(own(id)),
        version: version.map(own),
        url: url.map(own),
    };
    let wrong = |kind: ResourceType| matches!(modifier, Modifier::Type(wanted) if wanted != kind);
    match reference::parse(text) {
        Parts::Relative { kind, .. } | Parts::Absolute { kind, .. } if wrong(kind) => {
            Err("a value names another type than the modifier".to_owned())
        }
        Parts::Relative { kind, id, version } => Ok(named(Some(kind), id, version, None)),
        Parts::Absolute { kind, id, version, .. } => Ok(named(Some(kind), id, version, Some(text))),
        Parts::Url(_) | Parts::Urn(_) => {
            let (url, version) = match text.split_once('|') {
                Some((url, version)) => (url, Some(own(version))),
                None => (text, None),
            };
            Ok(Wanted::Reference { kind: None, id: None, version, url: Some(own(url)) })
        }
        Parts::Other(id) if crate::primitive::is_id(id) => Ok(named(only, id, None, None)),
        Parts::Other(_) | Parts::Fragment(_) | Parts::Conditional { .. } => {
            Err("a value is no reference: id, Type/id or an absolute URL".to_owned())
        }
    }
}
