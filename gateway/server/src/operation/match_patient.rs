//! `POST /fhir/Patient/$match`: which of this hospital's Patients somebody may be. In `resource`, `onlyCertainMatches` and
//! `count`, out a searchset with scores and grades. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/patient-operation-match.html>.

use crate::answer::{Answer, Facts, fhir_response};
use crate::bundle::BundleText;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::http::StatusCode;
use fhir::json::Node;
use fhir::{Code, Issue};

/// Patients of an answer whose size nobody named.
const COUNT_DEFAULT: usize = 20;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let parameters = Parameters::read(&mut call, &["resource", "onlyCertainMatches", "count"]).await?;
    let place = |name: &str| format!("Parameters.parameter.where(name='{name}')");
    let Some(resource) = parameters.value("resource", "resource")? else {
        return Err(Issue::error(Code::Required, "resource is missing").at(place("resource")).into());
    };
    if resource.get("resourceType").and_then(Node::text).as_deref() != Some("Patient") {
        let text = "the resource to match must be a Patient";
        return Err(Issue::error(Code::Invalid, text).at(place("resource")).into());
    }
    let only_certain = parameters.value("onlyCertainMatches", "valueBoolean")?.and_then(Node::boolean).unwrap_or(false);
    let count = match parameters.value("count", "valueInteger")? {
        None => COUNT_DEFAULT,
        Some(count) => {
            let count = count.number().and_then(|text| text.parse().ok()).filter(|count| *count > 0);
            count.ok_or_else(|| ApiError::bad(Code::Value, "count is a whole number from 1 on", &place("count")))?
        }
    };
    let mut found = call.app.node.match_patients(&call.caller, &resource.to_doc(), only_certain, count).await?;
    let base = &call.app.base;
    let bytes = found.iter().map(|one| one.served.json.len() + 512).sum();
    let total = i64::try_from(found.len()).ok();
    let mut bundle = BundleText::new("searchset", total, &[("self", &format!("{base}/Patient/$match"))], bytes);
    for one in &mut found {
        let json = call.view.part(std::mem::take(&mut one.served.json));
        bundle.matched(&format!("{base}/Patient/{}", one.served.id), &json, one.score, one.grade.code());
    }
    let response = fhir_response(StatusCode::OK, call.view.lay_out(bundle.finish()));
    let shown = found.into_iter().map(|one| one.served).collect();
    Ok(Answer { response, facts: Facts { shown, ..Facts::default() } })
}
