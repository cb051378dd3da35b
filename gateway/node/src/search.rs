//! Searches: a FHIR query becomes one narrowed statement per page; includes are fetched for the page. Results are never
//! filtered afterwards, so totals and pages tell nothing of what may not be seen. Called by `server` and `transaction`.
//!
//! `search/narrow.rs` makes filters of conditions, `search/terms.rs` finds the codes they name, `search/hierarchy.rs` the
//! resources above and below one, `search/contained.rs` asks for contained resources, `search/include.rs` adds what
//! belongs to a page.

mod contained;
mod hierarchy;
mod include;
mod narrow;
pub(crate) mod terms;

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::read::Served;
use fhir::query::{Condition, Contained, ContainedType, Query, Total};
use fhir::{Code, Issue, ResourceType};
pub use include::INCLUDES_MAX;
use record::scope::Interactions;
use store::db::Reader;
use store::search::{Filter, From, Match, ParamTable, Search, Tally};

/// Most matches one page holds.
pub const PAGE_MAX: usize = 1000;
/// Matches of a page whose size nobody named.
pub const PAGE_DEFAULT: usize = 50;
/// How long the pages of a search can be asked for after the first; so long a version that was replaced stays findable.
pub const PAGE_SECONDS_MAX: u64 = 3600;
/// Looks at an index for a total that nobody asked for: some milliseconds.
const TOTAL_LOOKS: i64 = 10_000;
/// Versions looked at for `_total=accurate` and `_summary=count`: about a second.
const TOTAL_VISITS_MAX: i64 = 1_000_000;

/// Where a page begins; what a `next` link seals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What was current at this position is on the pages, whatever was written since.
    pub snapshot: i64,
    /// Only beyond the version at this position, in the order of the search.
    pub before: Option<i64>,
    /// How many matches to pass over.
    pub skip: i64,
    /// Among what has no value to sort by.
    pub valueless: bool,
    /// When the first page was read, seconds since 1970.
    pub made_s: u64,
}

