//! `_include` and `_revinclude`: what the matches of a page refer to, and what refers to them, as far as the caller may
//! see. Called by `search`. Spec: <https://hl7.org/fhir/R4/search.html#include>.

use crate::caller::Caller;
use crate::error::NodeError;
use crate::history::own_listed;
use crate::node::Node;
use crate::permit::{Reach, among};
use crate::read::Served;
use fhir::params::{Lookup, SearchType};
use fhir::query::{Include, Query};
use fhir::reference::Parts;
use fhir::{Code, Issue, ResourceType};
use record::scope::Interactions;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use store::db::Reader;
use store::search::{Filter, Match, ParamTable, Search};
use store::versions::StoredVersion;

/// Most included resources one page holds; more are told of in an outcome entry.
pub const INCLUDES_MAX: usize = 1000;
/// Most canonical URLs without a version that one page's includes follow.
const CANONICALS_MAX: usize = 1_000;
/// Most with a version; each is a condition of its own.
const VERSIONED_MAX: usize = 200;
/// How often `:iterate` follows what it found.
const ITERATE_MAX: usize = 8;

impl Node {
    pub(super) async fn includes(
        &self,
        caller: &Caller,
        query: &Query,
        rows: &[StoredVersion],
        issues: &mut Vec<Issue>,
    ) -> Result<Vec<Served>, NodeError> {
        let mut seen = rows.iter().map(|row| row.position).collect::<BTreeSet<_>>();
        let mut found = Vec::<StoredVersion>::new();
        let mut round = rows.to_vec();
        for depth in 0..=ITERATE_MAX {
            let mut fresh = Vec::new();
            for include in query.includes.iter().filter(|include| depth == 0 || include.iterate) {
                fresh.extend(self.included(caller, include, &round).await?);
            }
            for include in query.revincludes.iter().filter(|include| depth == 0 || include.iterate) {
                fresh.extend(self.including(caller, include, &round).await?);
            }
            fresh.retain(|row| seen.insert(row.position));
            if fresh.is_empty() || found.len() > INCLUDES_MAX {
                break;
            }
            found.extend(fresh.iter().cloned());
            round = fresh;
        }
        if found.len() > INCLUDES_MAX {
            found.truncate(INCLUDES_MAX);
            let text = format!("more than {INCLUDES_MAX} resources are included; the others are left out");
            issues.push(Issue::warning(Code::TooCostly, text));
        }
        let mut served = Vec::with_capacity(found.len());
        for row in found {
            let own = row.own;
            let Some(one) = self.serve(row).await? else { continue };
            // A Binary is for those who may read what it is about.
            if self.check_context(caller, &one, own).await.is_ok() {
                served.push(one);
            }
        }
        Ok(served)
    }

    /// What the rows refer to.
    async fn included(
        &self,
        caller: &Caller,
        include: &Include,
        rows: &[StoredVersion],
    ) -> Result<Vec<StoredVersion>, NodeError> {
        let from = rows.iter().filter(|row| include.source.is_none_or(|kind| kind.number() == row.kind));
        let positions = from.map(|row| row.position).collect::<Vec<_>>();
        let mut reader = Reader::from(&self.store);
        let mut by_kind = BTreeMap::<ResourceType, BTreeSet<String>>::new();
        let mut urls = Vec::new();
        for target in reader.targets(&positions, include.param.map(|param| param.id.0)).await? {
            let Parts::Relative { kind, id, .. } = fhir::reference::parse(&target) else {
                urls.extend(target.contains(':').then_some(target));
                continue;
            };
            if include.target.is_none_or(|wanted| wanted == kind) {
                by_kind.entry(kind).or_default().insert(id.to_owned());
            }
        }
        let mut found = self.canonicals(caller, include, &urls).await?;
        for (kind, ids) in by_kind {
            let ids = ids.into_iter().take(INCLUDES_MAX + 1).collect::<Vec<_>>();
            found.extend(self.visible_to(caller, kind, &ids).await?);
        }
        Ok(found)
    }

