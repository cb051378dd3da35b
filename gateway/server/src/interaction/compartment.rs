//! Everything in the compartment of a Patient, of all types: `GET /fhir/Patient/1/*`, with `_type`, `_count` and
//! `_lastUpdated=ge`. Called through `routes`. Spec: <https://hl7.org/fhir/R4/http.html#vsearch>.

use super::search::{Page1, Search, searchset, text};
use crate::answer::{Answer, Facts, fhir_response};
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::{negotiate, page, pairs};
use axum::http::StatusCode;
use fhir::{Code, ResourceType, datetime};
use node::everything::Wanted;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let query = text(&mut call).await?;
    call.view = negotiate::of_pairs(&pairs::read(&query)?, &call.headers)?;
    let asked = read(&query)?;
    let path = format!("Patient/{}/*", call.target.id);
    answer(call, path, asked).await
}

/// Which part of a compartment.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) wanted: Wanted,
    /// The paging token.
    pub(crate) token: Option<String>,
    /// Without it.
    pub(crate) query: String,
}

/// One page, as a searchset.
pub(crate) async fn answer(call: Call, path: String, asked: Asked) -> Result<Answer, ApiError> {
    let this = Search { path, query: asked.query };
    let page = match &asked.token {
        Some(token) => Some(page::open(&call.app, &call.caller, &this.text(), token)?),
        None => None,
    };
    let mut found = call.app.node.everything(&call.caller, &call.target.id, &asked.wanted, page).await?;
    let sealed = asked.token.map(|token| format!("{}={token}", page::PARAMETER));
    let (app, caller, request, view) = (&call.app, &call.caller, &call.request, &call.view);
    let json = searchset(&Page1 { app, caller, request, view, this: &this, page: sealed }, &mut found);
    let mut shown = found.matches;
    shown.append(&mut found.includes);
    let mut response = fhir_response(StatusCode::OK, call.view.lay_out(json));
    response.extensions_mut().insert(call.view.form);
    Ok(Answer { response, facts: Facts { query: Some(this.query), shown, ..Facts::default() } })
}

fn read(query: &str) -> Result<Asked, ApiError> {
    let (mut asked, mut kept) = (Asked::default(), Vec::new());
    for pair in pairs::read(query)? {
        let bad = |text: &str| ApiError::bad(Code::Value, text, &format!("http.{}", pair.name));
        match pair.name.as_str() {
            page::PARAMETER => {
                asked.token = Some(pair.value);
                continue;
            }
            "_count" => asked.wanted.count = Some(count(&pair.value)?),
            "_type" => asked.wanted.kinds.extend(kinds(&pair.value)?),
            "_lastUpdated" => {
                let since = pair.value.strip_prefix("ge").map(|text| text.replace(' ', "+"));
                let range = since.as_deref().and_then(datetime::range);
                asked.wanted.since = Some(range.ok_or_else(|| bad("_lastUpdated is ge and a date here"))?.low);
            }
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            _ => {
                let text = "a search over a whole compartment takes _type, _count and _lastUpdated=ge; \
                            search one type with the others";
                return Err(ApiError::bad(Code::NotSupported, text, &format!("http.{}", pair.name)));
            }
        }
        kept.push(pair.raw);
    }
    asked.query = kept.join("&");
    Ok(asked)
}

/// `_count`
pub(crate) fn count(text: &str) -> Result<usize, ApiError> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| ApiError::bad(Code::Value, "_count is a whole number from 1 on", "http._count"))
}

/// `_type`: names of types between commas.
pub(crate) fn kinds(text: &str) -> Result<Vec<ResourceType>, ApiError> {
    let kinds: Option<Vec<ResourceType>> = text.split(',').map(|name| ResourceType::parse(name.trim())).collect();
    kinds.ok_or_else(|| ApiError::bad(Code::Value, "_type has the names of resource types of R4", "http._type"))
}
