//! What a search for contained resources may ask: what one resource of one type says by itself. Called by [`super::parse`].
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use super::{Condition, Contained, Filter, Query};
use crate::outcome::{Code, Issue};
use crate::params::{STORED_MIN, SearchType};

/// Checks that contained resources can be asked this, and takes away what would only order them: they have an order with
/// what contains them alone.
pub(super) fn check(query: &mut Query, across: bool) -> Result<(), Issue> {
    let refuse = |what: &str| {
        let text = format!("search parameter _contained: {what}");
        Err(Issue::error(Code::NotSupported, text).at("http._contained"))
    };
    if across {
        return refuse("contained resources are searched for one type only");
    }
    if query.contained == Contained::Both && query.kinds[0].name() == "AuditEvent" {
        return refuse("the audit log is searched by itself");
    }
    if let Some(asked) = query.conditions.iter().find_map(unsupported) {
        return refuse(&format!("contained resources are not searched by {asked}"));
    }
    let keys = query.sort.len();
    query.sort.retain(|sort| sort.param.is_last_updated());
    if query.sort.len() < keys {
        let why = "contained resources are sorted by _lastUpdated alone, which is that of what contains them";
        query.ignore(Code::NotSupported, "_sort", why);
    }
    Ok(())
}

/// What of a condition the rows of a contained resource cannot tell. As deep as the condition, which has a limit.
fn unsupported(condition: &Condition) -> Option<&'static str> {
    match condition {
        Condition::Is(Filter { param, .. }) => match param.kind {
            _ if param.id.0 >= STORED_MIN => Some("parameters that were stored"),
            _ if param.is_of_words() => Some("words"),
            SearchType::Composite => Some("composites"),
            SearchType::Special => Some("places"),
            _ => None,
        },
        Condition::Refers { .. } => Some("chains"),
        Condition::Referred { .. } => Some("_has and _list"),
        Condition::All(inner) | Condition::Any(inner) => inner.iter().find_map(unsupported),
        Condition::Not(inner) => unsupported(inner),
    }
}
