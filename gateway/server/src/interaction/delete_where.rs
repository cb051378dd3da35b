//! Conditional delete: `DELETE /fhir/Patient?criteria` deletes the one resource that matches; several only where the
//! operator allows it. Where nothing matches, nothing is left to do. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#3.1.0.7.1>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;
use node::write::Intent;
use record::scope::Interactions;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let kind = call.kind()?;
    call.caller.may(kind, Interactions::DELETE)?;
    let criteria = condition::criteria(&call)?;
    let if_match = condition::if_match(&call.headers)?;
    let mut written = call.app.node.write(&call.caller, Intent::DeleteWhere { kind, criteria, if_match }).await?;
    let also = std::mem::take(&mut written.also);
    let mut answer = Answer::deleted(&call, written);
    answer.facts.patients.extend(also.into_iter().map(|written| written.patient));
    Ok(answer)
}
