//! What a request is for: the token's purpose of use, or what the request says in `X-Purpose-Of-Use`, a code or a Task. An emergency needs its
//! reason in `X-Purpose-Of-Use-Reason`; both are signed into every record it opens. Called by `auth`.
//!
//! Source of the codes: <https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html>

use crate::app::App;
use crate::error::ApiError;
use axum::http::{HeaderMap, StatusCode};
use fhir::{Code, ResourceType};
use node::purpose::{is_emergency, is_known, is_treatment};
use node::{Caller, NodeError};
use serde_json::Value;

/// Names a code of v3-PurposeOfUse.
pub(crate) const PURPOSE: &str = "x-purpose-of-use";
/// Says why, in words.
pub(crate) const REASON: &str = "x-purpose-of-use-reason";

/// Longest reason, in bytes: a sentence that a patient reads.
const REASON_BYTES_MAX: usize = 200;

/// Purpose of a request that names none: treatment.
pub(crate) const DEFAULT: &str = "TREAT";

/// The purpose of a request and the reason it gives.
///
/// A token that names a purpose is good for that one, and one for treatment in an emergency; `staff` says that no patient, and
/// nobody who stands for one, is behind it.
///
/// # Errors
/// 400 for a code that is not known, or an emergency without its reason; 403 for another purpose than the token's.
pub(crate) fn of(
    headers: &HeaderMap,
    said: Option<String>,
    of_token: Option<&str>,
    staff: bool,
) -> Result<(String, String), ApiError> {
    let purpose = match (said, of_token) {
        (None, of_token) => of_token.unwrap_or(DEFAULT).to_owned(),
        (Some(said), _) if !is_known(&said) => {
            return Err(ApiError::bad(
                Code::CodeInvalid,
                "X-Purpose-Of-Use: expected a code of v3-PurposeOfUse such as TREAT or ETREAT, or a Task".to_owned(),
                "http.X-Purpose-Of-Use",
            ));
        }
        (Some(said), Some(of_token)) if said != of_token && !(is_emergency(&said) && is_treatment(of_token)) => {
            let text = "the token is for another purpose than X-Purpose-Of-Use says";
            return Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text));
        }
        (Some(said), _) => said,
    };
    if is_emergency(&purpose) && !staff {
        let text = "whoever stands for a patient does not act in an emergency of a hospital's";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text));
    }
    let reason = one(headers, REASON)?.unwrap_or_default();
    if is_emergency(&purpose) && reason.trim().is_empty() {
        let text = "an emergency needs its reason in X-Purpose-Of-Use-Reason; the patient is told it".to_owned();
        return Err(ApiError::bad(Code::Required, text, "http.X-Purpose-Of-Use-Reason"));
    }
    if reason.len() > REASON_BYTES_MAX {
        let text = format!("X-Purpose-Of-Use-Reason has more than {REASON_BYTES_MAX} bytes");
        return Err(ApiError::bad(Code::TooLong, text, "http.X-Purpose-Of-Use-Reason"));
    }
    Ok((purpose, reason.trim().to_owned()))
}

