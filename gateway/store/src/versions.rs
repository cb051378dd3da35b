//! Versions served here and their index rows: which is current, what it is found by. All of it is rebuilt by
//! `reindex`. Here is what they are; `write`, `partial`, `read` and `inspect` say what is done with them. Called by `node`.

mod history;
mod inspect;
mod partial;
mod read;
mod write;

pub use history::Histories;
pub use partial::Walk;

use crate::db::{Row, StoreError};
use crate::table::{Kind, Table};
use record::{Class, IdentityId, OpId, RecordId};

pub(crate) const VERSIONS: Table = Table {
    name: "cache_versions",
    columns: &[
        ("position", Kind::Int),
        ("type", Kind::Int),
        ("id", Kind::Text),
        ("version", Kind::Text),
        ("op", Kind::Bytes),
        ("place", Kind::Int),
        ("record", Kind::Bytes),
        ("origin", Kind::Bytes),
        ("own", Kind::Int),
        ("class", Kind::Int),
        ("method", Kind::Int),
        ("current", Kind::Int),
        ("lamport", Kind::Int),
        ("last_updated", Kind::Int),
        ("seal", Kind::Bytes),
        ("json", Kind::Bytes),
    ],
    suffix: "",
};
pub(crate) const TOKENS: Table = Table {
    name: "cache_token",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("code", Kind::Text),
        ("system", Kind::Text),
        ("position", Kind::Int),
        ("grp", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const STRINGS: Table = Table {
    name: "cache_string",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("normal", Kind::Text),
        ("exact", Kind::Text),
        ("position", Kind::Int),
        ("grp", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const DATES: Table = Table {
    name: "cache_date",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("low", Kind::Int),
        ("high", Kind::Int),
        ("position", Kind::Int),
        ("grp", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const REFERENCES: Table = Table {
    name: "cache_reference",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("target", Kind::Text),
        ("kind", Kind::Int),
        ("position", Kind::Int),
        ("grp", Kind::Int),
    ],
    suffix: "",
};
pub(crate) const NUMBERS: Table = Table {
    name: "cache_number",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("low", Kind::Real),
        ("high", Kind::Real),
        ("system", Kind::Text),
        ("code", Kind::Text),
        ("position", Kind::Int),
        ("grp", Kind::Int),
    ],
    suffix: "",
};

pub(crate) const CONTENTS: Table = Table {
    name: "cache_content",
    columns: &[
        ("type", Kind::Int),
        ("param", Kind::Int),
        ("normal", Kind::Text),
        ("position", Kind::Int),
        ("grp", Kind::Int),
    ],
    suffix: "",
};

/// Rows of contained resources stand under the number of their type and this bit, apart from those of whole resources.
pub const CONTAINED: u16 = 0x1000;

/// One row of what a version is found by.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexRow {
    /// The parameter's number.
    pub param: u16,
    /// Rows of one element of a combination have the same; 0 stands alone. Rows of a contained resource have its place.
    pub group: u16,
    /// The type of the contained resource that the row is of; none for the resource itself.
    pub contained: Option<u16>,
    /// The value.
    pub value: Index,
}

/// What a version is found by.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// A code; an empty system is none.
    Token {
        /// Code.
        code: String,
        /// System.
        system: String,
    },
    /// A text.
    Text {
        /// Case- and accent-folded.
        normal: String,
        /// As written.
        exact: String,
    },
    /// Words, each between spaces.
    Content {
        /// Folded.
        normal: String,
    },
    /// A range of time, microseconds since 1970, both ends included.
    Date {
        /// First microsecond.
        low: i64,
        /// Last microsecond.
        high: i64,
    },
    /// A reference, as `Type/id`, an absolute URL, or a canonical.
    Reference {
        /// The target.
        target: String,
        /// Its type's number plus one, zero where it is not known.
        kind: u16,
    },
    /// A number or quantity with its implicit precision.
    Number {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
        /// Unit system.
        system: String,
        /// Unit code.
        code: String,
    },
}

/// Who wrote a version, as the node sees it that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody else: it is seen while a grant reaches it.
    Others = 0,
    /// This node, of a resource of its own: it is always seen.
    Own = 1,
    /// This node, of a resource of another's: seen as its own is, and matched by no condition.
    Edit = 2,
}

/// A version to add.
#[derive(Clone, Debug)]
pub struct Version {
    /// Unique, grows in commit order.
    pub position: i64,
    /// FHIR type by number.
    pub kind: u16,
    /// The id it is served under.
    pub id: String,
    /// `versionId`.
    pub version: String,
    /// The op that holds it; zero for what is derived.
    pub op: OpId,
    /// Its frame in the op.
    pub place: u32,
    /// The record.
    pub record: RecordId,
    /// Whose resource it is.
    pub origin: IdentityId,
    /// Who wrote it.
    pub by: By,
    /// Confidentiality class.
    pub class: Class,
    /// 0 create, 1 update, 2 delete, 3 copy.
    pub method: u8,
    /// The version that reads answer.
    pub current: bool,
    /// The op's Lamport number.
    pub lamport: u64,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// Where the frame was sealed and under which key, as `node` writes it; empty for what is derived.
    pub seal: Vec<u8>,
    /// The served JSON where it is not that of a frame: what is derived.
    pub json: Vec<u8>,
    /// What it is found by; only for the current one.
    pub index: Vec<IndexRow>,
}

/// A version as stored.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// Unique, grows in commit order.
    pub position: i64,
    /// FHIR type by number.
    pub kind: u16,
    /// The id it is served under.
    pub id: String,
    /// `versionId`.
    pub version: String,
    /// The op that holds it.
    pub op: OpId,
    /// Its frame.
    pub place: u32,
    /// The record.
    pub record: RecordId,
    /// Whose resource it is.
    pub origin: IdentityId,
    /// Written by this node's identity.
    pub own: bool,
    /// Confidentiality class.
    pub class: Class,
    /// 0 create, 1 update, 2 delete, 3 copy.
    pub method: u8,
    /// The version that reads answer.
    pub current: bool,
    /// The op's Lamport number.
    pub lamport: u64,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// Where the frame was sealed and under which key.
    pub seal: Vec<u8>,
    /// JSON of what is derived.
    pub json: Vec<u8>,
    /// The sealed frame, where it was asked for and is here.
    pub frame: Vec<u8>,
}

