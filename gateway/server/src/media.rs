//! The media types this server reads and writes: the one table that negotiation, request bodies and the
//! CapabilityStatement go by. Called by `negotiate`, `body`, `binary` and `interaction::capabilities`.
//! Spec: <https://hl7.org/fhir/R4/http.html#mime-type>.

use crate::error::ApiError;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use fhir::Code;

/// How a resource is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Json,
    Xml,
}

/// One format and its names.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) format: Format,
    /// What `_format` may say for short.
    pub(crate) short: &'static str,
    /// Its own name.
    pub(crate) name: &'static str,
    /// What is taken for it: the general types, and the name of DSTU 2.
    pub(crate) others: [&'static str; 3],
    /// What an answer says.
    pub(crate) header: HeaderValue,
}

/// Every format, the one that is answered to clients that do not mind first.
pub(crate) static FORMATS: [Row; 2] = [
    Row {
        format: Format::Json,
        short: "json",
        name: "application/fhir+json",
        others: ["application/json", "text/json", "application/json+fhir"],
        header: HeaderValue::from_static("application/fhir+json; charset=utf-8"),
    },
    Row {
        format: Format::Xml,
        short: "xml",
        name: "application/fhir+xml",
        others: ["application/xml", "text/xml", "application/xml+fhir"],
        header: HeaderValue::from_static("application/fhir+xml; charset=utf-8"),
    },
];

/// The media types of patches.
pub(crate) static PATCH_FORMATS: [&str; 4] =
    ["application/json-patch+json", "application/xml-patch+xml", "application/fhir+json", "application/fhir+xml"];

impl Format {
    /// Its row of the table.
    pub(crate) fn row(self) -> &'static Row {
        match self {
            Self::Json => &FORMATS[0],
            Self::Xml => &FORMATS[1],
        }
    }

    /// The format that a media type without parameters names.
    pub(crate) fn named(essence: &str) -> Option<Self> {
        let row = FORMATS.iter().find(|row| row.name == essence || row.others.contains(&essence));
        row.map(|row| row.format)
    }
}

/// A media type or range: `application/fhir+json; fhirVersion=4.0; q=0.5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    /// Without parameters, in lower case.
    pub(crate) essence: String,
    parameters: Vec<(String, String)>,
}

impl Media {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters = parts.filter_map(|part| part.split_once('=')).map(|(name, value)| {
            (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_ascii_lowercase())
        });
        Self { essence, parameters: parameters.collect() }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it means the version of FHIR that is served here (<https://hl7.org/fhir/R4/http.html#version-parameter>).
    pub(crate) fn is_r4(&self) -> bool {
        self.parameter("fhirversion").is_none_or(|version| matches!(version, "4.0" | "4.0.1"))
    }

    /// Whether its text is UTF-8, the only one that FHIR has.
    fn is_utf8(&self) -> bool {
        self.parameter("charset").is_none_or(|charset| matches!(charset, "utf-8" | "utf8" | "us-ascii"))
    }
}

/// What a request says its body is.
pub(crate) fn content(headers: &HeaderMap) -> Option<Media> {
    let value = headers.get(CONTENT_TYPE)?;
    Some(Media::parse(value.to_str().unwrap_or_default()))
}

/// What a request says its body is, in lower case and without parameters.
pub(crate) fn essence(headers: &HeaderMap) -> Option<String> {
    content(headers).map(|media| media.essence)
}

/// The format of a resource in a request's body; JSON where nothing is said.
///
/// # Errors
/// 415 for another type, another version of FHIR or another encoding of text, which says what to send.
pub(crate) fn of_body(headers: &HeaderMap) -> Result<Format, ApiError> {
    let Some(media) = content(headers) else { return Ok(Format::default()) };
    let format = Format::named(&media.essence);
    format.filter(|_| media.is_r4() && media.is_utf8()).ok_or_else(|| {
        let text =
            "send resources of FHIR 4.0 in UTF-8 with Content-Type: application/fhir+json or application/fhir+xml";
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::NotSupported, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_or_xml_of_r4_in_utf8() {
        check("", Some(Format::Json));
        check("application/fhir+json", Some(Format::Json));
        check("Application/FHIR+JSON; Charset=\"UTF-8\"; fhirVersion=4.0", Some(Format::Json));
        check("text/json", Some(Format::Json));
        check("application/fhir+xml;charset=utf-8", Some(Format::Xml));
        check("application/xml", Some(Format::Xml));
        check("text/xml; fhirVersion=4.0.1", Some(Format::Xml));
        check("application/fhir+json; fhirVersion=3.0", None);
        check("application/fhir+xml; charset=iso-8859-1", None);
        check("application/fhir+turtle", None);
        check("text/html", None);
        check("multipart/form-data; boundary=x", None);
        check("application/*", None);
    }

    fn check(text: &'static str, wanted: Option<Format>) {
        let mut headers = HeaderMap::new();
        if !text.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
        }
        let found = of_body(&headers).map_err(|error| error.status.as_u16());
        assert_eq!(found, wanted.ok_or(415), "{text}");
    }
}
