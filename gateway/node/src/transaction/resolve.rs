//! Resolution: ids for new resources, and every `urn:uuid` and conditional reference replaced by what it names. Done
//! before the store transaction opens; conditions are checked again inside it. Called by `transaction` alone.

use super::{Target, same_id, same_kind, target, unsupported, version_of};
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::prepare::Prepared;
use crate::write::{Resolved, Step};
use fhir::bundle::{Bundle, Method, Request};
use fhir::reference::{Parts, Site};
use fhir::{Code, Issue, Outcome, Parsed, ResourceType};
use record::frame::{Method as FrameMethod, Packer};
use record::scope::Interactions;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::db::Reader;
use store::search::Search;

/// What a transaction will do.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Per step: its entry.
    pub(super) entries: Vec<usize>,
    pub(super) resolved: Vec<Resolved>,
}

/// An entry that writes.
struct Draft {
    at: usize,
    kind: ResourceType,
    id: String,
    method: FrameMethod,
    if_match: Option<String>,
    condition: Option<(Search, Option<String>)>,
    resource: Option<Parsed>,
    sites: Vec<Site>,
}

impl Node {
    pub(super) async fn plan(&self, caller: &Caller, bundle: &Arc<Bundle>) -> Result<Plan, NodeError> {
        let mut drafts = self.drafts(caller, bundle).await?;
        let mut names = HashMap::new();
        for draft in &drafts {
            if let Some(url) = &bundle.entries[draft.at].full_url {
                names.insert(url.clone(), format!("{}/{}", draft.kind.name(), draft.id));
            }
        }
        let resolved = self.conditions(caller, &drafts, &mut names).await?;
        let node = self.clone();
        // Validation and compression of a large Bundle take long enough to hold up other requests of this thread.
        let work = tokio::task::spawn_blocking(move || {
            let (mut packer, mut steps, mut faults) = (Packer::default(), Vec::new(), Outcome::default());
            for draft in &mut drafts {
                match node.step(draft, &names, &mut packer) {
                    Ok(step) => steps.push(step),
                    Err(NodeError::Invalid(outcome)) => faults.issues.extend(outcome.issues),
                    Err(error) => return Err(error),
                }
            }
            if !faults.issues.is_empty() {
                faults.issues.truncate(fhir::validate::ISSUES_MAX);
                return Err(NodeError::Invalid(faults));
            }
            let entries = drafts.iter().map(|draft| draft.at);
            Ok((entries.collect(), steps))
        });
        let (entries, steps) = work.await.or(Err(NodeError::Internal("a Bundle that could not be prepared")))??;
        Ok(Plan { steps, entries, resolved })
    }

