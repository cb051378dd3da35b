//! One file per operation of this server. Called through the table in `routes`.

pub(crate) mod confirm;
pub(crate) mod invite;
pub(crate) mod request_access;
