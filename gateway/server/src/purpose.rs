//! What a request is for: the token's purpose of use, or what the request says in `X-Purpose-Of-Use`. An emergency needs its
//! reason in `X-Purpose-Of-Use-Reason`; both are signed into every record it opens. Called by `auth`.
//!
//! Source of the codes: <https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html>

use crate::error::ApiError;
use axum::http::{HeaderMap, StatusCode};
use fhir::Code;
use node::purpose::{is_emergency, is_known, is_treatment};

/// Names a code of v3-PurposeOfUse.
pub(crate) const PURPOSE: &str = "x-purpose-of-use";
/// Says why, in words.
pub(crate) const REASON: &str = "x-purpose-of-use-reason";

/// Longest reason, in bytes: a sentence that a patient reads.
const REASON_BYTES_MAX: usize = 200;

/// Purpose of a request that names none: treatment.
const DEFAULT: &str = "TREAT";

/// The purpose of a request and the reason it gives.
///
/// A token that names a purpose is good for that one, and one for treatment in an emergency; `staff` says that no patient, and
/// nobody who stands for one, is behind it.
///
/// # Errors
/// 400 for a code that is not known, or an emergency without its reason; 403 for another purpose than the token's.
pub(crate) fn of(headers: &HeaderMap, of_token: Option<&str>, staff: bool) -> Result<(String, String), ApiError> {
    let purpose = match (one(headers, PURPOSE)?, of_token) {
        (None, of_token) => of_token.unwrap_or(DEFAULT).to_owned(),
        (Some(said), _) if !is_known(&said) => {
            return Err(ApiError::bad(
                Code::CodeInvalid,
                "X-Purpose-Of-Use: expected a code of v3-PurposeOfUse such as TREAT or ETREAT".to_owned(),
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
    fn a_request_says_what_it_is_for() {
        let check =
            |said: &[(&'static str, &'static str)], of_token: Option<&str>, expected: Result<(&str, &str), u16>| {
                let mut headers = HeaderMap::new();
                for (name, value) in said {
                    headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
                let found = of(&headers, of_token, true).map_err(|error| error.status.as_u16());
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
        let refused = of(&headers, None, false).map_err(|error| error.status.as_u16());
        assert_eq!(refused, Err(403), "a patient's app breaks no glass");
    }
}
