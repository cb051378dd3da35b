//! One file per FHIR interaction. Called through the table in `routes`.

pub(crate) mod bundle;
pub(crate) mod capabilities;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod history;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod update;
pub(crate) mod vread;
