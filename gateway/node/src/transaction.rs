//! Bundles: a transaction is one store transaction, all or nothing, whatever records it touches; a batch is its entries
//! one by one. References between entries are resolved before anything is written. Called by `server`.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>

mod resolve;

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::read::Served;
use crate::search::{Found, pairs};
use crate::write::{Intent, Written};
use fhir::bundle::{Bundle, Entry, Method, Request};
use fhir::query::Query;
use fhir::{Code, ResourceType};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Entries of a batch that are under way at once; they share commits.
const BATCH_AT_ONCE: usize = 32;
/// How often a transaction is prepared anew when a condition changed its meaning in between.
const TRIES_MAX: usize = 5;

/// What became of an entry.
#[derive(Debug)]
pub enum EntryResult {
    /// POST, PUT, DELETE.
    Written(Written),
    /// GET of one resource.
    Read(Served),
    /// GET of a search.
    Found {
        /// The type.
        kind: ResourceType,
        /// Its first page.
        found: Box<Found>,
        /// The query.
        query: Box<Query>,
    },
    /// A batch goes on after a failure.
    Failed(NodeError),
}

/// Where an entry's request goes.
pub(crate) enum Target<'u> {
    Kind(ResourceType),
    Instance(ResourceType, &'u str),
    Search(ResourceType, &'u str),
}

pub(crate) fn target<'u>(request: &'u Request, place: &str) -> Result<Target<'u>, NodeError> {
    let url = request.url.trim_start_matches('/');
    let bad = |text: &str| NodeError::invalid(Code::Value, text, &format!("{place}.request.url"));
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let mut parts = path.split('/');
    let kind =
        parts.next().and_then(ResourceType::parse).ok_or_else(|| bad("the url does not begin with a resource type"))?;
    match (parts.next(), parts.next(), query) {
        (None, _, Some(query)) => Ok(Target::Search(kind, query)),
        (None, _, None) => Ok(Target::Kind(kind)),
        (Some(id), None, None) if fhir::primitive::is_id(id) => Ok(Target::Instance(kind, id)),
        _ => Err(bad("this form of url is not supported in a Bundle")),
    }
}

impl Node {
    /// Runs a transaction Bundle: every entry or none.
    ///
    /// # Errors
    /// [`NodeError`], naming the entry; nothing is changed then.
    pub async fn transaction(&self, caller: &Caller, bundle: Bundle) -> Result<Vec<EntryResult>, NodeError> {
        let bundle = Arc::new(bundle);
        let mut tries = 0;
        let mut results = loop {
            match self.try_transaction(caller, &bundle).await {
                Err(NodeError::Conflict(_)) if tries < TRIES_MAX => tries += 1,
                result => break result?,
            }
        };
        // Reads come last and see what was written (http.html#trules).
        for (at, entry) in bundle.entries.iter().enumerate() {
            if let Some(request) = entry.request.as_ref().filter(|request| is_read(request)) {
                results[at] = Some(self.get(caller, request, &format!("Bundle.entry[{at}]")).await?);
            }
        }
        results.into_iter().map(|result| result.ok_or(NodeError::Internal("an entry without a result"))).collect()
    }

    async fn try_transaction(
        &self,
        caller: &Caller,
        bundle: &Arc<Bundle>,
    ) -> Result<Vec<Option<EntryResult>>, NodeError> {
        let plan = self.plan(caller, bundle).await?;
        let mut results = bundle.entries.iter().map(|_| None).collect::<Vec<_>>();
        if plan.steps.is_empty() {
            return Ok(results);
        }
        let written = self.write_steps(caller, plan.steps, plan.resolved).await?;
        for (at, written) in plan.entries.into_iter().zip(written) {
            results[at] = Some(EntryResult::Written(written));
        }
        Ok(results)
    }

    /// Runs a batch Bundle: each entry by itself.
    ///
    /// # Errors
    /// Only where the Bundle as a whole cannot be run.
    pub async fn batch(&self, caller: &Caller, bundle: Bundle) -> Result<Vec<EntryResult>, NodeError> {
        let bundle = Arc::new(bundle);
        let mut results = bundle.entries.iter().map(|_| None).collect::<Vec<_>>();
        let mut running = JoinSet::new();
        let mut next = 0;
        while next < bundle.entries.len() || !running.is_empty() {
            while next < bundle.entries.len() && running.len() < BATCH_AT_ONCE {
                let (node, caller, bundle, at) = (self.clone(), caller.clone(), bundle.clone(), next);
                running.spawn(async move { (at, node.batch_entry(&caller, &bundle, at).await) });
                next += 1;
            }
            if let Some(Ok((at, result))) = running.join_next().await {
                results[at] = Some(result.unwrap_or_else(EntryResult::Failed));
            }
        }
        let lost = || EntryResult::Failed(NodeError::Internal("an entry that was not run"));
        Ok(results.into_iter().map(|result| result.unwrap_or_else(lost)).collect())
    }

