//! The table of interactions and operations. Requests are served by it, and the CapabilityStatement is written from it,
//! so that the statement cannot claim what does not work. Called by `dispatch` and `interaction::capabilities`.

use crate::answer::Answer;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::interaction::{
    bundle, capabilities, compartment, create, delete, delete_where, history, patch, read, search, update,
    update_where, vread,
};
use crate::operation::{
    confirm, diff, everything, invite, match_patient, meta, meta_add, meta_delete, reindex, request_access, validate,
};
use crate::target::{Shape, Target};
use axum::http::Method;
use std::pin::Pin;

/// What an interaction comes to.
type Answering = Pin<Box<dyn Future<Output = Result<Answer, ApiError>> + Send>>;

/// One row: what is served where.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) shape: Shape,
    /// Its name for metrics and audit.
    pub(crate) name: &'static str,
    pub(crate) claim: Claim,
    pub(crate) run: fn(Call) -> Answering,
}

/// What the CapabilityStatement says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing: it is understood.
    None,
    /// `rest.interaction`, these codes.
    System(&'static [&'static str]),
    /// `rest.resource.interaction`, this code, at every type.
    Resource(&'static str),
    /// `rest.resource.operation` of this type or of [`EVERY`], `rest.operation` of [`SYSTEM`]; the name has its dollar sign.
    Operation(&'static str, &'static str),
}

/// The type of operations that every type has.
pub(crate) const EVERY: &str = "Resource";

/// In place of a type, for operations on the whole system alone.
pub(crate) const SYSTEM: &str = "System";

const fn row(method: Method, shape: Shape, name: &'static str, claim: Claim, run: fn(Call) -> Answering) -> Route {
    Route { method, shape, name, claim, run }
}

