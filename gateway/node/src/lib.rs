//! What every node does, without HTTP: the one way data is written, the one way received ops are applied, policy,
//! rewriting, derived resources, sync glue. A hospital's gateway and a patient's node are the same code in two roles.
//! Called by `server`, `patient` and `cli`.

pub mod access;
mod apply;
pub mod apps;
pub mod archive;
mod author;
mod batch;
mod binary;
pub mod caller;
pub mod clients;
pub mod clock;
mod commit;
mod context;
pub mod derived;
pub mod error;
pub mod everything;
pub mod grants;
pub mod history;
mod home;
pub mod identity_file;
mod index;
pub mod invite;
mod links;
mod lookup;
pub mod matching;
pub mod metas;
pub mod node;
pub mod pairing;
pub mod parameters;
pub mod patch;
pub mod peers;
pub mod people;
mod permit;
mod prepare;
pub mod purpose;
pub mod quarantine;
pub mod read;
pub mod record_log;
pub mod reindex;
pub mod requests;
mod rewrite;
pub mod search;
mod secrets;
mod sweep;
mod sync;
pub mod timeline;
pub mod token_keys;
pub mod transaction;
pub mod verify;
pub mod write;

pub use caller::Caller;
pub use error::NodeError;
pub use node::{Config, Node, OpenError, Role};
pub use read::Served;
pub use write::Written;
