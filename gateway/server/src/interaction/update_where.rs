//! Conditional update: `PUT /fhir/Patient?criteria` updates the one resource that matches, or creates it. Called through
//! `routes`. Spec: <https://hl7.org/fhir/R4/http.html#cond-update>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;
use fhir::Code;
use node::write::Intent;
use record::scope::Interactions;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let kind = call.kind()?;
    call.caller.may(kind, Interactions::UPDATE)?;
    let criteria = condition::criteria(&call)?;
    let if_match = condition::if_match(&call.headers)?;
    let resource = call.resource().await?;
    if resource.kind() != kind {
        let text = format!("the URL says {kind}, the resource is a {}", resource.kind());
        return Err(ApiError::bad(Code::Invalid, text, "resourceType"));
    }
    let written = call.app.node.write(&call.caller, Intent::UpdateWhere { resource, criteria, if_match }).await?;
    Ok(Answer::written(&call, written))
}
