//! What whole-system tests share: the one binary, its processes, HTTP with a token, the patient's page. Called by
//! `tests/system`.

pub mod database;
pub mod house;
pub mod http;
pub mod page;
pub mod process;
pub mod wait;
