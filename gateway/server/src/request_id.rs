//! The id that ties a request to its answer, its log lines and its outcomes. Called by `edge`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// The header it comes and goes in.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The header that repeats a client's own id where another one was given instead
/// (<https://hl7.org/fhir/R4/http.html#custom>).
pub(crate) const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// Longest id repeated to a client.
const REPEATED_MAX: usize = 256;

/// Longest id taken from a client.
const LENGTH_MAX: usize = 64;

/// A request's id: the client's own if it is short and plain, else a fresh one.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let own = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|text| is_plain(text));
        match own {
            Some(text) => Self(text.into()),
            None => {
                let mut buffer = uuid::Uuid::encode_buffer();
                Self((&*uuid::Uuid::new_v4().simple().encode_lower(&mut buffer)).into())
            }
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("letters, digits and ._- make a header value")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The id that a client sent, where the request got another one.
pub(crate) fn replaced(headers: &HeaderMap, id: &RequestId) -> Option<HeaderValue> {
    let own = headers.get(HEADER)?;
    (own.as_bytes() != id.as_str().as_bytes() && (1..=REPEATED_MAX).contains(&own.len())).then(|| own.clone())
}

/// The trace that a request belongs to, by W3C Trace Context: 32 digits of `traceparent`.
/// Spec: <https://www.w3.org/TR/trace-context/#traceparent-header>
pub(crate) fn trace(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let whole = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let ends = version != "00" || parts.next().is_none();
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    (whole && ends && !zero(trace) && !zero(parent)).then_some(trace)
}

fn is_plain(text: &str) -> bool {
    (1..=LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_short_id_is_kept_and_any_other_replaced() {
        let longest = "a".repeat(64);
        for (sent, kept) in
            [("a", true), ("A-1_b.2", true), (longest.as_str(), true), ("", false), ("a b", false), ("a\"", false)]
        {
            check(sent, kept);
        }
        check(&"a".repeat(65), false);
    }

    #[test]
    fn a_trace_is_read_as_it_is_defined() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let check = |text: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
            assert_eq!(super::trace(&headers), expected, "{text}");
        };
        check(&format!("00-{trace}-00f067aa0ba902b7-01"), Some(trace));
        check(&format!("01-{trace}-00f067aa0ba902b7-01-more"), Some(trace));
        check(&format!("00-{trace}-00f067aa0ba902b7-01-more"), None);
        check(&format!("ff-{trace}-00f067aa0ba902b7-01"), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None);
        check(&format!("00-{trace}-0000000000000000-01"), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), None);
        check("00", None);
        assert_eq!(super::trace(&HeaderMap::new()), None);
    }

    fn check(sent: &str, kept: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(sent).unwrap());
        assert_eq!(RequestId::of(&headers).as_str() == sent, kept, "{sent}");
    }
}
