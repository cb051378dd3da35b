//! What a job tells of definitions: which can be searched by, which were refused and why. Called by `take` and `job`.

use super::{DEFINITION, Known};
use fhir::Issue;
use serde::{Deserialize, Serialize};

/// Types that a sentence names one by one.
const NAMED_MAX: usize = 6;

/// One sentence about one definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The resource, such as `SearchParameter/eye`.
    pub of: String,
    /// It cannot be searched by.
    pub is_refused: bool,
    /// The code of an issue (<https://hl7.org/fhir/R4/valueset-issue-type.html>).
    pub code: String,
    /// The element that is to blame; empty for none.
    pub element: String,
    /// The sentence.
    pub text: String,
}

impl Note {
    /// Why a definition was not taken up.
    pub(super) fn refused(id: &str, issue: &Issue) -> Self {
        Self {
            of: format!("{DEFINITION}/{id}"),
            is_refused: true,
            code: issue.code.name().to_owned(),
            element: issue.expression.first().cloned().unwrap_or_default(),
            text: issue.diagnostics.clone(),
        }
    }

    /// That a definition can be searched by, but for what its expression failed on.
    pub(super) fn searched(known: &Known, failed: i64) -> Self {
        let bases = known.custom.bases();
        let of = match bases.len() {
            count if count > NAMED_MAX => format!("{count} types"),
            _ => bases.iter().map(|base| base.name()).collect::<Vec<_>>().join(", "),
        };
        let mut text = format!("{of} can be searched by {}", known.custom.code());
        if failed > 0 {
            text += &format!("; its expression failed or took too long on {failed} resources, which it does not find");
        }
        Self {
            of: format!("{DEFINITION}/{}", known.id),
            is_refused: false,
            code: "informational".to_owned(),
            element: String::new(),
            text,
        }
    }
}
