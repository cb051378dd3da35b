//! Searches: a FHIR query becomes one narrowed statement per page; includes are fetched for the page. Results are never
//! filtered afterwards, so totals and pages tell nothing of what may not be seen. Called by `server` and `transaction`.

use crate::caller::Caller;
use crate::error::NodeError;
use crate::index;
use crate::node::Node;
use crate::read::Served;
use fhir::query::{Include, Query, Total};
use fhir::{Code, Issue, ResourceType, Severity};
use record::scope::{Interactions, Permit};
use std::collections::{BTreeMap, BTreeSet};
use store::db::Reader;
use store::search::{Filter, Match, Order, ParamTable, Search};
use store::versions::StoredVersion;

/// Most matches one page holds.
pub const PAGE_MAX: usize = 1000;
/// Matches of a page whose size nobody named.
pub const PAGE_DEFAULT: usize = 50;
/// Most included resources one page holds; more are told of in an outcome entry.
pub const INCLUDES_MAX: usize = 1000;
/// How often `:iterate` follows what it found.
const ITERATE_MAX: usize = 4;

/// Where a page begins; what a `next` link seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Nothing newer than this is on any page.
    pub snapshot: i64,
    /// Newest first: only before this position.
    pub before: Option<i64>,
    /// Otherwise: how many matches to pass over.
    pub skip: i64,
}

/// One page of results.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many match in all; none where it was not asked for.
    pub total: Option<i64>,
    /// The matches.
    pub matches: Vec<Served>,
    /// What they include.
    pub includes: Vec<Served>,
    /// Where the next page begins.
    pub next: Option<Page>,
    /// What was not understood, and so not applied.
    pub issues: Vec<Issue>,
}

impl Node {
    /// One page of a search.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] by token; [`NodeError::Store`].
    pub async fn search(&self, caller: &Caller, query: Query, page: Option<Page>) -> Result<Found, NodeError> {
        caller.permit(query.kind, Interactions::SEARCH)?;
        if query.kind.name() == "AuditEvent" {
            return self.search_audit(query, page).await;
        }
        self.search_narrowed(caller, query, None, page).await
    }

