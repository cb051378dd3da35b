//! The patient's own page: server-rendered HTML on loopback, where a patient sees who asks for what, approves
//! narrowed, refuses, takes back, and reads what happened in her record. No FHIR over HTTP here (`server`), no rule
//! about who may do what (`node`). Called by `cli`.

mod app;
mod assets;
mod error;
mod events;
mod form;
mod guard;
mod html;
mod layout;
mod login;
mod pages;
mod qr;
mod session;
mod words;

pub use app::{Settings, app, serve};
pub use login::Login;
