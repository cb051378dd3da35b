//! The table of interactions and operations. Requests are served by it, and the CapabilityStatement is written from it,
//! so that the statement cannot claim what does not work. Called by `dispatch` and `interaction::capabilities`.

use crate::answer::Answer;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::interaction::{bundle, capabilities, create, delete, history, read, search, update, vread};
use crate::operation::{confirm, invite, request_access};
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
    /// `rest.resource.operation` of this type; the name has its dollar sign.
    Operation(&'static str, &'static str),
}

/// Every row.
pub(crate) static ROUTES: [Route; 14] = [
    Route {
        method: Method::GET,
        shape: Shape::Metadata,
        name: "capabilities",
        claim: Claim::None,
        run: |call| Box::pin(capabilities::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::System,
        name: "batch",
        claim: Claim::System(&["transaction", "batch"]),
        run: |call| Box::pin(bundle::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Instance,
        name: "read",
        claim: Claim::Resource("read"),
        run: |call| Box::pin(read::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Version,
        name: "vread",
        claim: Claim::Resource("vread"),
        run: |call| Box::pin(vread::run(call)),
    },
    Route {
        method: Method::PUT,
        shape: Shape::Instance,
        name: "update",
        claim: Claim::Resource("update"),
        run: |call| Box::pin(update::run(call)),
    },
    Route {
        method: Method::DELETE,
        shape: Shape::Instance,
        name: "delete",
        claim: Claim::Resource("delete"),
        run: |call| Box::pin(delete::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::History,
        name: "history",
        claim: Claim::Resource("history-instance"),
        run: |call| Box::pin(history::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Type,
        name: "create",
        claim: Claim::Resource("create"),
        run: |call| Box::pin(create::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Type,
        name: "search",
        claim: Claim::Resource("search-type"),
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Search,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Search,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation("Patient", "$invite"),
        run: |call| Box::pin(invite::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation("Task", "$confirm"),
        run: |call| Box::pin(confirm::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation("Patient", "$request-access"),
        run: |call| Box::pin(request_access::run(call)),
    },
];

/// The row that serves a request.
///
/// # Errors
/// 405 with the methods that are there, or 501 for what R4 defines and is not here.
pub(crate) fn find(method: &Method, target: &Target, query: &str) -> Result<&'static Route, ApiError> {
    // HEAD is GET without the body, which the HTTP layer leaves out.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let here = || ROUTES.iter().filter(|route| route.shape == target.shape && is_named(route, target));
    if let Some(route) = here().find(|route| route.method == *method) {
        return Ok(route);
    }
    if target.shape == Shape::Operation && here().next().is_none() {
        let kind = target.kind.map_or("", fhir::ResourceType::name);
        return Err(crate::target::no_operation(&target.rest, &format!("one {kind}")));
    }
    match (method, target.shape) {
        (&Method::PATCH, Shape::Instance | Shape::Type) => Err(ApiError::not_here("PATCH is not supported")),
        (&Method::PUT | &Method::DELETE, Shape::Type) if !query.is_empty() => {
            Err(ApiError::not_here("conditional update and conditional delete are not supported"))
        }
        (&Method::GET, Shape::System) => Err(ApiError::not_here("a search over all types is not supported")),
        _ => {
            let mut allowed: Vec<&str> = here().map(|route| route.method.as_str()).collect();
            if allowed.contains(&"GET") {
                allowed.push("HEAD");
            }
            Err(ApiError::method(&allowed.join(", "), format!("{method} is not defined here")))
        }
    }
}

fn is_named(route: &Route, target: &Target) -> bool {
    match route.claim {
        Claim::Operation(kind, name) => target.kind.is_some_and(|of| of.name() == kind) && target.rest == name,
        _ => true,
    }
}
