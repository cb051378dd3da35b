//! Bundles: a transaction is one store transaction, all or nothing, whatever records it touches; a batch is its entries
//! one by one. References between entries are resolved before anything is written. What only reads is left to the
//! caller, who has every form of it. Called by `server`.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>

mod resolve;

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::patch::Patch;
use crate::write::{Intent, Which, Written, within_entry};
use fhir::bundle::{Bundle, Entry, Method, Request};
use fhir::{Code, Issue, ResourceType};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Entries of a batch that are under way at once; they share commits.
const BATCH_AT_ONCE: usize = 32;
/// How often a transaction is prepared anew when a condition changed its meaning in between.
const TRIES_MAX: usize = 5;

/// What became of an entry.
#[derive(Debug)]
pub enum EntryResult {
    /// POST, PUT, PATCH, DELETE.
    Written(Written),
    /// GET, HEAD, and POST of searches and operations: the caller's, now that everything is written.
    Left,
    /// A batch goes on after a failure.
    Failed(NodeError),
}

/// Where an entry's request goes, for what writes.
pub(crate) enum Target<'u> {
    Kind(ResourceType),
    Instance(ResourceType, &'u str),
    Where(ResourceType, &'u str),
}

/// Whether an entry only asks.
#[must_use]
pub fn asks(request: &Request) -> bool {
    let path = request.url.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    match request.method {
        Method::Get | Method::Head => true,
        Method::Post => last == "_search" || last.starts_with('$'),
        Method::Put | Method::Patch | Method::Delete => false,
    }
}

pub(crate) fn target<'u>(request: &'u Request, place: &str) -> Result<Target<'u>, NodeError> {
    let url = request.url.trim_start_matches('/');
    let bad = |text: &str| NodeError::invalid(Code::Value, text, &format!("{place}.request.url"));
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let mut parts = path.trim_end_matches('/').split('/');
    let kind =
        parts.next().and_then(ResourceType::parse).ok_or_else(|| bad("the url does not begin with a resource type"))?;
    match (parts.next(), parts.next(), query.filter(|query| !query.is_empty())) {
        (None, _, Some(query)) => Ok(Target::Where(kind, query)),
        (None, _, None) => Ok(Target::Kind(kind)),
        (Some(id), None, None) if fhir::primitive::is_id(id) => Ok(Target::Instance(kind, id)),
        _ => Err(bad("R4 defines no write at a url of this form")),
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
        let mut results: Vec<Option<EntryResult>> = loop {
            match self.try_transaction(caller, &bundle).await {
                Err(NodeError::Conflict(_)) if tries < TRIES_MAX => tries += 1,
                result => break result?,
            }
        };
        for (result, entry) in results.iter_mut().zip(&bundle.entries) {
            if entry.request.as_ref().is_some_and(asks) {
                *result = Some(EntryResult::Left);
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
        if plan.asked.is_empty() {
            return Ok(results);
        }
        let written = self.write_steps(caller, plan.asked, plan.resolved).await?;
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
        if asks(request) {
            return Ok(EntryResult::Left);
        }
        let (intent, issues) = self.intent(bundle, entry, at, request, &place)?;
        let mut written = self.write(caller, intent).await.map_err(|error| within_entry(error, at))?;
        if written.changed {
            written.issues.extend(issues);
        }
        Ok(EntryResult::Written(written))
    }

    /// What an entry of a batch writes, and what validation found in its resource.
    fn intent(
        &self,
        bundle: &Bundle,
        entry: &Entry,
        at: usize,
        request: &Request,
        place: &str,
    ) -> Result<(Intent, Vec<Issue>), NodeError> {
        let inside = format!("{place}.resource");
        let parsed = || {
            let bytes = bundle
                .resource(at)
                .ok_or_else(|| NodeError::invalid(Code::Required, "this method needs a resource", place))?;
            debug_assert!(entry.resource.is_some());
            Ok::<_, NodeError>(fhir::parse::resource(bytes.to_vec()).map_err(|outcome| outcome.within(&inside))?)
        };
        let mut issues = Vec::new();
        let mut resource = |kind: ResourceType| {
            let parsed = parsed()?;
            same_kind(kind, parsed.kind(), place)?;
            let (valid, found) = self.admit(parsed).map_err(|outcome| outcome.within(&inside))?;
            issues = found;
            Ok::<_, NodeError>(valid)
        };
        let if_match = request.if_match.as_deref().map(version_of);
        let intent = match (request.method, target(request, place)?) {
            (Method::Post, Target::Kind(kind)) => {
                Intent::Create { resource: resource(kind)?, if_none_exist: if_none_exist(request) }
            }
            (Method::Put, Target::Instance(kind, id)) => {
                let resource = resource(kind)?;
                same_id(id, resource.id(), place)?;
                Intent::Update { resource, if_match }
            }
            (Method::Put, Target::Where(kind, criteria)) => {
                Intent::UpdateWhere { resource: resource(kind)?, criteria: criteria.to_owned(), if_match }
            }
            (Method::Patch, Target::Instance(kind, id)) => {
                let patch = Patch::of_entry(&parsed()?, place)?;
                Intent::Patch { kind, which: Which::Id(id.to_owned()), patch, if_match }
            }
            (Method::Patch, Target::Where(kind, criteria)) => {
                let patch = Patch::of_entry(&parsed()?, place)?;
                Intent::Patch { kind, which: Which::Where(criteria.to_owned()), patch, if_match }
            }
            (Method::Delete, Target::Instance(kind, id)) => Intent::Delete { kind, id: id.to_owned(), if_match },
            (Method::Delete, Target::Where(kind, criteria)) => {
                Intent::DeleteWhere { kind, criteria: criteria.to_owned(), if_match }
            }
            _ => return Err(unsupported(request, place)),
        };
        Ok((intent, issues))
    }
}

/// The query of `ifNoneExist`; some clients send the whole URL of the search.
pub(crate) fn if_none_exist(request: &Request) -> Option<String> {
    let text = request.if_none_exist.as_deref()?;
    Some(text.rsplit_once('?').map_or(text, |(_, query)| query).to_owned())
}

pub(crate) fn unsupported(request: &Request, place: &str) -> NodeError {
    let text = format!("R4 defines no {} at a url of this form", request.method.name());
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
