//! What an interaction hands back: the response, and what the audit log is told of it. Called by `interaction` and
//! `operation`; sent off by `dispatch`. Everything inside writes JSON; [`deliver`] is the one place where an answer
//! becomes XML.

use crate::binary;
use crate::body::{aside, is_heavy};
use crate::dispatch::{Call, Part};
use crate::error::{ApiError, outcome_json};
use crate::media::Format;
use crate::negotiate::{Form, Return};
use crate::request_id::RequestId;
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use fhir::json::Doc;
use fhir::{Code, Issue, Outcome, Severity, datetime, xml};
use node::{Served, Written};

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
        let json = std::mem::take(&mut served.json);
        let mut response = match call.view.raw {
            true => binary::response(json),
            false => fhir_response(StatusCode::OK, call.view.apply(json)),
        };
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
            Return::Outcome => fhir_response(status, call.view.lay_out(done(call, &written))),
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
            Return::Outcome => fhir_response(StatusCode::OK, call.view.lay_out(done(call, &written))),
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
    response.headers_mut().insert(CONTENT_TYPE, Format::Json.row().header.clone());
    response
}

/// What a response that leaves in its own form carries, such as the bytes of a Binary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsItIs;

/// Sends an answer off in the form that was asked for, or that a handler put into the response's extensions because it
/// learned of it later. `safe` says that nothing was written.
///
/// What cannot be written as XML (a narrative that is no XML) is told: 406 where nothing was written, else an outcome
/// under the status and headers of what was done.
pub(crate) async fn deliver(response: Response, asked: Form, safe: bool, request: &RequestId) -> Response {
    let form = response.extensions().get::<Form>().copied().unwrap_or(asked);
    let fhir = response.headers().get(CONTENT_TYPE) == Some(&Format::Json.row().header);
    if form.format == Format::Json || !fhir || response.extensions().get::<AsItIs>().is_some() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        let text = "an internal error while writing the answer";
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Exception, text).into_response(request);
    };
    let written = aside(is_heavy(bytes.len()), move || in_xml(bytes.into(), form.pretty)).await;
    let (bytes, format) = match written.unwrap_or_else(|error| Err(error.outcome)) {
        Ok(xml) => (xml, Format::Xml),
        Err(outcome) => {
            if safe {
                head.status = StatusCode::NOT_ACCEPTABLE;
                head.headers.remove(ETAG);
                head.headers.remove(LAST_MODIFIED);
            }
            let json = outcome_json(unwritable(outcome, safe), request);
            // A sentence may hold a character that XML does not have.
            match in_xml(json.clone(), form.pretty) {
                Ok(xml) => (xml, Format::Xml),
                Err(_) => (json, Format::Json),
            }
        }
    };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, format.row().header.clone());
    Response::from_parts(head, Body::from(bytes))
}

fn in_xml(json: Vec<u8>, pretty: bool) -> Result<Vec<u8>, Outcome> {
    xml::write(&Doc::parse(json)?, pretty)
}

/// Why there is no XML, in front of what the writer says.
fn unwritable(mut outcome: Outcome, safe: bool) -> Outcome {
    let text = match safe {
        true => "this answer cannot be written as XML; ask for application/fhir+json",
        false => "this was done, but its answer cannot be written as XML; read it as application/fhir+json",
    };
    outcome.issues.insert(0, Issue::error(Code::NotSupported, text));
    if safe { outcome } else { softened(outcome) }
}

/// The issues of what was done all the same: an outcome beside a success has no errors
/// (<https://hl7.org/fhir/R4/http.html#create>).
pub(crate) fn softened(mut outcome: Outcome) -> Outcome {
    for issue in &mut outcome.issues {
        if matches!(issue.severity, Severity::Error | Severity::Fatal) {
            issue.severity = Severity::Warning;
        }
    }
    outcome
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

/// `Prefer: return=OperationOutcome` of a write that went well, with what validation found.
fn done(call: &Call, written: &Written) -> Vec<u8> {
    let name = format!("{}/{}", written.kind, written.id);
    let text = match (written.changed, written.created, written.version.is_empty()) {
        (false, _, true) => format!("{name} was not there; nothing was deleted"),
        (false, ..) => format!("{name} was there already; nothing was changed"),
        (true, true, _) => format!("{name} was created"),
        (true, false, _) if written.json.is_empty() => format!("{name} was deleted"),
        (true, false, _) => format!("{name} was updated"),
    };
    let mut issues = vec![Issue::information(Code::Informational, text)];
    issues.extend(call.issues.iter().chain(&written.issues).cloned());
    outcome_json(softened(Outcome { issues }), &call.request)
}
