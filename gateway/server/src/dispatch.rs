//! The way of one request under `/fhir`: who calls, what the URL names, what serves it, and what the audit log hears of
//! it. Called by the router in `app`.

use crate::answer::Facts;
use crate::app::App;
use crate::error::ApiError;
use crate::negotiate::{self, Prefer};
use crate::request_id::RequestId;
use crate::routes::{self, Route};
use crate::target::{self, Shape, Target};
use crate::view::View;
use crate::{auth, body};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use fhir::{Code, ResourceType};
use node::access::Event;
use node::{Caller, Served};
use record::scope::Scopes;

/// A request that is understood, and permitted to be tried.
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) caller: Caller,
    pub(crate) request: RequestId,
    pub(crate) target: Target,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) prefer: Prefer,
    /// `Prefer: return=` was named.
    pub(crate) prefers: bool,
    pub(crate) view: View,
    body: Body,
}

impl Call {
    /// The type in the URL.
    pub(crate) fn kind(&self) -> Result<ResourceType, ApiError> {
        self.target.kind.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, "the path names no type"))
    }

    /// The query part of the URL; empty for none.
    pub(crate) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The body, within its limit, inflated.
    pub(crate) async fn bytes(&mut self) -> Result<Vec<u8>, ApiError> {
        body::read(&self.app.settings.limits, &self.headers, std::mem::take(&mut self.body)).await
    }
}

/// What a request turned out to be, for metrics and logs; goes along in the response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) interaction: &'static str,
    pub(crate) kind: Option<ResourceType>,
    pub(crate) client: String,
}

/// Serves everything under `/fhir`.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = request_id(&parts);
    let mut label = Label { interaction: "other", kind: None, client: String::new() };
    let result = answer(&app, &id, parts, body, &mut label).await;
    let mut response = result.unwrap_or_else(|error| error.into_response(&id));
    response.extensions_mut().insert(label);
    response
}

async fn answer(app: &App, id: &RequestId, parts: Parts, body: Body, label: &mut Label) -> Result<Response, ApiError> {
    let target = target::parse(parts.uri.path());
    let open = matches!(&target, Ok(target) if target.shape == Shape::Metadata);
    // Who calls comes before what is there: a stranger learns nothing from the difference.
    let caller = match open {
        true => stranger(id),
        false => auth::caller(app, &parts.headers, id).await?,
    };
    label.client.clone_from(&caller.client);
    let target = target?;
    label.kind = target.kind;
    let route = routes::find(&parts.method, &target, parts.uri.query().unwrap_or_default())?;
    label.interaction = route.name;
    if open {
        let view = negotiate::view(parts.uri.query().unwrap_or_default(), &parts.headers)?;
        let call = call(app, caller, id, target, parts, view, body);
        return Ok((route.run)(call).await?.response);
    }
    audited(app, id, caller, route, target, parts, body).await
}

/// Runs a row and tells the audit log, whatever came of it.
async fn audited(
    app: &App,
    id: &RequestId,
    caller: Caller,
    route: &'static Route,
    target: Target,
    parts: Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let (who, uri, kind, target_id) = (caller.clone(), parts.uri.clone(), target.kind, target.id.clone());
    let result = match negotiate::view(uri.query().unwrap_or_default(), &parts.headers) {
        Ok(view) => (route.run)(call(app, caller, id, target, parts, view, body)).await,
        Err(error) => Err(error),
    };
    let (result, status, facts) = match result {
        Ok(answer) => {
            let status = answer.response.status().as_u16();
            (Ok(answer.response), status, answer.facts)
        }
        Err(error) => {
            let status = error.status.as_u16();
            (Err(error), status, Facts::default())
        }
    };
    let event = Event {
        caller: Some(&who),
        interaction: facts.interaction.unwrap_or(route.name),
        kind,
        id: facts.id.as_deref().unwrap_or(&target_id),
        query: facts.query.as_deref().or(uri.query()).unwrap_or_default(),
        status,
        request: id.as_str(),
        patient: "",
        read: &[],
    };
    tell(app, event, facts.patients, facts.parts, &facts.shown).await;
    result
}

/// One event for the interaction; one for each further Patient it wrote about; one for each read within a Bundle,
/// because only reads are signed into the records they touched.
async fn tell(app: &App, event: Event<'_>, mut patients: Vec<String>, parts: Vec<Part>, shown: &[Served]) {
    patients.sort_unstable();
    patients.dedup();
    let shown: Vec<&Served> = shown.iter().collect();
    let mut patients = patients.iter().map(String::as_str);
    let first = Event { patient: patients.next().unwrap_or_default(), read: &shown, ..event };
    let (caller, interaction, status, request) = (first.caller, first.interaction, first.status, first.request);
    let (kind, id, query) = (first.kind, first.id, first.query);
    app.node.audit(first).await;
    for patient in patients {
        app.node.audit(Event { caller, interaction, kind, id, query, status, request, patient, read: &[] }).await;
    }
    for part in parts {
        let read: Vec<&Served> = part.shown.iter().collect();
        let (interaction, kind, status) = (part.interaction, Some(part.kind), part.status);
        app.node
            .audit(Event {
                caller,
                interaction,
                kind,
                id: &part.id,
                query: &part.query,
                status,
                request,
                patient: "",
                read: &read,
            })
            .await;
    }
}

/// A read or search within a Bundle.
pub(crate) struct Part {
    pub(crate) interaction: &'static str,
    pub(crate) kind: ResourceType,
    pub(crate) id: String,
    pub(crate) query: String,
    pub(crate) status: u16,
    pub(crate) shown: Vec<Served>,
}

fn call(app: &App, caller: Caller, id: &RequestId, target: Target, parts: Parts, view: View, body: Body) -> Call {
    let (prefer, prefers) = negotiate::prefer(&parts.headers);
    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
    Call { app: app.clone(), caller, request: id.clone(), target, method, uri, headers, prefer, prefers, view, body }
}

/// Who asks for what needs no token: permitted nothing.
fn stranger(id: &RequestId) -> Caller {
    Caller {
        who: String::new(),
        client: String::new(),
        scopes: Scopes::default(),
        purpose: String::new(),
        request: id.as_str().to_owned(),
    }
}

/// Everything outside of what is served.
pub(crate) async fn nothing_here(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let text = "there is nothing here; FHIR is at /fhir";
    ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, text).into_response(&request_id(&parts))
}

/// Another method than is served; the router adds `Allow`.
pub(crate) async fn other_method(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let text = "this method is not defined here";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Code::NotSupported, text).into_response(&request_id(&parts))
}

/// The id that `edge` gave the request.
pub(crate) fn request_id(parts: &Parts) -> RequestId {
    parts.extensions.get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(&parts.headers))
}
