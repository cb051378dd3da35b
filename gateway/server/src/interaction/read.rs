//! Read: `GET /fhir/Patient/1`, and HEAD. Called through `routes`. Spec: <https://hl7.org/fhir/R4/http.html#read>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let served = call.app.node.read(&call.caller, call.kind()?, &call.target.id).await?;
    if condition::is_known(&call.headers, &served) {
        return Ok(Answer::not_modified(served));
    }
    Ok(Answer::read(&call, served))
}