impl StoredVersion {
    /// Whether the resource is gone as of this version.
    pub fn is_deleted(&self) -> bool {
        self.method == 2
    }
}

macro_rules! bare {
    () => {
        "v.position, v.type, v.id, v.version, v.op, v.place, v.record, v.origin, v.own, \
         v.class, v.method, v.current, v.lamport, v.last_updated, v.seal, v.json"
    };
}
/// Columns of a version whose frame is not asked for.
pub(crate) const BARE: &str = bare!();
/// Columns of a version, with its frame; every other read of versions selects these.
pub(crate) const COLUMNS: &str = concat!(bare!(), ", f.bytes");
/// The join that brings the frame.
pub(crate) const FRAME: &str = "LEFT JOIN log_frames f ON f.op = v.op AND f.place = v.place";

pub(crate) fn stored(row: &mut Row) -> Result<StoredVersion, StoreError> {
    Ok(StoredVersion {
        position: row.int(0),
        kind: row.int(1) as u16,
        id: row.text(2),
        version: row.text(3),
        op: OpId(row.id(4)?),
        place: row.int(5) as u32,
        record: RecordId(row.id(6)?),
        origin: IdentityId(row.id(7)?),
        own: row.int(8) != 0,
        class: Class(row.int(9) as u8),
        method: row.int(10) as u8,
        current: row.int(11) == 1,
        lamport: row.int(12) as u64,
        last_updated: row.int(13),
        seal: row.bytes(14),
        json: row.bytes(15),
        frame: row.bytes(16),
    })
}

/// The index tables; each has `position`.
pub(crate) const INDEX_TABLES: [&str; 6] =
    ["cache_token", "cache_string", "cache_date", "cache_reference", "cache_number", "cache_content"];
pub(crate) const CACHE_TABLES: [&str; 14] = [
    "cache_records",
    "cache_homes",
    "cache_lanes",
    "cache_branches",
    "cache_versions",
    "cache_reach",
    "cache_within",
    "cache_beyond",
    "cache_copies",
    "cache_missing",
    "cache_waiting",
    "cache_removed",
    "cache_forks",
    "cache_quarantine",
];