/// Every row.
pub(crate) static ROUTES: &[Route] = &[
    row(Method::GET, Shape::Metadata, "capabilities", Claim::None, |call| Box::pin(capabilities::run(call))),
    row(Method::POST, Shape::System, "batch", Claim::System(&["transaction", "batch"]), |call| {
        Box::pin(bundle::run(call))
    }),
    row(Method::GET, Shape::Instance, "read", Claim::Resource("read"), |call| Box::pin(read::run(call))),
    row(Method::GET, Shape::Version, "vread", Claim::Resource("vread"), |call| Box::pin(vread::run(call))),
    row(Method::PUT, Shape::Instance, "update", Claim::Resource("update"), |call| Box::pin(update::run(call))),
    row(Method::DELETE, Shape::Instance, "delete", Claim::Resource("delete"), |call| Box::pin(delete::run(call))),
    row(Method::PATCH, Shape::Instance, "patch", Claim::Resource("patch"), |call| Box::pin(patch::run(call))),
    row(Method::PUT, Shape::Type, "update", Claim::None, |call| Box::pin(update_where::run(call))),
    row(Method::PATCH, Shape::Type, "patch", Claim::None, |call| Box::pin(patch::run(call))),
    row(Method::DELETE, Shape::Type, "delete", Claim::None, |call| Box::pin(delete_where::run(call))),
    row(Method::GET, Shape::History, "history", Claim::Resource("history-instance"), |call| {
        Box::pin(history::run(call))
    }),
    row(Method::GET, Shape::TypeHistory, "history", Claim::Resource("history-type"), |call| {
        Box::pin(history::run(call))
    }),
    row(Method::GET, Shape::SystemHistory, "history", Claim::System(&["history-system"]), |call| {
        Box::pin(history::run(call))
    }),
    row(Method::POST, Shape::Type, "create", Claim::Resource("create"), |call| Box::pin(create::run(call))),
    row(Method::GET, Shape::Type, "search", Claim::Resource("search-type"), |call| Box::pin(search::run(call))),
    row(Method::GET, Shape::System, "search", Claim::System(&["search-system"]), |call| Box::pin(search::run(call))),
    row(Method::GET, Shape::SystemSearch, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::POST, Shape::SystemSearch, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::GET, Shape::Search, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::POST, Shape::Search, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::GET, Shape::Compartment, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::GET, Shape::CompartmentSearch, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::POST, Shape::CompartmentSearch, "search", Claim::None, |call| Box::pin(search::run(call))),
    row(Method::GET, Shape::WholeCompartment, "search", Claim::None, |call| Box::pin(compartment::run(call))),
    row(Method::GET, Shape::WholeCompartmentSearch, "search", Claim::None, |call| Box::pin(compartment::run(call))),
    row(Method::POST, Shape::WholeCompartmentSearch, "search", Claim::None, |call| Box::pin(compartment::run(call))),
    row(Method::GET, Shape::Operation, "operation", Claim::Operation("Patient", "$everything"), |call| {
        Box::pin(everything::run(call))
    }),
    row(Method::POST, Shape::TypeOperation, "operation", Claim::Operation("Patient", "$match"), |call| {
        Box::pin(match_patient::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation("Patient", "$everything"), |call| {
        Box::pin(everything::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation("Patient", "$invite"), |call| {
        Box::pin(invite::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation("Task", "$confirm"), |call| {
        Box::pin(confirm::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation("Patient", "$request-access"), |call| {
        Box::pin(request_access::run(call))
    }),
    row(Method::POST, Shape::TypeOperation, "operation", Claim::Operation(EVERY, "$validate"), |call| {
        Box::pin(validate::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation(EVERY, "$validate"), |call| {
        Box::pin(validate::run(call))
    }),
    row(Method::GET, Shape::Operation, "operation", Claim::Operation(EVERY, "$validate"), |call| {
        Box::pin(validate::run(call))
    }),
    row(Method::GET, Shape::Operation, "operation", Claim::Operation(EVERY, "$meta"), |call| Box::pin(meta::run(call))),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation(EVERY, "$meta"), |call| {
        Box::pin(meta::run(call))
    }),
    row(Method::GET, Shape::TypeOperation, "operation", Claim::Operation(EVERY, "$meta"), |call| {
        Box::pin(meta::run(call))
    }),
    row(Method::GET, Shape::SystemOperation, "operation", Claim::Operation(EVERY, "$meta"), |call| {
        Box::pin(meta::run(call))
    }),
    row(Method::POST, Shape::TypeOperation, "operation", Claim::Operation(EVERY, "$meta"), |call| {
        Box::pin(meta::run(call))
    }),
    row(Method::POST, Shape::SystemOperation, "operation", Claim::Operation(EVERY, "$meta"), |call| {
        Box::pin(meta::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation(EVERY, "$meta-add"), |call| {
        Box::pin(meta_add::run(call))
    }),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation(EVERY, "$meta-delete"), |call| {
        Box::pin(meta_delete::run(call))
    }),
    row(Method::POST, Shape::SystemOperation, "operation", Claim::Operation(SYSTEM, "$reindex"), |call| {
        Box::pin(reindex::run(call))
    }),
    row(Method::GET, Shape::ReindexJob, "operation", Claim::None, |call| Box::pin(reindex::status(call))),
    row(Method::DELETE, Shape::ReindexJob, "operation", Claim::None, |call| Box::pin(reindex::cancel(call))),
    row(Method::GET, Shape::Operation, "operation", Claim::Operation(EVERY, "$diff"), |call| Box::pin(diff::run(call))),
    row(Method::POST, Shape::Operation, "operation", Claim::Operation(EVERY, "$diff"), |call| {
        Box::pin(diff::run(call))
    }),
];

/// The row that serves a request.
///
/// # Errors
/// 405 with the methods that are there, or 501 for what R4 defines and is not here.
pub(crate) fn find(method: &Method, target: &Target) -> Result<&'static Route, ApiError> {
    // HEAD is GET without the body, which the HTTP layer leaves out.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let here = || ROUTES.iter().filter(|route| route.shape == target.shape && is_named(route, target));
    if let Some(route) = here().find(|route| route.method == *method) {
        return Ok(route);
    }
    let kind = target.kind.map_or("", fhir::ResourceType::name);
    let place = match target.shape {
        Shape::Operation => format!("one {kind}"),
        Shape::TypeOperation => kind.to_owned(),
        Shape::SystemOperation => "the whole system".to_owned(),
        _ => String::new(),
    };
    if !place.is_empty() && here().next().is_none() {
        return Err(crate::target::no_operation(&target.rest, &place));
    }
    let mut allowed: Vec<&str> = here().map(|route| route.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    Err(ApiError::method(&allowed.join(", "), format!("{method} is not defined here")))
}

fn is_named(route: &Route, target: &Target) -> bool {
    match route.claim {
        Claim::Operation(kind, name) => {
            let here = kind == EVERY || target.kind.map_or(SYSTEM, |of| of.name()) == kind;
            here && target.rest == name
        }
        _ => true,
    }
}
