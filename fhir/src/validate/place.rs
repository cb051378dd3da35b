//! Where a check is, as a FHIRPath that is only written out for an issue. Used by `validate` and `reference`.

use std::fmt;

/// One step of a path, on the stack of the walk.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    name: &'a str,
    index: Option<usize>,
}

impl<'a> Place<'a> {
    /// The resource itself.
    pub fn root(name: &'a str) -> Self {
        Self { parent: None, name, index: None }
    }

    /// A member.
    pub fn member(parent: &'a Place<'a>, name: &'a str) -> Self {
        Self { parent: Some(parent), name, index: None }
    }

    /// An item of this member.
    pub fn item(self, index: usize) -> Self {
        Self { index: Some(index), ..self }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(formatter, "{parent}.")?;
        }
        // Names come from the input too; a path stays readable.
        for character in self.name.chars().take(64) {
            write!(formatter, "{}", if character.is_control() { '?' } else { character })?;
        }
        match self.index {
            Some(index) => write!(formatter, "[{index}]"),
            None => Ok(()),
        }
    }
}
