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

    fn check(sent: &str, kept: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(sent).unwrap());
        assert_eq!(RequestId::of(&headers).as_str() == sent, kept, "{sent}");
    }
}