/// What a request says it is for: a code, or the one that a Task names as its reason. The Task is one that the caller may read and
/// that is not over: a workflow that ended is nobody's reason any more.
///
/// # Errors
/// 400 where the header is not understood, or the Task is none of these.
pub(crate) async fn said(app: &App, headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, ApiError> {
    let Some(said) = one(headers, PURPOSE)? else { return Ok(None) };
    let Some(id) = said.strip_prefix("Task/") else { return Ok(Some(said)) };
    let kind = ResourceType::parse("Task").ok_or(NodeError::Internal("no Task type"))?;
    let served = match app.node.read(caller, kind, id).await {
        Ok(served) => Some(served),
        Err(NodeError::NotFound(_) | NodeError::Gone(_) | NodeError::Forbidden(_)) => None,
        Err(error) => return Err(error.into()),
    };
    // One answer for all that is wrong: it tells nothing of Tasks that are not to be seen.
    let reason = served.and_then(|served| reason(&serde_json::from_slice(&served.json).ok()?));
    reason.map(Some).ok_or_else(|| {
        let text = "X-Purpose-Of-Use: expected a Task that can be read, is not over, and has a code of v3-PurposeOfUse as its \
                    reasonCode";
        ApiError::bad(Code::Value, text, "http.X-Purpose-Of-Use")
    })
}

/// The purpose that a Task has as its reason, while it is not over.
fn reason(task: &Value) -> Option<String> {
    const OVER: [&str; 5] = ["rejected", "cancelled", "failed", "completed", "entered-in-error"];
    let status = task["status"].as_str()?;
    let codings = task["reasonCode"]["coding"].as_array()?;
    let system = |coding: &&Value| coding["system"].as_str().is_some_and(|system| system.ends_with("v3-ActReason"));
    let code = codings.iter().filter(system).filter_map(|coding| coding["code"].as_str()).find(|code| is_known(code));
    code.filter(|_| !OVER.contains(&status)).map(str::to_owned)
}

fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|_| values.next().is_none());
    let text = text.filter(|text| !text.chars().any(char::is_control));
    text.map(|text| Some(text.to_owned()))
        .ok_or_else(|| ApiError::bad(Code::Invalid, format!("{name} is given once, as text"), &format!("http.{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn a_task_names_a_purpose_while_it_is_not_over() {
        let check = |status: &str, system: &str, code: &str, expected: Option<&str>| {
            let coding = serde_json::json!([{"system":"x","code":"TREAT"},{"system":system,"code":code}]);
            let task = serde_json::json!({"status":status,"reasonCode":{"coding":coding}});
            assert_eq!(reason(&task).as_deref(), expected, "{task}");
        };
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        check("in-progress", system, "HPAYMT", Some("HPAYMT"));
        check("requested", system, "HRESCH", Some("HRESCH"));
        check("completed", system, "HPAYMT", None);
        check("entered-in-error", system, "HPAYMT", None);
        check("in-progress", "http://elsewhere.example", "HPAYMT", None);
        check("in-progress", system, "NOTHING", None);
        assert_eq!(reason(&serde_json::json!({"status":"in-progress"})), None);
    }

    #[test]
    fn a_request_says_what_it_is_for() {
        let check =
            |said: &[(&'static str, &'static str)], of_token: Option<&str>, expected: Result<(&str, &str), u16>| {
                let mut headers = HeaderMap::new();
                for (name, value) in said {
                    headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
                let named = one(&headers, PURPOSE).map_err(|error| error.status.as_u16());
                let found =
                    named.and_then(|said| of(&headers, said, of_token, true).map_err(|error| error.status.as_u16()));
                let found = found.as_ref().map(|(purpose, reason)| (purpose.as_str(), reason.as_str()));
                assert_eq!(found, expected.as_ref().map(|pair| *pair), "{said:?} {of_token:?}");
            };
        check(&[], None, Ok(("TREAT", "")));
        check(&[], Some("HRESCH"), Ok(("HRESCH", "")));
        check(&[(PURPOSE, "HPAYMT")], None, Ok(("HPAYMT", "")));
        check(&[(PURPOSE, "TREAT")], Some("TREAT"), Ok(("TREAT", "")));
        check(&[(PURPOSE, "TREAT")], Some("HRESCH"), Err(403));
        check(&[(PURPOSE, "treat")], None, Err(400));
        check(&[(PURPOSE, "")], None, Err(400));
        check(&[(PURPOSE, "TREAT"), (PURPOSE, "HRESCH")], None, Err(400));
        check(&[(PURPOSE, "BTG")], None, Err(400));
        check(&[(PURPOSE, "BTG"), (REASON, "  ")], None, Err(400));
        check(&[(PURPOSE, "BTG"), (REASON, "found unconscious")], None, Ok(("BTG", "found unconscious")));
        check(&[(PURPOSE, "BTG"), (REASON, "found unconscious")], Some("TREAT"), Ok(("BTG", "found unconscious")));
        check(&[(PURPOSE, "BTG"), (REASON, "found unconscious")], Some("HRESCH"), Err(403));
        check(&[(PURPOSE, "BTG"), (REASON, "found unconscious")], Some("PATRQT"), Err(403));
        check(&[], Some("ETREAT"), Err(400));
        check(&[(REASON, "found unconscious")], Some("ETREAT"), Ok(("ETREAT", "found unconscious")));
        let mut headers = HeaderMap::new();
        headers.append(PURPOSE, HeaderValue::from_static("BTG"));
        headers.append(REASON, HeaderValue::from_static("found unconscious"));
        let refused = of(&headers, Some("BTG".to_owned()), None, false).map_err(|error| error.status.as_u16());
        assert_eq!(refused, Err(403), "a patient's app breaks no glass");
    }
}
