//! The way of one request under `/fhir`: who calls, what the URL names, what serves it, and what the audit log hears of
//! it. Called by the router in `app`.

use crate::answer::{self, Facts};
use crate::app::App;
use crate::error::ApiError;
use crate::negotiate::{self, Prefer, Return};
use crate::request_id::RequestId;
use crate::routes::{self, Route};
use crate::serve::Peer;
use crate::target::{self, Shape, Target};
use crate::view::View;
use crate::{auth, binary, body, media};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use fhir::validate::Mode;
use fhir::{Code, Issue, ResourceType, Valid};
use node::access::Event;
use node::{Caller, Served};
use std::sync::{Mutex, PoisonError};

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
    /// What validation found in the resource of the body, though it was taken.
    pub(crate) issues: Vec<Issue>,
    /// Locked by nobody: a body alone could not be lent along with a call across an await.
    body: Mutex<Body>,
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

    /// Who asks here, for requests that are part of this one.
    pub(crate) fn asker(&self) -> Asker {
        Asker {
            app: self.app.clone(),
            caller: self.caller.clone(),
            request: self.request.clone(),
            strict: self.prefer.strict,
        }
    }

    /// The body, within its limit, inflated.
    pub(crate) async fn bytes(&mut self) -> Result<Vec<u8>, ApiError> {
        body::read(
            &self.app.settings.limits,
            &self.headers,
            std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner)),
        )
        .await
    }

    /// The JSON text of the resource in the body, which may have come as XML.
    ///
    /// # Errors
    /// 415 for another type than FHIR's; 400 for XML that is none of FHIR's.
    pub(crate) async fn json(&mut self) -> Result<Vec<u8>, ApiError> {
        // Before the body is read: what cannot be understood need not be sent.
        let format = media::of_body(&self.headers)?;
        let bytes = self.bytes().await?;
        body::json(format, bytes).await
    }

    /// The resource in the body, held against the rules as this gateway does; what they find in a resource that is taken
    /// all the same stays in `issues`.
    ///
    /// # Errors
    /// As [`Call::json`], and 400 with every broken rule.
    pub(crate) async fn resource(&mut self) -> Result<Valid, ApiError> {
        let bytes = match negotiate::is_binary(self.target.kind) {
            true => binary::incoming(self).await?,
            false => self.json().await?,
        };
        let mode = self.app.node.validation();
        let (valid, issues) = body::admit(bytes, mode, self.prefer.answer == Return::Outcome).await?;
        if mode == Mode::Warn && !issues.is_empty() {
            let kind = valid.kind().name();
            tracing::warn!(kind, issues = issues.len(), "a {kind} that breaks rules is taken: {} issues", issues.len());
        }
        self.issues = issues;
        Ok(valid)
    }
}

/// Who asks, without what: the entries of a Bundle are asked by whoever sent it.
#[derive(Clone)]
pub(crate) struct Asker {
    app: App,
    caller: Caller,
    pub(crate) request: RequestId,
    strict: bool,
}

impl Asker {
    /// A request of its own.
    pub(crate) fn call(
        &self,
        target: Target,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Call, ApiError> {
        // Within a Bundle there are only resources, also of a Binary.
        let view = View { raw: false, ..view(&target, &method, &uri, &headers)? };
        Ok(Call {
            app: self.app.clone(),
            caller: self.caller.clone(),
            request: self.request.clone(),
            target,
            method,
            uri,
            headers,
            prefer: Prefer { strict: self.strict, ..Prefer::default() },
            prefers: false,
            view,
            issues: Vec::new(),
            body: Body::from(body).into(),
        })
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
    let asked = negotiate::told(parts.uri.query().unwrap_or_default(), &parts.headers);
    let safe = matches!(parts.method, Method::GET | Method::HEAD) || parts.uri.path().ends_with("/_search");
    let result = answer(&app, &id, parts, body, &mut label).await;
    let response = result.unwrap_or_else(|error| error.in_form(asked, &id));
    let mut response = answer::deliver(response, asked, safe, &id).await;
    response.extensions_mut().insert(label);
    response
}

async fn answer(app: &App, id: &RequestId, parts: Parts, body: Body, label: &mut Label) -> Result<Response, ApiError> {
    let target = target::parse(parts.uri.path());
    let open = matches!(&target, Ok(target) if target.shape == Shape::Metadata);
    // Who calls comes before what is there: a stranger learns nothing from the difference.
    let caller = match open {
        true => stranger(id),
        false => match auth::caller(app, &parts.headers, id).await {
            Ok(caller) => caller,
            Err(error) if error.status == StatusCode::UNAUTHORIZED => {
                let from = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
                app.quotas.failed(from)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        },
    };
    label.client.clone_from(&caller.client);
    let _place = app.quotas.admit(&caller.client)?;
    let target = target?;
    label.kind = target.kind;
    let route = routes::find(&parts.method, &target)?;
    label.interaction = route.name;
    if open {
        let view = view(&target, &parts.method, &parts.uri, &parts.headers)?;
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
    let result = match view(&target, &parts.method, &uri, &parts.headers) {
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
        let (interaction, kind, status) = (part.interaction, part.kind, part.status);
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
    pub(crate) kind: Option<ResourceType>,
    pub(crate) id: String,
    pub(crate) query: String,
    pub(crate) status: u16,
    pub(crate) shown: Vec<Served>,
}

fn call(app: &App, caller: Caller, id: &RequestId, target: Target, parts: Parts, view: View, body: Body) -> Call {
    let (prefer, prefers) = negotiate::prefer(&parts.headers);
    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
    Call {
        app: app.clone(),
        caller,
        request: id.clone(),
        target,
        method,
        uri,
        headers,
        prefer,
        prefers,
        view,
        issues: Vec::new(),
        body: Mutex::new(body),
    }
}

/// The form of the answer; a Binary has one more than other types.
fn view(target: &Target, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<View, ApiError> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let query = uri.query().unwrap_or_default();
    match target.shape {
        Shape::Instance | Shape::Version if reads && negotiate::is_binary(target.kind) => {
            negotiate::of_binary(query, headers)
        }
        _ => negotiate::view(query, headers),
    }
}

/// Who asks for what needs no token: permitted nothing.
fn stranger(id: &RequestId) -> Caller {
    Caller { request: id.as_str().to_owned(), ..Caller::nobody() }
}

/// Everything outside of what is served.
pub(crate) async fn nothing_here(request: Request) -> Response {
    let text = "there is nothing here; FHIR is at /fhir";
    refused(request, ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, text)).await
}

/// Another method than is served; the router adds `Allow`.
pub(crate) async fn other_method(request: Request) -> Response {
    let text = "this method is not defined here";
    refused(request, ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Code::NotSupported, text)).await
}

async fn refused(request: Request, error: ApiError) -> Response {
    let (parts, _) = request.into_parts();
    let asked = negotiate::told(parts.uri.query().unwrap_or_default(), &parts.headers);
    error.delivered(asked, &request_id(&parts)).await
}

/// The id that `edge` gave the request.
pub(crate) fn request_id(parts: &Parts) -> RequestId {
    parts.extensions.get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(&parts.headers))
}
