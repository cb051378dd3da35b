//! Resolution: ids for new resources, and every `urn:uuid` and conditional reference replaced by what it names. Done
//! before the store transaction opens; conditions are checked again inside it. Called by `transaction` alone.

use super::{Target, asks, if_none_exist, same_id, same_kind, target, unsupported, version_of};
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::parameters::Registry;
use crate::patch::Patch;
use crate::prepare::{Foreign, Prepared};
use crate::search::pairs;
use crate::write::{Asked, Change, Late, Resolved, Select, Step, Which, Work, may_create, within_entry};
use fhir::bundle::{Bundle, Method, Request};
use fhir::query::Query;
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
    pub(super) asked: Vec<Asked>,
    /// Per write: its entry.
    pub(super) entries: Vec<usize>,
    pub(super) resolved: Vec<Resolved>,
}

/// An entry that writes.
struct Draft {
    at: usize,
    kind: ResourceType,
    /// Its id, as far as it is known; empty for what matches nothing.
    id: String,
    /// Whose it is, where it is not this node's.
    foreign: Option<Foreign>,
    verb: Verb,
    if_match: Option<String>,
    resource: Option<Parsed>,
    sites: Vec<Site>,
}

/// A search, and what it finds by now.
type Condition = (Search, Option<String>);

enum Verb {
    Create(Option<Condition>),
    Update,
    UpdateWhere(Condition),
    Patch(Which),
    Delete,
    DeleteWhere(Box<Late>),
}

