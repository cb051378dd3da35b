//! Nodes among each other, without HTTP: writing, pairing, granting, revoking, catching up. One binary.

mod common;
mod way;
mod writes;