    /// One page of a search within the compartment of a Patient.
    ///
    /// # Errors
    /// As [`Node::search`]; [`NodeError::Invalid`] for a type that is in no patient's compartment.
    pub async fn search_compartment(
        &self,
        caller: &Caller,
        patient: &str,
        query: Query,
        page: Option<Page>,
    ) -> Result<Found, NodeError> {
        let kind = query.kind;
        caller.permit(kind, Interactions::SEARCH)?;
        let any = vec![Match::References(vec![format!("Patient/{patient}")])];
        let params = fhir::compartment::patient_params(kind).iter().filter_map(|code| fhir::params::find(kind, code));
        let mut within = params
            .map(|param| Filter::Param {
                param: param.id.0,
                table: ParamTable::Reference,
                any: any.clone(),
                not: false,
            })
            .collect::<Vec<_>>();
        if kind.name() == "Patient" {
            within.push(Filter::Ids(vec![patient.to_owned()]));
        }
        if within.is_empty() || kind.name() == "AuditEvent" {
            let text = format!("{} cannot be searched within the compartment of a patient", kind.name());
            return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).into()));
        }
        self.search_narrowed(caller, query, Some(Filter::Any(within)), page).await
    }

    async fn search_narrowed(
        &self,
        caller: &Caller,
        query: Query,
        within: Option<Filter>,
        page: Option<Page>,
    ) -> Result<Found, NodeError> {
        let mut reader = Reader::from(&self.store);
        let snapshot = match page {
            Some(page) => page.snapshot,
            None => self.store.position().await?,
        };
        let mut search = self.statement(&query)?;
        search.filters.extend(within);
        search.snapshot = snapshot;
        search.before = page.and_then(|page| page.before);
        search.skip = page.map_or(0, |page| page.skip);
        let mut issues = query.unknown.clone();
        let total = match query.total {
            Some(Total::None) if !query.count_only() => None,
            _ => Some(reader.count(&Search { before: None, skip: 0, ..search.clone() }).await?),
        };
        if query.count_only() {
            return Ok(Found { total, matches: Vec::new(), includes: Vec::new(), next: None, issues });
        }
        let most = query.count.map_or(PAGE_DEFAULT, |count| (count as usize).clamp(1, PAGE_MAX));
        let mut rows = reader.search(&search, most as i64 + 1).await?;
        let next = (rows.len() > most).then(|| match search.order.is_empty() {
            true => Page { snapshot, before: Some(rows[most - 1].position), skip: 0 },
            false => Page { snapshot, before: None, skip: search.skip + most as i64 },
        });
        rows.truncate(most);
        let includes = self.includes(caller, &query, &rows, &mut issues).await?;
        let mut matches = Vec::with_capacity(rows.len());
        for row in rows {
            matches.extend(self.serve(row).await?);
        }
        Ok(Found { total, matches, includes, next, issues })
    }

    fn statement(&self, query: &Query) -> Result<Search, NodeError> {
        let filters = query.filters.iter().map(index::filter).collect::<Result<Vec<_>, _>>()?;
        let by_id = query.filters.iter().any(|asked| asked.param.is_id() || asked.param.code == "_source");
        let mut order = Vec::new();
        for sort in &query.sort {
            let by = match index::table_of(&sort.param) {
                _ if sort.param.is_last_updated() => Order::LastUpdated,
                _ if sort.param.is_id() => Order::Id,
                Some(table) => Order::Param(sort.param.id.0, table),
                None => continue,
            };
            order.push((by, sort.descending));
        }
        if order == [(Order::LastUpdated, true)] {
            order.clear();
        }
        Ok(Search {
            kind: query.kind.number(),
            filters,
            // Others' Patient resources for one's own Patient appear by id and by _include only.
            own_only: query.kind.name() == "Patient" && !by_id,
            now_ms: crate::clock::now_ms(),
            order,
            snapshot: i64::MAX,
            skip: 0,
            before: None,
        })
    }

    /// The statement of a conditional interaction: only what this hospital wrote, and nothing unknown is passed over.
    ///
    /// A condition answers as a search does, so the token must permit one.
    pub(crate) fn condition(&self, caller: &Caller, kind: ResourceType, text: &str) -> Result<Search, NodeError> {
        caller.permit(kind, Interactions::SEARCH)?;
        let pairs = pairs(text);
        let query = fhir::query::parse(kind, &pairs)?;
        if let Some(issue) = query.unknown.into_iter().next() {
            return Err(NodeError::Invalid(Issue { severity: Severity::Error, ..issue }.into()));
        }
        if query.filters.is_empty() {
            let text = "a condition needs at least one search parameter";
            return Err(NodeError::Invalid(Issue::error(Code::Required, text).into()));
        }
        let filters = query.filters.iter().map(index::filter).collect::<Result<Vec<_>, _>>()?;
        Ok(Search::own(kind.number(), filters, crate::clock::now_ms()))
    }

    async fn includes(
        &self,
        caller: &Caller,
        query: &Query,
        rows: &[StoredVersion],
        issues: &mut Vec<Issue>,
    ) -> Result<Vec<Served>, NodeError> {
        let mut seen = rows.iter().map(|row| row.position).collect::<BTreeSet<_>>();
        let mut found = Vec::new();
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
            if fresh.is_empty() {
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
            served.extend(self.serve(row).await?);
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
        let mut by_kind = BTreeMap::<ResourceType, Vec<String>>::new();
        for target in reader.targets(&positions, include.param.map(|param| param.id.0)).await? {
            let Some((kind, id)) = target.split_once('/') else { continue };
            if let Some(kind) = ResourceType::parse(kind)
                && include.target.is_none_or(|wanted| wanted == kind)
            {
                by_kind.entry(kind).or_default().push(id.to_owned());
            }
        }
        let mut found = Vec::new();
        for (kind, ids) in by_kind {
            if caller.scopes.permits(kind.name(), Interactions::READ) == Permit::Yes {
                found.extend(reader.visible(kind.number(), &ids, crate::clock::now_ms()).await?);
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
        let (Some(source), Some(param)) = (include.source, include.param) else { return Ok(Vec::new()) };
        if caller.scopes.permits(source.name(), Interactions::SEARCH) != Permit::Yes {
            return Ok(Vec::new());
        }
        let name = |row: &StoredVersion| Some(format!("{}/{}", ResourceType::from_number(row.kind)?.name(), row.id));
        let targets = rows.iter().filter(|row| include.target.is_none_or(|wanted| wanted.number() == row.kind));
        let targets = targets.filter_map(name).collect::<Vec<_>>();
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let any = vec![Match::References(targets)];
        let search = Search {
            kind: source.number(),
            filters: vec![Filter::Param { param: param.id.0, table: ParamTable::Reference, any, not: false }],
            own_only: false,
            now_ms: crate::clock::now_ms(),
            order: Vec::new(),
            snapshot: i64::MAX,
            skip: 0,
            before: None,
        };
        Ok(Reader::from(&self.store).search(&search, INCLUDES_MAX as i64 + 1).await?)
    }
}

/// The decoded pairs of a query string.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
