//! Stored search parameters as a transaction sees them: nobody changes what is in force while it holds the log's clock, and
//! what was prepared before it may have been prepared under another state of it. Called by whoever indexes or decides on a
//! condition.

use super::Batch;
use crate::error::NodeError;
use crate::parameters::{Registry, number_of};
use crate::prepare::Prepared;
use std::sync::Arc;
use store::search::Search;
use store::versions::{IndexRow, StoredVersion};

impl Batch {
    /// What is in force of stored search parameters.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Goes on with what is in force from now on.
    pub(crate) fn set_registry(&mut self, registry: Arc<Registry>) {
        self.gathered += 1;
        self.renamed = true;
        self.registry = registry;
    }

    /// What a prepared resource is found by: where the stored parameters are no longer those it was prepared under, their
    /// rows are made anew.
    pub(crate) fn index_of(&self, prepared: &Prepared) -> Vec<IndexRow> {
        if prepared.registry == self.registry.drawn {
            return prepared.index.clone();
        }
        let official = prepared.index.iter().filter(|row| number_of(row.param).is_none()).cloned();
        let mut rows = official.collect::<Vec<_>>();
        if let Ok(doc) = fhir::json::Doc::parse(prepared.json.clone()) {
            rows.extend(crate::index::made(self.registry.entries(&doc, prepared.kind), self.node.base()));
        }
        rows
    }

    /// What a condition finds. It was read before this transaction, and must still mean what it meant.
    pub(crate) async fn search(&mut self, search: &Search, most: usize) -> Result<Vec<StoredVersion>, NodeError> {
        if !self.registry.searches(&search.params()) {
            let text = "a search parameter of a condition was changed meanwhile; send the request again";
            return Err(NodeError::Conflict(text.to_owned()));
        }
        Ok(self.reader().await?.search(search, most).await?.0)
    }
}
