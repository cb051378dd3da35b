//! Create: `POST /fhir/Patient`, with `If-None-Exist` where a client wants only one. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#create>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::pairs;
use fhir::{Code, ResourceType};
use node::write::Intent;
use record::scope::Interactions;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let kind = call.kind()?;
    // Before the body is read: who may not write here need not send it.
    call.caller.may(kind, Interactions::CREATE)?;
    let if_none_exist = condition::if_none_exist(&call.headers)?;
    no_criteria(&call, kind).await?;
    let resource = call.resource().await?;
    if resource.kind() != kind {
        let text = format!("the URL says {kind}, the resource is a {}", resource.kind());
        return Err(ApiError::bad(Code::Invalid, text, "resourceType"));
    }
    let written = call.app.node.write(&call.caller, Intent::Create { resource, if_none_exist }).await?;
    Ok(Answer::written(&call, written))
}

/// Refuses criteria in the URL, as some servers take them: passed over, they would make a second one each time.
async fn no_criteria(call: &Call, kind: ResourceType) -> Result<(), ApiError> {
    let pairs = pairs::read(call.query())?.into_iter().map(|pair| (pair.name, pair.value)).collect::<Vec<_>>();
    if pairs.is_empty() || call.app.node.query(kind, &pairs).await.is_ok_and(|query| query.conditions.is_empty()) {
        return Ok(());
    }
    let text = "a create takes its condition in the header If-None-Exist, not in the URL";
    Err(ApiError::bad(Code::NotSupported, text, "http.query"))
}
