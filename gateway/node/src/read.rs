//! Reads: one resource, one version, the history of one. What the caller may not know of is not found. Called by
//! `server`, `search` and `patient`.

use crate::access::events::position_of;
use crate::batch::Batch;
use crate::caller::Caller;
use crate::context::Context;
use crate::error::NodeError;
use crate::history::{Of, Wanted};
use crate::node::Node;
use crate::search::Page;
use fhir::ResourceType;
use record::RecordId;
use record::frame::Content;
use record::scope::Interactions;
use store::db::Reader;
use store::reach::Sight;
use store::versions::StoredVersion;

/// Versions one history page may hold.
pub const HISTORY_PAGE_MAX: usize = 1000;

/// A resource as it is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its type.
    pub kind: ResourceType,
    /// Its id.
    pub id: String,
    /// The id of the contained resource that `json` is, where it is not the whole.
    pub fragment: Option<String>,
    /// Its versionId.
    pub version: String,
    /// Microseconds since 1970.
    pub last_updated: i64,
    /// The JSON with id and meta set; empty for a deletion.
    pub json: Vec<u8>,
    /// Deleted as of this version.
    pub deleted: bool,
    /// `POST`, `PUT` or `DELETE`: how this version came to be.
    pub method: &'static str,
    /// Where it lives, for audit.
    pub(crate) record: RecordId,
}

/// A page of a history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// How many versions there are in all.
    pub total: i64,
    /// Newest first.
    pub versions: Vec<Served>,
    /// Where the next page begins.
    pub next: Option<i64>,
}

impl Node {
    /// The current version of a resource.
    ///
    /// # Errors
    /// [`NodeError::NotFound`], [`NodeError::Gone`], [`NodeError::Forbidden`] by token.
    pub async fn read(&self, caller: &Caller, kind: ResourceType, id: &str) -> Result<Served, NodeError> {
        if let Some(position) = position_of(kind, id) {
            return self.audit_event(caller, position).await;
        }
        let reach = self.reach(caller, kind, Interactions::READ).await?;
        let name = || format!("{}/{id}", kind.name());
        let Some(version) = self.seen_current(caller, kind.number(), id).await? else {
            return Err(NodeError::NotFound(name()));
        };
        if !self.is_within(caller, &reach, &version).await? {
            return Err(NodeError::NotFound(name()));
        }
        if version.is_deleted() {
            return Err(NodeError::Gone(name()));
        }
        let own = version.own;
        let served = self.serve(version).await?.ok_or_else(|| NodeError::NotFound(name()))?;
        self.check_context(caller, &served, own).await?;
        Ok(served)
    }

    /// One version of a resource.
    ///
    /// # Errors
    /// As [`Node::read`].
    pub async fn vread(
        &self,
        caller: &Caller,
        kind: ResourceType,
        id: &str,
        version: &str,
    ) -> Result<Served, NodeError> {
        let reach = self.reach(caller, kind, Interactions::READ).await?;
        let name = || format!("{}/{id}/_history/{version}", kind.name());
        let Some(found) = Reader::from(&self.store).version(kind.number(), id, version).await? else {
            return Err(NodeError::NotFound(name()));
        };
        if !self.may_see(caller, &found).await? || !self.is_within(caller, &reach, &found).await? {
            return Err(NodeError::NotFound(name()));
        }
        if found.is_deleted() {
            return Err(NodeError::Gone(name()));
        }
        let own = found.own;
        let served = self.serve(found).await?.ok_or_else(|| NodeError::NotFound(name()))?;
        self.check_context(caller, &served, own).await?;
        Ok(served)
    }

    /// The versions of a resource, newest first, from before position `before`.
    ///
    /// # Errors
    /// As [`Node::read`], but a deleted resource has a history.
    pub async fn history(
        &self,
        caller: &Caller,
        kind: ResourceType,
        id: &str,
        before: Option<i64>,
        count: usize,
    ) -> Result<HistoryPage, NodeError> {
        let page = before.map(|before| Page { snapshot: i64::MAX, before: Some(before), ..Page::default() });
        let wanted = Wanted { count, ..Wanted::default() };
        let found = self.versions(caller, &Of::Instance(kind, id.to_owned()), wanted, page).await?;
        let next = found.next.and_then(|page| page.before);
        Ok(HistoryPage { total: found.total, versions: found.versions, next })
    }

