//! Why a request was not answered as asked: a status and an OperationOutcome. The one place where a node's error gets
//! its status. Called everywhere in this room.
//! Spec: <https://hl7.org/fhir/R4/http.html#Status-Codes>.

use crate::answer::{deliver, fhir_response};
use crate::negotiate::Form;
use crate::request_id::RequestId;
use crate::view::View;
use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use fhir::{Code, Issue, Outcome, Severity};
use node::NodeError;
use std::error::Error;

/// A refused request.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) outcome: Outcome,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: Code, text: impl Into<String>) -> Self {
        Self { status, outcome: Issue::error(code, text.into()).into(), headers: Vec::new() }
    }

    /// 400 at an element or parameter.
    pub(crate) fn bad(code: Code, text: impl Into<String>, place: &str) -> Self {
        Issue::error(code, text.into()).at(place).into()
    }

    /// 401; `reason` is one of RFC 6750's codes, or none where no token was sent.
    pub(crate) fn unauthorized(code: Code, reason: Option<&str>, text: &str) -> Self {
        let challenge = match reason {
            Some(reason) => format!("Bearer realm=\"fhir\", error=\"{reason}\", error_description=\"{text}\""),
            None => "Bearer realm=\"fhir\"".to_owned(),
        };
        Self::new(StatusCode::UNAUTHORIZED, code, text).with(WWW_AUTHENTICATE, &challenge)
    }

    /// 405, with the methods that are there.
    pub(crate) fn method(allowed: &str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::NotSupported, text).with(ALLOW, allowed)
    }

    /// 501: R4 defines it, this server does not have it.
    pub(crate) fn not_here(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, Code::NotSupported, text)
    }

    /// 413.
    pub(crate) fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLong, text)
    }

    /// 503: try again after so many seconds.
    pub(crate) fn busy(code: Code, text: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, text).with(RETRY_AFTER, &seconds.to_string())
    }

    /// 429: come again after so many seconds.
    pub(crate) fn too_many(text: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, text).with(RETRY_AFTER, &seconds.to_string())
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// As JSON in one line.
    pub(crate) fn into_response(self, request: &RequestId) -> Response {
        self.in_form(Form::default(), request)
    }

    /// In the form that was asked for.
    pub(crate) async fn delivered(self, form: Form, request: &RequestId) -> Response {
        deliver(self.in_form(form, request), form, true, request).await
    }

    /// Laid out as was asked for; JSON still.
    pub(crate) fn in_form(self, form: Form, request: &RequestId) -> Response {
        let view = View { form, ..View::default() };
        let mut response = fhir_response(self.status, view.lay_out(outcome_json(self.outcome, request)));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// An OperationOutcome whose sentences name the request, so that a screenshot of it finds the log lines.
pub(crate) fn outcome_json(mut outcome: Outcome, request: &RequestId) -> Vec<u8> {
    for issue in &mut outcome.issues {
        issue.diagnostics = format!("{} (request {request})", issue.diagnostics);
    }
    outcome.to_json()
}

impl From<Outcome> for ApiError {
    /// 400, as R4 says for what cannot be parsed or breaks the base rules; 413 for a Bundle with too many entries.
    fn from(mut outcome: Outcome) -> Self {
        if outcome.issues.is_empty() {
            outcome.issues.push(Issue::error(Code::Invalid, "the request is not valid"));
        }
        let entries = |issue: &Issue| issue.code == Code::TooLong && issue.expression == ["Bundle.entry"];
        let large = outcome.issues.iter().any(entries);
        let status = if large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
        Self { status, outcome, headers: Vec::new() }
    }
}

impl From<Issue> for ApiError {
    fn from(issue: Issue) -> Self {
        Outcome::from(issue).into()
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        use StatusCode as S;
        let text = error.to_string();
        match error {
            NodeError::Invalid(outcome) => outcome.into(),
            NodeError::Inapplicable(outcome) => Self { status: S::UNPROCESSABLE_ENTITY, ..outcome.into() },
            NodeError::NotFound(_) => Self::new(S::NOT_FOUND, Code::NotFound, text),
            NodeError::Gone(_) => Self::new(S::GONE, Code::Deleted, text),
            NodeError::Unprocessable(_) => Self::new(S::UNPROCESSABLE_ENTITY, Code::BusinessRule, text),
            NodeError::Forbidden(_) => Self::new(S::FORBIDDEN, Code::Forbidden, text),
            NodeError::Precondition(_) => Self::new(S::PRECONDITION_FAILED, Code::Conflict, text),
            NodeError::Conflict(_) => Self::new(S::CONFLICT, Code::Conflict, text),
            NodeError::ReadOnly(_) => Self::method("GET, HEAD", text),
            NodeError::TooLarge(_) => Self::too_large(text),
            NodeError::Unreachable(_) => Self::new(S::BAD_GATEWAY, Code::Transient, text),
            NodeError::Stopping | NodeError::Early(_) => Self::busy(Code::Transient, text, 5),
            NodeError::HandedOver => {
                tracing::error!(error = %text, "a request was refused");
                Self::busy(Code::Transient, text, 5)
            }
            NodeError::Store(cause) | NodeError::Unconfirmed(cause) => {
                tracing::error!(error = %chain(&cause), "the store failed a request");
                Self::busy(Code::NoStore, text, 5)
            }
            NodeError::Internal(_) => {
                tracing::error!(error = %text, "an internal rule failed");
                Self::new(S::INTERNAL_SERVER_ERROR, Code::Exception, text)
            }
        }
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The strict form of what would otherwise only be noted.
pub(crate) fn as_errors(issues: Vec<Issue>) -> Outcome {
    let harden = |issue: Issue| Issue { severity: Severity::Error, ..issue };
    Outcome { issues: issues.into_iter().map(harden).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_a_node_has_its_status() {
        let text = || "x".to_owned();
        check(NodeError::NotFound(text()), 404, Code::NotFound);
        check(NodeError::Gone(text()), 410, Code::Deleted);
        check(NodeError::invalid(Code::Value, "x", "Patient.id"), 400, Code::Value);
        check(NodeError::Unprocessable(text()), 422, Code::BusinessRule);
        check(NodeError::Forbidden(text()), 403, Code::Forbidden);
        check(NodeError::Precondition(text()), 412, Code::Conflict);
        check(NodeError::Conflict(text()), 409, Code::Conflict);
        check(NodeError::ReadOnly(text()), 405, Code::NotSupported);
        check(NodeError::TooLarge(text()), 413, Code::TooLong);
        check(NodeError::Unreachable(text()), 502, Code::Transient);
        check(NodeError::Stopping, 503, Code::Transient);
        check(NodeError::HandedOver, 503, Code::Transient);
        check(NodeError::Internal("x"), 500, Code::Exception);
        check(NodeError::Invalid(Outcome::default()), 400, Code::Invalid);
        check(NodeError::invalid(Code::TooLong, "x", "Bundle.entry"), 413, Code::TooLong);
    }

    fn check(error: NodeError, status: u16, code: Code) {
        let found = ApiError::from(error);
        assert_eq!((found.status.as_u16(), found.outcome.issues[0].code), (status, code));
    }
}
