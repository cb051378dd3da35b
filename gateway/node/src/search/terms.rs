//! Codes that a search names by a value set or by a place in a hierarchy, and resources it names by one: those of R4's own definitions, and those of
//! ValueSets and CodeSystems that this hospital stored. Called by `search` before a filter is read.
//! Spec: <https://hl7.org/fhir/R4/search.html#modifiers>.

use super::hierarchy::{self, Hierarchies};
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use fhir::query::{Condition, Modifier, System, Wanted};
use fhir::terminology::{self, CodeSystem, Known, ValueSet};
use fhir::{Code, Issue, ResourceType};
use std::collections::HashMap;
use std::sync::Arc;
use store::db::Reader;
use store::search::{Filter, Match, ParamTable, Search};

/// Most stored ValueSets and CodeSystems one search reads.
const RESOURCES_MAX: usize = 64;

/// What was found for a search.
#[derive(Default)]
pub(crate) struct Terms {
    /// By canonical URL, or `ValueSet/id`.
    stored: HashMap<String, Arc<Known>>,
    /// By modifier and `Type/id`: what is above or below, `Type/id` each.
    hierarchies: Hierarchies,
}

impl Terms {
    /// The codes of a value set, as (system, code).
    pub(crate) fn set(&self, url: &str) -> Result<Vec<(String, String)>, NodeError> {
        if let Some(Known::ValueSet(set)) = self.stored.get(bare(url)).map(Arc::as_ref) {
            return Ok(set.expand(&|url| self.stored.get(bare(url)).cloned())?);
        }
        if let Some(codes) = terminology::codes_in(url) {
            return Ok(codes.iter().map(|(system, code)| ((*system).to_owned(), (*code).to_owned())).collect());
        }
        let text = "the value set is not known here, or its codes cannot be listed: store it as a ValueSet";
        Err(NodeError::Invalid(Issue::error(Code::NotFound, text).into()))
    }

    /// A resource and what it is part of, or what is part of it.
    pub(crate) fn resources(&self, modifier: Modifier, name: &str) -> Vec<String> {
        let known = self.hierarchies.get(&(modifier == Modifier::Above, name.to_owned()));
        known.cloned().unwrap_or_default()
    }

    /// A code and what stands below or above it, as (system, code).
    pub(crate) fn hierarchy(
        &self,
        modifier: Modifier,
        system: &System,
        code: Option<&str>,
    ) -> Result<Vec<(String, String)>, NodeError> {
        let refuse = |code: Code, text: &str| NodeError::Invalid(Issue::error(code, text).into());
        let (System::Is(system), Some(code)) = (system, code) else {
            return Err(refuse(Code::Required, ":above and :below need a system and a code, as in system|code"));
        };
        let above = modifier == Modifier::Above;
        let codes: Option<Vec<String>> = match self.stored.get(system).map(Arc::as_ref) {
            Some(Known::CodeSystem(known)) => Some(if above { known.above(code) } else { known.below(code) }),
            _ => {
                let found = if above { terminology::above(system, code) } else { terminology::below(system, code) };
                found.map(|codes| codes.into_iter().map(str::to_owned).collect())
            }
        };
        let codes = codes.ok_or_else(|| {
            refuse(Code::NotFound, "the hierarchy of this code system is not known here: store it as a CodeSystem")
        })?;
        Ok(codes.into_iter().map(|code| (system.clone(), code)).collect())
    }
}

/// A canonical URL without its version.
fn bare(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}

impl Node {
    /// Reads what the conditions name, and what that refers to in turn.
    pub(crate) async fn terms(&self, caller: &Caller, conditions: &[Condition]) -> Result<Terms, NodeError> {
        let mut wanted = Vec::new();
        let mut terms = Terms::default();
        for filter in conditions.iter().flat_map(Condition::filters) {
            for (kind, id) in hierarchy::beginnings(filter) {
                let key = (filter.modifier == Modifier::Above, format!("{kind}/{id}"));
                if terms.hierarchies.contains_key(&key) {
                    continue;
                }
                let found = self.hierarchy(caller, filter.modifier, (kind, id), &terms.hierarchies).await?;
                terms.hierarchies.insert(key, found);
            }
            for value in &filter.values {
                match (filter.modifier, value) {
                    (_, Wanted::Set(url)) => wanted.push(("ValueSet", url.clone())),
                    (Modifier::Above | Modifier::Below, Wanted::Token { system: System::Is(system), .. }) => {
                        wanted.push(("CodeSystem", system.clone()));
                    }
                    _ => {}
                }
            }
        }
        while let Some((kind, url)) = wanted.pop() {
            let url = bare(&url).to_owned();
            if terms.stored.contains_key(&url) {
                continue;
            }
            if terms.stored.len() >= RESOURCES_MAX {
                let text = format!("the search needs more than {RESOURCES_MAX} value sets and code systems");
                return Err(NodeError::Invalid(Issue::error(Code::TooCostly, text).into()));
            }
            let Some(known) = self.stored_terms(kind, &url).await? else { continue };
            if let Known::ValueSet(set) = &known {
                for url in set.needs() {
                    wanted.extend([("ValueSet", url.to_owned()), ("CodeSystem", url.to_owned())]);
                }
            }
            terms.stored.insert(url, Arc::new(known));
        }
        Ok(terms)
    }

    /// The newest of this hospital's own resources of a URL or id.
    async fn stored_terms(&self, kind: &'static str, url: &str) -> Result<Option<Known>, NodeError> {
        let Some(number) = ResourceType::parse(kind) else { return Ok(None) };
        let filter = match url.split_once('/') {
            Some((named, id)) if named == kind => Filter::Ids(vec![id.to_owned()]),
            _ => {
                let Some(param) = fhir::params::find(number, "url") else { return Ok(None) };
                let any = vec![Match::Token { code: Some(url.to_owned()), system: None }];
                Filter::Param { param: param.id.0, table: ParamTable::Token, any, not: false }
            }
        };
        let search = Search::own(number.number(), vec![filter]);
        let Some(row) = Reader::from(&self.store).search(&search, 1).await?.0.into_iter().next() else {
            return Ok(None);
        };
        let Some(served) = self.serve(row).await? else { return Ok(None) };
        let doc = fhir::json::Doc::parse(served.json).or(Err(NodeError::Internal("a stored resource is no JSON")))?;
        Ok(Some(match kind {
            "ValueSet" => Known::ValueSet(ValueSet::read(&doc)?),
            _ => Known::CodeSystem(CodeSystem::read(&doc)?),
        }))
    }
}
