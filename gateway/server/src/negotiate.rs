//! What form of answer a client asks for: `Accept`, `_format`, `Prefer`, `_pretty`, `_summary`, `_elements`. Called by
//! `dispatch` before anything is done, so that nothing is written for a client that cannot read the answer.
//! Spec: <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/http.html#ops>.

use crate::error::ApiError;
use crate::media::{FORMATS, Format, Media, Row};
use crate::pairs::{self, Pair};
use crate::view::View;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use fhir::summary::{self, Subset};
use fhir::{Code, ResourceType};

/// How an answer is written, whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    /// Laid out over many lines.
    pub(crate) pretty: bool,
}

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

/// The form in which a request is answered whatever becomes of it: what cannot be understood counts as not said.
pub(crate) fn told(query: &str, headers: &HeaderMap) -> Form {
    let mut form = Form { format: accept(headers).unwrap_or_default(), pretty: false };
    for part in query.split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name, pairs::decode(value)) {
            ("_format", Some(value)) => form.format = named(&value).unwrap_or(form.format),
            ("_pretty", Some(value)) => form.pretty = value == "true",
            _ => {}
        }
    }
    form
}

/// Reads what the query says about the answer's form.
///
/// # Errors
/// 400 for a value that is none; 406 for another format than those of the table.
pub(crate) fn view(query: &str, headers: &HeaderMap) -> Result<View, ApiError> {
    if query.is_empty() {
        let form = Form { format: accept(headers).ok_or_else(not_acceptable)?, pretty: false };
        return Ok(View { form, ..View::default() });
    }
    of_pairs(&pairs::read(query)?, headers)
}

/// As [`view`], for a query that was read already.
pub(crate) fn of_pairs(pairs: &[Pair<'_>], headers: &HeaderMap) -> Result<View, ApiError> {
    let (mut view, mut format) = (View::default(), None);
    for pair in pairs {
        match (pair.name.as_str(), pair.value.as_str()) {
            // The parameter overrides the header.
            ("_format", value) => format = Some(named(value).ok_or_else(not_acceptable)?),
            ("_pretty", value) => view.form.pretty = value == "true",
            ("_summary", "true") => view.subset = Subset::Summary,
            ("_summary", "text") => view.subset = Subset::Text,
            ("_summary", "data") => view.subset = Subset::Data,
            ("_summary", "false" | "count") => {}
            ("_summary", _) => {
                let text = "_summary is one of true, text, data, count and false";
                return Err(ApiError::bad(Code::Value, text, "http._summary"));
            }
            ("_elements", value) => view.subset = summary::elements(value),
            _ => {}
        }
    }
    // https://hl7.org/fhir/R4/search.html#summary: "_include and _revinclude cannot be mixed with _summary=text".
    let includes = |pair: &Pair<'_>| matches!(pair.name.split(':').next(), Some("_include" | "_revinclude"));
    if view.subset == Subset::Text && pairs.iter().any(includes) {
        let text = "_include and _revinclude cannot be mixed with _summary=text";
        return Err(ApiError::bad(Code::Invalid, text, "http._summary"));
    }
    view.form.format = match format {
        Some(format) => format,
        None => accept(headers).ok_or_else(not_acceptable)?,
    };
    Ok(view)
}

/// As [`view`], for the read of a Binary: it is shown as the resource only to a client that names FHIR's own types, or JSON.
/// Spec: <https://hl7.org/fhir/R4/binary.html#rest>.
///
/// # Errors
/// As [`view`].
pub(crate) fn of_binary(query: &str, headers: &HeaderMap) -> Result<View, ApiError> {
    let pairs = pairs::read(query)?;
    let ranges = ranges(headers);
    // A client that asks for JSON in general means the resource; a browser's `application/xml` does not.
    let named = |range: &Range| {
        let general = Format::named(&range.media.essence) == Some(Format::Json);
        general || FORMATS.iter().any(|row| row.name == range.media.essence)
    };
    let fhir = |range: &Range| range.weight > 0 && named(range);
    if pairs.iter().any(|pair| pair.name == "_format") || ranges.iter().any(fhir) {
        return of_pairs(&pairs, headers);
    }
    Ok(View { form: told(query, headers), raw: true, ..View::default() })
}

/// Whether a request reads a Binary, or a version of one.
pub(crate) fn is_binary(kind: Option<ResourceType>) -> bool {
    kind.is_some_and(|kind| kind.name() == "Binary")
}

/// The format of a value of `_format`: a short name or a media type; a plus sign in a query reads as a blank.
fn named(value: &str) -> Option<Format> {
    let (essence, rest) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim().to_ascii_lowercase().replace(' ', "+");
    if let Some(row) = FORMATS.iter().find(|row| row.short == essence) {
        return Some(row.format);
    }
    best(&[Range::parse(&format!("{essence};{rest}"))?])
}

/// The best format for `Accept`; none if nothing fits.
fn accept(headers: &HeaderMap) -> Option<Format> {
    if !headers.contains_key(ACCEPT) {
        return Some(Format::default());
    }
    best(&ranges(headers))
}

fn ranges(headers: &HeaderMap) -> Vec<Range> {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect()
}

/// One range of `Accept` with its weight in thousandths.
struct Range {
    media: Media,
    weight: u16,
}

impl Range {
    /// None for a range whose weight is none.
    fn parse(text: &str) -> Option<Self> {
        let media = Media::parse(text);
        let weight = match media.parameter("q") {
            None => 1000,
            Some(text) => weight(text)?,
        };
        Some(Self { media, weight })
    }

    /// How closely it names a format; none if it does not.
    fn closeness(&self, row: &Row) -> Option<u8> {
        let essence = self.media.essence.as_str();
        let close = match essence {
            "*/*" => 0,
            "application/*" => 1,
            _ if essence == row.name || row.others.contains(&essence) => 2,
            _ => return None,
        };
        self.media.is_r4().then(|| close + u8::from(self.media.parameter("fhirversion").is_some()))
    }
}

/// `0`, `0.5`, `1.000` in thousandths.
fn weight(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

/// The format of the highest weight; of those, the one named most closely, then first.
fn best(ranges: &[Range]) -> Option<Format> {
    let mut best: Option<(u16, u8, std::cmp::Reverse<usize>, Format)> = None;
    for row in &FORMATS {
        // For each format its closest range counts, so that `*/*, application/fhir+xml;q=0` excludes XML.
        let mut closest: Option<(u8, u16, usize)> = None;
        for (place, range) in ranges.iter().enumerate() {
            if let Some(close) = range.closeness(row)
                && closest.is_none_or(|(known, weight, _)| (close, range.weight) > (known, weight))
            {
                closest = Some((close, range.weight, place));
            }
        }
        if let Some((close, weight, place)) = closest.filter(|(_, weight, _)| *weight > 0) {
            let found = (weight, close, std::cmp::Reverse(place));
            if best.is_none_or(|(weight, close, place, _)| found > (weight, close, place)) {
                best = Some((found.0, found.1, found.2, row.format));
            }
        }
    }
    best.map(|(.., format)| format)
}

fn not_acceptable() -> ApiError {
    let text = "this server answers application/fhir+json and application/fhir+xml of FHIR 4.0, and nothing else";
    ApiError::new(StatusCode::NOT_ACCEPTABLE, Code::NotSupported, text)
}

#[cfg(test)]
mod tests;
