//! What form of answer a client asks for: `Accept`, `_format`, `Prefer`, `_pretty`, `_summary`, `_elements`. Called by
//! `dispatch` before anything is done, so that nothing is written for a client that cannot read the answer.
//! Spec: <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/http.html#ops>.

use crate::error::ApiError;
use crate::pairs::{self, Pair};
use crate::view::{Subset, View};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use fhir::Code;

/// `Prefer`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    pub(crate) answer: Return,
    /// `handling=strict`: what is not understood is an error.
    pub(crate) strict: bool,
}

/// `Prefer: return=`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Return {
    /// The resource. A Bundle's entries carry it only where it was asked for.
    #[default]
    Representation,
    /// Headers only.
    Minimal,
    /// A word about what was done.
    Outcome,
}

/// Reads `Prefer`; what is not known has no effect, as RFC 7240 says.
pub(crate) fn prefer(headers: &HeaderMap) -> (Prefer, bool) {
    let (mut prefer, mut named) = (Prefer::default(), false);
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    for part in values.flat_map(|value| value.split([',', ';'])) {
        let answer = match part.trim() {
            "return=minimal" => Return::Minimal,
            "return=representation" => Return::Representation,
            "return=OperationOutcome" => Return::Outcome,
            "handling=strict" => {
                prefer.strict = true;
                continue;
            }
            _ => continue,
        };
        (prefer.answer, named) = (answer, true);
    }
    (prefer, named)
}

/// Reads what the query says about the answer's form.
///
/// # Errors
/// 400 for a value that is none; 406 for another format than JSON.
pub(crate) fn view(query: &str, headers: &HeaderMap) -> Result<View, ApiError> {
    if query.is_empty() {
        accept(headers)?;
        return Ok(View::default());
    }
    of_pairs(&pairs::read(query)?, headers)
}

/// As [`view`], for a query that was read already.
pub(crate) fn of_pairs(pairs: &[Pair<'_>], headers: &HeaderMap) -> Result<View, ApiError> {
    let (mut view, mut format) = (View::default(), false);
    for pair in pairs {
        match (pair.name.as_str(), pair.value.as_str()) {
            // The parameter overrides the header.
            ("_format", "json" | "application/json" | "application/fhir+json" | "text/json") => format = true,
            ("_format", other) => {
                // A plus sign in a query reads as a blank.
                if other.replace(' ', "+").split(';').next() != Some("application/fhir+json") {
                    return Err(not_acceptable());
                }
                format = true;
            }
            ("_pretty", value) => view.pretty = value == "true",
            ("_summary", "true") => view.subset = Subset::Summary,
            ("_summary", "text") => view.subset = Subset::Text,
            ("_summary", "data") => view.subset = Subset::Data,
            ("_summary", "false" | "count") => {}
            ("_summary", _) => {
                let text = "_summary is one of true, text, data, count and false";
                return Err(ApiError::bad(Code::Value, text, "http._summary"));
            }
            ("_elements", value) => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                // `Observation.code`, `code.coding` and `code` all keep the element `code`.
                let first = |name: &str| {
                    let name = name
                        .split_once('.')
                        .filter(|(kind, _)| fhir::ResourceType::parse(kind).is_some())
                        .map_or(name, |(_, rest)| rest);
                    name.split('.').next().unwrap_or_default().to_owned()
                };
                view.subset = Subset::Elements(names.map(first).collect());
            }
            _ => {}
        }
    }
    if !format {
        accept(headers)?;
    }
    Ok(view)
}

fn accept(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(ACCEPT).into_iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let json = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(is_json_range);
    if json { Ok(()) } else { Err(not_acceptable()) }
}

fn is_json_range(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let kind =
        ["*/*", "application/*", "application/fhir+json", "application/json", "text/json", "application/json+fhir"]
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known));
    kind && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, version)) if name.eq_ignore_ascii_case("fhirVersion") => {
            matches!(version.trim_matches('"'), "4.0" | "4.0.1")
        }
        Some((name, weight)) if name.eq_ignore_ascii_case("q") => {
            weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0)
        }
        _ => true,
    })
}

fn not_acceptable() -> ApiError {
    let text = "this server answers application/fhir+json of FHIR 4.0 only; XML and Turtle are not supported";
    ApiError::new(StatusCode::NOT_ACCEPTABLE, Code::NotSupported, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn json_of_r4_is_acceptable_and_nothing_else() {
        check("", None, true);
        check("", Some("*/*"), true);
        check("", Some("application/fhir+json; fhirVersion=4.0"), true);
        check("", Some("application/fhir+xml;q=1, application/json;q=0.5"), true);
        check("", Some("text/html, application/xhtml+xml, */*;q=0.8"), true);
        check("", Some("application/fhir+xml"), false);
        check("", Some("application/fhir+json; fhirVersion=5.0"), false);
        check("", Some("application/json;q=0"), false);
        check("_format=json", Some("application/fhir+xml"), true);
        check("_format=application/fhir+json", None, true);
        check("_format=application/fhir%2Bjson;charset=utf-8", None, true);
        check("_format=xml", Some("*/*"), false);
        check("_summary=other", None, false);
    }

    fn check(query: &str, accept: Option<&'static str>, wanted: bool) {
        let mut headers = HeaderMap::new();
        accept.into_iter().for_each(|value| drop(headers.insert(ACCEPT, HeaderValue::from_static(value))));
        assert_eq!(view(query, &headers).is_ok(), wanted, "{query} {accept:?}");
    }

    #[test]
    fn prefer_names_the_answer_and_the_handling() {
        for (text, wanted) in [
            ("return=minimal", Prefer { answer: Return::Minimal, strict: false }),
            ("handling=strict, return=OperationOutcome", Prefer { answer: Return::Outcome, strict: true }),
            ("respond-async", Prefer::default()),
            ("handling=lenient", Prefer::default()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(text));
            assert_eq!(prefer(&headers).0, wanted, "{text}");
        }
    }
}
