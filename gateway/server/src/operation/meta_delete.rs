//! `POST /fhir/Patient/1/$meta-delete`: takes profiles, tags and labels from a resource by a new version of it. In `meta`,
//! out the whole `meta`. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-meta-delete.html>.

use super::meta::{self, Change};
use crate::answer::Answer;
use crate::dispatch::Call;
use crate::error::ApiError;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    meta::change(call, Change::Delete).await
}
