//! `POST /fhir/$reindex`: takes stored SearchParameters up and indexes what is there by them, in the background, whether or
//! not `Prefer: respond-async` asks for it. `GET` of the URL in Content-Location tells how far it is and in the end what
//! became of each definition; `DELETE` calls it off. Called through `routes`.
//!
//! Takes no parameters. Needs a token that may read and update SearchParameters (`system/SearchParameter.ru`); the status
//! one that may read them. Spec: <https://hl7.org/fhir/R4/async.html>, <https://hl7.org/fhir/R4/searchparameter.html>.

use crate::answer::{Answer, fhir_response};
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::body::Body;
use axum::http::header::{CONTENT_LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use fhir::Code;
use node::parameters::{Job, Note};
use serde_json::{Value, json};

const PROGRESS: HeaderName = HeaderName::from_static("x-progress");

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    Parameters::read(&mut call, &[]).await?;
    let job = call.app.node.begin_reindex(&call.caller).await?;
    let mut response = accepted();
    if let Ok(value) = HeaderValue::try_from(format!("{}/$reindex/{}", call.app.base, job.id)) {
        response.headers_mut().insert(CONTENT_LOCATION, value);
    }
    Ok(response.into())
}

/// How a job stands.
pub(crate) async fn status(call: Call) -> Result<Answer, ApiError> {
    let job = call.app.node.reindex_job(&call.caller, &call.target.id).await?;
    if job.is_cancelled {
        let text = "this job was called off: what it had not finished is not searched";
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, text));
    }
    if job.is_running {
        let mut response = accepted();
        let progress = format!("{} of {} resources", job.done, job.total);
        if let Ok(value) = HeaderValue::try_from(progress) {
            response.headers_mut().insert(PROGRESS, value);
        }
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Ok(response.into());
    }
    let outcome = outcome(&job).to_string().into_bytes();
    Ok(fhir_response(StatusCode::OK, call.view.lay_out(outcome)).into())
}

/// Calls a job off; one that has ended stays as it is.
pub(crate) async fn cancel(call: Call) -> Result<Answer, ApiError> {
    call.app.node.cancel_reindex(&call.caller, &call.target.id).await?;
    Ok(accepted().into())
}

fn accepted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn outcome(job: &Job) -> Value {
    let mut issues = job.notes.iter().map(issue).collect::<Vec<_>>();
    if issues.is_empty() {
        let text = "no SearchParameter is stored that is active";
        issues.push(json!({ "severity": "information", "code": "informational", "diagnostics": text }));
    }
    json!({ "resourceType": "OperationOutcome", "issue": issues })
}

/// A refused definition is a warning: the operation itself succeeded.
fn issue(note: &Note) -> Value {
    let severity = if note.is_refused { "warning" } else { "information" };
    let mut issue = json!({
        "severity": severity,
        "code": note.code,
        "diagnostics": format!("{}: {}", note.of, note.text),
    });
    if !note.element.is_empty() {
        issue["expression"] = json!([note.element]);
    }
    issue
}
