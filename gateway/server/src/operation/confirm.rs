//! `POST /fhir/Task/1/$confirm`: the hospital says that both sides show the same six digits. In `digits`, out the Task.
//! Called through `routes`.

use crate::answer::Answer;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::parameters::Parameters;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let parameters = Parameters::read(&mut call, &["digits"]).await?;
    let digits = parameters.text("digits", "valueString")?;
    let task = call.app.node.confirm(&call.caller, &call.target.id, digits.trim()).await?;
    Ok(Answer::read(&call, task))
}
