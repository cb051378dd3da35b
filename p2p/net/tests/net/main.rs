//! The network as its users meet it: real sockets on loopback, a log in memory. Tests wait for states with
//! generous deadlines, never for seconds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test they help")]

mod asks;
mod frames;
mod hostile;
mod listening;
mod memory;
mod sync;
mod world;
