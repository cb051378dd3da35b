//! What one search may ask in all, and why a parameter does not become a condition. Used by every file of this folder.

use super::{CONDITIONS_MAX, VALUES_OF_ALL_MAX};
use crate::outcome::Code;

/// Why a parameter does not become a condition; the text is the end of a sentence.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It is not known here: it has no effect, and the caller is told.
    Ignored(Code, String),
    /// It is malformed, or must not be passed over.
    Wrong(Code, String),
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Fault::Wrong(Code::Value, text)
    }
}

/// What is left of the limits of one search.
pub(super) struct Budget {
    pub(super) conditions: usize,
    values: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { conditions: CONDITIONS_MAX, values: VALUES_OF_ALL_MAX }
    }
}

impl Budget {
    pub(super) fn condition(&mut self) -> Result<(), Fault> {
        self.conditions = self.conditions.checked_sub(1).ok_or_else(|| {
            let text = format!(
                "the search asks more than {CONDITIONS_MAX} conditions; name the type of a chain's target, as in subject:Patient"
            );
            Fault::Wrong(Code::TooCostly, text)
        })?;
        Ok(())
    }

    pub(super) fn values(&mut self, count: usize) -> Result<(), Fault> {
        let text = || format!("the search has more than {VALUES_OF_ALL_MAX} values");
        self.values = self.values.checked_sub(count).ok_or_else(|| Fault::Wrong(Code::TooCostly, text()))?;
        Ok(())
    }
}
