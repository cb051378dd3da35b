//! Update and update as create: `PUT /fhir/Patient/1`, with `If-Match` where a client has read it before. Called through
//! `routes`. Spec: <https://hl7.org/fhir/R4/http.html#update>.

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
    let if_match = condition::if_match(&call.headers)?;
    let resource = call.resource().await?;
    if resource.kind() != kind {
        let text = format!("the URL says {kind}, the resource is a {}", resource.kind());
        return Err(ApiError::bad(Code::Invalid, text, "resourceType"));
    }
    match resource.id() {
        Some(id) if id == call.target.id => {}
        Some(_) => {
            let text = "the resource's id is not the id in the URL";
            return Err(ApiError::bad(Code::Invalid, text, &format!("{kind}.id")));
        }
        None => {
            let text = "an update needs an id in the resource, the same as in the URL";
            return Err(ApiError::bad(Code::Required, text, &format!("{kind}.id")));
        }
    }
    let written = call.app.node.write(&call.caller, Intent::Update { resource, if_match }).await?;
    Ok(Answer::written(&call, written))
}
