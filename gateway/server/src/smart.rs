//! SMART: how systems and apps get their bearer tokens, what is told of tokens, and how they are given back. Called by `app`.
//! Spec: <https://hl7.org/fhir/smart-app-launch/>.

pub(crate) mod app_tokens;
pub(crate) mod assertion;
pub(crate) mod attempts;
pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod browser;
pub(crate) mod discovery;
pub(crate) mod external;
pub(crate) mod form;
pub(crate) mod html;
pub(crate) mod introspection;
pub(crate) mod jwks;
pub(crate) mod keys_endpoint;
pub(crate) mod launch_endpoint;
pub(crate) mod pages;
pub(crate) mod refused;
pub(crate) mod registration;
pub(crate) mod revocation;
pub mod signing;
pub(crate) mod token_endpoint;
pub(crate) mod userinfo;
pub(crate) mod words;
