//! Delete: `DELETE /fhir/Patient/1`. What is not there is deleted well. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#delete>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;
use node::write::Intent;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let (kind, id) = (call.kind()?, call.target.id.clone());
    let if_match = condition::if_match(&call.headers)?;
    let written = call.app.node.write(&call.caller, Intent::Delete { kind, id, if_match }).await?;
    Ok(Answer::deleted(&call, written))
}
