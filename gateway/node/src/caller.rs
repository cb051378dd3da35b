//! Who calls: what a token or a page session says, and the one question whether it permits. Made by `server`,
//! `patient` and `cli`; asked by every read and write here.

use crate::error::NodeError;
use record::body::access::Agent;
use record::scope::{Interactions, Permit, Scopes};

/// Who calls, through what, and why.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person or system, as the token names it.
    pub who: String,
    /// The registered client.
    pub client: String,
    /// What the token permits.
    pub scopes: Scopes,
    /// Purpose of use (v3-PurposeOfUse code).
    pub purpose: String,
    /// The request's id, for logs and audit.
    pub request: String,
}

impl Caller {
    /// Whether the token permits `interaction` on a type.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`], naming the scope that is missing.
    pub fn permit(&self, kind: fhir::ResourceType, interaction: Interactions) -> Result<(), NodeError> {
        if crate::binary::is_binary(kind) && interaction == Interactions::SEARCH {
            self.permit_every_type()?;
        }
        match self.scopes.permits(kind.name(), interaction) {
            Permit::Yes => Ok(()),
            Permit::No => {
                Err(NodeError::Forbidden(format!("the token has no scope for {}.{interaction}", kind.name())))
            }
            // A scope's parameters would have to narrow every row; until they do, such a scope opens nothing.
            Permit::Where(_) => Err(NodeError::Forbidden(format!(
                "the token's scope for {}.{interaction} has parameters, which this server does not evaluate yet",
                kind.name()
            ))),
        }
    }

    /// Whether the token reads every type, and so whatever a Binary may be about.
    pub(crate) fn permit_every_type(&self) -> Result<(), NodeError> {
        let reads = |kind: &fhir::ResourceType| self.scopes.permits(kind.name(), Interactions::READ) == Permit::Yes;
        match fhir::ResourceType::all().find(|kind| !reads(kind)) {
            None => Ok(()),
            Some(kind) => Err(NodeError::Forbidden(format!(
                "a Binary may be about anything, and the token has no scope for {}.{}",
                kind.name(),
                Interactions::READ
            ))),
        }
    }

    /// Who acts, as signed into records.
    pub(crate) fn agent(&self) -> Agent {
        let cut = |text: &str| text.chars().take(200).collect();
        Agent { who: cut(&self.who), client: cut(&self.client), purpose: cut(&self.purpose) }
    }
}
