//! Patch: `PATCH /fhir/Patient/1`, and `PATCH /fhir/Patient?criteria` for the one resource that matches: JSON Patch,
//! XML Patch, or FHIRPath Patch as Parameters. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#patch>.

use crate::answer::Answer;
use crate::condition;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::media::{self, Format, PATCH_FORMATS};
use crate::negotiate::Return;
use crate::target::Shape;
use axum::http::StatusCode;
use fhir::Code;
use node::patch::Patch;
use node::write::{Intent, Which};
use record::scope::Interactions;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let kind = call.kind()?;
    // Before the body is read: who may not write here need not send it.
    call.caller.may(kind, Interactions::UPDATE)?;
    let if_match = condition::if_match(&call.headers)?;
    let which = match call.target.shape {
        Shape::Type => Which::Where(condition::criteria(&call)?),
        _ => Which::Id(call.target.id.clone()),
    };
    let patch = read(&mut call).await?;
    // The whole resource is shown to nobody who may not read it.
    if call.caller.permit(kind, Interactions::READ).is_err() && call.prefer.answer == Return::Representation {
        call.prefer.answer = Return::Minimal;
    }
    let written = call.app.node.write(&call.caller, Intent::Patch { kind, which, patch, if_match }).await?;
    Ok(Answer::written(&call, written))
}

/// The patch in the body.
async fn read(call: &mut Call) -> Result<Patch, ApiError> {
    let essence = media::essence(&call.headers).unwrap_or_default();
    if Format::named(&essence).is_some() {
        return Ok(Patch::FhirPath(call.json().await?));
    }
    if !PATCH_FORMATS.contains(&essence.as_str()) {
        let text = format!("a patch is sent with Content-Type: {}", PATCH_FORMATS.join(", "));
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::NotSupported, text));
    }
    let bytes = call.bytes().await?;
    Patch::of_type(&essence, bytes)
        .ok_or_else(|| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::NotSupported, "no patch of this type"))
}
