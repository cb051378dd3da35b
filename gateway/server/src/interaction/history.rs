//! History of one resource: `GET /fhir/Patient/1/_history`, newest first, in pages. Called through `routes`.
//! Spec: <https://hl7.org/fhir/R4/http.html#history>.

use crate::answer::{Answer, Facts, fhir_response};
use crate::bundle::BundleText;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::{page, pairs};
use axum::http::StatusCode;
use fhir::Code;
use node::search::Page;

/// Versions of a page whose size nobody named.
const PAGE_DEFAULT: usize = 50;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let (kind, id) = (call.kind()?, &call.target.id);
    let mut count = PAGE_DEFAULT;
    let (mut token, mut kept) = (None, Vec::new());
    for pair in pairs::read(call.query())? {
        match pair.name.as_str() {
            page::PARAMETER => token = Some(pair.value),
            "_count" => {
                let text = "_count is a whole number from 1 on";
                let wanted = pair.value.parse().ok().filter(|count| *count > 0);
                count = wanted.ok_or_else(|| ApiError::bad(Code::Value, text, "http._count"))?;
                kept.push(pair.raw);
            }
            "_format" | "_pretty" | "_summary" | "_elements" => kept.push(pair.raw),
            // Another set of versions than was asked for would mislead, so nothing is passed over here.
            _ => {
                let text =
                    "a history takes _count, _format, _pretty, _summary and _elements; nothing else is supported yet";
                return Err(ApiError::bad(Code::NotSupported, text, "http.query"));
            }
        }
    }
    let path = format!("{kind}/{id}/_history");
    let query = kept.join("&");
    let this = format!("{path}?{query}");
    let before = match &token {
        Some(token) => page::open(&call.app, &call.caller, &this, token)?.before,
        None => None,
    };
    let mut found = call.app.node.history(&call.caller, kind, id, before, count).await?;
    let base = &call.app.base;
    let own = format!("{base}/{path}{}{}", if call.query().is_empty() { "" } else { "?" }, call.query());
    let next = found.next.map(|before| {
        let page = Page { snapshot: i64::MAX, before: Some(before), skip: 0 };
        let and = if query.is_empty() { "" } else { "&" };
        format!("{base}/{this}{and}{}={}", page::PARAMETER, page::seal(&call.app, &call.caller, &this, &page))
    });
    let mut links = vec![("self", own.as_str())];
    links.extend(next.as_deref().map(|next| ("next", next)));
    let bytes = found.versions.iter().map(|version| version.json.len() + 512).sum();
    let mut bundle = BundleText::new("history", Some(found.total), &links, bytes);
    for version in &mut found.versions {
        let json = call.view.part(std::mem::take(&mut version.json));
        bundle.version(base, version, &json);
    }
    let response = fhir_response(StatusCode::OK, call.view.lay_out(bundle.finish()));
    Ok(Answer { response, facts: Facts { shown: found.versions, ..Facts::default() } })
}
