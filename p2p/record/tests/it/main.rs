//! The record as others see it: bytes that outlive us, histories in any order, bytes from outside. One binary.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure, with its place")]

mod archive;
mod bytes;
mod fuzz;
mod histories;
mod hostile;
mod rules;
mod vectors;
mod world;
