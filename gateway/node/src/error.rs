//! Why a node did not do it: each variant says what the caller does about it. `server` gives each a status in one
//! file. Called everywhere in this room.

use fhir::{Code, Issue, Outcome};

/// Why a node did not do it.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// There is no such thing, or the caller may not know of it.
    #[error("{0} was not found")]
    NotFound(String),
    /// It was here and is deleted.
    #[error("{0} was deleted")]
    Gone(String),
    /// What was sent breaks a rule of FHIR or of an operation.
    #[error("the request is not valid")]
    Invalid(Outcome),
    /// What was sent reads well and cannot be applied to what is here; the outcome says where.
    #[error("the request cannot be applied")]
    Inapplicable(Outcome),
    /// What was sent reads well and asks for what cannot be done.
    #[error("{0}")]
    Unprocessable(String),
    /// The caller or this hospital may not do it.
    #[error("{0}")]
    Forbidden(String),
    /// `If-Match` or `ifNoneExist` does not hold.
    #[error("{0}")]
    Precondition(String),
    /// Somebody else changed it in between.
    #[error("{0}")]
    Conflict(String),
    /// The resource is derived and cannot be written.
    #[error("{0}")]
    ReadOnly(String),
    /// A limit of this node.
    #[error("{0}")]
    TooLarge(String),
    /// The database is away or full: nothing was changed; try again later.
    #[error("the store is not available; nothing was changed")]
    Store(#[source] store::StoreError),
    /// The database did not confirm a commit: it may or may not be there. Read before writing again.
    #[error("the store did not confirm the write; read before writing again")]
    Unconfirmed(store::StoreError),
    /// Another node is away.
    #[error("{0}")]
    Unreachable(String),
    /// The record waits for a member's heads before this identity's new key signs there; `commit` tries again then.
    #[error("a record of this patient waits for what others know of it; nothing was changed")]
    Early(record::RecordId),
    /// This process has a key that this identity handed over from: nothing it signs counts any more.
    #[error("this identity was handed over: restart this process with its new identity file; nothing was changed")]
    HandedOver,
    /// This node is stopping.
    #[error("this node is stopping; nothing was changed")]
    Stopping,
    /// What must not happen; nothing was changed.
    #[error("an internal rule failed: {0}; nothing was changed")]
    Internal(&'static str),
}

impl NodeError {
    /// An invalid request with one issue.
    pub fn invalid(code: Code, text: impl Into<String>, place: &str) -> Self {
        NodeError::Invalid(Issue::error(code, text.into()).at(place).into())
    }
}

impl From<store::StoreError> for NodeError {
    fn from(error: store::StoreError) -> Self {
        match error {
            store::StoreError::TooLong => {
                let text = format!("{error}; narrow it, or ask for less");
                NodeError::Invalid(Issue::error(Code::TooCostly, text).into())
            }
            store::StoreError::PageGone => crate::search::page_gone(),
            error => NodeError::Store(error),
        }
    }
}

impl From<Outcome> for NodeError {
    fn from(outcome: Outcome) -> Self {
        NodeError::Invalid(outcome)
    }
}
