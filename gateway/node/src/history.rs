//! Histories: the versions of one resource, of a type, of everything here, in pages over a snapshot. What the caller may
//! not see is left out before anything is counted. Called by `server` and `read`.
//!
//! Spec: <https://hl7.org/fhir/R4/http.html#history>

use crate::binary::is_binary;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::permit::Reach;
use crate::read::{HISTORY_PAGE_MAX, Served};
use crate::search::Page;
use fhir::ResourceType;
use record::scope::Interactions;
use store::db::Reader;
use store::versions::{Histories, StoredVersion};

/// Whose history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// One resource's.
    Instance(ResourceType, String),
    /// A type's.
    Type(ResourceType),
    /// Everything's that the token may read.
    System,
}

/// Which versions of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `_since`, microseconds.
    pub since: Option<i64>,
    /// `_at`, microseconds, both ends inside.
    pub at: Option<(i64, i64)>,
    /// Oldest first.
    pub ascending: bool,
    /// How many on a page.
    pub count: usize,
}

/// A page of versions.
#[derive(Clone, Debug)]
pub struct Versions {
    /// How many there are in all pages.
    pub total: i64,
    /// In the order asked for.
    pub versions: Vec<Served>,
    /// Where the next page begins.
    pub next: Option<Page>,
}

impl Node {
    /// One page of a history.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] by token; [`NodeError::NotFound`] for one resource of which nothing may be seen.
    pub async fn versions(
        &self,
        caller: &Caller,
        of: &Of,
        wanted: Wanted,
        page: Option<Page>,
    ) -> Result<Versions, NodeError> {
        let (kinds, id) = match of {
            Of::Instance(kind, id) => match self.reach(caller, *kind, Interactions::READ).await? {
                Reach::Whole => (Some(vec![*kind]), Some(id.clone())),
                reach => return self.versions_within(caller, &reach, (*kind, id), wanted, page).await,
            },
            Of::Type(kind) => {
                caller.permit(*kind, Interactions::READ)?;
                (Some(vec![*kind]), None)
            }
            Of::System => (readable(caller)?, None),
        };
        let listed = !matches!(of, Of::Instance(..));
        if matches!(of, Of::Type(kind) if is_binary(*kind)) {
            caller.permit_every_type()?;
        }
        let snapshot = self.snapshot(page).await?;
        let own_only = ResourceType::all().filter(|kind| listed && own_listed(*kind));
        let asked = Histories {
            kinds: kinds.map(|kinds| kinds.into_iter().map(ResourceType::number).collect()),
            id,
            own_only: own_only.map(ResourceType::number).collect(),
            since: wanted.since,
            at: wanted.at,
            sight: self.sight(caller),
            snapshot,
            ascending: wanted.ascending,
            beyond: page.and_then(|page| page.before),
        };
        let most = wanted.count.clamp(1, HISTORY_PAGE_MAX);
        let mut reader = Reader::from(&self.store);
        let mut found = reader.histories(&asked, most as i64 + 1).await?;
        // Counted once: the snapshot has as many on every page, and a paging token carries the number along.
        let total = match page {
            Some(page) if page.skip > 0 => page.skip,
            _ => reader.histories_count(&asked).await?,
        };
        if let (Of::Instance(kind, id), 0) = (of, total) {
            let all = Histories { since: None, at: None, ..asked };
            if reader.histories_count(&all).await? == 0 {
                return Err(NodeError::NotFound(format!("{}/{id}", kind.name())));
            }
        }
        let next = (found.len() > most).then(|| {
            let before = Some(found[most - 1].position);
            Page { snapshot, before, skip: total, ..Page::default() }
        });
        found.truncate(most);
        let versions = self.shown_versions(caller, found, listed).await?;
        Ok(Versions { total, versions, next })
    }

    /// The versions of one resource that a narrowed token reaches, each held against it by itself. Deletions say nothing of
    /// whose they are, and are left out.
    async fn versions_within(
        &self,
        caller: &Caller,
        reach: &Reach,
        (kind, id): (ResourceType, &str),
        wanted: Wanted,
        page: Option<Page>,
    ) -> Result<Versions, NodeError> {
        let snapshot = self.snapshot(page).await?;
        let asked = Histories {
            kinds: Some(vec![kind.number()]),
            id: Some(id.to_owned()),
            own_only: Vec::new(),
            since: wanted.since,
            at: wanted.at,
            sight: self.sight(caller),
            snapshot,
            ascending: wanted.ascending,
            beyond: None,
        };
        let mut within = Vec::new();
        for version in Reader::from(&self.store).histories(&asked, NARROWED_MAX).await? {
            if self.is_within(caller, reach, &version).await? {
                within.push(version);
            }
        }
        if within.is_empty() {
            return Err(NodeError::NotFound(format!("{}/{id}", kind.name())));
        }
        let total = within.len() as i64;
        if let Some(before) = page.and_then(|page| page.before) {
            within.retain(|version| (version.position > before) == wanted.ascending && version.position != before);
        }
        let most = wanted.count.clamp(1, HISTORY_PAGE_MAX);
        let before = within.get(most - 1).map(|last| last.position).filter(|_| within.len() > most);
        let next = before.map(|before| Page { snapshot, before: Some(before), skip: total, ..Page::default() });
        within.truncate(most);
        let versions = self.shown_versions(caller, within, false).await?;
        Ok(Versions { total, versions, next })
    }

    /// The served forms of versions; those of one resource, unlike what is listed, are held against what a Binary is about.
    async fn shown_versions(
        &self,
        caller: &Caller,
        found: Vec<StoredVersion>,
        listed: bool,
    ) -> Result<Vec<Served>, NodeError> {
        let mut versions = Vec::with_capacity(found.len());
        for version in found {
            let own = version.own;
            let Some(served) = self.serve(version).await? else { continue };
            if !listed {
                self.check_context(caller, &served, own).await?;
            }
            versions.push(served);
        }
        Ok(versions)
    }
}

/// Most versions of one resource that are looked at for a narrowed token, the newest of them; each is opened.
const NARROWED_MAX: i64 = 1_000;

/// Types of which lists have one's own alone: others' Patients appear by id and by inclusion only, others' Binaries by what
/// they are about.
pub(crate) fn own_listed(kind: ResourceType) -> bool {
    kind.name() == "Patient" || is_binary(kind)
}

/// The types that the token may read; none for every type. Binaries are listed for those that read every type.
fn readable(caller: &Caller) -> Result<Option<Vec<ResourceType>>, NodeError> {
    let permits = |kind: &ResourceType| caller.permit(*kind, Interactions::READ).is_ok();
    let kinds = ResourceType::all().filter(permits).collect::<Vec<_>>();
    if kinds.is_empty() {
        return Err(NodeError::Forbidden("the token has no scope to read any type".to_owned()));
    }
    let all = kinds.len() == ResourceType::all().count();
    Ok((!all).then(|| kinds.into_iter().filter(|kind| !is_binary(*kind)).collect()))
}
