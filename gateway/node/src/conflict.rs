//! What is said of a resource that was edited in two places at once: a tag in its served copy, and the row it is found by. Which
//! resources that are is decided by `apply::merged` and by `write`. Called by whoever serves or indexes.

use fhir::ResourceType;
use fhir::served::Tag;
use store::versions::{Index, IndexRow, StoredVersion};

/// The tag of a resource whose edits stand beside each other until a write that names the tagged version brings them together.
pub const TAG: Tag = Tag {
    system: "urn:chartwell:tag",
    code: "conflict",
    display: "Edited in two places at once: the version before stands in the history",
};

/// The served copy of a resource. What its writer sent of the tag says nothing: it is the server's.
pub(crate) fn served(json: &[u8], id: &str, version: &str, last_updated: i64, tagged: bool) -> Vec<u8> {
    let copy = fhir::served::splice(json, id, version, &fhir::datetime::format_instant(last_updated));
    fhir::served::tag(copy, &TAG, tagged)
}

/// The served copy of a version.
pub(crate) fn served_version(json: &[u8], version: &StoredVersion) -> Vec<u8> {
    served(json, &version.id, &version.version, version.last_updated, crate::placed::is_tagged(version))
}

/// Removes what a resource's writer sent of the tag from what it is found by.
pub(crate) fn strip(rows: &mut Vec<IndexRow>) {
    let is_ours = |row: &IndexRow| {
        matches!(&row.value, Index::Token { code, system } if code == TAG.code && system == TAG.system)
            && row.contained.is_none()
    };
    rows.retain(|row| !is_ours(row));
}

/// What a tagged resource is found by besides: `_tag=urn:chartwell:tag|conflict`.
pub(crate) fn row(kind: ResourceType) -> Option<IndexRow> {
    let param = fhir::params::find(kind, "_tag")?;
    let value = Index::Token { code: TAG.code.to_owned(), system: TAG.system.to_owned() };
    Some(IndexRow { param: param.id.0, group: 0, contained: None, value })
}
