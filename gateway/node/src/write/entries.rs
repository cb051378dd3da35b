//! What entries of one transaction owe each other, and how a failure names its entry. Called by `write` and `transaction`.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#trules>

use super::{Asked, Decision, Step, Work};
use crate::error::NodeError;
use fhir::{Code, ResourceType};
use std::collections::HashSet;

/// No two entries of one transaction write the same resource, or would make one on the same condition
/// (<https://hl7.org/fhir/R4/http.html#trules>).
pub(super) fn apart(
    asked: &Asked,
    settled: &[(Step, Decision)],
    written: &mut HashSet<(ResourceType, String)>,
    conditions: &mut HashSet<String>,
) -> Result<(), NodeError> {
    for (step, decision) in settled {
        let Decision::Write(before) = decision else { continue };
        if !written.insert((step.prepared.kind, step.prepared.id.clone())) {
            return Err(NodeError::invalid(
                Code::Invalid,
                "two entries of one transaction write the same resource",
                "",
            ));
        }
        let condition = match &asked.work {
            Work::Ready(step) => step.if_none_exist.as_ref(),
            Work::Late(late) => late.select.search(),
        };
        if let (Some(search), None) = (condition, before)
            && !conditions.insert(format!("{:?} {:?}", search.kinds, search.filters))
        {
            let text = "two entries of one transaction would make a resource on the same condition";
            return Err(NodeError::Precondition(text.to_owned()));
        }
    }
    Ok(())
}

/// Says which entry of a transaction failed.
pub(crate) fn within_entry(error: NodeError, at: usize) -> NodeError {
    let place = format!("Bundle.entry[{at}]");
    let located = |text: String| format!("{place}: {text}");
    match error {
        NodeError::Precondition(text) => NodeError::Precondition(located(text)),
        NodeError::Forbidden(text) => NodeError::Forbidden(located(text)),
        NodeError::Conflict(text) => NodeError::Conflict(located(text)),
        NodeError::ReadOnly(text) => NodeError::ReadOnly(located(text)),
        NodeError::NotFound(text) => NodeError::NotFound(located(text)),
        NodeError::Gone(text) => NodeError::Gone(located(text)),
        NodeError::TooLarge(text) => NodeError::TooLarge(located(text)),
        NodeError::Unprocessable(text) => NodeError::Unprocessable(located(text)),
        NodeError::Invalid(outcome) => NodeError::Invalid(within(outcome, &place)),
        NodeError::Inapplicable(outcome) => NodeError::Inapplicable(within(outcome, &place)),
        other => other,
    }
}

/// Issues that name no element name the entry.
fn within(mut outcome: fhir::Outcome, place: &str) -> fhir::Outcome {
    for issue in &mut outcome.issues {
        issue.expression.retain(|expression| !expression.is_empty());
        if issue.expression.iter().any(|expression| expression.starts_with("Bundle.entry[")) {
            continue;
        }
        issue.diagnostics = format!("{place}: {}", issue.diagnostics);
        if issue.expression.is_empty() {
            issue.expression.push(place.to_owned());
        }
    }
    outcome
}
