//! What a caller wants written, and what came of it. Nothing is decided here. Made by `server`, `transaction` and `cli`, read by `write`.

use crate::patch::Patch;
use fhir::{Issue, ResourceType, Valid};

/// What a caller wants written.
pub enum Intent {
    /// A new resource under an id this server gives.
    Create {
        /// The resource; its own id is ignored.
        resource: Valid,
        /// `If-None-Exist`: the query part.
        if_none_exist: Option<String>,
    },
    /// A resource under an id the caller names.
    Update {
        /// The resource.
        resource: Valid,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
    /// Away with it.
    Delete {
        /// Its type.
        kind: ResourceType,
        /// Its id.
        id: String,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
    /// A part of a resource changed, on whatever version is current when it is written.
    Patch {
        /// Its type.
        kind: ResourceType,
        /// Which one.
        which: Which,
        /// What to change.
        patch: Patch,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
    /// An update of the one resource that matches, or else a create.
    UpdateWhere {
        /// The resource; its id, if it has one, is that of the match, or the one to create it under.
        resource: Valid,
        /// The query part.
        criteria: String,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
    /// Away with what matches.
    DeleteWhere {
        /// Its type.
        kind: ResourceType,
        /// The query part.
        criteria: String,
        /// `If-Match`: the versionId.
        if_match: Option<String>,
    },
}

/// Which resource of a type is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with this id.
    Id(String),
    /// The only one that matches this query.
    Where(String),
}

/// What was written, or found already there.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its type.
    pub kind: ResourceType,
    /// Its id.
    pub id: String,
    /// Its versionId; empty where nothing was there to delete.
    pub version: String,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// Whether it was not there before.
    pub created: bool,
    /// Whether anything was written; `false` for a conditional create that found its match.
    pub changed: bool,
    /// The served JSON; empty for a deletion.
    pub json: Vec<u8>,
    /// The Patient whose record it went into; empty for none.
    pub patient: String,
    /// What else the same request deleted.
    pub also: Vec<Written>,
    /// What the caller should hear of it, though it was done.
    pub issues: Vec<Issue>,
}
