//! Who calls: what a token or a page session says, and the one question whether it permits. Made by `server`,
//! `patient` and `cli`; asked by every read and write here.

use crate::error::NodeError;
use record::body::access::Agent;
use record::scope::{Interactions, Scopes};

/// Who calls, through what, and why.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person or system, as the token names it.
    pub who: String,
    /// The registered client.
    pub client: String,
    /// What the token permits, whoever it is about: its `system/` and `user/` scopes.
    pub scopes: Scopes,
    /// What the token permits of [`Caller::patient`] alone: its `patient/` scopes, and the `user/` scopes of a patient.
    pub patient_scopes: Scopes,
    /// The id of the Patient the token was launched for.
    pub patient: Option<String>,
    /// The person's own resource, such as `Practitioner/7`.
    pub user: Option<String>,
    /// Purpose of use (v3-PurposeOfUse code).
    pub purpose: String,
    /// Why, in words, where the purpose is an emergency; empty for no reason given.
    pub reason: String,
    /// The request's id, for logs and audit.
    pub request: String,
}

impl Caller {
    /// Whoever may do nothing.
    pub fn nobody() -> Self {
        Self {
            who: String::new(),
            client: String::new(),
            scopes: Scopes::default(),
            patient_scopes: Scopes::default(),
            patient: None,
            user: None,
            purpose: String::new(),
            reason: String::new(),
            request: String::new(),
        }
    }

    /// Whether the token permits `interaction` on everything of a type. Where less will do, `permit` has the one decision.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`], naming the scope that is missing.
    pub fn permit(&self, kind: fhir::ResourceType, interaction: Interactions) -> Result<(), NodeError> {
        if crate::binary::is_binary(kind) && interaction == Interactions::SEARCH {
            self.permit_every_type()?;
        }
        let mut scopes = self.scopes_for(kind, interaction).peekable();
        let missing = scopes.peek().is_none();
        if scopes.any(|(scope, subject)| subject.is_none() && scope.parameters.is_none()) {
            return Ok(());
        }
        let text = match missing {
            true => format!("the token has no scope for {}.{interaction}", kind.name()),
            false => {
                format!(
                    "the token's scope for {}.{interaction} is narrower than this needs: the whole type",
                    kind.name()
                )
            }
        };
        Err(NodeError::Forbidden(text))
    }

    /// Whether the token reads every type, and so whatever a Binary may be about.
    pub(crate) fn permit_every_type(&self) -> Result<(), NodeError> {
        let reads = |kind: &fhir::ResourceType| self.permit(*kind, Interactions::READ).is_ok();
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
        let cut = |text: &str| text.chars().take(200).collect::<String>();
        // The code first, and behind it the reason in words.
        let purpose = format!("{} {}", cut(&self.purpose), cut(&self.reason)).trim_end().to_owned();
        Agent { who: cut(&self.who), client: cut(&self.client), purpose }
    }
}
