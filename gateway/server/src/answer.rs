//! What an interaction hands back: the response, and what the audit log is told of it. Called by `interaction` and
//! `operation`; sent off by `dispatch`.

use crate::dispatch::{Call, Part};
use crate::error::outcome_json;
use crate::negotiate::Return;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use fhir::{Code, Issue, datetime};
use node::{Served, Written};

/// The media type of every FHIR answer.
pub(crate) const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json; charset=utf-8");

/// A response and its audit facts.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) facts: Facts,
}

/// What the audit log is told beyond what the request's target says.
#[derive(Default)]
pub(crate) struct Facts {
    /// Where the target does not decide it: batch or transaction.
    pub(crate) interaction: Option<&'static str>,
    /// The id a create gave.
    pub(crate) id: Option<String>,
    /// The search, where it did not come in the URL.
    pub(crate) query: Option<String>,
    /// The Patients whose records were written to.
    pub(crate) patients: Vec<String>,
    /// What was shown; the JSON may be taken out.
    pub(crate) shown: Vec<Served>,
    /// The reads within a Bundle.
    pub(crate) parts: Vec<Part>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, facts: Facts::default() }
    }
}

impl Answer {
    /// A resource that was read.
    pub(crate) fn read(call: &Call, mut served: Served) -> Self {
        let json = call.view.apply(std::mem::take(&mut served.json));
        let mut response = fhir_response(StatusCode::OK, json);
        set_version(&mut response, &served.version, served.last_updated);
        Self { response, facts: Facts { shown: vec![served], ..Facts::default() } }
    }

    /// A resource that is still the one the client has.
    pub(crate) fn not_modified(mut served: Served) -> Self {
        served.json = Vec::new();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        set_version(&mut response, &served.version, served.last_updated);
        Self { response, facts: Facts { shown: vec![served], ..Facts::default() } }
    }

    /// A resource that was written, in the form the client prefers.
    pub(crate) fn written(call: &Call, mut written: Written) -> Self {
        let status = if written.created && written.changed { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = match call.prefer.answer {
            Return::Representation => fhir_response(status, call.view.apply(std::mem::take(&mut written.json))),
            Return::Outcome => fhir_response(status, call.view.apply(done(call, &written))),
            Return::Minimal => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                response
            }
        };
        set_version(&mut response, &written.version, written.last_updated);
        let location = location(&call.app.base, &written);
        if let Ok(value) = HeaderValue::try_from(location) {
            response.headers_mut().insert(LOCATION, value);
        }
        Self { response, facts: Facts { id: Some(written.id), patients: vec![written.patient], ..Facts::default() } }
    }

    /// A resource that was deleted, or was not there.
    pub(crate) fn deleted(call: &Call, written: Written) -> Self {
        let mut response = match call.prefer.answer {
            Return::Outcome => fhir_response(StatusCode::OK, call.view.apply(done(call, &written))),
            _ => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
        };
        if !written.version.is_empty() {
            set_version(&mut response, &written.version, written.last_updated);
        }
        Self { response, facts: Facts { patients: vec![written.patient], ..Facts::default() } }
    }
}

/// A FHIR body.
pub(crate) fn fhir_response(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, FHIR_JSON);
    response
}

/// The URL of a version: `{base}/Patient/1/_history/2`.
pub(crate) fn location(base: &str, written: &Written) -> String {
    format!("{base}/{}/{}/_history/{}", written.kind, written.id, written.version)
}

fn set_version(response: &mut Response, version: &str, last_updated: i64) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(format!("W/\"{version}\"")) {
        headers.insert(ETAG, value);
    }
    if let Ok(value) = HeaderValue::try_from(datetime::format_http(last_updated)) {
        headers.insert(LAST_MODIFIED, value);
    }
}

/// `Prefer: return=OperationOutcome` of a write that went well.
fn done(call: &Call, written: &Written) -> Vec<u8> {
    let name = format!("{}/{}", written.kind, written.id);
    let text = match (written.changed, written.created, written.version.is_empty()) {
        (false, _, true) => format!("{name} was not there; nothing was deleted"),
        (false, ..) => format!("{name} was there already; nothing was changed"),
        (true, true, _) => format!("{name} was created"),
        (true, false, _) if written.json.is_empty() => format!("{name} was deleted"),
        (true, false, _) => format!("{name} was updated"),
    };
    outcome_json(Issue::information(Code::Informational, text).into(), &call.request)
}
