//! Changes of what others are the origin of: where a grant says *shared*, an update, patch or deletion goes into the record the
//! resource stands in, under the name its origin gave it; so does what a patient keeps of edits beside each other (`conflicts`). Without the word all are refused alike, whether there is anything under
//! the id or not. Called by `write` and `transaction`, and by `sign` for the place.

use super::moves::Before;
use crate::batch::Batch;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::home::{Place, covering_grant};
use crate::node::Node;
use crate::prepare::{Foreign, Prepared};
use fhir::ResourceType;
use record::frame::{Method, Packer};
use store::db::Reader;

impl Node {
    /// What an id names: one's own for none, otherwise a resource that may be changed though it is another's.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`], naming the origin, where it may not.
    pub(crate) async fn named(
        &self,
        caller: &Caller,
        kind: ResourceType,
        id: &str,
        method: Method,
    ) -> Result<Option<Foreign>, NodeError> {
        if crate::rewrite::origin_of(id).is_none() {
            return Ok(None);
        }
        match self.foreign(caller, kind, id, method).await? {
            Some(foreign) => Ok(Some(foreign)),
            None => Err(not_yours(kind, id)),
        }
    }

    async fn foreign(
        &self,
        caller: &Caller,
        kind: ResourceType,
        id: &str,
        method: Method,
    ) -> Result<Option<Foreign>, NodeError> {
        // Who a person is says the hospital that knows it; what others say of it must not lead its EHR to another one.
        if crate::history::own_listed(kind) {
            return Ok(None);
        }
        let Some(current) = self.find_current(kind.number(), id).await? else { return Ok(None) };
        if current.op.0 == [0; 32] || !self.may_see(caller, &current).await? {
            return Ok(None);
        }
        let Some(context) = self.context(&mut Reader::from(&self.store), &current.record).await? else {
            return Ok(None);
        };
        let asked = Prepared { method, ..Prepared::moved(current.origin, kind, id, current.class) };
        if covering_grant(&context, &self.identity.id(), &asked, true).is_none() {
            return Ok(None);
        }
        let Some(Ok(content)) = self.open_version(&current, &context.keys) else { return Ok(None) };
        Ok(Some(Foreign { origin: content.origin, id: content.id, record: current.record }))
    }
}

impl Prepared {
    /// The same under the name that its origin gave it.
    pub(crate) fn of(self, foreign: Option<Foreign>, packer: &mut Packer) -> Self {
        let Some(foreign) = foreign else { return self };
        let json = self.json.clone();
        let content = crate::prepare::content(foreign.origin, self.kind, &foreign.id, self.method, 0, json);
        Self { packed: packer.pack(&content.encode()), foreign: Some(foreign), ..self }
    }
}

impl Batch {
    /// Where a change of another's resource goes: into the record it stands in, if a grant there still says so.
    pub(super) async fn shared_place(
        &mut self,
        resource: &Prepared,
        foreign: &Foreign,
        before: Option<Before>,
    ) -> Result<Place, NodeError> {
        let refused = || not_yours(resource.kind, &resource.id);
        let before = before.filter(|before| before.record == foreign.record).ok_or_else(refused)?;
        let deletes = resource.method == Method::Delete;
        if !deletes && before.class != resource.class {
            let text = "only the origin of a resource changes how it is protected: its labels must stay in their class";
            return Err(NodeError::Forbidden(format!("{}/{}: {text}", resource.kind.name(), resource.id)));
        }
        let context = self.known(&foreign.record).await?;
        let asked = Prepared { class: before.class, ..resource.clone() };
        let me = self.node.identity.id();
        let authority = context.state.word_of(&me).or_else(|| covering_grant(&context, &me, &asked, true));
        let authority = authority.ok_or_else(refused)?;
        Ok(Place { context, authority })
    }
}

fn not_yours(kind: ResourceType, id: &str) -> NodeError {
    let origin = crate::rewrite::origin_of(id).unwrap_or_default();
    NodeError::Forbidden(format!("{}/{id} belongs to {origin}; only its origin changes it", kind.name()))
}
