//! Who reads a Binary: whoever may read what its `securityContext` names, by token and by grant. The Binary itself says
//! nothing of what is in it, so what it names stands in for it. Called by `read`, `history` and `write`.
//!
//! Lists are narrowed before they run and a Binary is indexed by nothing, so a list of Binaries is for tokens that read
//! every type, and has one's own only.
//!
//! Spec: <https://hl7.org/fhir/R4/binary.html#security>

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::permit::Reach;
use crate::read::Served;
use fhir::ResourceType;
use fhir::json::{Doc, Node as Json};
use fhir::reference::Parts;
use record::scope::Interactions;

/// Whether a type is Binary.
pub(crate) fn is_binary(kind: ResourceType) -> bool {
    kind.name() == "Binary"
}

impl Node {
    /// Refuses a Binary whose context the caller may not read; `own` says that it was written here.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] by token; [`NodeError::NotFound`] where no grant reaches what another's Binary names.
    pub(crate) async fn check_context(&self, caller: &Caller, served: &Served, own: bool) -> Result<(), NodeError> {
        if !is_binary(served.kind) || served.deleted {
            return Ok(());
        }
        let hidden = || NodeError::NotFound(format!("{}/{}", served.kind.name(), served.id));
        let doc = Doc::parse(served.json.clone()).map_err(|_| NodeError::Internal("a Binary that does not parse"))?;
        let Some(context) = doc.root().get("securityContext") else { return Ok(()) };
        let text = context.get("reference").and_then(Json::text).unwrap_or_default();
        let Parts::Relative { kind, id, .. } = fhir::reference::parse(&text) else {
            // What it names is not here to be asked.
            return if own { caller.permit_every_type() } else { Err(hidden()) };
        };
        let reach = self.reach(caller, kind, Interactions::READ).await?;
        if own && reach == Reach::Whole {
            return Ok(());
        }
        match self.find_current(kind.number(), id).await? {
            Some(target) if self.may_see(caller, &target).await? && self.is_within(caller, &reach, &target).await? => {
                Ok(())
            }
            _ => Err(hidden()),
        }
    }
}
