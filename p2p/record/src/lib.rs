//! The signed record: keys, ops, scopes, grants, merge. Pure: the clock, the randomness and the bytes
//! are arguments. Builds for wasm32. Called by `net`, `store`, `node` and above.

pub mod address;
mod ancestry;
pub mod archive;
pub mod body;
pub mod cbor;
pub mod draft;
pub mod entropy;
pub mod entry;
pub mod fork;
pub mod frame;
pub mod fuzz;
pub mod header;
pub mod id;
pub mod identity;
pub mod keys;
pub mod ledger;
pub mod merge;
pub mod op;
pub mod opkey;
pub mod passphrase;
pub mod phrase;
pub mod scope;
pub mod seal;
pub mod state;

pub use ancestry::Ancestry;
pub use cbor::CodecError;
pub use entropy::Entropy;
pub use entry::{Class, Entry};
pub use header::{Authority, GrantId, Header, Kind};
pub use id::{Head, IdentityId, Lane, LaneKind, OpId, RecordId};
pub use identity::{Card, Identity};
pub use keys::Keyring;
pub use ledger::{Change, Ledger};
pub use op::{Author, Op, Parcel, Verified, verify};
pub use phrase::Phrase;
pub use state::State;