    async fn batch_entry(&self, caller: &Caller, bundle: &Bundle, at: usize) -> Result<EntryResult, NodeError> {
        let (entry, place) = (&bundle.entries[at], format!("Bundle.entry[{at}]"));
        let Some(request) = &entry.request else {
            return Err(NodeError::invalid(Code::Required, "an entry of a batch needs a request", &place));
        };
        if is_read(request) {
            return self.get(caller, request, &place).await;
        }
        let intent = intent(bundle, entry, at, request, &place)?;
        Ok(EntryResult::Written(self.write(caller, intent).await?))
    }

    async fn get(&self, caller: &Caller, request: &Request, place: &str) -> Result<EntryResult, NodeError> {
        match target(request, place)? {
            Target::Instance(kind, id) => Ok(EntryResult::Read(self.read(caller, kind, id).await?)),
            Target::Kind(kind) => self.get_search(caller, kind, "").await,
            Target::Search(kind, query) => self.get_search(caller, kind, query).await,
        }
    }

    async fn get_search(&self, caller: &Caller, kind: ResourceType, text: &str) -> Result<EntryResult, NodeError> {
        let query = fhir::query::parse(kind, &pairs(text))?;
        let found = Box::new(self.search(caller, query.clone(), None).await?);
        Ok(EntryResult::Found { kind, found, query: Box::new(query) })
    }
}

fn is_read(request: &Request) -> bool {
    matches!(request.method, Method::Get | Method::Head)
}

fn intent(bundle: &Bundle, entry: &Entry, at: usize, request: &Request, place: &str) -> Result<Intent, NodeError> {
    let resource = || {
        let bytes = bundle
            .resource(at)
            .ok_or_else(|| NodeError::invalid(Code::Required, "this method needs a resource", place))?;
        debug_assert!(entry.resource.is_some());
        let inside = format!("{place}.resource");
        let parsed = fhir::parse::resource(bytes.to_vec()).map_err(|outcome| outcome.within(&inside))?;
        Ok::<_, NodeError>(fhir::validate::check(parsed).map_err(|outcome| outcome.within(&inside))?)
    };
    match (request.method, target(request, place)?) {
        (Method::Post, Target::Kind(kind)) => {
            let resource = resource()?;
            same_kind(kind, resource.kind(), place)?;
            Ok(Intent::Create { resource, if_none_exist: request.if_none_exist.clone() })
        }
        (Method::Put, Target::Instance(kind, id)) => {
            let resource = resource()?;
            same_kind(kind, resource.kind(), place)?;
            same_id(id, resource.id(), place)?;
            Ok(Intent::Update { resource, if_match: request.if_match.as_deref().map(version_of) })
        }
        (Method::Delete, Target::Instance(kind, id)) => {
            Ok(Intent::Delete { kind, id: id.to_owned(), if_match: request.if_match.as_deref().map(version_of) })
        }
        _ => Err(unsupported(request, place)),
    }
}

pub(crate) fn unsupported(request: &Request, place: &str) -> NodeError {
    let text = format!("{} with this url is not supported in a Bundle", request.method.name());
    NodeError::invalid(Code::NotSupported, text, &format!("{place}.request"))
}

pub(crate) fn same_kind(wanted: ResourceType, found: ResourceType, place: &str) -> Result<(), NodeError> {
    if wanted == found {
        return Ok(());
    }
    let text = format!("the url says {} and the resource is a {}", wanted.name(), found.name());
    Err(NodeError::invalid(Code::Invalid, text, &format!("{place}.resource")))
}

pub(crate) fn same_id(wanted: &str, found: Option<&str>, place: &str) -> Result<(), NodeError> {
    if found == Some(wanted) {
        return Ok(());
    }
    let text = "the resource's id is not the one in the url";
    Err(NodeError::invalid(Code::Invalid, text, &format!("{place}.resource.id")))
}

/// The versionId in `W/"..."`.
pub fn version_of(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}
