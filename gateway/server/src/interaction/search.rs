//! Search within a type: `GET /fhir/Patient?...`, `POST /fhir/Patient/_search`; within a compartment:
//! `GET /fhir/Patient/1/Observation?...`; across types: `GET /fhir?...`, `POST /fhir/_search`. Called through `routes`;
//! `compartment` and `operation::everything` use [`searchset`]. Spec: <https://hl7.org/fhir/R4/http.html#search>.

use crate::answer::{Answer, Facts, fhir_response};
use crate::app::App;
use crate::bundle::{BundleText, outcome_entry};
use crate::dispatch::Call;
use crate::error::{ApiError, as_errors};
use crate::pairs::Pair;
use crate::request_id::RequestId;
use crate::target::Shape;
use crate::view::View;
use crate::{negotiate, page, pairs};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use fhir::summary::Subset;
use fhir::{Code, Issue, Outcome, ResourceType};
use node::Caller;
use node::search::{Found, Page};

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let (kind, path) = match call.target.shape {
        Shape::Compartment | Shape::CompartmentSearch => {
            let kind = ResourceType::parse(&call.target.rest);
            let kind = kind.ok_or_else(|| ApiError::not_here("a compartment is searched for one type, or *"))?;
            (Some(kind), format!("{}/{}/{kind}", call.kind()?, call.target.id))
        }
        Shape::System | Shape::SystemSearch => (None, String::new()),
        _ => (Some(call.kind()?), call.kind()?.to_string()),
    };
    let query = text(&mut call).await?;
    let all = pairs::read(&query)?;
    call.view = negotiate::of_pairs(&all, &call.headers)?;
    let (token, kept): (Vec<Pair<'_>>, Vec<Pair<'_>>) = all.into_iter().partition(|pair| pair.name == page::PARAMETER);
    let decoded: Vec<(String, String)> = kept.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
    let parsed = match kind {
        Some(kind) => call.app.node.query(kind, &decoded).await?,
        None => call.app.node.query_across(&decoded).await?,
    };
    if call.prefer.strict && !parsed.unknown.is_empty() {
        return Err(as_errors(parsed.unknown).into());
    }
    let this = Search { path, query: kept.iter().map(|pair| pair.raw).collect::<Vec<_>>().join("&") };
    let page = match token.first() {
        Some(token) => Some(page::open(&call.app, &call.caller, &this.text(), &token.value)?),
        None => None,
    };
    let mut found = match call.target.shape {
        Shape::Compartment | Shape::CompartmentSearch => {
            let owner = (call.kind()?, call.target.id.as_str());
            call.app.node.search_compartment(&call.caller, owner, parsed, page).await?
        }
        Shape::System | Shape::SystemSearch => call.app.node.search_across(&call.caller, parsed, page).await?,
        _ => call.app.node.search(&call.caller, parsed, page).await?,
    };
    let sealed = token.first().map(|token| token.raw.to_owned());
    let text = searchset(
        &Page1 {
            app: &call.app,
            caller: &call.caller,
            request: &call.request,
            view: &call.view,
            this: &this,
            page: sealed,
        },
        &mut found,
    );
    let mut shown = found.matches;
    shown.append(&mut found.includes);
    let mut response = fhir_response(StatusCode::OK, call.view.lay_out(text));
    // A form in the body may have named it.
    response.extensions_mut().insert(call.view.form);
    Ok(Answer { response, facts: Facts { query: Some(this.query), shown, ..Facts::default() } })
}

/// The query part of the URL, and for a POST the form in the body.
pub(crate) async fn text(call: &mut Call) -> Result<String, ApiError> {
    let mut query = call.query().to_owned();
    if call.method == Method::POST {
        let bytes = call.bytes().await?;
        let form = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let form =
            form.is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
        if !bytes.is_empty() && !form {
            let text = "a search by POST sends its parameters as application/x-www-form-urlencoded";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::NotSupported, text));
        }
        let Ok(body) = std::str::from_utf8(&bytes) else {
            return Err(ApiError::bad(Code::Value, "the form is not UTF-8", "http.body"));
        };
        if !query.is_empty() && !body.is_empty() {
            query.push('&');
        }
        query.push_str(body.trim());
    }
    Ok(query)
}