/// One page of results.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many match in all; none where it was not asked for, or is more than may be counted.
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
        if let [kind] = query.kinds[..] {
            caller.may(kind, Interactions::SEARCH)?;
            if kind.name() == "AuditEvent" && query.contained == Contained::False {
                return self.search_audit(caller, query, page).await;
            }
        }
        self.search_narrowed(caller, query, None, page).await
    }

    /// One page of a search across types: those of the query that the token may search.
    ///
    /// # Errors
    /// As [`Node::search`]; [`NodeError::Forbidden`] where it may search none of them.
    pub async fn search_across(&self, caller: &Caller, query: Query, page: Option<Page>) -> Result<Found, NodeError> {
        let mut query = query;
        let first = query.kinds.first().copied();
        query.kinds.retain(|kind| caller.may(*kind, Interactions::SEARCH).is_ok());
        // The audit log is searched by itself: it is no part of the record.
        if query.kinds.len() > 1 {
            query.kinds.retain(|kind| kind.name() != "AuditEvent");
        }
        if let (true, Some(first)) = (query.kinds.is_empty(), first) {
            caller.may(first, Interactions::SEARCH)?;
        }
        self.search(caller, query, page).await
    }

    /// One page of a search within the compartment of one `owner`.
    ///
    /// # Errors
    /// As [`Node::search`]; [`NodeError::Invalid`] for a type that is in no such compartment.
    pub async fn search_compartment(
        &self,
        caller: &Caller,
        (owner, id): (ResourceType, &str),
        query: Query,
        page: Option<Page>,
    ) -> Result<Found, NodeError> {
        let [kind] = query.kinds[..] else {
            return Err(NodeError::Internal("a compartment searched for several types"));
        };
        caller.may(kind, Interactions::SEARCH)?;
        let any = vec![Match::References(vec![format!("{owner}/{id}")])];
        let codes = fhir::compartment::params(owner, kind).unwrap_or_default();
        let params = codes.iter().filter_map(|code| fhir::params::find(kind, code));
        let mut within = params
            .map(|param| Filter::Param {
                param: param.id.0,
                table: ParamTable::Reference,
                any: any.clone(),
                not: false,
            })
            .collect::<Vec<_>>();
        if kind == owner {
            within.push(Filter::Ids(vec![id.to_owned()]));
        }
        if query.contained != Contained::False {
            let text = "contained resources are not searched within a compartment";
            return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).at("http._contained").into()));
        }
        if within.is_empty() || kind.name() == "AuditEvent" {
            let text = format!("{kind} cannot be searched within the compartment of one {owner}");
            return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).into()));
        }
        self.search_narrowed(caller, query, Some(Filter::Any(within)), page).await
    }

    /// The position that pages show everything as of: that of the page before, or of now.
    pub(crate) async fn snapshot(&self, page: Option<Page>) -> Result<i64, NodeError> {
        match page {
            Some(page) => Ok(page.snapshot),
            None => Ok(self.store.position().await?),
        }
    }

    /// For tests: begins every search from now on as `plan` says, where that is possible. It changes no answer.
    #[doc(hidden)]
    pub fn plan_searches(&self, plan: Option<store::search::Plan>) {
        *self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = plan;
    }

    async fn search_narrowed(
        &self,
        caller: &Caller,
        query: Query,
        within: Option<Filter>,
        page: Option<Page>,
    ) -> Result<Found, NodeError> {
        if crate::purpose::is_emergency(&caller.purpose) {
            shows_what_it_asks(&query)?;
        }
        let made_s = page.map_or(crate::clock::now_ms() / 1000, |page| page.made_s);
        if made_s + PAGE_SECONDS_MAX < crate::clock::now_ms() / 1000 {
            return Err(page_gone());
        }
        let mut search = self.statement(caller, &query).await?;
        search.filters.extend(within);
        // What is written from now on is on no page.
        let snapshot = self.snapshot(page).await?;
        search.snapshot = Some(snapshot);
        search.from = page.map_or(From::default(), |page| From {
            beyond: page.before,
            skip: page.skip,
            valueless: page.valueless,
        });
        let mut issues = query.unknown.clone();
        let mut reader = Reader::from(&self.store);
        if query.count_only() {
            let total = total(&mut reader, &search, TOTAL_VISITS_MAX, &mut issues).await?;
            return Ok(Found { total, matches: Vec::new(), includes: Vec::new(), next: None, issues });
        }
        let most = query.count.map_or(PAGE_DEFAULT, |count| (count as usize).clamp(1, PAGE_MAX));
        let search = if search.kinds.is_empty() { search } else { reader.planned(search).await? };
        let (rows, from) = reader.search(&search, most).await?;
        let next =
            from.map(|from| Page { snapshot, before: from.beyond, skip: from.skip, valueless: from.valueless, made_s });
        let whole = Search { from: From::default(), ..search };
        let total = match (query.total, page.is_none() && next.is_none()) {
            (Some(Total::None), _) => None,
            // A first page that is the last has been counted.
            (_, true) => Some(rows.len() as i64),
            (Some(Total::Accurate), _) => total(&mut reader, &whole, TOTAL_VISITS_MAX, &mut issues).await?,
            (asked, _) => match reader.count(&whole, TOTAL_LOOKS / whole.cost_of_count()).await? {
                Tally::Exactly(count) => Some(count),
                Tally::TooMany if asked.is_some() => Some(reader.estimate(&whole).await?),
                Tally::TooMany => None,
            },
        };
        let includes = self.includes(caller, &query, &rows, &mut issues).await?;
        if query.contained != Contained::False && query.contained_type == ContainedType::Contained {
            let matches = self.contained_matches(&whole, rows).await?;
            return Ok(Found { total, matches, includes, next, issues });
        }
        let mut matches = Vec::with_capacity(rows.len());
        for row in rows {
            matches.extend(self.serve(row).await?);
        }
        Ok(Found { total, matches, includes, next, issues })
    }
}

/// In an emergency every record that is looked into is told of it, and what is not shown could not be: so nothing is counted
/// and nothing is asked of resources that are not on the page.
fn shows_what_it_asks(query: &Query) -> Result<(), NodeError> {
    let chains = query.conditions.iter().any(leads_elsewhere);
    if query.count_only() || chains {
        let text = "in an emergency a search shows what it asks about: no count alone, no chain, no _has";
        return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).into()));
    }
    Ok(())
}

/// As deep as the condition, which has a limit.
fn leads_elsewhere(condition: &Condition) -> bool {
    match condition {
        Condition::Is(_) => false,
        Condition::Refers { .. } | Condition::Referred { .. } => true,
        Condition::Not(inner) => leads_elsewhere(inner),
        Condition::All(inner) | Condition::Any(inner) => inner.iter().any(leads_elsewhere),
    }
}

/// The exact number of matches; where that is too costly none, and the caller is told.
async fn total(
    reader: &mut Reader<'_>,
    search: &Search,
    visits_max: i64,
    issues: &mut Vec<Issue>,
) -> Result<Option<i64>, NodeError> {
    let tally = match reader.count(search, visits_max).await {
        Err(store::StoreError::TooLong) => Tally::TooMany,
        tally => tally?,
    };
    match tally {
        Tally::Exactly(count) => Ok(Some(count)),
        Tally::TooMany => {
            let text = format!(
                "there are more than {visits_max} resources to look at for an exact total, so none is given; \
                 _total=estimate gives a rough one"
            );
            issues.push(Issue::warning(Code::TooCostly, text));
            Ok(None)
        }
    }
}

pub(crate) fn page_gone() -> NodeError {
    let text = format!("the pages of a search are there for {PAGE_SECONDS_MAX} s; search again");
    NodeError::Invalid(Issue::error(Code::Expired, text).at("http._page").into())
}

/// The decoded pairs of a query string.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
