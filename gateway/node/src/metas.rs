//! The profiles, tags and labels in use: of one type, or of everything the token may search. Called by `server`.
//!
//! Spec: <https://hl7.org/fhir/R4/resource-operation-meta.html>

use crate::caller::Caller;
use crate::error::NodeError;
use crate::history::own_listed;
use crate::node::Node;
use fhir::ResourceType;
use record::scope::Interactions;
use store::db::Reader;
use store::metas::Used;

/// Most profiles, tags or labels one answer lists; a server that has more of them has no vocabulary to list.
pub const METAS_MAX: usize = 1_000;

/// What is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metas {
    /// URLs of profiles.
    pub profiles: Vec<String>,
    /// Labels, as system and code; an empty one is none.
    pub security: Vec<(String, String)>,
    /// Tags, as system and code.
    pub tags: Vec<(String, String)>,
}

impl Node {
    /// What current resources of a type carry, or those of all types.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] by token; [`NodeError::TooLarge`] over [`METAS_MAX`].
    pub async fn metas(&self, caller: &Caller, kind: Option<ResourceType>) -> Result<Metas, NodeError> {
        let permits = |kind: ResourceType| {
            caller.permit(kind, Interactions::READ)?;
            caller.permit(kind, Interactions::SEARCH)
        };
        let kinds = match kind {
            Some(kind) => {
                permits(kind)?;
                vec![kind]
            }
            None => ResourceType::all().filter(|kind| permits(*kind).is_ok()).collect(),
        };
        if kinds.is_empty() {
            return Err(NodeError::Forbidden("the token has no scope to read and search any type".to_owned()));
        }
        let mut found = Metas::default();
        for code in ["_profile", "_security", "_tag"] {
            let used = self.used(caller, &kinds, code).await?;
            match code {
                "_profile" => found.profiles = used.into_iter().map(|(_, url)| url).collect(),
                "_security" => found.security = used,
                _ => found.tags = used,
            }
        }
        Ok(found)
    }

    async fn used(
        &self,
        caller: &Caller,
        kinds: &[ResourceType],
        code: &str,
    ) -> Result<Vec<(String, String)>, NodeError> {
        let param = |kind: &ResourceType| Some((kind.number(), fhir::params::find(*kind, code)?.id.0));
        let asked = Used {
            params: kinds.iter().filter_map(param).collect(),
            // Others' Patients and Binaries are in no list.
            own_only: ResourceType::all().filter(|kind| own_listed(*kind)).map(ResourceType::number).collect(),
            sight: self.sight(caller),
        };
        let used = Reader::from(&self.store).used(&asked, METAS_MAX as i64 + 1).await?;
        if used.len() > METAS_MAX {
            return Err(NodeError::TooLarge(format!("more than {METAS_MAX} values are in use")));
        }
        Ok(used)
    }
}