    /// Resources of a type that the token and the grants let the caller read, of those with these ids.
    pub(crate) async fn visible_to(
        &self,
        caller: &Caller,
        kind: ResourceType,
        ids: &[String],
    ) -> Result<Vec<StoredVersion>, NodeError> {
        let sight = self.sight(caller);
        let mut reader = Reader::from(&self.store);
        let filters = match self.reach(caller, kind, Interactions::READ).await {
            Ok(Reach::Whole) => return Ok(reader.visible(kind.number(), ids, sight).await?),
            Ok(Reach::Where(filters)) => filters,
            Err(NodeError::Forbidden(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(reader.search(&among(kind, ids, &filters, sight), ids.len()).await?.0)
    }

    /// What canonical URLs name, each with `|` and a version or without. One that is named with a version has a row without
    /// it too, which would bring every version.
    async fn canonicals(
        &self,
        caller: &Caller,
        include: &Include,
        urls: &[String],
    ) -> Result<Vec<StoredVersion>, NodeError> {
        let versioned = urls.iter().filter_map(|url| url.split_once('|')).collect::<Vec<_>>();
        let known = versioned.iter().map(|(url, _)| *url).collect::<HashSet<_>>();
        let bare = urls.iter().filter(|url| !url.contains('|') && !known.contains(url.as_str()));
        let bare = bare.take(CANONICALS_MAX).collect::<Vec<_>>();
        let mut found = Vec::new();
        for kind in ResourceType::all().filter(|_| !urls.is_empty()) {
            let is_meant = include.target.is_none_or(|wanted| wanted == kind)
                && include.param.is_none_or(|param| param.targets.contains(&kind));
            // The url of these is an address and names nothing.
            let is_meant = is_meant && !matches!(kind.name(), "Device" | "Subscription");
            let Some(url) = fhir::params::find(kind, "url").filter(|param| is_meant && param.supported) else {
                continue;
            };
            if caller.permit(kind, Interactions::READ).is_err() {
                continue;
            }
            let is = |param: u16, codes: &mut dyn Iterator<Item = String>| Filter::Param {
                param,
                table: ParamTable::Token,
                any: codes.map(|code| Match::Token { code: Some(code), system: None }).collect(),
                not: false,
            };
            let mut any = Vec::new();
            if !bare.is_empty() {
                any.push(is(url.id.0, &mut bare.iter().map(|url| (*url).clone())));
            }
            let version = fhir::params::find(kind, "version");
            any.extend(versioned.iter().take(VERSIONED_MAX).filter_map(|(of, version_of)| {
                let code = fhir::index::code(None, (*version_of).to_owned());
                let version = is(version?.id.0, &mut std::iter::once(code));
                Some(Filter::All(vec![is(url.id.0, &mut std::iter::once((*of).to_owned())), version]))
            }));
            if !any.is_empty() {
                let search = Search::all(kind.number(), vec![Filter::Any(any)], self.sight(caller));
                found.extend(Reader::from(&self.store).search(&search, INCLUDES_MAX + 1).await?.0);
            }
        }
        Ok(found)
    }

    /// What refers to the rows.
    async fn including(
        &self,
        caller: &Caller,
        include: &Include,
        rows: &[StoredVersion],
    ) -> Result<Vec<StoredVersion>, NodeError> {
        let names = self.names().await?;
        let mut targets = BTreeMap::<ResourceType, Vec<String>>::new();
        for row in rows.iter().filter(|row| include.target.is_none_or(|wanted| wanted.number() == row.kind)) {
            let Some(kind) = ResourceType::from_number(row.kind) else { continue };
            targets.entry(kind).or_default().push(format!("{}/{}", kind.name(), row.id));
        }
        let mut found = Vec::new();
        for (target, referred) in targets {
            for (source, filters) in referring(include, target, &referred, &names) {
                let narrower = match self.reach(caller, source, Interactions::SEARCH).await {
                    Ok(Reach::Whole) => Vec::new(),
                    Ok(Reach::Where(narrower)) => narrower,
                    Err(NodeError::Forbidden(_)) => continue,
                    Err(error) => return Err(error),
                };
                let own_only = own_listed(source);
                let filters = [vec![Filter::Any(filters)], narrower].concat();
                let search = Search::all(source.number(), filters, self.sight(caller));
                let search = Search { own_only, ..search };
                found.extend(Reader::from(&self.store).search(&search, INCLUDES_MAX + 1).await?.0);
                if found.len() > INCLUDES_MAX {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

/// For each type that may refer to `target`, by which of its parameters.
fn referring(
    include: &Include,
    target: ResourceType,
    referred: &[String],
    names: &Lookup,
) -> BTreeMap<ResourceType, Vec<Filter>> {
    let mut found = BTreeMap::new();
    for source in ResourceType::all().filter(|kind| include.source.is_none_or(|wanted| wanted == *kind)) {
        let params = names.of(source).filter(|param| param.supported && param.kind == SearchType::Reference);
        let params = params.filter(|param| include.param.is_none_or(|wanted| wanted.id == param.id));
        let filters = params.filter(|param| param.targets.contains(&target)).map(|param| Filter::Param {
            param: param.id.0,
            table: ParamTable::Reference,
            any: vec![Match::References(referred.to_vec())],
            not: false,
        });
        let filters = filters.collect::<Vec<_>>();
        if !filters.is_empty() {
            found.insert(source, filters);
        }
    }
    found
}
