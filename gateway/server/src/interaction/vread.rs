//! Read of one version: `GET /fhir/Patient/1/_history/2`. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#vread>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let target = &call.target;
    let served = call.app.node.vread(&call.caller, call.kind()?, &target.id, &target.rest).await?;
    if condition::is_known(&call.headers, &served) {
        return Ok(Answer::not_modified(served));
    }
    Ok(Answer::read(&call, served))
}