    async fn drafts(&self, caller: &Caller, bundle: &Arc<Bundle>) -> Result<Vec<Draft>, NodeError> {
        let shared = bundle.clone();
        let parsed = tokio::task::spawn_blocking(move || {
            let resources = shared.resources().into_iter().map(|resource| resource.transpose());
            resources.collect::<Result<Vec<_>, Outcome>>()
        });
        let mut parsed = parsed.await.or(Err(NodeError::Internal("a Bundle that could not be read")))??;
        let (mut drafts, mut identities) = (Vec::new(), HashSet::new());
        for (at, entry) in bundle.entries.iter().enumerate() {
            let place = format!("Bundle.entry[{at}]");
            let Some(request) = &entry.request else {
                return Err(NodeError::invalid(Code::Required, "an entry of a transaction needs a request", &place));
            };
            if matches!(request.method, Method::Get | Method::Head) {
                continue;
            }
            let resource = parsed.get_mut(at).and_then(Option::take);
            let draft = self.draft(caller, at, request, resource, &place).await?;
            if !identities.insert((draft.kind, draft.id.clone())) {
                let text = "two entries of one transaction write the same resource";
                return Err(NodeError::invalid(Code::Invalid, text, &place));
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    async fn draft(
        &self,
        caller: &Caller,
        at: usize,
        request: &Request,
        resource: Option<Parsed>,
        place: &str,
    ) -> Result<Draft, NodeError> {
        let need = || NodeError::invalid(Code::Required, "this method needs a resource", place);
        let if_match = request.if_match.as_deref().map(version_of);
        let (kind, id, method, condition, resource) = match (request.method, target(request, place)?) {
            (Method::Post, Target::Kind(kind)) => {
                caller.permit(kind, Interactions::CREATE)?;
                let resource = resource.ok_or_else(need)?;
                same_kind(kind, resource.kind(), place)?;
                let fresh = crate::clock::fresh_id();
                let condition = match &request.if_none_exist {
                    Some(text) => Some(self.existing(caller, kind, text).await?),
                    None => None,
                };
                let id = condition.as_ref().and_then(|(_, found)| found.clone()).unwrap_or(fresh);
                (kind, id, FrameMethod::Create, condition, Some(resource))
            }
            (Method::Put, Target::Instance(kind, id)) => {
                caller.permit(kind, Interactions::UPDATE)?;
                let resource = resource.ok_or_else(need)?;
                same_kind(kind, resource.kind(), place)?;
                same_id(id, resource.id(), place)?;
                self.check_local_id(kind, id)?;
                (kind, id.to_owned(), FrameMethod::Update, None, Some(resource))
            }
            (Method::Delete, Target::Instance(kind, id)) => {
                caller.permit(kind, Interactions::DELETE)?;
                self.check_local_id(kind, id)?;
                (kind, id.to_owned(), FrameMethod::Delete, None, None)
            }
            _ => return Err(unsupported(request, place)),
        };
        let sites = resource.as_ref().map(|resource| fhir::reference::sites(resource.doc())).unwrap_or_default();
        Ok(Draft { at, kind, id, method, if_match, condition, resource, sites })
    }

    /// The one match of a conditional create, if there is one by now.
    async fn existing(
        &self,
        caller: &Caller,
        kind: ResourceType,
        text: &str,
    ) -> Result<(Search, Option<String>), NodeError> {
        let search = self.condition(caller, kind, text)?;
        let found = Reader::from(&self.store).search(&search, 2).await?;
        match &found[..] {
            [] => Ok((search, None)),
            [only] => Ok((search, Some(only.id.clone()))),
            _ => Err(NodeError::Precondition("more than one resource matches ifNoneExist".to_owned())),
        }
    }

    /// Resolves the conditional references of all entries, each text once.
    async fn conditions(
        &self,
        caller: &Caller,
        drafts: &[Draft],
        names: &mut HashMap<String, String>,
    ) -> Result<Vec<Resolved>, NodeError> {
        let mut resolved = Vec::new();
        for draft in drafts {
            for site in &draft.sites {
                let Parts::Conditional { kind, query } = fhir::reference::parse(&site.text) else { continue };
                if names.contains_key(&site.text) {
                    continue;
                }
                let place = format!("Bundle.entry[{}].resource", draft.at);
                let search = self.condition(caller, kind, query).map_err(|error| located(error, &place))?;
                let found = Reader::from(&self.store).search(&search, 2).await?;
                let [only] = &found[..] else {
                    let text = format!(
                        "a conditional reference to {} has {} matches; it needs exactly one",
                        kind.name(),
                        if found.is_empty() { "no" } else { "several" }
                    );
                    let path = site.path.split_once('.').map_or("", |(_, path)| path);
                    return Err(NodeError::invalid(Code::NotFound, text, &format!("{place}.{path}")));
                };
                names.insert(site.text.clone(), format!("{}/{}", kind.name(), only.id));
                resolved.push(Resolved { search, id: only.id.clone() });
            }
        }
        Ok(resolved)
    }

    fn step(&self, draft: &mut Draft, names: &HashMap<String, String>, packer: &mut Packer) -> Result<Step, NodeError> {
        let Some(resource) = draft.resource.take() else {
            let prepared = Prepared::delete(self.identity.id(), draft.kind, &draft.id, packer);
            return Ok(Step {
                prepared: Arc::new(prepared),
                if_match: draft.if_match.take(),
                if_none_exist: None,
                planned: None,
            });
        };
        let place = format!("Bundle.entry[{}].resource", draft.at);
        let (mut edits, mut faults) = (Vec::new(), Outcome::default());
        for site in &draft.sites {
            match (names.get(&site.text), fhir::reference::parse(&site.text)) {
                (Some(name), _) => edits.push((site.range.clone(), fhir::edit::string(name))),
                (None, Parts::Urn(_)) => {
                    let path = site.path.split_once('.').map_or("", |(_, path)| path);
                    let issue =
                        Issue::error(Code::NotFound, "no entry of this transaction has the fullUrl referred to");
                    faults.issues.push(issue.at(format!("{place}.{path}")));
                }
                _ => {}
            }
        }
        if !faults.issues.is_empty() {
            return Err(NodeError::Invalid(faults));
        }
        let resource = match edits.is_empty() {
            true => resource,
            false => {
                let bytes = fhir::edit::replace(resource.bytes(), &edits);
                fhir::parse::resource(bytes).map_err(|outcome| outcome.within(&place))?
            }
        };
        let valid = fhir::validate::check(resource).map_err(|outcome| outcome.within(&place))?;
        let condition = draft.condition.as_ref().map(|(search, _)| search.clone());
        let planned = draft.condition.as_ref().map(|(_, found)| found.clone());
        let step = self.put(&valid.into_parsed(), &draft.id, draft.method, condition, draft.if_match.take(), packer)?;
        Ok(Step { planned, ..step })
    }
}

fn located(error: NodeError, place: &str) -> NodeError {
    match error {
        NodeError::Invalid(outcome) => NodeError::Invalid(outcome.within(place)),
        other => other,
    }
}
