//! The rules of authority under concurrency, explored: every order in which a handful of moves and messages can happen,
//! each view folded by the production code and compared with what the rules say. How many states there are stands in
//! `docs/PROTOCOL.md` 9.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure, with its place")]

mod custody;
mod devices;
mod explore;
mod grants;
mod histories;
mod merges;
mod world;