/// A search, as a link repeats it.
pub(crate) struct Search {
    /// Below the base, such as `Patient`.
    pub(crate) path: String,
    /// Without the paging token.
    pub(crate) query: String,
}

impl Search {
    /// What follows the base: `/Patient?name=x`, or `?_type=Patient`.
    fn link(&self) -> String {
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{slash}{}", self.text())
    }

    /// `Patient?name=x`; what a paging token is bound to.
    pub(crate) fn text(&self) -> String {
        format!("{}?{}", self.path, self.query)
    }
}

/// What the answer to a search is made from, beside what was found.
pub(crate) struct Page1<'a> {
    pub(crate) app: &'a App,
    pub(crate) caller: &'a Caller,
    pub(crate) request: &'a RequestId,
    pub(crate) view: &'a View,
    pub(crate) this: &'a Search,
    /// The paging token this page was asked for with, as it came.
    pub(crate) page: Option<String>,
}

/// The searchset Bundle of one page; takes the JSON out of what was found.
pub(crate) fn searchset(asked: &Page1<'_>, found: &mut Found) -> Vec<u8> {
    let (app, this) = (asked.app, asked.this);
    let issues = std::mem::take(&mut found.issues);
    let own = self_link(app, this, &issues, asked.page.as_deref());
    let next = found.next.map(|page: Page| {
        let and = if this.query.is_empty() { "" } else { "&" };
        let token = page::seal(app, asked.caller, &this.text(), &page);
        format!("{}{}{and}{}={token}", app.base, this.link(), page::PARAMETER)
    });
    let mut links = vec![("self", own.as_str())];
    links.extend(next.as_deref().map(|next| ("next", next)));
    let bytes = found.matches.iter().chain(&found.includes).map(|served| served.json.len() + 256).sum();
    let mut bundle = BundleText::new("searchset", found.total, &links, bytes);
    for (list, mode) in [(&mut found.matches, "match"), (&mut found.includes, "include")] {
        for served in list {
            let json = std::mem::take(&mut served.json);
            // A list of elements is one of the matches' elements (search.html#elements).
            let is_whole = mode == "include" && matches!(asked.view.subset, Subset::Elements(_));
            let json = if is_whole { json } else { asked.view.part(json) };
            // A contained resource is named by what contains it (search.html#contained).
            let fragment = served.fragment.as_ref().map(|id| format!("#{id}")).unwrap_or_default();
            bundle.found(&format!("{}/{}/{}{fragment}", app.base, served.kind, served.id), &json, mode);
        }
    }
    if !issues.is_empty() {
        outcome_entry(&mut bundle, Outcome { issues }, asked.request);
    }
    bundle.finish()
}

/// What was searched: the parameters that had an effect (search.html#conformance).
fn self_link(app: &App, this: &Search, issues: &[Issue], page: Option<&str>) -> String {
    let ignored = |name: &str| {
        issues.iter().flat_map(|issue| &issue.expression).any(|place| place.strip_prefix("http.") == Some(name))
    };
    let raw = this.query.split('&').filter(|raw| !raw.is_empty());
    let used = raw.filter(|raw| {
        let name = raw.split('=').next().unwrap_or_default();
        !pairs::decode(name).is_some_and(|name| ignored(&name))
    });
    let used: Vec<&str> = used.chain(page).collect();
    let mark = if used.is_empty() { "" } else { "?" };
    let slash = if this.path.is_empty() { "" } else { "/" };
    format!("{}{slash}{}{mark}{}", app.base, this.path, used.join("&"))
}
