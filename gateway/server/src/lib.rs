//! The hospital's side: FHIR R4 over HTTP, SMART Backend Services, health and metrics. A request comes in through
//! [`app()`]'s `edge`, `dispatch` finds its row in `routes`, one file under `interaction` or `operation` answers it.
//! What a resource is and may be is `fhir`'s and `node`'s business. Called by `cli`.

pub mod acme;
mod admin;
mod answer;
mod app;
mod auth;
pub mod bench;
mod binary;
mod body;
mod bundle;
mod condition;
mod cors;
mod dispatch;
mod edge;
mod entry;
mod error;
mod health;
mod interaction;
mod media;
mod metrics;
mod negotiate;
mod operation;
mod page;
mod pairs;
mod parameters;
mod purpose;
pub mod quota;
mod request_id;
mod routes;
mod serve;
pub mod settings;
mod smart;
mod target;
pub mod tls;
pub mod token;
mod view;

pub use app::app;
pub use serve::{CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, GRACE, HEAD_TIME_MAX, Transport, serve};
pub use settings::{Limits, Settings};
