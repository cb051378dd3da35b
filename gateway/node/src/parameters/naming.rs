//! What searches may name here: R4's parameters, stored ones whose rows are all there, and those that are stored and not
//! searched yet, which are refused with the reason. Read anew when something changed, as far as this process knows half a
//! second later. Called by everything that reads a query.

use super::{DEFINITION, PARAMETERS_MAX};
use crate::error::NodeError;
use crate::node::Node;
use fhir::ResourceType;
use fhir::json::{Doc, Node as Json};
use fhir::params::{Lookup, ParamId};
use fhir::query::Query;
use std::borrow::Cow;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use store::db::Reader;
use store::parameters::Mark;
use store::versions::Walk;

/// How long names are used before it is looked whether they are still right: so long another process does not learn that a
/// parameter can be searched by, or no longer.
const REMEMBERED: Duration = Duration::from_millis(500);

/// SearchParameters read at once.
const ROWS: i64 = 200;

/// Most of them whose names are known before they are indexed; beyond it they are unknown parameters.
const WAITING_MAX: usize = 4 * PARAMETERS_MAX;

/// What may be named, and when it was looked at.
pub(super) struct Names {
    checked: Instant,
    mark: Mark,
    /// A job runs, whose progress is told.
    is_indexing: bool,
    lookup: Arc<Lookup>,
}

impl Node {
    /// Reads the parameters of a search within one type.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] as [`fhir::query::parse`] says.
    pub async fn query(&self, kind: ResourceType, pairs: &[(String, String)]) -> Result<Query, NodeError> {
        // What R4's own parameters say whole needs no look at the others, which whoever loads definitions changes each time.
        if let Ok(query) = fhir::query::parse(kind, pairs, &Lookup::default())
            && query.unknown.is_empty()
            && is_official(pairs)
        {
            return Ok(query);
        }
        Ok(fhir::query::parse(kind, pairs, &*self.names().await?)?)
    }

    /// Reads the parameters of a search across types.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] as [`fhir::query::parse_across`] says.
    pub async fn query_across(&self, pairs: &[(String, String)]) -> Result<Query, NodeError> {
        Ok(fhir::query::parse_across(pairs, &*self.names().await?)?)
    }

    /// What searches may name now.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub async fn names(&self) -> Result<Arc<Lookup>, NodeError> {
        let kind = ResourceType::parse(DEFINITION).ok_or(NodeError::Internal("no type is named SearchParameter"))?;
        let remembered = || {
            let names = self.parameters.names.lock().unwrap_or_else(PoisonError::into_inner);
            let names = names.as_ref()?;
            Some((names.checked.elapsed() < REMEMBERED, names.mark, names.is_indexing, names.lookup.clone()))
        };
        if let Some((true, _, _, lookup)) = remembered() {
            return Ok(lookup);
        }
        let (checked, mark) = (Instant::now(), self.store.parameters_mark(kind.number()).await?);
        let (lookup, is_indexing) = match remembered() {
            Some((_, before, false, lookup)) if before == mark => (lookup, false),
            _ => self.read_names(kind, mark).await?,
        };
        let names = Names { checked, mark, is_indexing, lookup: lookup.clone() };
        *self.parameters.names.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
        Ok(lookup)
    }

    /// Looks at the next search what may be named.
    pub(crate) fn forget_names(&self) {
        *self.parameters.names.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn read_names(&self, kind: ResourceType, mark: Mark) -> Result<(Arc<Lookup>, bool), NodeError> {
        let mut reader = Reader::from(&self.store);
        let registry = self.registry_of(&mut reader, mark.drawn).await?;
        let mut lookup = Lookup::default();
        let is_indexing = registry.known().iter().any(|known| !known.is_searched);
        // How far the job is, and which resource defines a parameter, is for those who may read the definitions.
        let why = "it is being indexed: the job of $reindex tells how far it is";
        for known in registry.known() {
            match known.is_searched {
                true => lookup.add(ParamId(known.number), &known.custom),
                false => {
                    known.custom.bases().iter().for_each(|base| lookup.add_unready(*base, known.custom.code(), why));
                }
            }
        }
        self.add_waiting(kind, &mut lookup).await?;
        Ok((Arc::new(lookup), is_indexing))
    }

    /// Adds the names of definitions that nothing has taken up.
    async fn add_waiting(&self, kind: ResourceType, lookup: &mut Lookup) -> Result<(), NodeError> {
        let mut walk = Walk { own_of: Some(kind.number()), after: 0, last: i64::MAX };
        for _ in 0..WAITING_MAX as i64 / ROWS {
            let versions = Reader::from(&self.store).walk(walk, ROWS).await?;
            let Some(last) = versions.last() else { return Ok(()) };
            walk.after = last.position;
            for version in versions {
                let Some(served) = self.serve(version).await? else { continue };
                let Ok(doc) = Doc::parse(served.json) else { continue };
                let text = |name: &str| doc.root().get(name).and_then(Json::text).map(Cow::into_owned);
                let (Some("active"), Some(code)) = (text("status").as_deref(), text("code")) else { continue };
                let why = "a stored SearchParameter defines it and is not indexed: POST [base]/$reindex takes it up, or says why it \
                           cannot";
                for base in doc.root().get("base").into_iter().flat_map(Json::items).filter_map(Json::text) {
                    match (&*base, ResourceType::parse(&base)) {
                        (_, Some(base)) => lookup.add_unready(base, &code, why),
                        ("Resource" | "DomainResource", None) => {
                            ResourceType::all().for_each(|base| lookup.add_unready(base, &code, why));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether every name that is known is one of R4's: a chain may lead to several types, of which some have a parameter of this
/// name from R4 and some a stored one.
fn is_official(pairs: &[(String, String)]) -> bool {
    pairs.iter().all(|(name, _)| !name.contains('.') && name != "_filter")
}
