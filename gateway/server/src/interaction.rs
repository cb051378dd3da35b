//! One file per FHIR interaction. Called through the table in `routes`.

pub(crate) mod bundle;
pub(crate) mod capabilities;
pub(crate) mod compartment;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_where;
pub(crate) mod history;
pub(crate) mod patch;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod update;
pub(crate) mod update_where;
pub(crate) mod vread;
