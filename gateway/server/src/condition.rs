//! Conditional headers: `If-None-Match`, `If-Modified-Since`, `If-Match`, `If-None-Exist`. Called by `interaction`.
//! Spec: <https://hl7.org/fhir/R4/http.html#cread>.

use crate::dispatch::Call;
use crate::error::ApiError;
use axum::http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use fhir::{Code, datetime};
use node::Served;

/// Whether the client has this version already.
pub(crate) fn is_known(headers: &HeaderMap, served: &Served) -> bool {
    if let Some(tags) = headers.get(IF_NONE_MATCH) {
        // With a tag the date is not looked at (RFC 9110 section 13.1.3).
        return tags.to_str().is_ok_and(|tags| {
            tags.split(',').map(str::trim).any(|tag| tag == "*" || unquoted(tag) == Some(&served.version))
        });
    }
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok()).and_then(parse_http_date);
    since.is_some_and(|since| served.last_updated.div_euclid(1_000_000) <= since.div_euclid(1_000_000))
}

/// The versionId of `If-Match`.
///
/// # Errors
/// 400 if it is not one entity tag.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let tag = value.to_str().ok().map(str::trim).and_then(unquoted).filter(|tag| *tag != "*");
    match tag {
        Some(tag) => Ok(Some(tag.to_owned())),
        None => Err(ApiError::bad(Code::Value, "If-Match takes one version, such as W/\"1\"", "http.If-Match")),
    }
}

/// The query of `If-None-Exist`, without a question mark.
///
/// # Errors
/// 400 if it is empty, 412 if it stands where it has no meaning.
pub(crate) fn if_none_exist(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("if-none-exist") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    // Some clients send the whole URL of the search.
    let query = text.rsplit_once('?').map_or(text, |(_, query)| query);
    if query.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, Code::Value, "If-None-Exist needs search parameters"));
    }
    Ok(Some(query.to_owned()))
}

/// The criteria of a conditional update, patch or deletion.
///
/// # Errors
/// 400 if there are none: that would be every resource of the type.
pub(crate) fn criteria(call: &Call) -> Result<String, ApiError> {
    let query = call.query();
    if query.is_empty() {
        return Err(ApiError::bad(Code::Required, "this needs an id, or criteria after a question mark", "http.query"));
    }
    Ok(query.to_owned())
}

/// `W/"1"`, `"1"` and the bare `1` that some clients send.
fn unquoted(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    (!tag.is_empty() && !tag.contains(['"', ',', ' '])).then_some(tag)
}

/// Microseconds of `Sun, 06 Nov 1994 08:49:37 GMT`; the two obsolete forms of a date count as none.
fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_ascii_whitespace().skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    (words.next() == Some("GMT")).then_some(())?;
    datetime::parse_instant(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn an_http_date_reads_back() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 29 Feb 2024 23:59:59 GMT"] {
            assert_eq!(parse_http_date(text).map(datetime::format_http).as_deref(), Some(text));
        }
        for text in [
            "",
            "x",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 30 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 28:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn if_match_is_one_tag() {
        for (text, wanted) in [
            ("W/\"a.1\"", Some("a.1")),
            ("\"a.1\"", Some("a.1")),
            ("a.1", Some("a.1")),
            ("*", None),
            ("\"\"", None),
            ("\"a\", \"b\"", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_str(text).unwrap());
            assert_eq!(if_match(&headers).ok().flatten().as_deref(), wanted, "{text}");
        }
    }
}
