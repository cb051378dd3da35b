//! Queries and forms as pairs of decoded text. Called by `dispatch`, `interaction::search` and `smart`.
//! Spec: <https://url.spec.whatwg.org/#urlencoded-parsing>.

use crate::error::ApiError;
use fhir::Code;

/// One `name=value` as it came, and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair<'a> {
    pub(crate) raw: &'a str,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Reads `a=b&c=d`.
///
/// # Errors
/// A percent sign without two digits, or bytes that are not UTF-8.
pub(crate) fn read(text: &str) -> Result<Vec<Pair<'_>>, ApiError> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|raw| {
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        Some(Pair { raw, name: decode(name)?, value: decode(value)? })
    });
    let pairs: Option<Vec<Pair<'_>>> = pairs.collect();
    pairs.ok_or_else(|| ApiError::bad(Code::Value, "the query is not percent-encoded UTF-8", "http.query"))
}

/// Undoes percent-encoding and `+`.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? * 16 + digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes one value of a query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_refused() {
        check("", Some(&[]));
        check("a=b&c", Some(&[("a", "b"), ("c", "")]));
        check("&a=b&&", Some(&[("a", "b")]));
        check("name=J%C3%BCrgen+M%26M", Some(&[("name", "Jürgen M&M")]));
        check("a=b=c", Some(&[("a", "b=c")]));
        check("a=%", None);
        check("a=%4", None);
        check("a=%zz", None);
        check("a=%ff", None);
    }

    #[test]
    fn a_value_comes_back_as_it_was() {
        for text in ["", "a b&c=d+e", "Jürgen/M?#%", "plain-._~"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(encode("a b&\r\n"), "a%20b%26%0D%0A");
    }

    fn check(text: &str, wanted: Option<&[(&str, &str)]>) {
        let found = read(text).ok();
        let found = found
            .as_ref()
            .map(|pairs| pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), wanted, "{text}");
    }
}
