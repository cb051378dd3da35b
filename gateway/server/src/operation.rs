//! One file per operation of this server. Called through the table in `routes`.

pub(crate) mod confirm;
pub(crate) mod diff;
pub(crate) mod everything;
pub(crate) mod invite;
pub(crate) mod match_patient;
pub(crate) mod meta;
pub(crate) mod meta_add;
pub(crate) mod meta_delete;
pub(crate) mod reindex;
pub(crate) mod request_access;
pub(crate) mod validate;
