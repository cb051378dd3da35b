//! A form that was sent to an endpoint: read within its limit, each field at most once. Called by every endpoint of this
//! room that takes one. Spec: RFC 6749 section 3.2.

use crate::app::App;
use crate::settings::Limits;
use crate::smart::refused::Refused;
use crate::{body, pairs};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use std::time::Duration;

/// Largest form; an assertion is a few hundred bytes, a consent page some kilobytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Longest time a form may take to arrive: 64 KiB in 5 s is a line of 100 kbit/s, and nobody has proven anything yet.
const FORM_TIME_MAX: Duration = Duration::from_secs(5);

/// A form and the headers it came with.
pub(crate) struct Form {
    pub(crate) headers: HeaderMap,
    fields: Vec<(String, String)>,
}

/// What a body of someone unknown may take.
pub(crate) fn limits(app: &App, body_bytes_max: usize) -> Limits {
    let body_time_max = app.settings.limits.body_time_max.min(FORM_TIME_MAX);
    Limits { body_bytes_max, body_time_max, ..app.settings.limits }
}

impl Form {
    /// Reads the form of a request.
    ///
    /// # Errors
    /// [`Refused::Request`] for what is no form, [`Refused::Unread`] for one that is too large or breaks off.
    pub(crate) async fn read(app: &App, request: Request) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return Err(Refused::request("send the form as application/x-www-form-urlencoded"));
        }
        let limits = limits(app, FORM_BYTES_MAX);
        let bytes = body::read(&limits, &parts.headers, body).await?;
        let text = String::from_utf8(bytes).map_err(|_| Refused::request("the form is not UTF-8"))?;
        Self::of(parts.headers, &text)
    }

    /// Reads the pairs of a query.
    ///
    /// # Errors
    /// [`Refused::Unread`].
    pub(crate) fn of(headers: HeaderMap, query: &str) -> Result<Self, Refused> {
        let fields = pairs::read(query)?.into_iter().map(|pair| (pair.name, pair.value)).collect();
        Ok(Self { headers, fields })
    }

    /// A field, if it was sent with a value.
    ///
    /// # Errors
    /// [`Refused::Request`] for one that was sent twice.
    pub(crate) fn find(&self, name: &str) -> Result<Option<&str>, Refused> {
        let named = self.fields.iter().filter(|(known, value)| known == name && !value.is_empty());
        let mut values = named.map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refused::Request(format!("{name} was sent more than once"))),
            (value, None) => Ok(value),
        }
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// [`Refused::Request`].
    pub(crate) fn one(&self, name: &str) -> Result<&str, Refused> {
        self.find(name)?.ok_or_else(|| Refused::Request(format!("{name} is missing")))
    }

    /// Every value of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
