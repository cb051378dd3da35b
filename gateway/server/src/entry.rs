//! What an entry of a Bundle asks, answered by the same row of `routes` that would answer it alone: reads, searches,
//! histories, compartments and operations. Called by `interaction::bundle`.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

use crate::answer::Answer;
use crate::dispatch::{Asker, Part};
use crate::error::ApiError;
use crate::routes;
use crate::target::{self, Shape};
use axum::body::HttpBody;
use axum::http::header::{ACCEPT, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use fhir::bundle::{self, Bundle};
use fhir::{Code, ResourceType, datetime};

/// Operations that write nothing, whichever method they are asked by.
const SAFE: [&str; 5] = ["$diff", "$everything", "$match", "$meta", "$validate"];

/// What an entry asks.
#[derive(Clone)]
pub(crate) struct Question {
    method: Method,
    /// Below `/fhir`.
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What it is told.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    /// The resource, or the outcome of what failed; empty for none.
    pub(crate) json: Vec<u8>,
    /// The versionId of one resource, and when it was last updated; empty for others.
    pub(crate) version: String,
    pub(crate) last_updated: i64,
    /// `Type/id` of one resource that is shown.
    pub(crate) name: String,
    /// For the audit log; none for what was not understood.
    pub(crate) part: Option<Part>,
}

/// What the entries of a Bundle ask, by their number.
pub(crate) fn questions(bundle: &Bundle) -> Vec<(usize, Question)> {
    let asked = bundle.entries.iter().enumerate().filter_map(|(at, entry)| {
        let request = entry.request.as_ref().filter(|request| node::transaction::asks(request))?;
        let mut headers = HeaderMap::new();
        // A Bundle carries resources: a Binary is one too.
        headers.insert(ACCEPT, HeaderValue::from_static("application/fhir+json"));
        if let Some(Ok(tag)) = request.if_none_match.as_deref().map(HeaderValue::from_str) {
            headers.insert(IF_NONE_MATCH, tag);
        }
        let since = request.if_modified_since.as_deref().and_then(datetime::parse_instant).map(datetime::format_http);
        if let Some(Ok(since)) = since.map(HeaderValue::try_from) {
            headers.insert(IF_MODIFIED_SINCE, since);
        }
        let body = bundle.resource(at).unwrap_or_default().to_vec();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        }
        let method = match request.method {
            bundle::Method::Post => Method::POST,
            bundle::Method::Head => Method::HEAD,
            _ => Method::GET,
        };
        Some((at, Question { method, url: request.url.trim_start_matches('/').to_owned(), headers, body }))
    });
    asked.collect()
}

impl Told {
    /// That it is not answered.
    pub(crate) fn refused(error: ApiError, asker: &Asker) -> Self {
        let status = error.status;
        let json = crate::error::outcome_json(error.outcome, &asker.request);
        Self { status, json, version: String::new(), last_updated: 0, name: String::new(), part: None }
    }

    pub(crate) fn failed(&self) -> bool {
        self.status.is_client_error() || self.status.is_server_error()
    }
}

impl Question {
    /// `Type/id`, if it asks for the current version of one resource.
    pub(crate) fn instance(&self) -> Option<&str> {
        let path = self.url.split('?').next().unwrap_or_default();
        (path.split('/').count() == 2).then_some(path)
    }

    /// Whether it may change something: an operation by POST that is not known to be safe.
    pub(crate) fn may_write(&self) -> bool {
        let path = self.url.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        self.method == Method::POST && last.starts_with('$') && !SAFE.contains(&last)
    }

    /// Answers it for the caller of the Bundle.
    pub(crate) async fn answer(self, asker: &Asker) -> Told {
        let mut kind = None;
        let (mut id, mut name) = (String::new(), "read");
        let query = self.url.split_once('?').map_or("", |(_, query)| query).to_owned();
        let head = self.method == Method::HEAD;
        match self.run(asker, &mut kind, &mut id, &mut name).await {
            Ok(answer) => told(answer, head, kind, id, query, name).await,
            Err(error) => {
                let status = error.status.as_u16();
                let part = Part { interaction: name, kind, id, query, status, shown: Vec::new() };
                Told { part: Some(part), ..Told::refused(error, asker) }
            }
        }
    }

    /// Whether it would be answered now, and with how many bytes; what it would show is shown to nobody.
    pub(crate) async fn check(self, asker: &Asker) -> Result<usize, ApiError> {
        let answer = self.run(asker, &mut None, &mut String::new(), &mut "").await?;
        let bytes = answer.response.body().size_hint().exact().unwrap_or_default();
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    async fn run(
        self,
        asker: &Asker,
        kind: &mut Option<ResourceType>,
        id: &mut String,
        name: &mut &'static str,
    ) -> Result<Answer, ApiError> {
        let broken = || ApiError::bad(Code::Value, "the url is not one that HTTP has", "Bundle.entry.request.url");
        let uri: Uri = format!("/fhir/{}", encoded(&self.url)).parse().map_err(|_| broken())?;
        let target = target::parse(uri.path())?;
        if target.shape == Shape::System && self.method == Method::POST {
            return Err(broken());
        }
        *kind = target.kind;
        id.clone_from(&target.id);
        let route = routes::find(&self.method, &target)?;
        *name = route.name;
        (route.run)(asker.call(target, self.method, uri, self.headers, self.body)?).await
    }
}

/// A URL as it stands in a Bundle, where clients leave blanks, bars and letters of their language as they are.
fn encoded(url: &str) -> String {
    let mut text = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

async fn told(
    answer: Answer,
    head: bool,
    kind: Option<ResourceType>,
    id: String,
    query: String,
    interaction: &'static str,
) -> Told {
    let (head_of, body) = answer.response.into_parts();
    let status = head_of.status;
    let mut json = axum::body::to_bytes(body, usize::MAX).await.map(Vec::from).unwrap_or_default();
    if head {
        json.clear();
    }
    let facts = answer.facts;
    let one = match &facts.shown[..] {
        [one] if matches!(interaction, "read" | "vread") => Some(one),
        _ => None,
    };
    let version = one.map(|one| one.version.clone()).unwrap_or_default();
    let last_updated = one.map_or(0, |one| one.last_updated);
    let name = one.map(|one| format!("{}/{}", one.kind, one.id)).unwrap_or_default();
    let query = facts.query.unwrap_or(query);
    let part = Part { interaction, kind, id, query, status: status.as_u16(), shown: facts.shown };
    Told { status, json, version, last_updated, name, part: Some(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_bundle_is_one_of_http() {
        for (url, wanted) in [
            ("Patient?identifier=urn:s|1", "Patient?identifier=urn:s%7C1"),
            ("Patient?name=Jürgen M", "Patient?name=J%C3%BCrgen%20M"),
            ("Patient/1/_history/2.0", "Patient/1/_history/2.0"),
            ("Patient?name=%41&x=a+b", "Patient?name=%41&x=a+b"),
        ] {
            assert_eq!(encoded(url), wanted);
            assert!(format!("/fhir/{wanted}").parse::<Uri>().is_ok());
        }
    }
}
