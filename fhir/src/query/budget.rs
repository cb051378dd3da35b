//! What one search may ask in all and by which parameters, and why a parameter does not become a condition. Used by every file of this folder.

use super::{CHAIN_MAX, CONDITIONS_MAX, VALUES_OF_ALL_MAX};
use crate::outcome::Code;
use crate::params::{Lookup, Param};
use crate::types::ResourceType;

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

impl Fault {
    /// The chain or expression follows too many references.
    pub(super) fn too_deep() -> Self {
        Fault::Wrong(Code::TooCostly, format!("it follows more than {CHAIN_MAX} references"))
    }

    /// Where one of several types may fail and the others go on: what is too costly ends them all.
    pub(super) fn unless_costly<T>(found: Result<T, Self>) -> Result<Result<T, Self>, Self> {
        match found {
            Err(costly @ Fault::Wrong(Code::TooCostly, _)) => Err(costly),
            found => Ok(found),
        }
    }
}

/// What is left of the limits of one search, and what it may name.
pub(super) struct Budget<'l> {
    conditions: usize,
    values: usize,
    lookup: &'l Lookup,
}

impl<'l> Budget<'l> {
    pub(super) fn new(lookup: &'l Lookup) -> Self {
        Self { conditions: CONDITIONS_MAX, values: VALUES_OF_ALL_MAX, lookup }
    }

    /// A type's parameter. A stored one that cannot be searched by yet is wrong to ask for: its matches would all be missed.
    pub(super) fn find(&self, kind: ResourceType, code: &str) -> Result<Option<Param>, Fault> {
        self.lookup.find(kind, code).map_err(|why| Fault::Wrong(Code::NotSupported, why.to_owned()))
    }

    /// What is left, for [`Self::restore`].
    pub(super) fn left(&self) -> (usize, usize) {
        (self.conditions, self.values)
    }

    /// Gives back what was taken since: what was asked is asked already.
    pub(super) fn restore(&mut self, (conditions, values): (usize, usize)) {
        (self.conditions, self.values) = (conditions, values);
    }

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
