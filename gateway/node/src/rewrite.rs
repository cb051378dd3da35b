//! Names as a viewer sees them: others' resources under `<origin>.<id>`, references to the record's subject as the
//! viewer's own Patient. One's own bytes are never rewritten. Called by `read` and `apply`.

use crate::context::Context;
use fhir::json::Doc;
use fhir::reference::Parts;
use record::IdentityId;

/// Length of an origin: 16 base32 characters of the identity.
const ORIGIN_CHARS: usize = 16;
/// Longest id FHIR allows (datatypes.html#id).
const ID_CHARS_MAX: usize = 64;

/// The origin in an id of the shape `<origin>.<id>`.
pub fn origin_of(id: &str) -> Option<&str> {
    let (origin, _) = id.split_once('.')?;
    let base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    (origin.len() == ORIGIN_CHARS && origin.chars().all(base32)).then_some(origin)
}

/// The id under which a resource of `origin` is served to `viewer`.
pub(crate) fn served_id(viewer: &IdentityId, origin: &IdentityId, id: &str) -> String {
    if viewer == origin { id.to_owned() } else { foreign_id(&origin.origin(), id) }
}

fn foreign_id(origin: &str, id: &str) -> String {
    let whole = format!("{origin}.{id}");
    if whole.len() <= ID_CHARS_MAX {
        return whole;
    }
    let hash = record::id::base32(&record::seal::storage_nonce(id.as_bytes()));
    format!("{origin}.{hash}")
}

/// The JSON of another's resource as `viewer` sees it: its references lead to what `viewer` is served.
pub(crate) fn for_viewer(viewer: &IdentityId, author: &IdentityId, context: &Context, doc: &Doc) -> Vec<u8> {
    let local = context.local.clone();
    let mut edits = Vec::new();
    for site in fhir::reference::sites(doc) {
        if site.contained {
            continue;
        }
        let Parts::Relative { kind, id, version } = fhir::reference::parse(&site.text) else { continue };
        if version.is_some() {
            continue;
        }
        let (origin, bare) = match origin_of(id) {
            Some(origin) => (origin.to_owned(), &id[ORIGIN_CHARS + 1..]),
            None => (author.origin(), id),
        };
        let subject = kind.name() == "Patient"
            && context.bound().any(|(holder, patient)| holder.origin() == origin && patient == bare);
        let shown = match &local {
            Some(local) if subject => local.clone(),
            _ if origin == viewer.origin() => bare.to_owned(),
            _ => foreign_id(&origin, bare),
        };
        let text = format!("{}/{shown}", kind.name());
        if text != site.text {
            edits.push((site.range, fhir::edit::string(&text)));
        }
    }
    fhir::edit::replace(doc.bytes(), &edits)
}
