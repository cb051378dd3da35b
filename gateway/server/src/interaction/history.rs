//! History: `GET /fhir/Patient/1/_history`, `/fhir/Patient/_history`, `/fhir/_history`, with `_since`, `_at`, `_count` and
//! `_sort`, in pages over a snapshot. Called through `routes`. Spec: <https://hl7.org/fhir/R4/http.html#history>.

use crate::answer::{Answer, Facts, fhir_response};
use crate::bundle::BundleText;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::{page, pairs};
use axum::http::StatusCode;
use fhir::{Code, datetime};
use node::history::{Of, Wanted};

/// Versions of a page whose size nobody named.
const PAGE_DEFAULT: usize = 50;

pub(crate) async fn run(call: Call) -> Result<Answer, ApiError> {
    let asked = read(call.query())?;
    let (of, path) = match (call.target.kind, call.target.id.as_str()) {
        (None, _) => (Of::System, "_history".to_owned()),
        (Some(kind), "") => (Of::Type(kind), format!("{kind}/_history")),
        (Some(kind), id) => (Of::Instance(kind, id.to_owned()), format!("{kind}/{id}/_history")),
    };
    let this = format!("{path}?{}", asked.query);
    let page = match &asked.token {
        Some(token) => Some(page::open(&call.app, &call.caller, &this, token)?),
        None => None,
    };
    let mut found = call.app.node.versions(&call.caller, &of, asked.wanted, page).await?;
    let base = &call.app.base;
    let own = format!("{base}/{path}{}{}", if call.query().is_empty() { "" } else { "?" }, call.query());
    let next = found.next.map(|page| {
        let and = if asked.query.is_empty() { "" } else { "&" };
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

/// What the query asks for.
#[derive(Debug)]
struct Asked {
    wanted: Wanted,
    token: Option<String>,
    /// Without the paging token.
    query: String,
}

fn read(query: &str) -> Result<Asked, ApiError> {
    let mut wanted = Wanted { count: PAGE_DEFAULT, ..Wanted::default() };
    let (mut token, mut kept) = (None, Vec::new());
    for pair in pairs::read(query)? {
        let bad = |text: &str| ApiError::bad(Code::Value, text, &format!("http.{}", pair.name));
        match pair.name.as_str() {
            page::PARAMETER => {
                token = Some(pair.value);
                continue;
            }
            "_count" => {
                let count = pair.value.parse().ok().filter(|count| *count > 0);
                wanted.count = count.ok_or_else(|| bad("_count is a whole number from 1 on"))?;
            }
            "_since" => {
                // A plus sign in a query reads as a blank.
                let since = datetime::parse_instant(&pair.value.replace(' ', "+"));
                let text = "_since is an instant, such as 2024-02-29T12:00:00Z";
                wanted.since = Some(since.ok_or_else(|| bad(text))?);
            }
            "_at" => {
                let range = datetime::range(&pair.value.replace(' ', "+"));
                let range = range.ok_or_else(|| bad("_at is a date or a dateTime, such as 2024-02"))?;
                wanted.at = Some((range.low, range.high));
            }
            "_sort" => {
                wanted.ascending = match pair.value.as_str() {
                    "-_lastUpdated" => false,
                    "_lastUpdated" => true,
                    _ => return Err(bad("a history is sorted by _lastUpdated or -_lastUpdated")),
                }
            }
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            // Another set of versions than was asked for would mislead, so nothing is passed over here.
            _ => {
                let text = "a history takes _since, _at, _count, _sort, _format, _pretty, _summary and _elements";
                return Err(ApiError::bad(Code::NotSupported, text, "http.query"));
            }
        }
        kept.push(pair.raw);
    }
    Ok(Asked { wanted, token, query: kept.join("&") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_asked_for_or_refused() {
        check("", Some((50, false, None)));
        check("_count=2&_sort=_lastUpdated", Some((2, true, None)));
        check("_sort=-_lastUpdated&_pretty=true", Some((50, false, None)));
        check("_since=1970-01-01T00:00:01Z", Some((50, false, Some(1_000_000))));
        check("_since=1970-01-01T01:00:01+01:00", Some((50, false, Some(1_000_000))));
        check("_count=0", None);
        check("_count=-1", None);
        check("_count=x", None);
        check("_since=2020", None);
        check("_at=yesterday", None);
        check("_sort=name", None);
        check("_list=1", None);
        check("name=x", None);
    }

    fn check(query: &str, wanted: Option<(usize, bool, Option<i64>)>) {
        let found = read(query).ok().map(|asked| (asked.wanted.count, asked.wanted.ascending, asked.wanted.since));
        assert_eq!(found, wanted, "{query}");
    }
}