    /// Own resources always; others' while a grant reaches them.
    pub(crate) async fn may_see(&self, caller: &Caller, version: &StoredVersion) -> Result<bool, NodeError> {
        if version.own {
            return Ok(true);
        }
        Ok(Reader::from(&self.store).is_visible(version.position, self.sight(caller)).await?)
    }

    /// As [`Node::may_see`], whatever it is for.
    pub(crate) async fn is_reached(&self, version: &StoredVersion) -> Result<bool, NodeError> {
        let sight = Sight { now_ms: crate::clock::now_ms(), purpose: u8::MAX, covered: false };
        Ok(version.own || Reader::from(&self.store).is_visible(version.position, sight).await?)
    }

    /// The served form of a version; `None` where its frame does not open here.
    pub(crate) async fn serve(&self, version: StoredVersion) -> Result<Option<Served>, NodeError> {
        let kind = ResourceType::from_number(version.kind).ok_or(NodeError::Internal("a type without a name"))?;
        let json = if version.is_deleted() {
            Vec::new()
        } else {
            match self.version_json(&version).await? {
                Some(json) => crate::conflict::served_version(&json, &version),
                None => return Ok(None),
            }
        };
        Ok(Some(Served {
            kind,
            json,
            deleted: version.is_deleted(),
            method: ["POST", "PUT", "DELETE", "PUT"][usize::from(version.method.min(3))],
            id: version.id,
            fragment: None,
            version: version.version,
            last_updated: version.last_updated,
            record: version.record,
        }))
    }

    async fn version_json(&self, version: &StoredVersion) -> Result<Option<Vec<u8>>, NodeError> {
        if version.op.0 == [0; 32] {
            return Ok(Some(version.json.clone()));
        }
        // Keys are only ever added while a version is visible: what is remembered opens it, or is loaded anew.
        let remembered = self.contexts.get(&version.record);
        let opened = remembered.as_ref().and_then(|context| self.open_version(version, &context.keys));
        let (context, opened) = match (remembered, opened) {
            (Some(context), Some(opened)) => (context, opened),
            _ => {
                let mut reader = Reader::from(&self.store);
                let Some(context) = self.context(&mut reader, &version.record).await? else { return Ok(None) };
                let Some(opened) = self.open_version(version, &context.keys) else { return Ok(None) };
                (context, opened)
            }
        };
        match opened {
            Ok(content) => Ok(Some(self.shown(&context, version, content))),
            Err(error) => {
                tracing::error!(op = %version.op, place = version.place, %error, "a stored frame is unreadable");
                Ok(None)
            }
        }
    }

    /// The JSON of a version as this node shows it: one's own as it was written, another's with references that lead somewhere here.
    pub(crate) fn shown(&self, context: &Context, version: &StoredVersion, content: Content) -> Vec<u8> {
        if version.own {
            return content.json;
        }
        let author = crate::placed::author_of(version);
        match fhir::json::Doc::parse(content.json) {
            Ok(doc) => crate::rewrite::for_viewer(&self.identity.id(), &author, context, &doc),
            Err(_) => Vec::new(),
        }
    }
}

impl Batch {
    /// The JSON of a version as it is shown here, inside the transaction: one that this node wrote, or may change.
    pub(crate) async fn stored_json(&mut self, version: &StoredVersion) -> Result<Vec<u8>, NodeError> {
        if version.op.0 == [0; 32] {
            return Ok(version.json.clone());
        }
        let context = self.known(&version.record).await?;
        let opened = self.node.open_version(version, &context.keys);
        let opened = opened.ok_or(NodeError::Internal("a frame without its key"))?;
        let content = opened.or(Err(NodeError::Internal("a frame that does not open")))?;
        Ok(self.node.shown(&context, version, content))
    }
}
