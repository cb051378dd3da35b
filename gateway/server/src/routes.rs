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

/// Every row.
pub(crate) static ROUTES: &[Route] = &[
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
        method: Method::PATCH,
        shape: Shape::Instance,
        name: "patch",
        claim: Claim::Resource("patch"),
        run: |call| Box::pin(patch::run(call)),
    },
    Route {
        method: Method::PUT,
        shape: Shape::Type,
        name: "update",
        claim: Claim::None,
        run: |call| Box::pin(update_where::run(call)),
    },
    Route {
        method: Method::PATCH,
        shape: Shape::Type,
        name: "patch",
        claim: Claim::None,
        run: |call| Box::pin(patch::run(call)),
    },
    Route {
        method: Method::DELETE,
        shape: Shape::Type,
        name: "delete",
        claim: Claim::None,
        run: |call| Box::pin(delete_where::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::History,
        name: "history",
        claim: Claim::Resource("history-instance"),
        run: |call| Box::pin(history::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::TypeHistory,
        name: "history",
        claim: Claim::Resource("history-type"),
        run: |call| Box::pin(history::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::SystemHistory,
        name: "history",
        claim: Claim::System(&["history-system"]),
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
        shape: Shape::System,
        name: "search",
        claim: Claim::System(&["search-system"]),
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::SystemSearch,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::SystemSearch,
        name: "search",
        claim: Claim::None,
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
        method: Method::GET,
        shape: Shape::Compartment,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::CompartmentSearch,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::CompartmentSearch,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(search::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::WholeCompartment,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(compartment::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::WholeCompartmentSearch,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(compartment::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::WholeCompartmentSearch,
        name: "search",
        claim: Claim::None,
        run: |call| Box::pin(compartment::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation("Patient", "$everything"),
        run: |call| Box::pin(everything::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::TypeOperation,
        name: "operation",
        claim: Claim::Operation("Patient", "$match"),
        run: |call| Box::pin(match_patient::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation("Patient", "$everything"),
        run: |call| Box::pin(everything::run(call)),
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
    Route {
        method: Method::POST,
        shape: Shape::TypeOperation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$validate"),
        run: |call| Box::pin(validate::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$validate"),
        run: |call| Box::pin(validate::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$validate"),
        run: |call| Box::pin(validate::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta"),
        run: |call| Box::pin(meta::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta"),
        run: |call| Box::pin(meta::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::TypeOperation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta"),
        run: |call| Box::pin(meta::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::SystemOperation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta"),
        run: |call| Box::pin(meta::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::TypeOperation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta"),
        run: |call| Box::pin(meta::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::SystemOperation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta"),
        run: |call| Box::pin(meta::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta-add"),
        run: |call| Box::pin(meta_add::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$meta-delete"),
        run: |call| Box::pin(meta_delete::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::SystemOperation,
        name: "operation",
        claim: Claim::Operation(SYSTEM, "$reindex"),
        run: |call| Box::pin(reindex::run(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::ReindexJob,
        name: "operation",
        claim: Claim::None,
        run: |call| Box::pin(reindex::status(call)),
    },
    Route {
        method: Method::DELETE,
        shape: Shape::ReindexJob,
        name: "operation",
        claim: Claim::None,
        run: |call| Box::pin(reindex::cancel(call)),
    },
    Route {
        method: Method::GET,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$diff"),
        run: |call| Box::pin(diff::run(call)),
    },
    Route {
        method: Method::POST,
        shape: Shape::Operation,
        name: "operation",
        claim: Claim::Operation(EVERY, "$diff"),
        run: |call| Box::pin(diff::run(call)),
    },
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
