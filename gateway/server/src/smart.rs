//! SMART Backend Services: how a system gets its bearer token without a person. Called by `app`.
//! Spec: <https://hl7.org/fhir/smart-app-launch/backend-services.html>.

pub(crate) mod assertion;
pub(crate) mod discovery;
pub(crate) mod jwks;
pub(crate) mod keys_endpoint;
pub mod signing;
pub(crate) mod token_endpoint;
