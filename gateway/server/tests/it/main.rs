//! The hospital's HTTP side as its clients see it: through the whole router, on a real node with a store of its own. One binary for all of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests panic as tests do: with a place")]

mod acme;
mod admin;
mod attacks;
mod auth;
mod binary;
mod bundle;
mod compartment;
mod conditional;
mod edge;
mod entries;
mod history;
mod hospital;
mod matching;
mod meta;
mod operation;
mod patch;
mod rest;
mod rules;
mod scan;
mod search;
mod search_rules;
mod smart;
mod status;
mod summary;
mod transport;
mod validation;
mod xml;