impl Node {
    pub(super) async fn plan(&self, caller: &Caller, bundle: &Arc<Bundle>) -> Result<Plan, NodeError> {
        let mut drafts = self.drafts(caller, bundle).await?;
        let mut names = HashMap::new();
        for draft in drafts.iter().filter(|draft| !draft.id.is_empty()) {
            if let Some(url) = &bundle.entries[draft.at].full_url {
                names.insert(url.clone(), format!("{}/{}", draft.kind.name(), draft.id));
            }
        }
        let resolved = self.conditions(caller, &drafts, &mut names).await?;
        let (node, caller_) = (self.clone(), caller.clone());
        // Validation and compression of a large Bundle take long enough to hold up other requests of this thread.
        let work = tokio::task::spawn_blocking(move || {
            let (mut packer, mut works, mut faults) = (Packer::default(), Vec::new(), Outcome::default());
            for draft in &mut drafts {
                match node.work(&caller_, draft, &names, &mut packer) {
                    Ok(work) => works.push(work),
                    Err(NodeError::Invalid(outcome)) => faults.issues.extend(outcome.issues),
                    Err(error) => return Err(within_entry(error, draft.at)),
                }
            }
            if !faults.issues.is_empty() {
                faults.issues.truncate(fhir::validate::ISSUES_MAX);
                return Err(NodeError::Invalid(faults));
            }
            Ok((drafts, works))
        });
        let (drafts, works) = work.await.or(Err(NodeError::Internal("a Bundle that could not be prepared")))??;
        let (mut asked, mut entries) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
        for (draft, work) in drafts.into_iter().zip(works) {
            let work = match (work, draft.verb) {
                (Ok(work), _) => work,
                (Err(patch), Verb::Patch(which)) => {
                    let late = self.late_patch(caller, draft.kind, which, patch, draft.if_match).await;
                    Work::Late(late.map_err(|error| within_entry(error, draft.at))?)
                }
                (Err(_), _) => return Err(NodeError::Internal("a patch where there is none")),
            };
            asked.push(Asked { entry: Some(draft.at), work });
            entries.push(draft.at);
        }
        Ok(Plan { asked, entries, resolved })
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
            if asks(request) {
                continue;
            }
            let resource = parsed.get_mut(at).and_then(Option::take);
            let draft = self.draft(caller, at, request, resource, &place).await;
            let draft = draft.map_err(|error| within_entry(error, at))?;
            // A conditional create that finds its match writes nothing.
            let writes = !draft.id.is_empty() && !matches!(draft.verb, Verb::Create(Some((_, Some(_)))));
            if writes && !identities.insert((draft.kind, draft.id.clone())) {
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
        let mut foreign = None;
        let (kind, id, verb, resource) = match (request.method, target(request, place)?) {
            (Method::Post, Target::Kind(kind)) => {
                caller.may(kind, Interactions::CREATE)?;
                let resource = resource.ok_or_else(need)?;
                same_kind(kind, resource.kind(), place)?;
                let condition = match if_none_exist(request) {
                    Some(text) => Some(self.existing(caller, kind, &text).await?),
                    None => None,
                };
                let found = condition.as_ref().and_then(|(_, found)| found.clone());
                (kind, found.unwrap_or_else(crate::clock::fresh_id), Verb::Create(condition), Some(resource))
            }
            (Method::Put, Target::Instance(kind, id)) => {
                caller.may(kind, Interactions::UPDATE)?;
                let resource = resource.ok_or_else(need)?;
                same_kind(kind, resource.kind(), place)?;
                same_id(id, resource.id(), place)?;
                foreign = self.named(caller, kind, id, FrameMethod::Update).await?;
                (kind, id.to_owned(), Verb::Update, Some(resource))
            }
            (Method::Put, Target::Where(kind, criteria)) => {
                caller.may(kind, Interactions::UPDATE)?;
                let resource = resource.ok_or_else(need)?;
                same_kind(kind, resource.kind(), place)?;
                if let Some(id) = resource.id() {
                    self.check_local_id(kind, id)?;
                }
                let condition = self.existing(caller, kind, criteria).await?;
                let known = condition.1.clone().or_else(|| resource.id().map(str::to_owned));
                let id = known.unwrap_or_else(crate::clock::fresh_id);
                (kind, id, Verb::UpdateWhere(condition), Some(resource))
            }
            (Method::Patch, Target::Instance(kind, id)) => {
                caller.may(kind, Interactions::UPDATE)?;
                (kind, id.to_owned(), Verb::Patch(Which::Id(id.to_owned())), Some(resource.ok_or_else(need)?))
            }
            (Method::Patch, Target::Where(kind, criteria)) => {
                caller.may(kind, Interactions::UPDATE)?;
                let (_, found) = self.existing(caller, kind, criteria).await?;
                let verb = Verb::Patch(Which::Where(criteria.to_owned()));
                (kind, found.unwrap_or_default(), verb, Some(resource.ok_or_else(need)?))
            }
            (Method::Delete, Target::Instance(kind, id)) => {
                caller.may(kind, Interactions::DELETE)?;
                foreign = self.named(caller, kind, id, FrameMethod::Delete).await?;
                (kind, id.to_owned(), Verb::Delete, None)
            }
            (Method::Delete, Target::Where(kind, criteria)) => {
                let late = self.late_delete(caller, kind, criteria, if_match.clone()).await?;
                (kind, String::new(), Verb::DeleteWhere(Box::new(late)), None)
            }
            _ => return Err(unsupported(request, place)),
        };
        let sites = resource.as_ref().map(|resource| fhir::reference::sites(resource.doc())).unwrap_or_default();
        Ok(Draft { at, kind, id, foreign, verb, if_match, resource, sites })
    }

    /// The one match of a condition, if there is one by now.
    async fn existing(
        &self,
        caller: &Caller,
        kind: ResourceType,
        text: &str,
    ) -> Result<(Search, Option<String>), NodeError> {
        let search = self.condition(caller, kind, text).await?;
        let found = Reader::from(&self.store).search(&search, 2).await?.0;
        match &found[..] {
            [] => Ok((search, None)),
            [only] => Ok((search, Some(only.id.clone()))),
            _ => Err(NodeError::Precondition(format!("more than one {} matches the criteria", kind.name()))),
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
                let search = self.condition(caller, kind, query).await.map_err(|error| located(error, &place))?;
                let mut found = Reader::from(&self.store).search(&search, 2).await?.0;
                let there = found.first().map(|found| found.id.clone()).filter(|_| found.len() < 2);
                found.retain(|found| !goes(drafts, kind, &found.id));
                let mut ids = found.into_iter().map(|found| found.id).collect::<Vec<_>>();
                let query = self.query(kind, &pairs(query)).await?;
                for id in made(drafts, kind, &query, &self.registry()) {
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                let [only] = &ids[..] else {
                    let path = site.path.split_once('.').map_or("", |(_, path)| path);
                    // R4 names no status: the same transaction may succeed once what it refers to is here.
                    return Err(NodeError::Precondition(format!(
                        "{place}.{path}: the conditional reference {} has {} matches; it needs exactly one",
                        site.text,
                        if ids.is_empty() { "no" } else { "several" }
                    )));
                };
                names.insert(site.text.clone(), format!("{}/{only}", kind.name()));
                resolved.push(Resolved { search, id: there });
            }
        }
        Ok(resolved)
    }

    /// What an entry needs from the store transaction; for a PATCH the patch.
    fn work(
        &self,
        caller: &Caller,
        draft: &mut Draft,
        names: &HashMap<String, String>,
        packer: &mut Packer,
    ) -> Result<Result<Work, Patch>, NodeError> {
        let place = format!("Bundle.entry[{}]", draft.at);
        let inside = format!("{place}.resource");
        let Some(resource) = draft.resource.take() else {
            return Ok(Ok(match &draft.verb {
                Verb::DeleteWhere(late) => Work::Late(*late.clone()),
                _ => {
                    let prepared = Prepared::delete(self.identity.id(), draft.kind, &draft.id, packer);
                    let prepared = Arc::new(prepared.of(draft.foreign.take(), packer));
                    let if_match = draft.if_match.take();
                    Work::Ready(Step { prepared, if_match, if_none_exist: None, planned: None })
                }
            }));
        };
        let resource = referring(resource, &draft.sites, names, &inside)?;
        if let Verb::Patch(_) = &draft.verb {
            return Ok(Err(Patch::of_entry(&resource, &place)?));
        }
        let (valid, issues) = self.admit(resource).map_err(|outcome| outcome.within(&inside))?;
        let valid = valid.into_parsed();
        let if_match = draft.if_match.take();
        let work = match &draft.verb {
            Verb::Create(condition) => {
                let (search, planned) = condition.clone().unzip();
                let step = self.put(&valid, &draft.id, FrameMethod::Create, search, if_match, packer)?;
                Work::Ready(Step { planned, ..step }.telling(issues))
            }
            Verb::UpdateWhere((search, found)) => {
                let new = found.is_none() && valid.id().is_none();
                let method = if new { FrameMethod::Create } else { FrameMethod::Update };
                let ready = Prepared::put(self, &valid, &draft.id, method, packer)?;
                let ready = Prepared { issues, ..ready };
                Work::Late(Late {
                    kind: draft.kind,
                    select: Select::Where { search: search.clone(), planned: Some(found.clone()) },
                    if_match,
                    foreign: None,
                    change: Change::Put {
                        resource: Arc::new(valid),
                        ready: Some(Arc::new(ready)),
                        fresh: draft.id.clone(),
                        may_create: may_create(caller, draft.kind),
                    },
                })
            }
            _ => {
                let step = self.put(&valid, &draft.id, FrameMethod::Update, None, if_match, packer)?;
                Work::Ready(step.of(draft.foreign.take(), packer).telling(issues))
            }
        };
        Ok(Ok(work))
    }
}

/// A resource with what it refers to by the names of this transaction replaced by what they stand for.
fn referring(
    resource: Parsed,
    sites: &[Site],
    names: &HashMap<String, String>,
    place: &str,
) -> Result<Parsed, NodeError> {
    let (mut edits, mut faults) = (Vec::new(), Outcome::default());
    for site in sites {
        match (names.get(&site.text), fhir::reference::parse(&site.text)) {
            (Some(name), _) => edits.push((site.range.clone(), fhir::edit::string(name))),
            (None, Parts::Urn(_)) => {
                let path = site.path.split_once('.').map_or("", |(_, path)| path);
                let issue = Issue::error(Code::NotFound, "no entry of this transaction has the fullUrl referred to");
                faults.issues.push(issue.at(format!("{place}.{path}")));
            }
            _ => {}
        }
    }
    if !faults.issues.is_empty() {
        return Err(NodeError::Invalid(faults));
    }
    // "Servers SHALL replace all matching links in the bundle": not those of references alone.
    let named = |link: &str| names.get(link).filter(|_| !link.contains('?')).cloned();
    edits.extend(fhir::reference::replaced(resource.doc(), named));
    if edits.is_empty() {
        return Ok(resource);
    }
    let bytes = fhir::edit::replace(resource.bytes(), &edits);
    Ok(fhir::parse::resource(bytes).map_err(|outcome| outcome.within(place))?)
}

/// Whether this transaction deletes or rewrites it: what it was no longer decides what refers to it.
fn goes(drafts: &[Draft], kind: ResourceType, id: &str) -> bool {
    drafts.iter().any(|draft| {
        let writes = matches!(draft.verb, Verb::Delete | Verb::Update | Verb::UpdateWhere(_));
        writes && draft.kind == kind && draft.id == id
    })
}

/// The resources of this transaction that a query matches: references are resolved after everything is written.
fn made(drafts: &[Draft], kind: ResourceType, query: &Query, registry: &Registry) -> Vec<String> {
    let made = drafts.iter().filter(|draft| draft.kind == kind).filter(|draft| match &draft.verb {
        Verb::Create(condition) => condition.as_ref().is_none_or(|(_, found)| found.is_none()),
        Verb::Update | Verb::UpdateWhere(_) => true,
        Verb::Patch(_) | Verb::Delete | Verb::DeleteWhere(_) => false,
    });
    let matching = made.filter(|draft| {
        let Some(resource) = &draft.resource else { return false };
        let mut entries = fhir::index::values(resource.doc(), kind);
        entries.extend(registry.entries(resource.doc(), kind));
        // What needs other resources is asked of the database alone.
        query.conditions.iter().all(|condition| condition.holds(&entries, &draft.id, i64::MAX) == Some(true))
    });
    matching.map(|draft| draft.id.clone()).collect()
}

fn located(error: NodeError, place: &str) -> NodeError {
    match error {
        NodeError::Invalid(outcome) => NodeError::Invalid(outcome.within(place)),
        other => other,
    }
}
