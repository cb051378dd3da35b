//! `POST /fhir/Patient/1/$request-access`: asks the owner of a record for access, for one's own Patient. In `address`,
//! `scope`, `purpose`, `period`, `reason`, out the Task. Called through `routes`.

use crate::answer::Answer;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::parameters::Parameters;
use fhir::json::Node;
use fhir::{Code, datetime};
use node::requests::AccessRequest;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let parameters = Parameters::read(&mut call, &["address", "scope", "purpose", "period", "reason"]).await?;
    let period = parameters.value("period", "valuePeriod")?;
    let ends = |member: &str, last: bool| match period.and_then(|period| period.get(member)).and_then(Node::text) {
        Some(text) => milliseconds(&text, last).map(Some),
        None => Ok(None),
    };
    let request = AccessRequest {
        address: parameters.text("address", "valueString")?,
        scope: parameters.text("scope", "valueString")?,
        purpose: parameters.text("purpose", "valueCode")?,
        reason: parameters.text("reason", "valueString")?,
        start_ms: ends("start", false)?,
        end_ms: ends("end", true)?,
    };
    let id = call.target.id.clone();
    let task = call.app.node.request_access(&call.caller, &id, request).await?;
    let mut answer = Answer::read(&call, task);
    answer.facts.patients = vec![id];
    Ok(answer)
}

/// A day that ends a period is in it to its last millisecond.
fn milliseconds(text: &str, last: bool) -> Result<u64, ApiError> {
    let range = datetime::range(text).map(|range| if last { range.high } else { range.low });
    range.and_then(|micros| u64::try_from(micros / 1000).ok()).ok_or_else(|| {
        ApiError::bad(Code::Value, "a period begins and ends after 1970", "Parameters.parameter.where(name='period')")
    })
}
