//! Nodes among each other, without HTTP: writing, pairing, granting, revoking, catching up. One binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure, with its place")]

mod archive;
mod attempts;
mod authority;
mod binary;
mod citing;
mod clients;
mod common;
mod conditional;
mod deletes;
mod devices;
mod elsewhere;
mod failover;
mod fellows;
mod forks;
mod gone;
mod handover;
mod meet;
mod merged;
mod moves;
mod narrowed;
mod opkeys;
mod others;
mod permits;
mod recover;
mod search;
mod way;
mod witness;
mod world;
mod writes;
